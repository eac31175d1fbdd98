//! Whether the source is asked at all: not while it rests, by one alone to find out how it is, and slowly at first after that.
//!
//! Everything that was cached ends during a long outage. When the source is back, all those people would ask it in one second,
//! and it would be gone again. So after an outage there is a ceiling: half as many questions again as there were in good times.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row, each of another person, after which the source rests. One person whose record it cannot answer for must
/// not end everybody's questions.
const MOST_FAILED: usize = 5;
/// The first rest; each failed try doubles it.
const FIRST_REST: Duration = Duration::from_secs(1);
/// A source that is back is found out after this long at the latest.
const LONGEST_REST: Duration = Duration::from_secs(10);
/// The longest rest that the source itself can ask for.
const LONGEST_ASKED_REST: Duration = Duration::from_mins(5);
/// The ceiling after an outage, as a multiple of good times.
const ABOVE_NORMAL: f64 = 1.5;
/// The ceiling ends when nobody was turned away for this long.
const CALM: Duration = Duration::from_secs(10);
/// How long good times are counted before they are averaged.
const WINDOW: Duration = Duration::from_secs(10);
/// What the newest window weighs in the average.
const NEWEST: f64 = 0.3;

/// How a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There was an answer, be it that nothing is held.
    Answered,
    /// There was none; the source may have said how long it wants to rest.
    Failed(Option<Duration>),
}

/// What the outcome changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It rests from now on.
    Rests,
    /// It answers again.
    Answers,
    /// Nothing.
    None,
}

/// Decides for one source. A lock, because it is taken once for a question and never for a cached answer.
pub(super) struct Breaker {
    state: Mutex<State>,
    /// The least ceiling, in questions a second.
    floor: f64,
    /// While people are turned away, the ceiling doubles after each such time.
    patience: Duration,
}

struct State {
    phase: Phase,
    /// Who failed in a row, each once.
    failed: Vec<u64>,
    normal: Normal,
}

enum Phase {
    Closed,
    Open(Rest),
    Ramp(Ramp),
}

struct Rest {
    until: Instant,
    span: Duration,
    /// Whether somebody is finding out.
    probing: bool,
    /// Whose question failed last: others go first, so that one bad record is not the only one that is ever tried.
    last: u64,
}

struct Ramp {
    /// Questions a second.
    ceiling: f64,
    tokens: f64,
    at: Instant,
    raised: Instant,
    turned_away: Instant,
}

/// Questions a second in good times.
struct Normal {
    rate: Option<f64>,
    since: Instant,
    count: u32,
}

/// The right to ask one question. Dropped without an outcome, it was never asked.
pub(super) struct Pass<'a> {
    breaker: &'a Breaker,
    who: u64,
    probe: bool,
}

impl Breaker {
    /// `floor` is a rate that the source can bear whatever it was before; `ttl` is how long answers are kept.
    pub(super) fn new(floor: f64, ttl: Duration, now: Instant) -> Self {
        let normal = Normal { rate: None, since: now, count: 0 };
        let state = State { phase: Phase::Closed, failed: Vec::new(), normal };
        Self { state: Mutex::new(state), floor, patience: ttl.max(CALM) }
    }

    /// A pass for a question about this person, if one may be asked now.
    pub(super) fn enter(&self, now: Instant, who: u64) -> Option<Pass<'_>> {
        let mut state = self.lock();
        let (entered, probe) = match &mut state.phase {
            Phase::Closed => (true, false),
            Phase::Open(rest) => {
                let entered = rest.is_over(now, who);
                rest.probing |= entered;
                (entered, true)
            }
            Phase::Ramp(ramp) => {
                ramp.raise(now, self.patience);
                (ramp.take(now), false)
            }
        };
        if matches!(&state.phase, Phase::Ramp(ramp) if now.duration_since(ramp.turned_away) >= CALM) {
            state.close(now);
        }
        entered.then(|| Pass { breaker: self, who, probe })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements that hold the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// Says how the question ended.
    pub(super) fn conclude(mut self, now: Instant, outcome: Outcome) -> Turn {
        let probe = std::mem::take(&mut self.probe);
        let mut state = self.breaker.lock();
        match outcome {
            Outcome::Answered => state.answered(now, probe, self.breaker.floor),
            Outcome::Failed(asked) => state.failed(now, probe, self.who, asked),
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.probe
            && let Phase::Open(rest) = &mut self.breaker.lock().phase
        {
            rest.probing = false;
        }
    }
}

impl State {
    fn answered(&mut self, now: Instant, probe: bool, floor: f64) -> Turn {
        match &self.phase {
            Phase::Closed => self.normal.count(now),
            Phase::Ramp(_) => {}
            Phase::Open(_) if probe => {
                let ceiling = self.normal.rate.map_or(floor, |rate| floor.max(rate * ABOVE_NORMAL));
                self.phase = Phase::Ramp(Ramp { ceiling, tokens: 1.0, at: now, raised: now, turned_away: now });
            }
            // Asked before the rest began, so it says nothing about now.
            Phase::Open(_) => return Turn::None,
        }
        self.failed.clear();
        if probe { Turn::Answers } else { Turn::None }
    }

    fn failed(&mut self, now: Instant, probe: bool, who: u64, asked: Option<Duration>) -> Turn {
        let asked = asked.map_or(Duration::ZERO, |span| span.min(LONGEST_ASKED_REST));
        if let Phase::Open(rest) = &mut self.phase {
            if probe {
                rest.span = (rest.span * 2).min(LONGEST_REST);
                (rest.until, rest.probing, rest.last) = (now + rest.span, false, who);
            }
            rest.until = rest.until.max(now + asked);
            return Turn::None;
        }
        if !self.failed.contains(&who) {
            self.failed.push(who);
        }
        if asked.is_zero() && self.failed.len() < MOST_FAILED {
            return Turn::None;
        }
        let until = now + FIRST_REST.max(asked);
        self.phase = Phase::Open(Rest { until, span: FIRST_REST, probing: false, last: who });
        Turn::Rests
    }

    fn close(&mut self, now: Instant) {
        self.phase = Phase::Closed;
        (self.normal.since, self.normal.count) = (now, 0);
    }
}

impl Rest {
    fn is_over(&self, now: Instant, who: u64) -> bool {
        let until = if who == self.last { self.until + self.span } else { self.until };
        !self.probing && now >= until
    }
}

impl Ramp {
    /// Twice as much may come when there is too little for too long: the times may have changed.
    fn raise(&mut self, now: Instant, patience: Duration) {
        if now.duration_since(self.raised) >= patience {
            (self.ceiling, self.raised) = (self.ceiling * 2.0, now);
        }
    }

    fn take(&mut self, now: Instant) -> bool {
        // A tenth of a second's worth may come at once.
        let most = (self.ceiling / 10.0).max(1.0);
        self.tokens = (self.tokens + now.duration_since(self.at).as_secs_f64() * self.ceiling).min(most);
        self.at = now;
        let taken = self.tokens >= 1.0;
        if taken {
            self.tokens -= 1.0;
        } else {
            self.turned_away = now;
        }
        taken
    }
}

impl Normal {
    fn count(&mut self, now: Instant) {
        let elapsed = now.duration_since(self.since);
        if elapsed >= WINDOW {
            let newest = f64::from(self.count) / elapsed.as_secs_f64();
            self.rate = Some(self.rate.map_or(newest, |rate| rate + (newest - rate) * NEWEST));
            (self.since, self.count) = (now, 0);
        }
        self.count = self.count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests;
