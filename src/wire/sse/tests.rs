//! The reader against a reader that has the whole stream before it.

use proptest::prelude::*;

use super::*;
use bytes::Bytes;

/// What there is to know of a frame.
type Read = (
    Vec<u8>,
    bool,
    Option<String>,
    Result<Option<String>, NotUtf8>,
);

fn read(frame: &Frame) -> Read {
    (
        frame.raw.to_vec(),
        frame.is_whole(),
        frame.event().map(str::to_owned),
        frame
            .data()
            .map(|data| data.map(std::borrow::Cow::into_owned)),
    )
}

/// Reads a stream that comes in chunks of the given sizes, the rest in one.
fn frames(stream: &[u8], sizes: &[usize]) -> Vec<Read> {
    let mut reader = FrameReader::new();
    let mut found = Vec::new();
    let mut rest = stream;
    let mut sizes = sizes.iter();
    while !rest.is_empty() {
        let size = sizes.next().copied().unwrap_or(rest.len()).min(rest.len());
        let (chunk, after) = rest.split_at(size);
        rest = after;
        reader.push(Bytes::copy_from_slice(chunk));
        while let Some(frame) = reader.next_frame() {
            found.push(read(&frame.unwrap()));
        }
    }
    found.extend(reader.finish().map(|frame| read(&frame)));
    found
}

/// The standard, word for word, on a whole stream.
fn oracle(stream: &[u8]) -> Vec<Read> {
    let mut found = Vec::new();
    let mut lines: Vec<&[u8]> = Vec::new();
    let (mut frame_start, mut line_start, mut at) = (0, 0, 0);
    if stream.starts_with(b"\xef\xbb\xbf") {
        (line_start, at) = (3, 3);
    }
    while at < stream.len() {
        let ended = matches!(stream[at], b'\r' | b'\n');
        let line = &stream[line_start..at];
        let is_pair = stream[at..].starts_with(b"\r\n");
        at += if is_pair { 2 } else { 1 };
        if !ended {
            continue;
        }
        line_start = at;
        if line.is_empty() {
            found.push(oracle_frame(&stream[frame_start..at], &lines, true));
            lines.clear();
            frame_start = at;
        } else {
            lines.push(line);
        }
    }
    if frame_start < stream.len() {
        lines.push(&stream[line_start..]);
        found.push(oracle_frame(&stream[frame_start..], &lines, false));
    }
    found
}

fn oracle_frame(raw: &[u8], lines: &[&[u8]], whole: bool) -> Read {
    let values = |wanted: &str| -> Vec<Vec<u8>> {
        lines
            .iter()
            .filter_map(|line| {
                let mut parts = line.splitn(2, |byte| *byte == b':');
                let name = parts.next().unwrap();
                let value = parts.next().unwrap_or_default();
                let value = value.strip_prefix(b" ").unwrap_or(value);
                (name == wanted.as_bytes()).then(|| value.to_vec())
            })
            .collect()
    };
    let event = values("event")
        .pop()
        .and_then(|name| String::from_utf8(name).ok());
    let data = values("data");
    let data = if data.is_empty() {
        Ok(None)
    } else {
        String::from_utf8(data.join(&b'\n'))
            .map(Some)
            .map_err(|_invalid| NotUtf8)
    };
    (
        raw.to_vec(),
        whole,
        event.filter(|name| !name.is_empty()),
        data,
    )
}

fn data(stream: &[u8]) -> Vec<String> {
    frames(stream, &[])
        .into_iter()
        .filter_map(|(_, _, _, data)| data.unwrap())
        .collect()
}

#[test]
fn every_kind_of_line_end_is_read() {
    for stream in [
        "data: a\n\ndata: b\n\n",
        "data: a\r\n\r\ndata: b\r\n\r\n",
        "data: a\r\rdata: b\r\r",
        "data: a\r\n\ndata: b\n\r\n",
        "data:a\n\n\n\r\n: comment\n\ndata:b",
        "\u{feff}data: a\n\ndata: b\n\n",
        "\u{feff}\ndata: a\n\nid: 1\nretry: 5\nodd\ndata: b\n\n",
    ] {
        assert_eq!(data(stream.as_bytes()), ["a", "b"], "{stream:?}");
    }
}

