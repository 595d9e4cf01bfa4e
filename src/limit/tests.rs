use proptest::prelude::*;

use super::*;
use crate::limit::{Exceeded, Millis, Period, Readings, Window};

const NOON: Millis = 1_790_000_000_000;

fn ask(gauge: Gauge, need: u64, cost: u64) -> Ask {
    Ask {
        lease: "lease".to_owned(),
        ended: Vec::new(),
        takes: vec![Take {
            holder: "one".into(),
            gauge,
            need,
            cost,
        }],
    }
}

fn leased(lease: &str, most: u64) -> Ask {
    Ask {
        lease: lease.to_owned(),
        ..ask(Gauge::UnderWay(most), 1, 1)
    }
}

fn periods() -> impl Strategy<Value = Period> {
    prop_oneof![Just(Period::Minute), Just(Period::Hour), Just(Period::Day)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// However requests come, in no span of time more pass than the burst and what the
    /// rate gives in it.
    #[test]
    fn no_window_lets_more_pass_than_burst_and_rate(
        limit in 1_u64..2_000,
        period in periods(),
        gaps in prop::collection::vec(0_u64..4_000, 1..300),
    ) {
        let gauge = Gauge::Requests(period, limit);
        let mut board = Board::default();
        let mut now = NOON;
        let mut passed = Vec::new();
        for gap in gaps {
            now += gap;
            if board.take(&ask(gauge, 1, 1), now).is_taken {
                passed.push(now);
            }
        }
        for (first, from) in passed.iter().enumerate() {
            for (last, to) in passed.iter().enumerate().skip(first) {
                let count = (last - first + 1) as u128;
                let span = u128::from(to - from) * u128::from(limit);
                let most = u128::from(limit) + span / u128::from(period.millis());
                prop_assert!(count <= most, "{count} of {most} in {} ms", to - from);
            }
        }
    }

    /// Under demand that never ends, a rate gives what it says, to the request.
    #[test]
    fn demand_that_never_ends_gets_all_there_is(limit in 1_u64..50_000, seconds in 1_u64..200) {
        let gauge = Gauge::Requests(Period::Minute, limit);
        let mut state = State::default();
        let mut passed = 0;
        for step in 0..=seconds * 20 {
            let now = NOON + step * 50;
            let room = gauge.left(state, now);
            passed += room;
            state = gauge.add(state, room, now);
            prop_assert!(!gauge.has(state, 1, now));
        }
        let due = limit + seconds * 1000 * limit / 60_000;
        prop_assert!(passed <= due && due <= passed + 1, "{passed} of {due}");
    }

    /// What is said to be left may be taken, and not one more.
    #[test]
    fn what_is_left_is_what_may_be_taken(
        limit in 1_u64..1_000_000,
        period in periods(),
        used in 0_u64..2_000_000,
        later in 0_u64..90_000_000,
    ) {
        let gauge = Gauge::Tokens(period, limit);
        let state = gauge.add(State::default(), used, NOON);
        let now = NOON + later;
        let left = gauge.left(state, now);
        prop_assert!(left == 0 || gauge.has(state, left, now));
        prop_assert!(!gauge.has(state, left + 1, now));
    }

    /// Whoever comes again when told to is let in, and not a millisecond before.
    #[test]
    fn waiting_as_long_as_told_is_enough(
        limit in 1_u64..1_000_000,
        period in periods(),
        used in 0_u64..3_000_000,
    ) {
        let gauge = Gauge::Tokens(period, limit);
        let state = gauge.add(State::default(), used, NOON);
        let wait = gauge.wait(state, 1, NOON);
        prop_assert!(gauge.has(state, 1, NOON + wait));
        prop_assert!(wait == 0 || !gauge.has(state, 1, NOON + wait - 1));
        let reset = gauge.reset(state, NOON);
        prop_assert_eq!(gauge.left(state, NOON + reset), limit);
    }
}

#[test]
fn the_largest_numbers_are_counted_exactly() {
    let gauge = Gauge::Tokens(Period::Day, crate::limit::LIMIT_MAX);
    let state = gauge.add(State::default(), crate::limit::AMOUNT_MAX, NOON);
    let left = gauge.left(state, NOON);
    assert_eq!(left, crate::limit::LIMIT_MAX - crate::limit::AMOUNT_MAX);
}

#[test]
fn all_is_taken_or_nothing() {
    let mut board = Board::default();
    let both = |now| {
        let mut both = ask(Gauge::Requests(Period::Minute, 5), 1, 1);
        both.takes
            .extend(ask(Gauge::Requests(Period::Hour, 2), 1, 1).takes);
        (both, now)
    };
    for taken in [true, true, false, false] {
        let (both, now) = both(NOON);
        assert_eq!(board.take(&both, now).is_taken, taken);
    }
    let (both, now) = both(NOON);
    let taken = board.take(&both, now);
    assert_eq!(
        Gauge::Requests(Period::Minute, 5).left(taken.states[0], NOON),
        3
    );
    let exceeded = Exceeded::of(&both, &taken).unwrap();
    assert_eq!(exceeded.gauge, Gauge::Requests(Period::Hour, 2));
    assert_eq!(exceeded.wait, 1_800_000);
}

#[test]
fn tokens_beyond_the_limit_are_a_debt() {
    let gauge = Gauge::Tokens(Period::Minute, 600);
    let mut board = Board::default();
    assert!(board.take(&ask(gauge, 1, 0), NOON).is_taken);
    let used = Settlement {
        adds: vec![crate::limit::Add {
            holder: "one".into(),
            gauge,
            amount: 1200,
            at: NOON,
        }],
        ..Settlement::default()
    };
    board.settle(&used, NOON);
    assert!(!board.take(&ask(gauge, 1, 0), NOON + 60_000).is_taken);
    assert!(board.take(&ask(gauge, 1, 0), NOON + 60_100).is_taken);
}

#[test]
fn a_budget_is_whole_again_on_the_next_day() {
    let day = Gauge::Spent(Window::Day, 1_000);
    let month = Gauge::Spent(Window::Month, 10_000);
    let late = 1_798_761_599_999; // 2026-12-31T23:59:59.999Z
    for gauge in [day, month] {
        let state = gauge.add(State::default(), gauge.limit(), late);
        assert!(!gauge.has(state, 1, late));
        assert_eq!(gauge.wait(state, 1, late), 1);
        assert!(gauge.has(state, 1, late + 1));
        assert_eq!(gauge.left(state, late + 1), gauge.limit());
    }
    let state = month.add(State::default(), 10_000, late - 86_400_000);
    assert!(
        !month.has(state, 1, late),
        "a month is not over with the day"
    );
}

#[test]
fn months_are_as_long_as_they_are() {
    let start = 1_769_904_000_000; // 2026-02-01
    let end = 1_772_323_200_000; // 2026-03-01
    assert_eq!(Window::Month.start(start + 1), start);
    assert_eq!(Window::Month.end(start), end);
    assert_eq!(Window::Month.start(end - 1), start);
    assert_eq!(Window::Month.start(end), end);
}

#[test]
fn leases_are_counted_until_they_end_by_word_or_by_time() {
    let mut board = Board::default();
    assert!(board.take(&leased("a", 2), NOON).is_taken);
    assert!(board.take(&leased("b", 2), NOON).is_taken);
    assert!(!board.take(&leased("c", 2), NOON).is_taken);
    let ended = Settlement {
        ended: vec![("one".into(), "a".to_owned())],
        kept: vec![("one".into(), "b".to_owned())],
        ..Settlement::default()
    };
    board.settle(&ended, NOON + 20_000);
    assert!(board.take(&leased("c", 2), NOON + 20_000).is_taken);
    assert!(!board.take(&leased("d", 2), NOON + 40_000).is_taken);
    assert!(board.take(&leased("d", 2), NOON + 60_000).is_taken);
}

#[test]
fn what_lasts_is_told_once_after_each_change_and_read_again() {
    let day = Gauge::Requests(Period::Day, 10);
    let mut board = Board::default();
    assert!(board.take(&ask(day, 1, 4), NOON).is_taken);
    assert!(
        board
            .take(&ask(Gauge::Requests(Period::Minute, 10), 1, 4), NOON)
            .is_taken
    );
    let lasting = board.lasting(NOON).unwrap();
    assert!(board.lasting(NOON).is_none());
    assert_eq!(lasting.len(), 1);
    let mut again = Board::default();
    for (holder, _, state) in lasting {
        again.restore(&holder, day, state);
    }
    let taken = again.take(&ask(day, 1, 1), NOON);
    assert_eq!(day.left(taken.states[0], NOON), 5);
}

#[test]
fn times_are_written_as_the_provider_writes_them() {
    for (millis, text) in [
        (0, "0s"),
        (20, "20ms"),
        (1_000, "1s"),
        (1_500, "1.5s"),
        (8_640, "8.64s"),
        (360_000, "6m0s"),
        (93_792, "1m33.792s"),
        (7_200_000, "2h0m0s"),
    ] {
        let shown = crate::limit::Shown {
            limit: 1,
            left: 0,
            reset: millis,
        };
        assert_eq!(shown.reset_text(), text);
    }
}

#[test]
fn the_tightest_limit_is_the_one_that_is_shown() {
    let mut both = ask(Gauge::Requests(Period::Minute, 10), 1, 1);
    both.takes
        .extend(ask(Gauge::Requests(Period::Day, 20), 1, 11).takes);
    let taken = Board::default().take(&both, NOON);
    let shown = Readings::of(&both, &taken).requests().unwrap();
    assert_eq!((shown.limit, shown.left), (20, 9));
}
