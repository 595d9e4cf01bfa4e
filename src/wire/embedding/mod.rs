//! Embeddings: what is read off a request, and vectors between their forms.

mod request;
mod vector;

pub use request::{Encoding, Input, Request};
pub use vector::{OddVector, Vector};
