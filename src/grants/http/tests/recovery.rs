//! The whole of it after an outage: sockets, breaker, cache and jitter together. What the breaker alone does is tested with a
//! clock that is moved by hand.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::access::Standing;
use crate::grants::{GrantLookup, GrantSettings, OnOutage};

const PEOPLE: usize = 900;
const TTL: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes half a minute"]
async fn src_07_a_real_crowd_after_an_outage_stays_below_twice_the_normal_rate() {
    let (down, asked) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<Instant>>>::default());
    let (is_down, log) = (Arc::clone(&down), Arc::clone(&asked));
    let platform = Platform::new(move |_, _| {
        log.lock().expect("no panic").push(Instant::now());
        if is_down.load(Ordering::SeqCst) { answer(500, "", "") } else { answer(200, "", GOOD) }
    })
    .await;
    let settings = HttpSettings { concurrency: 20, ..settings() };
    let spelling = |project: &str| ProjectKey::new(project).ok();
    let source = HttpGrants::new(platform.url(), settings, TTL, spelling, Clock::system()).expect("settings");
    let lookup = Arc::new(GrantLookup::new(GrantSettings {
        sources: vec![Arc::new(source)],
        default_roles: Vec::new(),
        ttl: TTL,
        negative_ttl: TTL,
        capacity: 10_000,
        on_outage: OnOutage::Deny,
        clock: Clock::system(),
    }));
    let (begun, served) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    // Each looks at a page every 300 ms; they did not all come in the same moment.
    let people = (0..PEOPLE).map(|number| {
        let (lookup, served) = (Arc::clone(&lookup), Arc::clone(&served));
        tokio::spawn(async move {
            let (who, standing) = (person(&format!("p{number}")), Arc::<Standing>::default());
            tokio::time::sleep(Duration::from_millis(u64::try_from(number * 3).expect("small"))).await;
            let mut after_the_outage = false;
            while begun.elapsed() < Duration::from_secs(32) {
                let is_served = lookup.of(&who, &standing).await.is_ok();
                if is_served && begun.elapsed() > Duration::from_secs(20) && !after_the_outage {
                    after_the_outage = true;
                    served.fetch_add(1, Ordering::SeqCst);
                }
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        })
    });
    let people: Vec<_> = people.collect();
    tokio::time::sleep_until((begun + Duration::from_secs(14)).into()).await;
    down.store(true, Ordering::SeqCst);
    tokio::time::sleep_until((begun + Duration::from_secs(20)).into()).await;
    down.store(false, Ordering::SeqCst);
    for one in people {
        one.await.expect("no panic");
    }
    let asked = asked.lock().expect("no panic").clone();
    let in_second = |from: f64| {
        let (from, to) = (begun + Duration::from_secs_f64(from), begun + Duration::from_secs_f64(from + 1.0));
        u32::try_from(asked.iter().filter(|at| (from..to).contains(*at)).count()).expect("small")
    };
    let normal = f64::from((4..14).map(|second| in_second(f64::from(second))).sum::<u32>()) / 10.0;
    let after: Vec<u32> = (200..310).map(|tenth| in_second(f64::from(tenth) / 10.0)).collect();
    let most = after.iter().copied().max().expect("seconds");
    assert!((200.0..400.0).contains(&normal), "{normal} questions a second in good times");
    assert!(f64::from(most) < 2.0 * normal, "{most} in a second, {normal} in good times: {after:?}");
    assert_eq!(served.load(Ordering::SeqCst), PEOPLE, "everybody has their answer twelve seconds after the outage");
}
