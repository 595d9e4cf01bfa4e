//! A stream that is cut never looks finished, wherever it is cut and however,
//! and nothing of it is stored.

use crate::support::{
    Ending, House, Reply, Response, Store, answer, event, in_time, on_each_store, question,
    streamed, with_usage,
};

/// A stream event by event, `[DONE]` included.
fn whole_stream() -> Vec<String> {
    let whole = answer("cut", "one two three four five");
    let mut events: Vec<_> = with_usage(streamed(&whole), &whole)
        .iter()
        .map(event)
        .collect();
    events.push("data: [DONE]\n\n".to_owned());
    events
}

/// Whether the client can tell that something is missing.
fn tells_of_the_cut(seen: &Response) -> bool {
    let events = seen.events();
    let done = events.iter().any(|data| data == "[DONE]");
    let error = events.last().is_some_and(|data| {
        let body: serde_json::Value = serde_json::from_str(data).unwrap_or_default();
        body["error"]["message"].is_string() && body["error"]["code"].is_string()
    });
    !done && (error || seen.ending == Ending::Cut)
}

/// Asks for a stream that is cut, and checks what came of it.
async fn check(house: &House, name: &str, reply: Reply) {
    let asked = question(name);
    house.upstream.next(reply);
    let seen = house.ask_stream(&asked).await;
    if seen.status == 200 {
        assert!(
            tells_of_the_cut(&seen),
            "{name} looks whole: {:?} {}",
            seen.ending,
            seen.text()
        );
    } else {
        assert_eq!(
            (seen.status, seen.error_code().is_empty()),
            (502, false),
            "{name}"
        );
    }
    let again = house.ask(&asked).await;
    assert_eq!(
        (again.status, again.x_cache()),
        (200, "MISS"),
        "{name} was stored"
    );
}

on_each_store! {
    async fn a_cut_after_any_event_is_told(store) {
        let house = House::start(store).await;
        let events = whole_stream();
        let mut length = 0;
        for (at, event) in events.iter().enumerate() {
            let stream = || Reply::stream(events.clone());
            check(&house, &format!("reset before event {at}"), stream().reset_after(length)).await;
            check(&house, &format!("closed before event {at}"), stream().closed_after(length)).await;
            length += event.len();
        }
    }

    async fn a_polite_end_before_done_is_told(store) {
        let house = House::start(store).await;
        let events = whole_stream();
        // Once every choice has said why it ended, a stream without `[DONE]` is
        // one that its provider ends that way.
        let finished = events.iter().position(|event| event.contains("\"stop\"")).unwrap();
        let mut length = 0;
        for (at, event) in events.iter().enumerate().take(finished + 1) {
            let reply = Reply::stream(events.clone()).ended_after(length);
            check(&house, &format!("ended before event {at}"), reply).await;
            length += event.len();
        }
    }

    async fn a_cut_at_any_byte_is_told(store) {
        let house = House::start(store).await;
        let text = whole_stream().concat();
        let done = text.find("data: [DONE]").unwrap();
        // Around the borders every byte, elsewhere a sample.
        let borders: Vec<_> = text.match_indices("\n\n").map(|(at, _)| at).collect();
        let chosen = (0..done + "data: [DON".len()).filter(|at| {
            at % 37 == 0 || borders.iter().any(|border| border.abs_diff(*at) <= 2)
        });
        for at in chosen {
            let reply = Reply::stream([text.clone()]).reset_after(at);
            check(&house, &format!("reset at byte {at}"), reply).await;
        }
    }

    async fn a_document_that_is_cut_is_told(store) {
        let house = House::start(store).await;
        let body = answer("cut", "a document").to_string();
        for at in (0..body.len()).step_by(41) {
            for (how, reply) in [
                ("reset", Reply::json(200, body.clone()).reset_after(at)),
                ("closed", Reply::json(200, body.clone()).closed_after(at)),
            ] {
                let asked = question(&format!("{how} at {at}"));
                house.upstream.next(reply);
                match house.client().try_send(&crate::support::chat(&asked)).await {
                    Ok(seen) if seen.status == 200 => {
                        assert_eq!(seen.ending, Ending::Cut, "{how} at {at} looks whole");
                    }
                    Ok(seen) => {
                        assert_eq!((seen.status, seen.error_code().is_empty()), (502, false));
                    }
                    Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof),
                }
                assert_eq!(house.ask(&asked).await.x_cache(), "MISS", "{how} at {at} was stored");
            }
        }
    }

    async fn a_stream_that_falls_silent_is_told(store) {
        let house = House::with(store).set("REPRISE_UPSTREAM_IDLE_TIMEOUT", "300ms").start().await;
        let events = whole_stream();
        let length = events[..3].concat().len();
        let reply = Reply::stream(events).silent_after(length);
        check(&house, "silent", reply).await;
    }

    async fn what_comes_after_done_is_not_waited_for(store) {
        let house = House::start(store).await;
        let reply = Reply::stream(whole_stream());
        let length = reply.body_bytes();
        house.upstream.next(reply.silent_after(length));
        let asked = question("lingering");
        let seen = house.ask_stream(&asked).await;
        assert!(seen.is_done());
        assert_eq!(house.ask(&asked).await.x_cache(), "HIT");
    }
}
