//! What users of the command are promised, with the real binary.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, unreachable_pub)]

mod documents;
mod live;
mod receiver;
mod traces;
mod trouble;
mod tta;
