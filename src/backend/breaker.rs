//! When to leave a backend alone: a pure state machine that is told the time.
//!
//! It opens after five hard errors in a row, after ten timeouts in a row (a
//! timeout may be this process's own fault, so it weighs half), or when at least
//! half of at least twenty operations within a second timed out. While it is open
//! nobody waits for the backend; one probe a second asks whether it is back.

use std::time::Duration;

use tokio::time::Instant;

use super::error::Severity;

/// How long an open breaker waits between probes.
pub const PROBE_INTERVAL: Duration = Duration::from_secs(1);

const RUN_LIMIT: u32 = 10;
const HARD_WEIGHT: u32 = 2;
const SLOW_WEIGHT: u32 = 1;
const WINDOW: Duration = Duration::from_secs(1);
const WINDOW_OPERATIONS_MIN: u32 = 20;

/// Whether operations are let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// All of them.
    Closed,
    /// One, to see how it fares.
    HalfOpen,
    /// None.
    Open,
}

impl Standing {
    /// The name used in health reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

/// What a successful probe proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Everything: a server that answers a ping answers a read.
    Enough,
    /// That one operation may be tried: a full server answers pings as well.
    NeedsTrial,
}

/// The breaker of one direction of one backend.
#[derive(Debug)]
pub struct Breaker {
    proof: Proof,
    state: State,
}

#[derive(Debug)]
enum State {
    Closed { run: u32, window: Window },
    Open { probe_at: Instant },
    HalfOpen { trial_at: Option<Instant> },
}

/// Operations counted since a moment. A tumbling window: a burst that straddles
/// its edge is caught by the run, or one window later.
#[derive(Debug)]
struct Window {
    since: Instant,
    operations: u32,
    slow: u32,
}

impl Breaker {
    /// A closed breaker.
    pub const fn new(proof: Proof, now: Instant) -> Self {
        Self {
            proof,
            state: State::closed(now),
        }
    }

    /// Whether operations are let through.
    pub const fn standing(&self) -> Standing {
        match self.state {
            State::Closed { .. } => Standing::Closed,
            State::HalfOpen { .. } => Standing::HalfOpen,
            State::Open { .. } => Standing::Open,
        }
    }

    /// Whether one operation may start now. One that may must be recorded, or
    /// else the next trial waits for the next probe's turn.
    pub fn admit(&mut self, now: Instant) -> bool {
        match &mut self.state {
            State::Closed { .. } => true,
            State::Open { .. } => false,
            State::HalfOpen { trial_at } => {
                let free = trial_at.is_none_or(|at| now.duration_since(at) >= PROBE_INTERVAL);
                if free {
                    *trial_at = Some(now);
                }
                free
            }
        }
    }

    /// Takes the result of an operation that was let through.
    pub fn record(&mut self, result: Result<(), Severity>, now: Instant) {
        match &mut self.state {
            State::Closed { run, window } => {
                window.count(result, now);
                let weight = match result {
                    Ok(()) | Err(Severity::Single) => {
                        *run = 0;
                        0
                    }
                    Err(Severity::Slow) => SLOW_WEIGHT,
                    Err(Severity::Hard) => HARD_WEIGHT,
                };
                *run = run.saturating_add(weight);
                if *run >= RUN_LIMIT || window.is_mostly_slow() {
                    self.open(now);
                }
            }
            State::HalfOpen { .. } => match result {
                Ok(()) | Err(Severity::Single) => self.state = State::closed(now),
                Err(Severity::Slow | Severity::Hard) => self.open(now),
            },
            // Those that were under way when it opened prove nothing about now.
            State::Open { .. } => {}
        }
    }

    /// Whether a probe is due; if so, it is this caller's to make.
    pub fn take_probe(&mut self, now: Instant) -> bool {
        match &mut self.state {
            State::Open { probe_at } if *probe_at <= now => {
                *probe_at = now + PROBE_INTERVAL;
                true
            }
            State::Open { .. } | State::Closed { .. } | State::HalfOpen { .. } => false,
        }
    }

    /// Takes the result of a probe. One that fails opens a closed breaker too:
    /// the first probe of all is made before the first operation.
    pub fn probed(&mut self, answered: bool, now: Instant) {
        match (&self.state, answered) {
            (_, false) => {
                self.state = State::Open {
                    probe_at: now + PROBE_INTERVAL,
                }
            }
            (State::Open { .. }, true) => {
                self.state = match self.proof {
                    Proof::Enough => State::closed(now),
                    Proof::NeedsTrial => State::HalfOpen { trial_at: None },
                }
            }
            (State::Closed { .. } | State::HalfOpen { .. }, true) => {}
        }
    }

    fn open(&mut self, now: Instant) {
        self.state = State::Open {
            probe_at: now + PROBE_INTERVAL,
        };
    }
}

impl State {
    const fn closed(now: Instant) -> Self {
        Self::Closed {
            run: 0,
            window: Window::new(now),
        }
    }
}

impl Window {
    const fn new(since: Instant) -> Self {
        Self {
            since,
            operations: 0,
            slow: 0,
        }
    }

    fn count(&mut self, result: Result<(), Severity>, now: Instant) {
        if now.duration_since(self.since) >= WINDOW {
            *self = Self::new(now);
        }
        self.operations = self.operations.saturating_add(1);
        if result == Err(Severity::Slow) {
            self.slow = self.slow.saturating_add(1);
        }
    }

