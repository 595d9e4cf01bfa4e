//! Responses repeat who asked and what for: each caller is told its own, whoever's answer
//! it is given, in both forms, from the store and from a call that another makes.

use serde_json::{Value, json};

use crate::support::{
    Crowd, Gate, House, Reply, Response, Store, asking, asking_with, completed, eventually,
    in_time, on_each_store, payloads, respond, response, streaming, told_as_events,
};

/// What Alice's program says of itself.
fn first() -> Value {
    json!({"metadata": {"who": "first-secret"}, "user": "first-secret", "prompt_cache_key": "first-secret"})
}

/// What another of hers says.
fn second() -> Value {
    json!({"metadata": {"who": "second"}, "safety_identifier": "second", "prompt_cache_retention": "24h"})
}

/// Checks that an answer repeats what its own question says, and nothing of another.
fn assert_repeats(told: &Value, asked: &Value) {
    for name in ["user", "prompt_cache_key", "safety_identifier"] {
        assert_eq!(told[name], asked[name], "{name}");
    }
    let metadata = asked["metadata"].as_object().cloned().unwrap_or_default();
    assert_eq!(told["metadata"], Value::Object(metadata));
    if let Some(retention) = asked["prompt_cache_retention"].as_str() {
        assert_eq!(told["prompt_cache_retention"], retention);
    }
}

/// The same of every event of a stream that repeats anything.
fn assert_all_repeat(seen: &Response, asked: &Value) {
    completed(seen);
    let events = payloads(seen);
    let shells = events.iter().filter(|event| event["response"].is_object());
    let mut count = 0;
    for shell in shells {
        assert_repeats(&shell["response"], asked);
        count += 1;
    }
    assert_eq!(count, 3);
}

fn is_stream(seen: &Response) -> bool {
    seen.header("content-type")
        .unwrap()
        .starts_with("text/event-stream")
}

on_each_store! {
    async fn a_hit_repeats_who_asked_for_it(store) {
        let house = House::start(store).await;
        for streams in [false, true] {
            let text = format!("echo {streams}");
            let leader = asking_with(&text, &first());
            let whole = response("resp_echo", "x y", &leader);
            let form = if streams { streaming(&leader) } else { leader.clone() };
            house.upstream.next(if streams {
                Reply::stream(told_as_events(&whole))
            } else {
                Reply::json(200, whole.to_string())
            });
            let before = house.upstream.calls();
            let seen = house.respond(&form).await;
            assert_eq!(seen.x_cache(), "MISS");
            assert!(seen.text().contains("first-secret"));
            for asked in [asking_with(&text, &second()), asking(&text), leader] {
                let hit = house.respond(&asked).await;
                assert_eq!(hit.x_cache(), "HIT");
                assert_repeats(&hit.json(), &asked);
                let hit = house.respond_stream(&asked).await;
                assert_eq!(hit.x_cache(), "HIT");
                assert_all_repeat(&hit, &asked);
                let leaks = hit.text().contains("first-secret") && asked["user"].is_null();
                assert!(!leaks, "{}", hit.text());
            }
            assert_eq!(house.upstream.calls(), before + 1);
        }
    }

    async fn what_a_provider_says_unasked_stays(store) {
        let house = House::start(store).await;
        let asked = asking("unasked");
        let whole = response("resp_unasked", "x", &asked);
        house.upstream.next(Reply::json(200, whole.to_string()));
        let miss = house.respond(&asked).await;
        let hit = house.respond(&asked).await;
        assert_eq!((hit.x_cache(), hit.text()), ("HIT", miss.text()));
        assert_eq!(hit.json()["prompt_cache_retention"], "in_memory");
    }

    async fn who_reads_anothers_call_along_is_told_its_own(store) {
        let house = House::start(store).await;
        for streams in [false, true] {
            let text = format!("along {streams}");
            let leader = asking_with(&text, &first());
            let whole = response("resp_along", "x y", &leader);
            let gate = Gate::new();
            let (form, reply) = if streams {
                (streaming(&leader), Reply::stream(told_as_events(&whole)).gate_before(1, &gate))
            } else {
                (leader.clone(), Reply::json(200, whole.to_string()).after(&gate))
            };
            house.upstream.next(reply);
            let before = house.upstream.calls();
            let leading = Crowd::sending(&house, vec![respond(&form)]);
            house.upstream.asked(before + 1).await;
            let others = [asking_with(&text, &second()), asking(&text)];
            let forms = others.iter().flat_map(|asked| [asked.clone(), streaming(asked)]);
            let forms: Vec<Value> = forms.collect();
            let mut running = Vec::new();
            for asked in &forms {
                let following = Crowd::sending(&house, vec![respond(asked)]);
                following.arrived(&house).await;
                running.push(following);
            }
            gate.open();
            let led = leading.answers().await;
            assert!(led[0].text().contains("first-secret"));
            for (asked, following) in forms.iter().zip(running) {
                let seen = following.answers().await.remove(0);
                assert!(["COALESCED", "HIT"].contains(&seen.x_cache()), "{}", seen.x_cache());
                assert!(!seen.text().contains("first-secret"), "{}", seen.text());
                if is_stream(&seen) {
                    assert_all_repeat(&seen, asked);
                } else {
                    assert_repeats(&seen.json(), asked);
                }
            }
            assert_eq!(house.upstream.calls(), before + 1, "streams: {streams}");
        }
    }

    async fn a_running_stream_is_retold_as_it_comes(store) {
        let house = House::start(store).await;
        let leader = asking_with("running", &first());
        let whole = response("resp_running", "one two three", &leader);
        let gate = Gate::new();
        house.upstream.next(Reply::stream(told_as_events(&whole)).gate_before(4, &gate));
        let mut leading = house.client().open(&respond(&streaming(&leader))).await;
        leading.events(3).await;
        let asked = asking_with("running", &second());
        let mut following = house.client().open(&respond(&streaming(&asked))).await;
        let early = following.events(2).await;
        assert_eq!(following.so_far().x_cache(), "COALESCED");
        for event in early {
            let event: Value = serde_json::from_str(&event).unwrap();
            assert_repeats(&event["response"], &asked);
        }
        gate.open();
        let seen = following.rest().await.unwrap();
        assert_all_repeat(&seen, &asked);
        assert!(!seen.text().contains("first-secret"));
        drop(leading);
        eventually("the answer is stored", || async {
            (house.respond(&asked).await.x_cache() == "HIT").then_some(())
        })
        .await;
    }
}
