//! The trace a request belongs to, as W3C Trace Context writes it in
//! `traceparent` (<https://www.w3.org/TR/trace-context/>).
//!
//! What is malformed counts as absent: a request is never refused for it, but what
//! came along in `tracestate` means nothing without it.

use std::fmt;

use http::{HeaderMap, HeaderName};

/// The header that names the trace and the caller's span.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The header in which tracing systems pass on what is theirs.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The flag that says that the caller records its spans.
pub const SAMPLED: u8 = 0x01;

/// The flags this version knows. Others must not be passed on, because what they
/// promise is not known to be kept.
const KNOWN_FLAGS: u8 = SAMPLED | 0x02;

/// The length of a header of version 00; those of later versions may be longer.
const LENGTH: usize = 55;

/// A `traceparent` header: which trace, and which span of it is the parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace. Never 0.
    pub trace: u128,
    /// The span that is the parent of what follows. Never 0.
    pub span: u64,
    /// Its flags, as far as they are known.
    pub flags: u8,
}

/// The names of one span: its own, its trace's, its parent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanIds {
    /// The trace.
    pub trace: u128,
    /// The span itself.
    pub span: u64,
    /// The span it is part of; `None` for the first of a trace.
    pub parent: Option<u64>,
    /// The flags of the trace.
    pub flags: u8,
}

impl TraceParent {
    /// The parent that a request names; `None` if it names none, several, or one
    /// that is malformed.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut named = headers.get_all(TRACEPARENT).iter();
        let (first, second) = (named.next()?, named.next());
        second.is_none().then_some(())?;
        Self::parse(first.to_str().ok()?)
    }

    /// Reads a header's value. Of versions later than 00 the parts known today are
    /// read, as the standard wants it.
    pub fn parse(text: &str) -> Option<Self> {
        let (known, rest) = text.split_at_checked(LENGTH)?;
        let mut fields = known.split('-');
        let version = lower_hex(fields.next()?, 2)?;
        let trace = lower_hex(fields.next()?, 32)?;
        let span = u64::try_from(lower_hex(fields.next()?, 16)?).ok()?;
        let flags = u8::try_from(lower_hex(fields.next()?, 2)?).ok()?;
        let may_end_so = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        let is_sound = may_end_so && fields.next().is_none() && trace != 0 && span != 0;
        is_sound.then_some(Self {
            trace,
            span,
            flags: flags & KNOWN_FLAGS,
        })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, span, flags } = self;
        write!(f, "00-{trace:032x}-{span:016x}-{flags:02x}")
    }
}

impl SpanIds {
    /// The names of a span of its own that is part of this one.
    #[must_use]
    pub const fn child(self, span: u64) -> Self {
        Self {
            span,
            parent: Some(self.span),
            ..self
        }
    }

    /// Whether the span is to be recorded.
    pub const fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// What those are told who are called from within this span.
    pub const fn as_parent(self) -> TraceParent {
        TraceParent {
            trace: self.trace,
            span: self.span,
            flags: self.flags,
        }
    }
}

/// A number written in so many lower-case hexadecimal digits, and nothing else.
fn lower_hex(text: &str, digits: usize) -> Option<u128> {
    let is_lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_sound = text.len() == digits && text.bytes().all(is_lower);
    is_sound
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const SOUND: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_example_of_the_standard_is_read() {
        let read = TraceParent::parse(SOUND).unwrap();
        assert_eq!(read.trace, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(read.span, 0x00f0_67aa_0ba9_02b7);
        assert_eq!(read.flags, SAMPLED);
        assert_eq!(read.to_string(), SOUND);
    }

    #[test]
    fn what_is_malformed_counts_as_absent() {
        for text in [
            "",
            "00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0-04bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
        ] {
            assert_eq!(TraceParent::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        for text in [
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fd-what-comes",
        ] {
            let read = TraceParent::parse(text).unwrap();
            assert_eq!(read.to_string(), SOUND, "{text}");
        }
    }

    #[test]
    fn two_parents_are_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(TraceParent::of(&headers), None);
        headers.append(TRACEPARENT, HeaderValue::from_static(SOUND));
        assert_eq!(TraceParent::of(&headers), TraceParent::parse(SOUND));
        headers.append(TRACEPARENT, HeaderValue::from_static(SOUND));
        assert_eq!(TraceParent::of(&headers), None);
    }

    #[test]
    fn a_child_is_of_the_same_trace() {
        let request = SpanIds {
            trace: 7,
            span: 8,
            parent: None,
            flags: SAMPLED,
        };
        let call = request.child(9);
        assert_eq!((call.trace, call.parent, call.span), (7, Some(8), 9));
        assert_eq!(call.as_parent().span, 9);
        assert!(call.is_sampled());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            trace in 1..=u128::MAX,
            span in 1..=u64::MAX,
            flags in 0..=KNOWN_FLAGS,
        ) {
            let parent = TraceParent { trace, span, flags };
            prop_assert_eq!(TraceParent::parse(&parent.to_string()), Some(parent));
        }

        #[test]
        fn any_text_is_either_read_or_not(text in "\\PC{0,80}") {
            let _either = TraceParent::parse(&text);
        }

        #[test]
        fn one_wrong_character_is_noticed(at in 0..LENGTH, wrong in "[g-zG-Z_ ]") {
            let mut text = SOUND.to_owned();
            text.replace_range(at..=at, &wrong);
            prop_assert_eq!(TraceParent::parse(&text), None);
        }
    }
}
