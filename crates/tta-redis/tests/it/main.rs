//! What the crate promises, by promise, against a real server.
#![cfg(unix)]
#![allow(missing_docs, clippy::print_stderr, clippy::unwrap_used, unreachable_pub)]

mod cache;
mod garbage;
mod memory;
mod open;
mod server;
mod trouble;
