//! Who an address stands for, and what becomes of limits while their store is away.

use futures_util::future::BoxFuture;

use super::*;
use crate::access::{Allowance, PerPeriod, Rights};
use crate::clock::SystemClock;
use crate::key::{CacheSecret, Scope};
use crate::ledger::Caller;

const PATIENCE: Duration = Duration::from_millis(50);

/// A store that never answers.
#[derive(Debug)]
struct Silent;

impl Gauges for Silent {
    fn take<'a>(&'a self, _ask: &'a Ask) -> BoxFuture<'a, Result<Taken, BackendError>> {
        futures_util::future::pending().boxed()
    }

    fn settle<'a>(
        &'a self,
        _number: u64,
        _settlement: &'a Settlement,
    ) -> BoxFuture<'a, Result<(), BackendError>> {
        futures_util::future::pending().boxed()
    }
}

fn limiter(on_outage: OnOutage) -> Arc<Limiter> {
    let options = LimitOptions {
        default: Allowance {
            requests: PerPeriod {
                minute: Some(3),
                ..PerPeriod::default()
            },
            ..Allowance::default()
        },
        address_per_minute: None,
        on_outage,
        patience: PATIENCE,
    };
    Limiter::start(Arc::new(Silent), options, Arc::new(SystemClock))
}

fn caller(rights: Rights) -> Principal {
    Principal {
        caller: Caller {
            key: "key_1".into(),
            tenant: "tenant".into(),
        },
        scope: Scope::derive(&CacheSecret::from_passphrase("test"), &[]),
        rights: Arc::new(rights),
        is_ours: true,
    }
}

async fn outcomes(on_outage: OnOutage) -> Vec<Result<(), bool>> {
    let limiter = limiter(on_outage);
    let caller = caller(Rights::default());
    let mut outcomes = Vec::new();
    for _ in 0..5 {
        let outcome = limiter.meter(&caller, None).unwrap().admit().await;
        outcomes.push(outcome.map_err(|limited| limited.exceeded().is_some()));
    }
    outcomes
}

#[tokio::test(start_paused = true)]
async fn limits_go_on_by_this_process_alone() {
    let (yes, no) = (Ok(()), Err(true));
    assert_eq!(outcomes(OnOutage::Local).await, [yes, yes, yes, no, no]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_can_open_or_close() {
    assert_eq!(outcomes(OnOutage::Open).await, [Ok(()); 5]);
    assert_eq!(outcomes(OnOutage::Closed).await, [Err(false); 5]);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_long_for_a_store_that_does_not_answer() {
    let limiter = limiter(OnOutage::Local);
    let caller = caller(Rights::default());
    let began = tokio::time::Instant::now();
    for _ in 0..100 {
        _ = limiter.meter(&caller, None).unwrap().admit().await;
    }
    assert!(began.elapsed() <= PATIENCE * VAIN_WAITS + Duration::from_millis(10));
}

#[tokio::test]
async fn who_is_held_to_nothing_has_no_meter() {
    let options = LimitOptions {
        default: Allowance::default(),
        address_per_minute: None,
        on_outage: OnOutage::Local,
        patience: PATIENCE,
    };
    let limiter = Limiter::start(Arc::new(Silent), options, Arc::new(SystemClock));
    let peer = "192.0.2.1".parse().ok();
    assert!(limiter.meter(&caller(Rights::default()), peer).is_none());
}

#[test]
fn an_address_stands_for_a_household() {
    let holder = |address: &str| holder_of(address.parse().unwrap()).as_ref().to_owned();
    assert_eq!(holder("192.0.2.1"), "address:192.0.2.1");
    assert_eq!(holder("::ffff:192.0.2.1"), "address:192.0.2.1");
    assert_eq!(holder("2001:db8:1:2:3:4:5:6"), "address:2001:db8:1:2::/64");
    assert_eq!(holder("2001:db8:1:2::9"), holder("2001:db8:1:2:ffff::"));
}
