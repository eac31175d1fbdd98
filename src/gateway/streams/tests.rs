use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;

use super::*;
use crate::access::{
    HostName, Kind as PersonKind, Origin, Permission, Policy, PreviewRule, Principal, RoleKey, RoleSpec, Scope,
    SubjectId, TenantId,
};
use crate::assertion::{AssertionSettings, Assertions};
use crate::audit::Audit;
use crate::clock::{Clock, Timestamp};
use crate::gateway::{
    GatewaySettings, IdentityHeaders, Limits, Live, PathPattern, ProjectSource, RouteSpec, Routes, UpstreamAddress,
    UpstreamProtocol, UpstreamSettings,
};
use crate::grants::{Change, ConfigGrant, ConfigGrants, GrantLookup, GrantSettings, OnOutage};
use crate::hosts::{Carrier, Confirmed, HostError, HostPlatform, Pending, Presented, Proof, supposed};
use crate::secret::Secret;
use crate::session::{SessionSettings, Sessions};

/// Confirms everybody, and counts how often it is asked: once a re-check.
struct Counting {
    name: HostName,
    asked: AtomicUsize,
}

impl HostPlatform for Counting {
    fn name(&self) -> &HostName {
        &self.name
    }

    fn carriers(&self) -> &[Carrier] {
        &[]
    }

    fn allows_origin(&self, _: &Origin) -> bool {
        false
    }

    fn frame_sources(&self) -> Vec<String> {
        Vec::new()
    }

    fn preview(&self) -> PreviewRule {
        PreviewRule::Deny
    }

