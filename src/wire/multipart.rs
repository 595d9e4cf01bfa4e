//! `multipart/form-data` (RFC 7578), read in one way only.
//!
//! Readers differ in what they make of odd forms: text before the first delimiter or
//! behind the last, headers that are continued or repeated, escapes in names, lines that
//! end without a carriage return. This one takes what clients really write and refuses
//! the rest. Above all, the boundary may stand nowhere but in delimiters, so that no
//! other reader can find a part that this one has not seen. It keeps the places of what
//! it reads, because a form is changed by cutting and inserting, like a document.

use std::ops::Range;

use memchr::memmem;

/// The longest boundary (RFC 2046 §5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;

/// The most parts of a form.
const PARTS_MAX: usize = 256;

/// A form and where its parts are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multipart<'a> {
    body: &'a [u8],
    boundary: &'a str,
    parts: Vec<Part<'a>>,
    /// Where the last delimiter begins.
    end: usize,
}

/// One part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// The name of its field.
    pub name: &'a str,
    /// Whether it is a file.
    pub is_file: bool,
    /// What it says that it is.
    pub content_type: Option<&'a str>,
    /// Its content.
    pub content: &'a [u8],
    /// Where that stands.
    range: Range<usize>,
}

/// A form that is none, or that two servers might read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the form cannot be read in one way only")]
pub struct Unreadable;

/// The boundary that a content type names; `None` if it is not that of a form, or says
/// anything else.
pub fn boundary(content_type: &str) -> Option<&str> {
    let (essence, parameter) = content_type.split_once(';')?;
    if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let (name, value) = parameter.trim().split_once('=')?;
    let quoted = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    let value = quoted.unwrap_or(value);
    let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    let is_boundary = name.eq_ignore_ascii_case("boundary")
        && (1..=BOUNDARY_BYTES_MAX).contains(&value.len())
        && value.bytes().all(is_sound);
    is_boundary.then_some(value)
}

impl<'a> Multipart<'a> {
    /// Reads a form.
    ///
    /// # Errors
    /// If two servers might read it differently.
    pub fn read(body: &'a [u8], boundary: &'a str) -> Result<Self, Unreadable> {
        let dashed = format!("--{boundary}");
        let finder = memmem::Finder::new(&dashed);
        // Where each delimiter begins, the line end before it not counted.
        let mut delimiters = finder.find_iter(body);
        if delimiters.next() != Some(0) {
            return Err(Unreadable);
        }
        let mut parts = Vec::new();
        let mut from = dashed.len();
        for at in delimiters {
            if parts.len() == PARTS_MAX {
                return Err(Unreadable);
            }
            let part = body.get(from..at).ok_or(Unreadable)?;
            let part = part.strip_prefix(b"\r\n").ok_or(Unreadable)?;
            let part = part.strip_suffix(b"\r\n").ok_or(Unreadable)?;
            parts.push(Part::read(part, from + 2)?);
            from = at + dashed.len();
        }
        let rest = body.get(from..).unwrap_or_default();
        let epilogue = rest.strip_prefix(b"--").ok_or(Unreadable)?;
        let is_space = |byte: &u8| matches!(byte, b'\r' | b'\n');
        if parts.is_empty() || !epilogue.iter().all(is_space) {
            return Err(Unreadable);
        }
        Ok(Self {
            body,
            boundary,
            parts,
            end: from - dashed.len(),
        })
    }

    /// The parts, in their order.
    pub fn parts(&self) -> &[Part<'a>] {
        &self.parts
    }

