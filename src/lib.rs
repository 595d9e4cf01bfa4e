#![doc = include_str!("../docs/architecture.md")]

// In reading order, the lowest first: each module uses only what stands above it.
pub mod clock;
pub mod wire;
pub mod key;
pub mod policy;
pub mod entry;
pub mod operation;
pub mod backend;
