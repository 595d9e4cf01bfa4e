//! The integration tests, one binary: the real program from outside, one file a
//! promise.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a broken test should fail at the spot"
)]

mod admin_door;
mod api_keys;
mod audio;
mod azure;
mod cache_admin;
mod canary;
mod chat;
mod clients;
mod coalescing;
mod commands;
mod completions;
mod conversions;
mod corruption;
mod described;
mod dialects;
mod directives;
mod embedding_batches;
mod embedding_directives;
mod embedding_faults;
mod embedding_forms;
mod embedding_keys;
mod embedding_memory;
mod embedding_model;
mod embedding_usage;
mod embeddings;
mod encryption;
mod erasure;
mod errors;
mod explain;
mod exports;
mod gates;
mod keys;
mod lifecycle;
mod limits;
mod message_cuts;
mod message_errors;
mod message_keys;
mod messages;
mod models;
mod moderations;
mod monitoring;
mod openapi;
mod operations;
mod outage;
mod passthrough;
mod prices;
mod providers;
mod purges;
mod rerank;
mod response_deletion;
mod response_echo;
mod responses;
mod rights;
mod sessions;
mod smuggling;
mod staleness;
mod stream_cuts;
mod support;
mod tenancy;
mod tidy;
mod tokens;
mod traces;
mod upstream_faults;
mod usage;
mod usage_pages;
mod websocket;
