use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::*;
use crate::access::{Grant, Holding, HostName, Kind, OrganizationId, RoleKey, Scope, SubjectId, TenantId};
use crate::clock::Timestamp;
use crate::grants::{Answer, Fact, Keep, Outage};

/// A source that counts, can fail, and can be held up.
#[derive(Default)]
struct Slow {
    calls: AtomicUsize,
    down: AtomicBool,
    held_up: AtomicBool,
    go: Notify,
    role: Mutex<Option<&'static str>>,
    keep: Mutex<Keep>,
    until: Mutex<Option<Timestamp>>,
}

impl GrantSource for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn grants<'a>(&'a self, _: &'a Principal) -> Answer<'a> {
        Box::pin(async move {
            self.calls.fetch_add(1, Ordering::SeqCst);
            let role = *self.role.lock().expect("no panic");
            tokio::time::sleep(Duration::from_millis(20)).await;
            if self.held_up.load(Ordering::SeqCst) {
                self.go.notified().await;
            }
            if self.down.load(Ordering::SeqCst) {
                let outage = Outage::Unavailable;
                return Err(SourceError { source_name: "slow", outage, cause: "down".into() });
            }
            let until = *self.until.lock().expect("no panic");
            let facts = role.map(|role| Fact { grant: grant(role), until }).into_iter().collect();
            Ok(Told { facts, keep: *self.keep.lock().expect("no panic") })
        })
    }
}

fn grant(role: &str) -> Grant {
    Grant { holding: Holding::Role(RoleKey::new(role).expect("a role")), scope: Scope::Tenant, source: "slow" }
}

fn person(tenant: &str, subject: &str) -> Principal {
    let host = HostName::new("assembly").expect("a name");
    Principal::proven(host, TenantId::new(tenant).expect("id"), SubjectId::new(subject).expect("id"), Kind::Internal)
}

fn settings(source: &Arc<Slow>, on_outage: OnOutage) -> GrantSettings {
    GrantSettings {
        sources: vec![Arc::clone(source) as Arc<dyn GrantSource>],
        default_roles: Vec::new(),
        ttl: Duration::from_millis(300),
        negative_ttl: Duration::from_millis(50),
        capacity: 1000,
        on_outage,
        clock: Clock::system(),
    }
}

fn lookup(source: &Arc<Slow>, on_outage: OnOutage) -> Arc<GrantLookup> {
    Arc::new(GrantLookup::new(settings(source, on_outage)))
}

fn viewer() -> Arc<Slow> {
    Arc::new(Slow { role: Mutex::new(Some("viewer")), ..Slow::default() })
}

async fn ask(lookup: &Arc<GrantLookup>, who: &Principal) -> Result<Arc<Grants>, SourceError> {
    lookup.of(who, &Arc::default()).await
}

#[tokio::test]
async fn a_thousand_first_requests_ask_once_and_an_outage_is_not_kept() {
    let source = viewer();
    source.down.store(true, Ordering::SeqCst);
    let lookup = lookup(&source, OnOutage::Deny);
    for (down, calls) in [(true, 1), (false, 2)] {
        source.down.store(down, Ordering::SeqCst);
        let crowd = (0..1000).map(|_| {
            let lookup = Arc::clone(&lookup);
            tokio::spawn(async move { ask(&lookup, &person("t", "u")).await.is_ok() })
        });
        for one in crowd.collect::<Vec<_>>() {
            assert_eq!(one.await.expect("no panic"), !down);
        }
        assert_eq!(source.calls.load(Ordering::SeqCst), calls);
    }
}

