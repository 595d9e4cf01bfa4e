//! Which names mean a model.

use serde::Deserialize;

/// Accepts a name if any of its parts does. Its texts and the names it is asked for
/// are in lower case.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Rule {
    /// The name is one of these.
    #[serde(borrow)]
    pub(super) is: Vec<&'static str>,
    /// It starts with one of these.
    #[serde(borrow)]
    starts: Vec<&'static str>,
    /// It ends with one of these.
    #[serde(borrow)]
    ends: Vec<&'static str>,
    /// It has one of these in it.
    #[serde(borrow)]
    has: Vec<&'static str>,
    /// It looks like one of these; see [`is_like`].
    #[serde(borrow)]
    like: Vec<&'static str>,
    /// All of these accept it.
    all: Vec<Self>,
    /// This does not accept it.
    not: Option<Box<Self>>,
}

impl Rule {
    /// Whether the name means the model.
    pub(super) fn accepts(&self, name: &str) -> bool {
        self.is.contains(&name) || self.accepts_a_form(name)
    }

    /// The same for the parts that are more than a list of names.
    pub(super) fn accepts_a_form(&self, name: &str) -> bool {
        self.starts.iter().any(|text| name.starts_with(text))
            || self.ends.iter().any(|text| name.ends_with(text))
            || self.has.iter().any(|text| name.contains(text))
            || self.like.iter().any(|form| is_like(name, form))
            || (!self.all.is_empty() && self.all.iter().all(|rule| rule.accepts(name)))
            || self.not.as_ref().is_some_and(|rule| !rule.accepts(name))
    }

    /// Whether it is a list of names and nothing else.
    pub(super) fn is_a_list(&self) -> bool {
        self.starts.is_empty()
            && self.ends.is_empty()
            && self.has.is_empty()
            && self.like.is_empty()
            && self.all.is_empty()
            && self.not.is_none()
    }
}

/// Whether a name has a form: `#` is a digit, and `*` at the end whatever follows.
fn is_like(name: &str, form: &str) -> bool {
    let (form, is_open) = match form.strip_suffix('*') {
        Some(form) => (form, true),
        None => (form, false),
    };
    let fits = |(byte, wanted): (u8, u8)| match wanted {
        b'#' => byte.is_ascii_digit(),
        wanted => byte == wanted,
    };
    (form.len() == name.len() || (is_open && form.len() < name.len()))
        && name.bytes().zip(form.bytes()).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &'static str) -> Rule {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_rule_accepts_what_any_part_of_it_does() {
        let rule =
            rule(r#"{"is":["a"],"starts":["b-"],"ends":["-c"],"has":["/d/"],"like":["e-##"]}"#);
        for name in ["a", "b-", "b-x", "x-c", "x/d/y", "e-42"] {
            assert!(rule.accepts(name), "{name}");
        }
        for name in ["", "aa", "b", "-c-", "d", "e-4", "e-421", "e-4x"] {
            assert!(!rule.accepts(name), "{name}");
        }
    }

    #[test]
    fn rules_can_be_joined_and_turned_around() {
        let rule = rule(r#"{"all":[{"starts":["g-"]},{"not":{"ends":["-tts"],"has":["-tts-"]}}]}"#);
        for (name, is_accepted) in [
            ("g-", true),
            ("g-ttsx", true),
            ("g-tts", false),
            ("g-tts-1", false),
            ("h", false),
        ] {
            assert_eq!(rule.accepts(name), is_accepted, "{name}");
        }
    }

    #[test]
    fn a_form_may_be_open_at_its_end() {
        assert!(is_like("g-1", "g-#*") && is_like("g-1-preview", "g-#*"));
        assert!(!is_like("g-", "g-#*") && !is_like("g-x", "g-#*") && !is_like("g-12", "g-#"));
        assert!(!is_like("g-٣", "g-#") && !is_like("g-٣", "g-##"));
    }

    #[test]
    fn an_empty_rule_accepts_nothing() {
        assert!(!rule("{}").accepts("") && rule("{}").is_a_list());
    }
}
