//! The compact writer.

use super::Json;

impl Json<'_> {
    /// Writes the value without white space: numbers as their lexemes, text raw
    /// but for what RFC 8259 makes one escape, and for U+0085, U+2028 and U+2029,
    /// at which some SSE readers split lines.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Number(lexeme) => out.extend_from_slice(lexeme.as_bytes()),
            Self::String(text) => write_string(text, out),
            Self::Array(items) => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (at, (name, value)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    write_string(name, out);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }

    /// The compact text, see [`Json::write`].
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}

/// Writes `text` as a JSON string, quotes included. Runs that need no escape,
/// which is nearly all of any text, are copied whole.
pub(in crate::wire) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    loop {
        let run = rest.bytes().position(may_need_escape).unwrap_or(rest.len());
        let Some((plain, odd)) = rest.split_at_checked(run) else {
            break;
        };
        out.extend_from_slice(plain.as_bytes());
        let mut chars = odd.chars();
        let Some(c) = chars.next() else {
            break;
        };
        write_char(c, out);
        rest = chars.as_str();
    }
    out.push(b'"');
}

/// Whether a byte begins a character that [`write_char`] may escape: ASCII, or
/// the first byte of U+0085, U+2028 and U+2029.
const fn may_need_escape(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..=0x1f | 0xc2 | 0xe2)
}

fn write_char(c: char, out: &mut Vec<u8>) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\u{8}' => out.extend_from_slice(b"\\b"),
        '\u{c}' => out.extend_from_slice(b"\\f"),
        '\0'..='\u{1f}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
            out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
        }
        _ => {
            let mut utf8 = [0; 4];
            out.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
        }
    }
}