#[tokio::test]
async fn a_late_answer_cannot_undo_a_revocation() {
    let source = viewer();
    source.held_up.store(true, Ordering::SeqCst);
    let lookup = lookup(&source, OnOutage::Deny);
    let late = tokio::spawn({
        let lookup = Arc::clone(&lookup);
        async move { ask(&lookup, &person("t", "u")).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    *source.role.lock().expect("no panic") = None;
    lookup.moved(&Change { tenant: TenantId::new("t").ok() });
    source.held_up.store(false, Ordering::SeqCst);
    source.go.notify_waiters();
    assert_eq!(late.await.expect("no panic").map(|held| held.list.len()), Ok(1), "it was true when it was asked");
    assert_eq!(ask(&lookup, &person("t", "u")).await.map(|held| held.list.len()), Ok(0));
}

#[tokio::test]
async fn a_change_in_one_tenant_leaves_the_others_cached() {
    let source = viewer();
    let lookup = lookup(&source, OnOutage::Deny);
    for tenant in ["a", "b"] {
        ask(&lookup, &person(tenant, "u")).await.expect("an answer");
    }
    lookup.moved(&Change { tenant: TenantId::new("a").ok() });
    for tenant in ["a", "b"] {
        ask(&lookup, &person(tenant, "u")).await.expect("an answer");
    }
    assert_eq!(source.calls.load(Ordering::SeqCst), 3);
    lookup.moved(&Change { tenant: None });
    ask(&lookup, &person("b", "u")).await.expect("an answer");
    assert_eq!(source.calls.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn nothing_held_is_kept_for_a_short_time_only() {
    let source = Arc::new(Slow::default());
    let lookup = lookup(&source, OnOutage::Deny);
    assert_eq!(ask(&lookup, &person("t", "u")).await.map(|held| held.list.len()), Ok(0));
    *source.role.lock().expect("no panic") = Some("viewer");
    tokio::time::sleep(Duration::from_millis(80)).await;
    assert_eq!(ask(&lookup, &person("t", "u")).await.map(|held| held.list.len()), Ok(1));
}

// CCH-03
#[tokio::test]
async fn ids_that_look_alike_when_joined_are_different_people() {
    let source = viewer();
    let lookup = lookup(&source, OnOutage::Deny);
    for (tenant, subject) in [("a:b", "c"), ("a", "b:c"), ("a:b:c", "c")] {
        ask(&lookup, &person(tenant, subject)).await.expect("an answer");
    }
    assert_eq!(source.calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_stale_answer_outlives_an_outage_but_not_a_change() {
    let source = viewer();
    let lookup = lookup(&source, OnOutage::ServeStale(Duration::from_secs(60)));
    ask(&lookup, &person("t", "u")).await.expect("an answer");
    source.down.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(ask(&lookup, &person("t", "u")).await.is_ok(), "the last answer");
    assert!(ask(&lookup, &person("t", "v")).await.is_err(), "nobody knows anything of v");
    lookup.moved(&Change { tenant: TenantId::new("t").ok() });
    assert!(ask(&lookup, &person("t", "u")).await.is_err(), "something changed since");
}

async fn held(lookup: &Arc<GrantLookup>) -> Option<usize> {
    ask(lookup, &person("t", "u")).await.ok().map(|held| held.list.len())
}

#[tokio::test]
async fn a_source_shortens_the_time_that_its_answer_is_kept() {
    let source = viewer();
    let lookup = lookup(&source, OnOutage::Deny);
    *source.keep.lock().expect("no panic") = Keep { fresh: Some(Duration::ZERO), stale: true };
    for calls in 1..=3 {
        assert_eq!(held(&lookup).await, Some(1));
        assert_eq!(source.calls.load(Ordering::SeqCst), calls, "nothing is kept");
    }
    *source.keep.lock().expect("no panic") = Keep { fresh: Some(Duration::from_hours(1)), stale: true };
    held(&lookup).await;
    held(&lookup).await;
    assert_eq!(source.calls.load(Ordering::SeqCst), 4, "kept");
    tokio::time::sleep(Duration::from_millis(400)).await;
    held(&lookup).await;
    assert_eq!(source.calls.load(Ordering::SeqCst), 5, "but no longer than the configuration says");
}

#[tokio::test]
async fn cch_10_somebody_who_is_known_to_hold_nothing_has_nothing_in_an_outage() {
    let source = viewer();
    let lookup = lookup(&source, OnOutage::ServeStale(Duration::from_secs(60)));
    assert_eq!(held(&lookup).await, Some(1));
    tokio::time::sleep(Duration::from_millis(400)).await;
    *source.role.lock().expect("no panic") = None;
    assert_eq!(held(&lookup).await, Some(0));
    source.down.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(held(&lookup).await, Some(0), "the last answer, and not the one before it");
}

#[tokio::test]
async fn cch_10_stale_answers_end_and_some_are_never_served() {
    let source = viewer();
    let lookup = lookup(&source, OnOutage::ServeStale(Duration::from_millis(600)));
    *source.keep.lock().expect("no panic") = Keep { fresh: Some(Duration::ZERO), stale: true };
    assert_eq!(held(&lookup).await, Some(1));
    source.down.store(true, Ordering::SeqCst);
    assert_eq!(held(&lookup).await, Some(1), "within its time");
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(held(&lookup).await, None, "the time counts from the end of being fresh");
    source.down.store(false, Ordering::SeqCst);
    assert_eq!(held(&lookup).await, Some(1));
    *source.keep.lock().expect("no panic") = Keep { fresh: Some(Duration::ZERO), stale: false };
    assert_eq!(held(&lookup).await, Some(1));
    source.down.store(true, Ordering::SeqCst);
    assert_eq!(held(&lookup).await, None, "its source said that it must not serve so");
}

#[tokio::test]
async fn a_grant_that_is_over_counts_for_nothing_in_an_outage_either() {
    let source = viewer();
    let lookup = lookup(&source, OnOutage::ServeStale(Duration::from_secs(60)));
    *source.until.lock().expect("no panic") = Some(Clock::system().now() + Duration::from_millis(500));
    assert_eq!(held(&lookup).await, Some(1));
    source.down.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(held(&lookup).await, Some(0));
}

// CCH-12
#[test]
fn entries_of_one_second_do_not_end_in_one_second() {
    let key = |n: usize| Key { principal: person("t", &format!("u{n}")), standing: Arc::default(), revision: 0 };
    let (ttl, negative_ttl, stale_for) = (Duration::from_secs(30), Duration::from_secs(5), Duration::ZERO);
    let life = Life { ttl, negative_ttl, stale_for };
    let held = Held::new(Told::from(vec![grant("viewer")]), 0, Clock::system().now());
    let mut buckets = [0_u32; 4];
    for n in 0..6000 {
        let lives = life.expire_after_create(&key(n), &held, Instant::now()).expect("an end");
        assert!(lives <= ttl * 4 / 5 && lives >= ttl * 2 / 3, "{lives:?}");
        buckets[usize::try_from(lives.as_secs() - 20).unwrap().min(3)] += 1;
    }
    assert!(buckets.iter().all(|count| (500..=3000).contains(count)), "{buckets:?}");
}

#[test]
fn limited_staff_hold_default_roles_only_where_the_host_says() {
    let role = RoleKey::new("staff").expect("a role");
    let default = DefaultRole { host: None, tenant: None, kind: Kind::Internal, host_role: Some("admin".into()), role };
    let acme = OrganizationId::new("acme").expect("id");
    let standing =
        |host_role: &str, limited_to| Standing { host_role: Some(host_role.into()), limited_to, ..Standing::default() };
    let scopes = |standing: &Standing| {
        let list = defaults::of(std::slice::from_ref(&default), &person("t", "u"), standing);
        list.into_iter().map(|grant| grant.scope).collect::<Vec<_>>()
    };
    assert_eq!(scopes(&standing("admin", None)), [Scope::Tenant]);
    assert_eq!(scopes(&standing("admin", Some(vec![acme.clone()]))), [Scope::Organization(acme)]);
    assert_eq!(scopes(&standing("admin", Some(Vec::new()))), []);
    assert_eq!(scopes(&standing("staff", None)), []);
}

#[tokio::test]
async fn other_settings_know_nothing_of_what_was_found_before_or_is_on_its_way() {
    let (source, standing) = (Arc::new(Slow::default()), Arc::default());
    *source.role.lock().expect("no panic") = Some("editor");
    let stale = OnOutage::ServeStale(Duration::from_mins(1));
    let before = lookup(&source, stale);
    let (ann, bob) = (person("t", "ann"), person("t", "bob"));
    before.moved(&Change { tenant: Some(ann.tenant().clone()) });
    let held = before.of(&ann, &standing).await.expect("an answer");
    source.held_up.store(true, Ordering::SeqCst);
    let (late, asked, as_before) = (Arc::clone(&before), bob.clone(), Arc::clone(&standing));
    let late = tokio::spawn(async move { late.of(&asked, &as_before).await });
    while source.calls.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    *source.role.lock().expect("no panic") = Some("viewer");
    let after = Arc::new(GrantLookup::after(&before, settings(&source, stale)));
    source.held_up.store(false, Ordering::SeqCst);
    let found = after.of(&bob, &standing).await.expect("an answer");
    assert_eq!(found.list, [grant("viewer")], "not the answer that was on its way");
    assert!(found.revision > held.revision, "{} after {}", found.revision, held.revision);
    source.go.notify_one();
    assert_eq!(late.await.expect("no panic").expect("an answer").list, [grant("editor")]);
    source.down.store(true, Ordering::SeqCst);
    assert!(after.of(&ann, &standing).await.is_err(), "nor the last one from before an outage");
}