#[test]
fn data_lines_are_joined_and_one_space_is_left_out() {
    assert_eq!(data(b"data:  a\ndata\ndata:b\ndata: \n\n"), [" a\n\nb\n"]);
    assert_eq!(data(b"event: x\ndata: a: b\n\n"), ["a: b"]);
    assert_eq!(
        data(b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n"),
        ["a"]
    );
}

#[test]
fn the_last_event_may_lack_its_blank_line() {
    let found = frames(b"data: a\n\nevent: end\ndata: [DONE]", &[]);
    let (raw, whole, event, data) = found.last().unwrap();
    assert_eq!(raw, b"event: end\ndata: [DONE]");
    assert!(!whole);
    assert_eq!(event.as_deref(), Some("end"));
    assert_eq!(data.as_ref().unwrap().as_deref(), Some("[DONE]"));
    assert!(frames(b"data: a\r\r", &[]).pop().unwrap().1);
}

#[test]
fn data_that_is_not_utf8_is_told_apart_from_none() {
    let found = frames(b"event: \xff\ndata: \xff\n\n: \xff\n\n", &[]);
    assert_eq!(found[0].2, None);
    assert_eq!(found[0].3, Err(NotUtf8));
    assert_eq!(found[1].3, Ok(None));
}

#[test]
fn a_frame_within_one_chunk_is_a_slice_of_it() {
    let chunk = Bytes::from_static(b"data: a\n\ndata: b\n\ndata: c");
    let mut reader = FrameReader::new();
    reader.push(chunk.clone());
    let mut at = 0;
    while let Some(frame) = reader.next_frame() {
        let raw = frame.unwrap().raw;
        assert_eq!(raw.as_ptr(), chunk[at..].as_ptr());
        at += raw.len();
    }
    assert_eq!(at, 18);
    assert_eq!(reader.take_rest(), "data: c");
    assert_eq!(reader.finish(), None);
}

#[test]
fn a_line_or_an_event_beyond_its_limit_is_an_error_and_no_byte_is_lost() {
    let line = [b"data: ".to_vec(), vec![b'a'; LINE_BYTES_MAX]].concat();
    let event = b"data: aaaaaaaaa\n".repeat(EVENT_BYTES_MAX / 16 + 1);
    for (long, error, size) in [
        (&line, SseError::LineTooLong, 100_000),
        (&line, SseError::LineTooLong, usize::MAX),
        (&event, SseError::EventTooLong, 100_000),
        (&event, SseError::EventTooLong, usize::MAX),
    ] {
        let stream = [b"data: a\n\n".as_slice(), long, b"\n\ndata: b\n\n"].concat();
        let mut reader = FrameReader::new();
        let mut frames = Vec::new();
        for chunk in stream.chunks(size.min(stream.len())) {
            reader.push(Bytes::copy_from_slice(chunk));
            frames.extend(std::iter::from_fn(|| reader.next_frame()));
        }
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[0].as_ref().unwrap().raw, "data: a\n\n");
        assert_eq!(frames[1], Err(error));
        assert_eq!(reader.finish(), None);
        assert_eq!(reader.take_rest(), stream[9..]);
    }
}

#[test]
fn the_longest_allowed_line_is_read() {
    let payload = vec![b'a'; LINE_BYTES_MAX - 6];
    let stream = data_frame(&payload);
    assert_eq!(data(&stream)[0].len(), payload.len());
}

#[test]
fn what_is_written_is_read_again() {
    let error = crate::wire::error::ErrorBody {
        message: "cut",
        kind: "api_error",
        param: None,
        code: Some("upstream_cut"),
    };
    let stream = [&data_frame(b"{}")[..], DONE, &error_frame(&error)].concat();
    assert_eq!(
        data(&stream),
        [
            "{}",
            DONE_PAYLOAD,
            r#"{"error":{"message":"cut","type":"api_error","param":null,"code":"upstream_cut"}}"#
        ]
    );
}

fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"\n"[..],
        b"\n",
        b"\n",
        b"\r",
        b"\r",
        b"\r\n",
        b"\r\n",
        b"data: ",
        b"data: ",
        b"data:",
        b"data",
        b"event: ",
        b":",
        b" ",
        b"x",
        b"id: 1",
        "é\u{2028}".as_bytes(),
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xbb",
    ]);
    let start = prop::sample::select(vec![&b""[..], b"", b"\xef\xbb\xbf", b"\xef"]);
    (start, prop::collection::vec(piece, 0..40))
        .prop_map(|(start, pieces)| [start, &pieces.concat()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn however_a_stream_is_cut_its_frames_are_the_standards(
        stream in any_stream(), sizes in prop::collection::vec(1_usize..9, 0..60)
    ) {
        let expected = oracle(&stream);
        prop_assert_eq!(&frames(&stream, &[]), &expected);
        prop_assert_eq!(&frames(&stream, &sizes), &expected);
        prop_assert_eq!(&frames(&stream, &vec![1; stream.len()]), &expected);
        let raw: Vec<u8> = expected.into_iter().flat_map(|(raw, ..)| raw).collect();
        prop_assert_eq!(raw, stream);
    }
}
