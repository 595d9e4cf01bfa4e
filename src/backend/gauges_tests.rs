//! What every keeper of gauges promises, from one body: the model in this process, and
//! Redis.

use futures_util::future::join_all;
use secrecy::SecretString;

use super::*;
use crate::backend::InProcess;
use crate::backend::redis::limits::Limits;
use crate::backend::redis::test_server::Server;
use crate::clock::SystemClock;
use crate::limit::{Add, Exceeded, Take};

fn ask(holder: &str, gauges: &[(Gauge, u64, u64)], lease: &str) -> Ask {
    let takes = gauges.iter().map(|(gauge, need, cost)| Take {
        holder: holder.into(),
        gauge: *gauge,
        need: *need,
        cost: *cost,
    });
    Ask {
        lease: lease.to_owned(),
        ended: Vec::new(),
        takes: takes.collect(),
    }
}

fn add(holder: &str, gauge: Gauge, amount: u64) -> Settlement {
    Settlement {
        adds: vec![Add {
            holder: holder.into(),
            gauge,
            amount,
            at: SystemClock.unix_millis(),
        }],
        ..Settlement::default()
    }
}

async fn taken(gauges: &dyn Gauges, ask: &Ask) -> Taken {
    gauges.take(ask).await.unwrap()
}

async fn story(gauges: &dyn Gauges) {
    rates_let_the_burst_pass_and_no_more(gauges).await;
    all_is_taken_or_nothing(gauges).await;
    what_is_used_later_counts_once(gauges).await;
    leases_end(gauges).await;
    holders_do_not_meet(gauges).await;
}

async fn rates_let_the_burst_pass_and_no_more(gauges: &dyn Gauges) {
    let rate = Gauge::Requests(Period::Day, 25);
    let wanted = ask("burst", &[(rate, 1, 1)], "");
    let all = join_all((0..100).map(|_| gauges.take(&wanted))).await;
    let passed = all.iter().filter(|taken| taken.as_ref().unwrap().is_taken);
    assert_eq!(passed.count(), 25);
    let refused = taken(gauges, &wanted).await;
    assert_eq!(rate.left(refused.states[0], refused.now), 0);
    let exceeded = Exceeded::of(&wanted, &refused).unwrap();
    assert!((1..=86_400_000 / 25).contains(&exceeded.wait));
}

async fn all_is_taken_or_nothing(gauges: &dyn Gauges) {
    let (wide, narrow) = (
        Gauge::Requests(Period::Day, 9),
        Gauge::Requests(Period::Hour, 2),
    );
    let wanted = ask("both", &[(wide, 1, 1), (narrow, 1, 1)], "");
    for is_taken in [true, true, false, false] {
        assert_eq!(taken(gauges, &wanted).await.is_taken, is_taken);
    }
    let told = taken(gauges, &wanted).await;
    assert_eq!(wide.left(told.states[0], told.now), 7);
}

async fn what_is_used_later_counts_once(gauges: &dyn Gauges) {
    let tokens = Gauge::Tokens(Period::Day, 1_000);
    let money = Gauge::Spent(Window::Month, 5_000_000_000);
    let wanted = ask("later", &[(tokens, 1, 0), (money, 1, 0)], "");
    assert!(taken(gauges, &wanted).await.is_taken);
    gauges.settle(1, &add("later", tokens, 400)).await.unwrap();
    gauges
        .settle(2, &add("later", money, 5_000_000_000))
        .await
        .unwrap();
    if !gauges.is_at_once() {
        // The answer was lost, and it is told again.
        gauges
            .settle(2, &add("later", money, 5_000_000_000))
            .await
            .unwrap();
    }
    let told = taken(gauges, &wanted).await;
    assert!(!told.is_taken);
    assert_eq!(tokens.left(told.states[0], told.now), 600);
    assert_eq!(told.states[1].1, 5_000_000_000);
    assert!(Exceeded::of(&wanted, &told).unwrap().is_budget());
    gauges.settle(3, &add("later", tokens, 700)).await.unwrap();
    let told = taken(gauges, &ask("later", &[(tokens, 1, 0)], "")).await;
    assert!(!told.is_taken);
}

async fn leases_end(gauges: &dyn Gauges) {
    let two = |lease: &str| ask("leases", &[(Gauge::UnderWay(2), 1, 1)], lease);
    for (lease, is_taken) in [("a", true), ("b", true), ("c", false)] {
        assert_eq!(taken(gauges, &two(lease)).await.is_taken, is_taken);
    }
    let ended = Settlement {
        ended: vec![("leases".into(), "a".to_owned())],
        kept: vec![
            ("leases".into(), "b".to_owned()),
            ("leases".into(), "never".to_owned()),
        ],
        ..Settlement::default()
    };
    gauges.settle(4, &ended).await.unwrap();
    assert!(taken(gauges, &two("c")).await.is_taken);
    let mut at_once = two("d");
    assert!(!taken(gauges, &at_once).await.is_taken);
    at_once.ended.push("b".to_owned());
    assert!(taken(gauges, &at_once).await.is_taken);
}

async fn holders_do_not_meet(gauges: &dyn Gauges) {
    let one = Gauge::Requests(Period::Day, 1);
    for holder in ["x", "y", "{z}", "key:ä b"] {
        assert!(
            taken(gauges, &ask(holder, &[(one, 1, 1)], ""))
                .await
                .is_taken
        );
        assert!(
            !taken(gauges, &ask(holder, &[(one, 1, 1)], ""))
                .await
                .is_taken
        );
    }
}

#[tokio::test]
async fn this_process_keeps_gauges() {
    story(&OwnGauges::passing(Arc::new(SystemClock))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_gauges() {
    let server = Server::start(&[]);
    let gauges = limits(&server).await;
    story(&gauges).await;
    // A server that has lost its scripts is told them again.
    server.flush_scripts().await;
    holders_do_not_meet(&renamed(&server).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_in_redis_ends_by_itself() {
    let server = Server::start(&[]);
    story(&limits(&server).await).await;
    for (key, ttl) in server.keys_with_ttl().await {
        assert!(key.starts_with("reprise:{limits}:"), "{key}");
        assert!(ttl > 0, "{key} lasts for ever");
    }
}

async fn limits(server: &Server) -> Limits {
    connected(server, "reprise").await
}

async fn renamed(server: &Server) -> Limits {
    connected(server, "other").await
}

async fn connected(server: &Server, prefix: &str) -> Limits {
    let url = SecretString::from(server.url());
    let limits = Limits::new(&url, None, prefix, Arc::new(SystemClock)).unwrap();
    let nothing = Ask::default();
    while limits.take(&nothing).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    limits
}

#[tokio::test]
async fn what_counts_in_a_day_outlives_the_process() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let objects: Arc<dyn Objects> = Arc::new(InProcess::new(Arc::clone(&clock)));
    let day = ask("lasting", &[(Gauge::Requests(Period::Day, 3), 1, 2)], "");
    let budget = Gauge::Spent(Window::Day, 100);
    {
        let gauges = OwnGauges::lasting(Arc::clone(&clock), Arc::clone(&objects));
        gauges.load().await;
        assert!(taken(&gauges, &day).await.is_taken);
        gauges.settle(0, &add("lasting", budget, 90)).await.unwrap();
        gauges.save().await;
    }
    let gauges = OwnGauges::lasting(clock, objects);
    gauges.load().await;
    let told = taken(&gauges, &ask("lasting", &[(budget, 1, 0)], "")).await;
    assert_eq!(told.states[0].1, 90);
    assert!(taken(&gauges, &day).await.is_taken);
    assert!(!taken(&gauges, &day).await.is_taken);
}
