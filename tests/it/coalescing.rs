//! One call for all who ask at once: in both forms, whoever leaves, whoever
//! comes late; and what they are told when that call fails.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::support::{
    Crowd, Ending, Gate, House, Live, Reply, Response, Store, answer, chat, fold_text, in_time,
    on_each_store, question, settled, streamed, streaming, with_usage,
};

on_each_store! {
    async fn a_thousand_at_once_are_one_call(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        let body = answer("one", "for all").to_string();
        house.upstream.next(Reply::json(200, body.clone()).after(&gate));
        let running = Crowd::of(&house, &question("thousand"), 1_000);
        running.arrived(&house).await;
        gate.open();
        let answers = running.answers().await;
        assert_eq!(house.upstream.calls(), 1);
        assert!(answers.iter().all(|answer| answer.status == 200 && answer.text() == body));
        let led = answers.iter().filter(|answer| answer.x_cache() == "MISS").count();
        assert_eq!(led, 1);
        let followed = answers.iter().find(|answer| answer.x_cache() == "COALESCED").unwrap();
        assert_eq!(followed.cache_status(), "reprise; fwd=uri-miss; collapsed");
    }

    async fn a_thousand_streams_at_once_are_one_call(store) {
        let house = House::start(store).await;
        let (first, second) = (Gate::new(), Gate::new());
        let whole = answer("one", "a stream for all of you");
        let chunks = with_usage(streamed(&whole), &whole);
        let reply = Reply::chunks(&chunks).gate_before(3, &second).after(&first);
        house.upstream.next(reply);
        let running = Crowd::of(&house, &streaming(&question("thousand streams")), 1_000);
        running.arrived(&house).await;
        first.open();
        tokio::time::sleep(Duration::from_millis(20)).await;
        second.open();
        let answers = running.answers().await;
        assert_eq!(house.upstream.calls(), 1);
        assert!(answers.iter().all(Response::is_done));
        // One that comes when the call is over gets the same words from the store, in
        // other pieces.
        let told = |answer: &Response| fold_text(&answer.events()) == "a stream for all of you";
        assert!(answers.iter().all(told));
    }

    async fn both_forms_share_one_call(store) {
        let house = House::start(store).await;
        for (name, first_streams) in [("json leads", false), ("stream leads", true)] {
            let gate = Gate::new();
            let whole = answer(name, "both forms");
            let reply = if first_streams {
                Reply::chunks(&with_usage(streamed(&whole), &whole)).gate_before(2, &gate)
            } else {
                Reply::json(200, whole.to_string()).after(&gate)
            };
            house.upstream.next(reply);
            let before = house.upstream.calls();
            let plain = question(name);
            let forms = [plain.clone(), streaming(&plain)];
            let (lead, follow) = if first_streams { (1, 0) } else { (0, 1) };
            let leader = Crowd::of(&house, &forms[lead], 1);
            house.upstream.asked(before + 1).await;
            let followers = Crowd::of(&house, &forms[follow], 5);
            followers.arrived(&house).await;
            gate.open();
            let mut answers = leader.answers().await;
            answers.extend(followers.answers().await);
            assert_eq!(house.upstream.calls(), before + 1, "{name}");
            for answer in answers {
                let kind = answer.header("content-type").unwrap();
                let text = if kind.starts_with("text/event-stream") {
                    assert!(answer.is_done(), "{name}");
                    fold_text(&answer.events())
                } else {
                    let body = answer.json();
                    assert_eq!(body["usage"]["total_tokens"], 10, "{name}");
                    body["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
                };
                assert_eq!(text, "both forms", "{name}");
            }
        }
    }

    async fn a_late_follower_gets_the_start_of_a_running_stream(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        let whole = answer("running", "one two three four");
        let chunks = with_usage(streamed(&whole), &whole);
        house.upstream.next(Reply::chunks(&chunks).gate_before(3, &gate));
        let asked = question("running");
        let mut leader = house.open_stream(&asked).await;
        leader.events(3).await;
        let mut follower = house.open_stream(&asked).await;
        let early = follower.events(3).await;
        assert_eq!(follower.so_far().x_cache(), "COALESCED");
        assert_eq!(early, leader.so_far().events(), "the follower missed the start");
        gate.open();
        let (first, second) = (leader.rest().await.unwrap(), follower.rest().await.unwrap());
        assert!(first.is_done() && second.is_done());
        assert_eq!(first.body, second.body);
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn a_leader_that_leaves_takes_nothing_with_it(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        let whole = answer("left", "what was paid for");
        let chunks = with_usage(streamed(&whole), &whole);
        house.upstream.next(Reply::chunks(&chunks).gate_before(2, &gate));
        let asked = question("left");
        let mut leader = house.open_stream(&asked).await;
        leader.events(1).await;
        let followers = Crowd::of(&house, &streaming(&asked), 10);
        followers.arrived(&house).await;
        drop(leader);
        gate.open();
        for answer in followers.answers().await {
            assert!(answer.is_done());
            assert_eq!(fold_text(&answer.events()), "what was paid for");
        }
        assert_eq!(house.ask(&asked).await.x_cache(), "HIT");
        assert_eq!((house.upstream.calls(), house.upstream.left()), (1, 0));
    }

    async fn an_answer_nobody_waits_for_any_more_is_stored(store) {
        let house = House::start(store).await;
        for (name, streams) in [("alone json", false), ("alone stream", true)] {
            let gate = Gate::new();
            let whole = answer(name, "paid for");
            let reply = if streams {
                Reply::chunks(&with_usage(streamed(&whole), &whole)).gate_before(2, &gate)
            } else {
                Reply::json(200, whole.to_string()).after(&gate)
            };
            house.upstream.next(reply);
            let before = house.upstream.calls();
            let asked = question(name);
            let form = if streams { streaming(&asked) } else { asked.clone() };
            let leaving = house.client().begin(&chat(&form)).await.unwrap();
            house.upstream.asked(before + 1).await;
            drop(leaving);
            gate.open();
            let hit = house.ask(&asked).await;
            assert!(["HIT", "COALESCED"].contains(&hit.x_cache()), "{name}: {}", hit.x_cache());
            assert_eq!(house.upstream.calls(), before + 1, "{name}");
        }
    }

    async fn a_retry_attaches_to_the_call_it_gave_up_on(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        let body = answer("retry", "late").to_string();
        house.upstream.next(Reply::json(200, body.clone()).after(&gate));
        let request = chat(&question("retry"));
        let impatient = house.client().begin(&request).await.unwrap();
        house.upstream.asked(1).await;
        drop(impatient);
        let again = request.header("x-stainless-retry-count", "1");
        let retry = house.client().begin(&again).await.unwrap();
        settled(&house).await;
        gate.open();
        let answer = Live::read_head(retry, false).await.unwrap().rest().await.unwrap();
        assert_eq!((answer.status, answer.text()), (200, body));
        assert_eq!(house.upstream.calls(), 1);
    }

    async fn a_refusal_of_the_question_itself_is_shared(store) {
        let house = House::start(store).await;
        for status in [400, 404, 422] {
            let before = house.upstream.calls();
            let gate = Gate::new();
            house.upstream.next(Reply::error(status, "your_fault").after(&gate));
            let running = Crowd::of(&house, &question(&format!("bad {status}")), 20);
            running.arrived(&house).await;
            gate.open();
            for answer in running.answers().await {
                assert_eq!((answer.status, answer.error_code().as_str()), (status, "your_fault"));
            }
            assert_eq!(house.upstream.calls(), before + 1, "{status}");
        }
    }

    async fn followers_of_a_failed_call_elect_one_to_try_again(store) {
        let house = House::start(store).await;
        for (name, failure) in [
            ("500", Reply::error(500, "oops")),
            ("503", Reply::error(503, "busy")),
            ("429", Reply::error(429, "slow_down").header("retry-after-ms", "50")),
            ("reset", Reply::reset()),
        ] {
            let before = house.upstream.calls();
            let gate = Gate::new();
            let body = answer(name, "second try").to_string();
            house.upstream.next(failure.after(&gate));
            house.upstream.next(Reply::json(200, body.clone()));
            let running = Crowd::of(&house, &question(&format!("election {name}")), 20);
            running.arrived(&house).await;
            gate.open();
            let answers = running.answers().await;
            let failed = answers.iter().filter(|answer| answer.status != 200).count();
            assert_eq!(failed, 1, "{name}: the leader alone is told of its failure");
            assert!(answers.iter().filter(|answer| answer.status == 200).all(|answer| answer.text() == body));
            assert_eq!(house.upstream.calls(), before + 2, "{name}");
        }
    }

    async fn elections_end(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        house.upstream.next(Reply::error(500, "always").after(&gate));
        house.upstream.always(Reply::error(500, "always").late(Duration::from_millis(300)));
        let running = Crowd::of(&house, &question("always fails"), 20);
        running.arrived(&house).await;
        gate.open();
        for answer in running.answers().await {
            assert_eq!((answer.status, answer.error_code().as_str()), (500, "always"));
        }
        let calls = house.upstream.calls();
        assert!((2..=3).contains(&calls), "{calls} calls for one question that fails");
    }

    async fn a_limit_reaches_who_asked_with_its_headers(store) {
        let house = House::start(store).await;
        let limited = Reply::error(429, "rate_limit_exceeded")
            .header("retry-after", "17")
            .header("x-should-retry", "true")
            .header("x-ratelimit-reset-requests", "17s");
        house.upstream.next(limited);
        let asked = question("limited");
        let answer = house.ask(&asked).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (429, "rate_limit_exceeded"));
        for (name, value) in [("retry-after", "17"), ("x-should-retry", "true"), ("x-ratelimit-reset-requests", "17s")] {
            assert_eq!(answer.header(name), Some(value));
        }
        assert_eq!(house.upstream.calls(), 1, "the proxy itself never retries");
        assert_eq!(house.ask(&asked).await.x_cache(), "MISS");
    }

    async fn followers_of_a_broken_stream_are_told_so(store) {
        let house = House::start(store).await;
        let gate = Gate::new();
        let whole = answer("broken", "never finished at all");
        let reply = Reply::chunks(&with_usage(streamed(&whole), &whole));
        let half = reply.body_bytes() / 2;
        house.upstream.next(reply.reset_after(half).gate_before(1, &gate));
        let asked = question("broken");
        let mut leader = house.open_stream(&asked).await;
        leader.events(1).await;
        let mut follower = house.open_stream(&asked).await;
        follower.events(1).await;
        gate.open();
        for one in [leader, follower] {
            let seen = one.rest().await.unwrap();
            assert!(!seen.is_done(), "a broken stream looks whole: {}", seen.text());
            let told = seen.events().last().is_some_and(|data| data.contains("\"error\""));
            assert!(told || seen.ending == Ending::Cut);
        }
        assert_eq!(house.ask(&asked).await.x_cache(), "MISS");
    }

    async fn unstorable_answers_do_not_make_a_crowd_wait_in_line(store) {
        let house = House::start(store).await;
        let mut whole = answer("filtered", "x");
        whole["choices"][0]["finish_reason"] = json!("content_filter");
        house.upstream.always(Reply::json(200, whole.to_string()).paced(Duration::from_millis(200)));
        let asked = question("unstorable");
        house.ask(&asked).await;
        let began = Instant::now();
        Crowd::of(&house, &asked, 20).answers().await;
        assert!(began.elapsed() < Duration::from_secs(3), "they waited for one another");
    }
}
