use std::collections::HashMap;

use super::*;
use crate::clock::jittered;

const TTL: Duration = Duration::from_secs(30);
const FAILED: Outcome = Outcome::Failed(None);

/// A breaker, and a clock that is moved by hand.
struct Scene {
    breaker: Breaker,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        let now = Instant::now();
        Self { breaker: Breaker::new(10.0, TTL, now), now }
    }

    fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    /// Asks; `None` if nobody may.
    fn ask(&self, who: u64, outcome: Outcome) -> Option<Turn> {
        Some(self.breaker.enter(self.now, who)?.conclude(self.now, outcome))
    }

    fn ask_each(&self, people: std::ops::Range<u64>, outcome: Outcome) -> Vec<Option<Turn>> {
        people.map(|who| self.ask(who, outcome)).collect()
    }

    fn break_off(&self) {
        let turns = self.ask_each(0..5, FAILED);
        assert_eq!(turns[3..], [Some(Turn::None), Some(Turn::Rests)]);
    }
}

#[test]
fn after_five_failures_in_a_row_nobody_is_asked_until_one_finds_out() {
    let mut scene = Scene::new();
    scene.ask_each(0..4, FAILED);
    scene.ask(4, Outcome::Answered);
    scene.break_off();
    assert_eq!(scene.ask(9, FAILED), None);
    scene.wait(999);
    assert_eq!(scene.ask(9, FAILED), None);
    scene.wait(1);
    let probe = scene.breaker.enter(scene.now, 9).expect("one may find out");
    assert!(scene.breaker.enter(scene.now, 8).is_none(), "one at a time");
    assert_eq!(probe.conclude(scene.now, Outcome::Answered), Turn::Answers);
    assert_eq!(scene.ask(8, Outcome::Answered), Some(Turn::None));
}

#[test]
fn tries_that_fail_become_rarer_but_not_too_rare() {
    let mut scene = Scene::new();
    scene.break_off();
    let mut tries = Vec::new();
    for tenth in 0..1200_u64 {
        if scene.ask(tenth + 100, FAILED).is_some() {
            tries.push(tenth / 10);
        }
        scene.wait(100);
    }
    assert_eq!(tries[..6], [1, 3, 7, 15, 25, 35]);
    assert_eq!(tries.len(), 14, "every ten seconds from then on");
}

#[test]
fn one_person_without_an_answer_ends_nobody_elses_questions() {
    let mut scene = Scene::new();
    for _ in 0..1000 {
        assert_eq!(scene.ask(7, FAILED), Some(Turn::None));
    }
    assert_eq!(scene.ask(8, Outcome::Answered), Some(Turn::None));
    scene.break_off();
    scene.wait(1000);
    assert_eq!(scene.ask(7, FAILED), Some(Turn::None), "the try that fails");
    scene.wait(2000);
    assert_eq!(scene.ask(7, FAILED), None, "others have the next one");
    assert_eq!(scene.ask(8, Outcome::Answered), Some(Turn::Answers));
    let mut scene = Scene::new();
    scene.break_off();
    scene.wait(1000);
    assert_eq!(scene.ask(4, Outcome::Answered), None);
    scene.wait(1000);
    assert_eq!(scene.ask(4, Outcome::Answered), Some(Turn::Answers), "unless there are none");
}

#[test]
fn a_try_that_is_dropped_leaves_room_for_the_next() {
    let mut scene = Scene::new();
    scene.break_off();
    scene.wait(1000);
    drop(scene.breaker.enter(scene.now, 8).expect("one may find out"));
    assert_eq!(scene.ask(9, Outcome::Answered), Some(Turn::Answers));
}

