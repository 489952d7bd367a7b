//! What the primitives promise, by promise.
#![allow(missing_docs, clippy::unwrap_used)]

mod composition;
mod recovery;
