//! What may be served and stored: directives, freshness, gates; and the patterns with
//! which operators say what names they mean.
//!
//! The vocabulary is that of RFC 9111, RFC 5861 and RFC 9211. The thing itself is
//! not an HTTP cache: POST requests and requests with credentials are outside of
//! those, so this is an application's own cache that speaks their words. The
//! module is pure: times are arguments, headers go in, decisions come out.

pub mod cache_status;
pub mod dialect;
pub mod directives;
pub mod freshness;
pub mod gate;
pub mod options;
pub mod pattern;

pub use cache_status::CacheStatus;
pub use dialect::{Accents, Beyond, Spoken};
pub use directives::{Directives, Lookup};
pub use freshness::Freshness;
pub use gate::Refusal;
pub use options::{OptIn, PolicyOptions};
pub use pattern::Pattern;
