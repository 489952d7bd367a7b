//! What the primitives promise, by promise.
#![allow(missing_docs, clippy::unwrap_used)]

#[cfg(feature = "cache")]
mod cache;
mod compose;
mod composition;
mod context;
mod hostile;
mod leaf;
#[cfg(feature = "cache")]
mod memory;
mod recovery;
mod saga;
mod testkit;
mod ui;