    const fn is_mostly_slow(&self) -> bool {
        self.operations >= WINDOW_OPERATIONS_MIN && self.slow.saturating_mul(2) >= self.operations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Result<(), Severity> = Err(Severity::Slow);
    const HARD: Result<(), Severity> = Err(Severity::Hard);
    const SINGLE: Result<(), Severity> = Err(Severity::Single);
    type Results = Vec<Result<(), Severity>>;

    const MILLI: Duration = Duration::from_millis(1);

    /// The standing after results that come a millisecond apart.
    fn after(results: &[Result<(), Severity>]) -> Standing {
        let mut now = Instant::now();
        let mut breaker = Breaker::new(Proof::Enough, now);
        for result in results {
            now += MILLI;
            breaker.record(*result, now);
        }
        breaker.standing()
    }

    fn opened(proof: Proof, now: Instant) -> Breaker {
        let mut breaker = Breaker::new(proof, now);
        for _error in 0..5 {
            breaker.record(HARD, now);
        }
        assert_eq!(breaker.standing(), Standing::Open);
        breaker
    }

    #[test]
    fn it_opens_by_the_table() {
        let table: [(&str, Results, Standing); 9] = [
            ("nothing", vec![], Standing::Closed),
            ("four hard errors", vec![HARD; 4], Standing::Closed),
            ("five hard errors", vec![HARD; 5], Standing::Open),
            ("nine timeouts", vec![SLOW; 9], Standing::Closed),
            ("ten timeouts", vec![SLOW; 10], Standing::Open),
            (
                "mixed",
                [vec![HARD; 4], vec![SLOW; 2]].concat(),
                Standing::Open,
            ),
            (
                "broken runs",
                [
                    vec![HARD; 4],
                    vec![Ok(())],
                    vec![HARD; 4],
                    vec![SINGLE],
                    vec![HARD; 4],
                ]
                .concat(),
                Standing::Closed,
            ),
            ("half timeouts", [SLOW, Ok(())].repeat(10), Standing::Open),
            (
                "fewer timeouts",
                [SLOW, Ok(()), Ok(())].repeat(30),
                Standing::Closed,
            ),
        ];
        for (name, results, expected) in table {
            assert_eq!(after(&results), expected, "{name}");
        }
    }

    #[test]
    fn timeouts_of_another_second_do_not_count() {
        let mut now = Instant::now();
        let mut breaker = Breaker::new(Proof::Enough, now);
        for _round in 0..10 {
            for result in [SLOW, Ok(()), SLOW, Ok(())] {
                breaker.record(result, now);
            }
            now += WINDOW;
        }
        assert_eq!(breaker.standing(), Standing::Closed);
    }

    #[test]
    fn an_open_one_lets_nothing_through_and_probes_once_a_second() {
        let now = Instant::now();
        let mut breaker = opened(Proof::Enough, now);
        assert!(!breaker.admit(now));
        assert!(!breaker.take_probe(now + PROBE_INTERVAL - MILLI));
        assert!(breaker.take_probe(now + PROBE_INTERVAL));
        assert!(!breaker.take_probe(now + PROBE_INTERVAL + MILLI));
        breaker.probed(false, now + PROBE_INTERVAL + MILLI);
        assert!(!breaker.take_probe(now + PROBE_INTERVAL * 2));
        assert!(breaker.take_probe(now + PROBE_INTERVAL * 2 + MILLI));
        breaker.probed(true, now + PROBE_INTERVAL * 2 + MILLI);
        assert_eq!(breaker.standing(), Standing::Closed);
        assert!(breaker.admit(now));
    }

    #[test]
    fn late_results_change_nothing_while_it_is_open() {
        let now = Instant::now();
        let mut breaker = opened(Proof::Enough, now);
        breaker.record(Ok(()), now);
        assert_eq!(breaker.standing(), Standing::Open);
    }

    #[test]
    fn a_direction_that_needs_a_trial_closes_by_one_success_only() {
        let now = Instant::now();
        let mut breaker = opened(Proof::NeedsTrial, now);
        breaker.probed(true, now);
        assert_eq!(breaker.standing(), Standing::HalfOpen);
        assert!(breaker.admit(now));
        assert!(!breaker.admit(now), "one trial at a time");
        breaker.record(HARD, now);
        assert_eq!(breaker.standing(), Standing::Open);
        breaker.probed(true, now);
        assert!(breaker.admit(now));
        breaker.record(Ok(()), now);
        assert_eq!(breaker.standing(), Standing::Closed);
    }

    #[test]
    fn a_trial_that_was_given_up_makes_room_for_another() {
        let now = Instant::now();
        let mut breaker = opened(Proof::NeedsTrial, now);
        breaker.probed(true, now);
        assert!(breaker.admit(now));
        assert!(breaker.admit(now + PROBE_INTERVAL));
    }

    #[test]
    fn a_failed_first_probe_opens_it_at_once() {
        let now = Instant::now();
        let mut breaker = Breaker::new(Proof::Enough, now);
        breaker.probed(false, now);
        assert_eq!(breaker.standing(), Standing::Open);
    }
}
