//! What users of the command are promised, with the real binary.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, unreachable_pub)]

mod assets;
mod completions;
mod documents;
mod drain;
mod live;
mod page;
mod prices;
mod programs;
mod prometheus;
mod push;
mod query;
mod receiver;
mod serve;
mod signals;
mod slo;
mod sql;
mod tail;
mod traces;
mod transfer;
mod trouble;
mod tta;
