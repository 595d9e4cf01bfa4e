//! A stream of a message that is cut never looks finished, wherever it is cut, and
//! nothing of it is stored.

use serde_json::{Value, json};

use crate::support::{
    Ending, House, Reply, Response, Store, in_time, message, message_answer, message_events,
    message_question, on_each_store, streaming,
};

/// A stream event by event.
fn whole_stream() -> Vec<String> {
    let content = json!([
        {"type": "thinking", "thinking": "hm hm", "signature": "c2ln"},
        {"type": "text", "text": "one two"},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
    ]);
    message_events(&message_answer("msg_cut", &content, "tool_use"))
}

/// Whether the client can tell that something is missing.
fn tells_of_the_cut(seen: &Response) -> bool {
    let text = seen.text();
    let stops = text.contains("message_stop");
    let events = seen.events();
    let error = events.last().is_some_and(|data| {
        let body: Value = serde_json::from_str(data).unwrap_or_default();
        body["type"] == "error"
            && body["error"]["type"] == "api_error"
            && body["error"]["message"].is_string()
            && text.contains("event: error\ndata: {")
    });
    !stops && (error || seen.ending == Ending::Cut)
}

/// Asks for a stream that is cut, and checks what came of it.
async fn check(house: &House, name: &str, reply: Reply) {
    let asked = message_question(name);
    house.upstream.next(reply);
    let seen = house.send(&message(&streaming(&asked))).await;
    if seen.status == 200 {
        assert!(
            tells_of_the_cut(&seen),
            "{name} looks whole: {:?} {}",
            seen.ending,
            seen.text()
        );
    } else {
        assert_eq!(seen.status, 502, "{name}");
        assert_eq!(seen.json()["error"]["type"], "api_error", "{name}");
    }
    let again = house.send(&message(&asked)).await;
    assert_eq!(
        (again.status, again.x_cache()),
        (200, "MISS"),
        "{name} was stored"
    );
}

on_each_store! {
    async fn a_cut_before_any_event_is_told(store) {
        let house = House::start(store).await;
        let events = whole_stream();
        let mut length = 0;
        for (at, event) in events.iter().enumerate() {
            let stream = || Reply::stream(events.clone());
            check(&house, &format!("reset before event {at}"), stream().reset_after(length)).await;
            check(&house, &format!("ended before event {at}"), stream().ended_after(length)).await;
            length += event.len();
        }
    }

    async fn an_error_in_the_middle_is_passed_on_and_nothing_is_stored(store) {
        let house = House::start(store).await;
        let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
        let mut events: Vec<_> = whole_stream().into_iter().take(4).collect();
        events.push(error.to_owned());
        house.upstream.next(Reply::stream(events.clone()));
        let asked = message_question("overloaded");
        let seen = house.send(&message(&streaming(&asked))).await;
        assert_eq!(seen.text(), events.concat());
        assert_eq!(house.send(&message(&asked)).await.x_cache(), "MISS");
    }

    async fn what_is_not_understood_is_passed_on_and_not_stored(store) {
        let house = House::start(store).await;
        let mut events = whole_stream();
        events.insert(1, "event: news\ndata: {\"type\":\"news\",\"text\":\"x\"}\n\n".to_owned());
        house.upstream.next(Reply::stream(events.clone()));
        let asked = message_question("news");
        let seen = house.send(&message(&streaming(&asked))).await;
        assert_eq!(seen.text(), events.concat());
        assert_eq!(house.send(&message(&asked)).await.x_cache(), "MISS");
    }
}
