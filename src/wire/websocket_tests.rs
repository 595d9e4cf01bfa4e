//! Frames in every cut, and what is told in them.

use proptest::prelude::*;

use super::*;

/// A frame as a server writes it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        short @ 0..=125 => out.push(u8::try_from(short).unwrap()),
        middle @ 126..=0xffff => {
            out.push(126);
            out.extend(u16::try_from(middle).unwrap().to_be_bytes());
        }
        long => {
            out.push(127);
            out.extend(u64::try_from(long).unwrap().to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
    out
}

fn read(bytes: &[u8], cut: usize) -> Vec<Vec<u8>> {
    let mut reader = MessageReader::new();
    let mut messages = Vec::new();
    for piece in bytes.chunks(cut) {
        reader.take(piece, |message| messages.push(message.to_vec()));
    }
    messages
}

#[test]
fn messages_are_put_together_and_control_frames_left_out() {
    let long = vec![b'x'; 70_000];
    let bytes = [
        frame(0x81, b"one"),
        frame(0x01, b"tw"),
        frame(0x89, b"ping"),
        frame(0x00, b""),
        frame(0x80, b"o"),
        frame(0x82, b"binary"),
        frame(0x81, b""),
        frame(0x81, &long),
        frame(0x88, b"\x03\xe8bye"),
    ]
    .concat();
    for cut in [1, 2, 3, 1000, bytes.len()] {
        let messages = read(&bytes, cut);
        assert_eq!(messages, [&b"one"[..], b"two", b"", &long], "{cut}");
    }
}

#[test]
fn what_is_too_long_is_not_looked_at_and_what_follows_is() {
    let long = vec![b'x'; MESSAGE_BYTES_MAX + 1];
    let bytes = [frame(0x81, &long), frame(0x81, b"after")].concat();
    assert_eq!(read(&bytes, 8192), [b"after"]);
}

#[test]
fn what_is_not_understood_ends_the_reading() {
    for odd in [frame(0xc1, b"x"), frame(0x83, b"x"), vec![0x81, 0x81, 0, 0]] {
        let bytes = [odd, frame(0x81, b"after")].concat();
        assert_eq!(read(&bytes, 1), Vec::<Vec<u8>>::new());
    }
}

#[test]
fn the_end_of_a_response_tells_its_tokens() {
    let done = br#"{"type":"response.done","response":{"id":"r","usage":{"total_tokens":30,"input_tokens":20,"output_tokens":10,"input_token_details":{"cached_tokens":4}}}}"#;
    let usage = tokens_of(done).and_then(|found| found.usage).unwrap();
    assert_eq!((usage.input, usage.cached_input, usage.output), (20, 4, 10));
    for other in [
        &br#"{"type":"response.created","response":{"usage":{"input_tokens":1}}}"#[..],
        br#"{"type":"response.done","response":{"usage":null}}"#,
        br#"{"type":"session.created"}"#,
        b"usage",
    ] {
        assert_eq!(tokens_of(other), None);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_fail(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 1_usize..50) {
        read(&bytes, cut);
    }
}
