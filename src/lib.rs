#![doc = include_str!("../docs/architecture.md")]

// In reading order, the lowest first: each module uses only what stands above it.
pub mod clock;
pub mod wire;

pub mod key;
pub mod price;
pub mod secret_file;
pub mod vault;

pub mod limit;
pub mod policy;

pub mod entry;
pub mod ledger;
pub mod operation;
pub mod purge;

pub mod backend;

pub mod access;
pub mod flight;
pub mod upstream;
pub mod usage;

pub mod telemetry;

pub mod proxy;

pub mod api;
pub mod mock;

pub mod config;

pub mod app;
pub mod cli;
