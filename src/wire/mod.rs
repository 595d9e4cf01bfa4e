//! The shapes on the wire: JSON as it was written, event streams, the answers of every
//! API in both their forms, lists of answers, forms with files, frames of a WebSocket,
//! vectors, errors, usage, operations, kinds of upstream, trace context.
//!
//! Pure: nothing here does I/O, reads a clock or knows the rest of the program.
//! Bytes and values go in, bytes and values come out.

pub mod chat;
pub mod choices;
pub mod completion;
pub mod embedding;
pub mod error;
pub mod json;
pub mod list;
pub mod message;
pub mod multipart;
pub mod operation;
pub mod pieces;
pub mod response;
pub mod sse;
pub mod trace_context;
pub mod upstream_kind;
pub mod usage;
pub mod usage_reader;
pub mod websocket;

pub use json::Json;
pub use operation::{Operation, deployment, with_deployment};
pub use trace_context::{SpanIds, TraceParent};
pub use upstream_kind::UpstreamKind;
pub use usage::Usage;
pub use usage_reader::UsageReader;
