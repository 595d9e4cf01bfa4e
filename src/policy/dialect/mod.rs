//! The words in which clients of other gateways speak to a cache, so that such a client
//! moves here by changing its base URL.
//!
//! What is said is heard ([`Spoken`]), held to what the operator allows as our own
//! directives are, and taken out of the request: it is neither part of the question nor
//! sent on. Who has spoken is answered in its own words ([`Accents`]). What each word
//! comes to is one row of a table: `header` for headers, `body` for members.
//!
//! Restrictions add up, whoever asks for them: what one word wants to be asked anew or
//! not kept is not overruled by another that says nothing against it. Of several times
//! to live that of the body counts before our own header, and that before the others'. A
//! restriction that cannot be read is the strictest; a time to live that cannot be read is
//! none.

mod body;
mod header;
mod marker;
mod value;

use std::time::Duration;

use http::HeaderMap;

pub use header::Beyond;
pub use marker::Accents;

/// Whose words they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `LiteLLM`, and orq.ai, which has a member of the same name.
    LiteLlm,
    /// Helicone.
    Helicone,
    /// Cloudflare AI Gateway.
    Cloudflare,
    /// Portkey.
    Portkey,
    /// Bifrost.
    Bifrost,
    /// `OpenRouter`.
    OpenRouter,
    /// Braintrust's proxy.
    Braintrust,
    /// llmgateway.
    LlmGateway,
    /// vLLM Semantic Router.
    SemanticRouter,
    /// `TensorZero`.
    TensorZero,
    /// `GPTCache`.
    GptCache,
    /// Higress.
    Higress,
    /// `OpenPipe`.
    OpenPipe,
    /// `GoModel`.
    GoModel,
}

/// What is wanted of the cache in one place of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wishes {
    /// What is stored may answer.
    pub(super) read: bool,
    /// The answer may be stored.
    pub(super) store: bool,
    /// The greatest age that is accepted.
    pub(super) max_age: Option<Duration>,
    /// How long the answer shall be fresh.
    pub(super) ttl: Option<Duration>,
}

/// A part of the key that a client has chosen: which word it was chosen with, and what
/// was said.
pub type Part = (&'static str, Box<[u8]>);

/// What a request says in the words of other gateways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spoken {
    accents: Accents,
    headers: Wishes,
    body: Wishes,
    parts: Vec<Part>,
    /// Among how many answers to the same question one is chosen; none where it is less
    /// than two.
    buckets: u32,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            read: true,
            store: true,
            max_age: None,
            ttl: None,
        }
    }
}

impl Wishes {
    /// The cache is to be left out.
    const fn leave_out(&mut self) {
        self.read = false;
        self.store = false;
    }

    /// One more greatest age that is accepted; none at all is a new answer.
    fn accept(&mut self, age: Duration) {
        self.max_age = Some(self.max_age.map_or(age, |known| known.min(age)));
        self.read &= !age.is_zero();
    }

    /// One more time to live.
    fn live(&mut self, ttl: Option<Duration>) {
        self.ttl = match (self.ttl, ttl) {
            (Some(known), Some(more)) => Some(known.min(more)),
            (known, more) => known.or(more),
        };
    }
}

impl Spoken {
    /// Hears what the headers of a request say and takes that out of them. What is meant
    /// for another gateway and says nothing to a cache stays where that gateway may be
    /// `beyond` this one.
    pub fn take(headers: &mut HeaderMap, beyond: Beyond<'_>) -> Self {
        let mut spoken = Self::default();
        // A walk without a comparison of names is all that most requests cost.
        if headers.keys().any(header::may_be_one) {
            header::take(&mut spoken, headers, beyond);
        }
        spoken
    }

    /// Takes what is not for the server `beyond` out of headers that were heard before.
    pub fn leave_behind(&self, headers: &mut HeaderMap, beyond: Beyond<'_>) {
        if self.accents.is_any() {
            header::leave_behind(headers, beyond);
        }
    }

    /// Hears what a body says and gives the body without it; `None` if it says nothing,
    /// or if it is too odd to take something out of it.
    pub fn hear_body(&mut self, body: &[u8]) -> Option<Vec<u8>> {
        body::take(self, body)
    }

    /// Takes away all that would keep this request apart from others like it.
    pub fn join_others(&mut self) {
        self.parts.clear();
        self.buckets = 0;
        self.accents.bucket = None;
    }

    /// Chooses among the answers to the same question, where several are wanted, by a
    /// number drawn at random. The first is that of everybody who wants one.
    pub fn choose(&mut self, random: impl FnOnce() -> u32) {
        if self.buckets == 0 {
            return;
        }
        let bucket = random() % self.buckets;
        self.accents.bucket = Some(bucket);
        if bucket > 0 {
            self.part(header::BUCKET, &bucket.to_be_bytes());
        }
    }

    /// The parts of the key that were chosen, by name; of one name in the order they came.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Who has spoken.
    pub const fn accents(&self) -> Accents {
        self.accents
    }

    /// What is wanted in headers.
    pub(super) const fn by_headers(&self) -> &Wishes {
        &self.headers
    }

    /// What is wanted in the body.
    pub(super) const fn by_body(&self) -> &Wishes {
        &self.body
    }

    fn part(&mut self, name: &'static str, value: &[u8]) {
        let at = self.parts.partition_point(|(known, _)| *known <= name);
        self.parts.insert(at, (name, value.into()));
    }
}

#[cfg(test)]
mod tests;