    /// The parts that are no files, of one name.
    pub fn fields(&self, name: &str) -> impl Iterator<Item = &Part<'a>> {
        let parts = self.parts.iter();
        parts.filter(move |part| !part.is_file && part.name == name)
    }

    /// The text of the only field of a name; `None` if there is none, or several.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        let mut fields = self.fields(name);
        match (fields.next(), fields.next()) {
            (Some(part), None) => std::str::from_utf8(part.content).ok(),
            (_, _) => None,
        }
    }

    /// The form with `text` for the field `name`: in the place of what it says, or as a
    /// new part at the end. Every other byte stays as it was written. `None` if that
    /// would be no form.
    pub fn with(&self, name: &str, text: &str) -> Option<Vec<u8>> {
        let dashed = format!("--{}", self.boundary);
        let has_boundary = memmem::find(text.as_bytes(), dashed.as_bytes()).is_some();
        if !is_plain_name(name) || has_boundary {
            return None;
        }
        let known = self.parts.iter().find(|part| part.name == name);
        let (range, text) = match known {
            Some(part) => (part.range.clone(), text.to_owned()),
            None => (
                self.end..self.end,
                format!(
                    "{dashed}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n"
                ),
            ),
        };
        let before = self.body.get(..range.start)?;
        let after = self.body.get(range.end..)?;
        Some([before, text.as_bytes(), after].concat())
    }
}

impl<'a> Part<'a> {
    /// Reads what stands between two delimiters, which begins at `start` of the body.
    fn read(part: &'a [u8], start: usize) -> Result<Self, Unreadable> {
        let end = memmem::find(part, b"\r\n\r\n").ok_or(Unreadable)?;
        let (head, content) = part.split_at_checked(end + 4).ok_or(Unreadable)?;
        let head = head.get(..end).ok_or(Unreadable)?;
        let head = std::str::from_utf8(head).map_err(|_odd| Unreadable)?;
        let (mut disposition, mut content_type) = (None, None);
        for line in head.split("\r\n") {
            if line.contains(['\r', '\n', '\0']) {
                return Err(Unreadable);
            }
            let (name, value) = line.split_once(':').ok_or(Unreadable)?;
            let value = value.trim_matches([' ', '\t']);
            let slot = match name.to_ascii_lowercase().as_str() {
                "content-disposition" => &mut disposition,
                "content-type" => &mut content_type,
                "content-length" if value.parse() == Ok(content.len()) => continue,
                "content-transfer-encoding" if is_identity(value) => continue,
                _ => return Err(Unreadable),
            };
            if slot.replace(value).is_some() {
                return Err(Unreadable);
            }
        }
        let (name, is_file) = disposed(disposition.ok_or(Unreadable)?)?;
        let from = start + end + 4;
        Ok(Self {
            name,
            is_file,
            content_type,
            content,
            range: from..from + content.len(),
        })
    }
}

/// Whether an encoding is none.
fn is_identity(encoding: &str) -> bool {
    let mut none = ["7bit", "8bit", "binary"].into_iter();
    none.any(|none| none.eq_ignore_ascii_case(encoding))
}

/// The name in a `Content-Disposition`, and whether it is that of a file.
fn disposed(value: &str) -> Result<(&str, bool), Unreadable> {
    let (kind, mut rest) = value.split_once(';').ok_or(Unreadable)?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return Err(Unreadable);
    }
    let (mut name, mut is_file, mut is_extended) = (None, false, false);
    loop {
        let (parameter, behind) = rest.trim_start().split_once('=').ok_or(Unreadable)?;
        let (value, behind) = parameter_value(behind)?;
        match parameter.trim_end().to_ascii_lowercase().as_str() {
            "name" if name.is_none() && is_plain_name(value) => name = Some(value),
            "filename" if !is_file => is_file = true,
            // The same once more, for names that are not ASCII (RFC 5987).
            "filename*" if is_file && !is_extended => is_extended = true,
            _ => return Err(Unreadable),
        }
        let behind = behind.trim_start();
        if behind.is_empty() {
            break;
        }
        rest = behind.strip_prefix(';').ok_or(Unreadable)?;
    }
    Ok((name.ok_or(Unreadable)?, is_file))
}

/// The value of a parameter, quoted or not, and what stands behind it.
fn parameter_value(text: &str) -> Result<(&str, &str), Unreadable> {
    let (value, behind) = match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or(Unreadable)?,
        None => text
            .split_at_checked(text.find(';').unwrap_or(text.len()))
            .ok_or(Unreadable)?,
    };
    // Some readers take what is behind a backslash as it is, others do not.
    if value.contains(['\\', '"']) || value.contains(char::is_control) {
        return Err(Unreadable);
    }
    Ok((value, behind))
}

/// Whether every reader takes a name for the same.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte))
}

#[cfg(test)]
#[path = "multipart_tests.rs"]
mod tests;
