//! What calls of models promise, by promise, against servers of this process.
#![allow(missing_docs, clippy::unwrap_used)]

mod money;
mod router;
mod wire;