#[test]
fn src_12_a_source_that_asks_for_a_rest_has_it() {
    let mut scene = Scene::new();
    assert_eq!(scene.ask(1, Outcome::Failed(Some(Duration::from_secs(30)))), Some(Turn::Rests));
    scene.wait(29_999);
    assert_eq!(scene.ask(2, Outcome::Answered), None);
    scene.wait(1);
    assert_eq!(scene.ask(2, Outcome::Failed(Some(Duration::from_hours(24)))), Some(Turn::None));
    scene.wait(299_999);
    assert_eq!(scene.ask(3, Outcome::Answered), None, "five minutes at most");
    scene.wait(1);
    assert_eq!(scene.ask(3, Outcome::Answered), Some(Turn::Answers));
}

#[test]
fn an_answer_to_a_question_from_before_the_rest_does_not_end_it() {
    let scene = Scene::new();
    let early = scene.breaker.enter(scene.now, 9).expect("all is well");
    scene.break_off();
    assert_eq!(early.conclude(scene.now, Outcome::Answered), Turn::None);
    assert_eq!(scene.ask(8, Outcome::Answered), None);
}

#[test]
fn without_good_times_to_compare_the_floor_holds_and_grows() {
    let mut scene = Scene::new();
    scene.break_off();
    scene.wait(1000);
    scene.ask(8, Outcome::Answered);
    let mut per_second = Vec::new();
    for _ in 0..65 {
        let mut asked = 0;
        for _ in 0..100 {
            scene.wait(10);
            asked += u32::from(scene.ask(9, Outcome::Answered).is_some());
        }
        per_second.push(asked);
    }
    assert!(per_second[1..29].iter().all(|asked| (9..=11).contains(asked)), "{per_second:?}");
    assert!(per_second[31..59].iter().all(|asked| (19..=21).contains(asked)), "{per_second:?}");
}

/// People who look at a page every second, each answer kept for 24 to 30 s as the cache does. The 10,000 of them are about 370
/// questions a second in good times. The source is gone for two minutes, in which all that was kept ends.
#[test]
fn src_07_ten_thousand_people_after_an_outage_stay_below_twice_the_normal_rate() {
    const PEOPLE: u64 = 10_000;
    let mut scene = Scene::new();
    let start = scene.now;
    let mut kept_until: HashMap<u64, Instant> = HashMap::new();
    let mut asked_per_second = vec![0_u32; 420];
    let mut refused_last_minute = 0;
    for tick in 0..4200_u64 {
        let (second, is_down) = (tick / 10, (1200..2400).contains(&tick));
        // A tenth of them in each tenth of a second.
        for who in (0..PEOPLE).filter(|who| who % 10 == tick % 10) {
            if kept_until.get(&who).is_some_and(|until| *until > scene.now) {
                continue;
            }
            let outcome = if is_down { FAILED } else { Outcome::Answered };
            match scene.ask(who, outcome) {
                Some(_) if !is_down => {
                    // They did not all come in one second when the process began.
                    let age = Duration::from_millis(if second < 30 { who * 3 } else { 0 });
                    kept_until
                        .insert(who, scene.now + jittered(TTL.mul_f64(0.9), 0.1, &(who, second)).saturating_sub(age));
                    asked_per_second[usize::try_from(second).expect("small")] += 1;
                }
                Some(_) => asked_per_second[usize::try_from(second).expect("small")] += 1,
                None => refused_last_minute += u32::from(second >= 360),
            }
        }
        scene.wait(100);
    }
    assert!(scene.now > start);
    let normal = f64::from(asked_per_second[60..120].iter().sum::<u32>()) / 60.0;
    assert!((330.0..=410.0).contains(&normal), "{normal} in good times");
    let in_outage: u32 = asked_per_second[121..240].iter().sum();
    assert!(in_outage < 20, "{in_outage} questions in two minutes of outage");
    let most = asked_per_second[240..].iter().copied().max().expect("seconds");
    assert!(f64::from(most) < 2.0 * normal, "{most} in one second, {normal} in good times: {asked_per_second:?}");
    let served = asked_per_second[240..275].iter().sum::<u32>();
    assert!(u64::from(served) >= PEOPLE, "{served} of {PEOPLE} have their answer 35 s after the outage");
    assert_eq!(refused_last_minute, 0, "and it is over");
}