    fn prove<'a>(&'a self, _: &'a Secret, _: &'a Presented) -> Pending<'a, Result<Proof, HostError>> {
        Box::pin(std::future::ready(Err(HostError::Refused)))
    }

    fn confirmed(&self, _: &Principal, at: Timestamp) -> Option<Confirmed> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Some(Confirmed { standing: Arc::default(), at })
    }

    fn confirm<'a>(&'a self, _: &'a Principal, _: Timestamp) -> Pending<'a, Result<Confirmed, HostError>> {
        Box::pin(std::future::ready(Err(HostError::Refused)))
    }

    fn probe(&self) -> Pending<'_, bool> {
        Box::pin(std::future::ready(true))
    }

    fn troubles(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A gateway in which everybody may read `/files/x`.
struct Stage {
    host: Arc<Counting>,
    sessions: Arc<Sessions>,
    grants: Arc<GrantLookup>,
    live: Live,
    drain: watch::Sender<Drain>,
}

fn tenant(number: usize) -> TenantId {
    TenantId::new(&format!("tenant-{number}")).expect("an id")
}

fn person(host: &HostName, number: usize) -> Principal {
    let subject = SubjectId::new(&format!("person-{number}")).expect("an id");
    supposed(host.clone(), tenant(number % 100), subject, PersonKind::Client, None)
}

fn origin() -> Origin {
    Origin::parse("https://app.example.com").expect("an origin")
}

impl Stage {
    fn new(people: usize) -> Self {
        let host = Arc::new(Counting { name: HostName::new("host").expect("a name"), asked: AtomicUsize::new(0) });
        let keys = vec![("k1".to_owned(), Secret::new([7; 32]))];
        let times = (Duration::from_secs(3600), Duration::from_secs(3600));
        let settings =
            SessionSettings { keys, idle: times.0, absolute: times.1, origin: origin(), clock: Clock::system() };
        let sessions = Arc::new(Sessions::new(settings).expect("a key"));
        let grant = |number| {
            let who = person(&host.name, number);
            let role = RoleKey::new("reader").expect("a key");
            let (host, tenant, subject) = (who.host().clone(), who.tenant().clone(), who.subject().clone());
            ConfigGrant { host, tenant, subject, role, scope: Scope::Tenant }
        };
        let source = Arc::new(ConfigGrants::new((0..people).map(grant).collect()));
        let grants = Arc::new(GrantLookup::new(GrantSettings {
            sources: vec![source],
            default_roles: Vec::new(),
            ttl: Duration::from_secs(3600),
            negative_ttl: Duration::from_secs(3600),
            capacity: 100_000,
            on_outage: OnOutage::Deny,
            clock: Clock::system(),
        }));
        let (drain, draining) = watch::channel(Drain::Serving);
        let live = Live::new(settings_of(&host, &sessions, &grants, "/files/**"), draining);
        Self { host, sessions, grants, live, drain }
    }

    fn right(&self, number: usize) -> Right {
        let principal = person(&self.host.name, number);
        let now = Clock::system().now();
        let streams = Arc::clone(&self.live.worker().gateway().streams);
        Right {
            session: Some(self.sessions.begin(principal, now, now, Vec::new(), None)),
            method: Method::GET,
            target: Target::parse(&"/files/x".parse().expect("a target"), &origin()).expect("a target"),
            changes: true,
            route: RouteName::new("files").expect("a name"),
            request_id: number.to_string(),
            streams,
        }
    }

    /// Puts another path in the place of the route.
    fn reroute(&self, path: &str) {
        self.live.replace(settings_of(&self.host, &self.sessions, &self.grants, path));
    }

    fn checks(&self) -> usize {
        self.host.asked.load(Ordering::SeqCst)
    }

    /// Waits until nothing has been decided for a while.
    async fn settled(&self) -> usize {
        let mut before = usize::MAX;
        while before != self.checks() {
            before = self.checks();
            sleep(GAP * 10).await;
        }
        before
    }
}

fn settings_of(
    host: &Arc<Counting>,
    sessions: &Arc<Sessions>,
    grants: &Arc<GrantLookup>,
    path: &str,
) -> GatewaySettings {
    let read = Permission::new("files:read").expect("a permission");
    let role = RoleSpec {
        key: RoleKey::new("reader").expect("a key"),
        name: String::new(),
        weight: 1,
        extends: None,
        permissions: vec![read.clone()],
    };
    let route = RouteSpec {
        name: RouteName::new(path).expect("a name"),
        path: PathPattern::parse(path).expect("a pattern"),
        methods: Vec::new(),
        access: Access::Require(read),
        project: ProjectSource::None,
        ignore_host_token: false,
        request_body: None,
        header_timeout: None,
        answer_idle: None,
        body_idle: None,
        body_min_rate: None,
    };
    let assertions = AssertionSettings {
        keys: Vec::new(),
        ttl: Duration::from_secs(60),
        issuer: origin(),
        audience: String::new(),
        clock: Clock::system(),
    };
    GatewaySettings {
        public: origin(),
        trusted_proxies: Vec::new(),
        cors_origins: Vec::new(),
        tls: None,
        limits: Limits::default(),
        hosts: vec![Arc::clone(host) as Arc<dyn HostPlatform>],
        bearers: false,
        sessions: Arc::clone(sessions),
        grants: Arc::clone(grants),
        policy: Arc::new(Policy::new(&[role]).expect("a role")),
        routes: Arc::new(Routes::new(vec![route]).expect("a route")),
        headers: IdentityHeaders::default(),
        profile: false,
        assertions: Arc::new(Assertions::new(assertions).expect("a key is made")),
        upstream: UpstreamSettings {
            address: UpstreamAddress::Tcp("127.0.0.1:1".into()),
            protocol: UpstreamProtocol::Http1,
            tls: None,
            path_prefix: String::new(),
            connect_timeout: Duration::from_secs(1),
            header_timeout: Duration::from_secs(1),
        },
        audit: Audit::new(),
        fact_life: Duration::from_secs(3600),
        drain_time: Duration::from_millis(100),
        request_id_prefix: [0; 8],
    }
}

fn open(right: Right) -> JoinHandle<End> {
    tokio::spawn(right.ends(Kind::WebSocket))
}

async fn end_of(stream: JoinHandle<End>) -> End {
    tokio::time::timeout(Duration::from_secs(5), stream).await.expect("it ends").expect("no panic")
}

#[tokio::test]
async fn ten_thousand_streams_are_not_woken_by_changes_that_are_none_of_theirs() {
    let stage = Stage::new(10_000);
    let rights: Vec<Right> = (0..10_000).map(|number| stage.right(number)).collect();
    let ended = rights[42].session.clone().expect("a session");
    let elsewhere = stage.right(1).session.expect("a session");
    let mut streams: Vec<JoinHandle<End>> = rights.into_iter().map(open).collect();
    let opened = stage.settled().await;
    assert_eq!(opened, 10_000, "each is decided once when it begins to be watched");
    for number in 0..100 {
        stage.grants.moved(&Change { tenant: Some(tenant(1000 + number)) });
        stage.sessions.revoke(&elsewhere);
    }
    assert_eq!(stage.settled().await, opened, "a hundred changes elsewhere are no work");
    stage.grants.moved(&Change { tenant: Some(tenant(7)) });
    assert_eq!(stage.settled().await, opened + 100, "a change of one tenant of a hundred");
    stage.sessions.revoke(&ended);
    assert_eq!(end_of(streams.remove(42)).await, End::SessionOver);
    assert_eq!(stage.settled().await, opened + 100, "a session that is over needs no host");
    let began = Instant::now();
    stage.grants.moved(&Change { tenant: None });
    assert_eq!(stage.settled().await, opened + 100 + 9_999);
    println!("9,999 streams decided again within {:?}", began.elapsed());
    assert!(streams.iter().all(|stream| !stream.is_finished()));
}

#[tokio::test]
async fn a_stream_is_decided_by_the_configuration_in_force() {
    let stage = Stage::new(2);
    let (one, mut other) = (open(stage.right(0)), open(stage.right(1)));
    stage.settled().await;
    stage.reroute("/files/{name}");
    stage.settled().await;
    assert!((&mut other).now_or_never().is_none(), "another route of the same right");
    stage.reroute("/elsewhere/**");
    assert_eq!((end_of(one).await, end_of(other).await), (End::Forbidden, End::Forbidden));
}

#[tokio::test]
async fn a_stream_hears_of_the_session_that_has_taken_the_place_of_its_own() {
    let stage = Stage::new(1);
    let right = stage.right(0);
    let (first, second) = (right.session.clone().expect("a session"), stage.right(0).session.expect("a session"));
    let stream = open(right);
    stage.settled().await;
    stage.sessions.replace(&first, &second);
    stage.settled().await;
    assert!(!stream.is_finished());
    stage.sessions.revoke(&second);
    assert_eq!(end_of(stream).await, End::SessionOver);
}

#[test]
fn doubt_lasts_for_the_life_of_a_fact_and_ends_with_an_answer() {
    let life = Duration::from_secs(1);
    let unknown = || Err(Rejection::HostUnavailable);
    let mut doubt = Doubt::default();
    assert_eq!(doubt.after(&Ok(()), life), Ok(life / 5));
    assert!(doubt.after(&unknown(), life).is_ok_and(|rest| rest <= life / 5));
    std::thread::sleep(life / 4);
    assert!(doubt.after(&unknown(), life).is_ok());
    assert_eq!(doubt.after(&Ok(()), life), Ok(life / 5), "an answer ends it");
    assert!(doubt.after(&unknown(), life).is_ok());
    std::thread::sleep(life);
    assert_eq!(doubt.after(&unknown(), life), Err(End::Unavailable));
    assert_eq!(doubt.after(&unknown(), Duration::from_secs(3600)), Ok(AGAIN));
    assert_eq!(doubt.after(&Err(Rejection::SessionExpired), life), Err(End::SessionOver));
    assert_eq!(doubt.after(&Err(Rejection::NotRouted), life), Err(End::Forbidden));
}

#[tokio::test]
async fn a_public_stream_ends_when_its_route_asks_for_somebody() {
    let stage = Stage::new(0);
    let stream = open(Right { session: None, ..stage.right(0) });
    assert_eq!(end_of(stream).await, End::SessionOver);
}

#[tokio::test]
async fn a_stop_ends_what_has_no_end_of_its_own_and_nothing_else() {
    let stage = Stage::new(3);
    let socket = open(stage.right(0));
    let events = tokio::spawn(stage.right(1).ends(Kind::Events));
    let mut download = tokio::spawn(stage.right(2).ends(Kind::Answer));
    sleep(SETTLES * 2).await;
    stage.drain.send_replace(Drain::Announced);
    sleep(GAP).await;
    assert!(!socket.is_finished() && !events.is_finished());
    stage.drain.send_replace(Drain::Finishing);
    assert_eq!((end_of(socket).await, end_of(events).await), (End::Stopping, End::Stopping));
    assert!((&mut download).now_or_never().is_none());
}

#[tokio::test]
async fn a_place_for_a_websocket_is_free_again_when_its_holder_is_dropped() {
    let stage = Stage::new(2);
    let (one, other) = (stage.right(0), stage.right(1));
    let id = |right: &Right| right.session.as_ref().expect("a session").id();
    let first = one.streams.admit(id(&one), 2);
    let second = one.streams.admit(id(&one), 2);
    assert!(first.is_some() && second.is_some() && one.streams.admit(id(&one), 2).is_none());
    assert!(one.streams.admit(id(&other), 2).is_some());
    drop(first);
    assert!(one.streams.admit(id(&one), 2).is_some());
    drop(second);
    assert!(one.streams.sockets().is_empty(), "nothing is kept of those who are gone");
}

#[tokio::test]
async fn a_stream_that_only_waits_is_small() {
    let size = size_of_val(&Stage::new(1).right(0).ends(Kind::Answer));
    println!("{size} bytes");
    assert!(size <= 4096, "{size}");
}
