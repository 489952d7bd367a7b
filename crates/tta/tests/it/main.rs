//! What users are promised, end to end.
#![allow(missing_docs, clippy::unwrap_used, unreachable_pub)]

mod nesting;
mod support;
