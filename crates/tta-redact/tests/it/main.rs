//! What users are promised: secrets go, everything else stays.
#![allow(missing_docs, clippy::unwrap_used, unreachable_pub)]

mod benign;
mod known;
mod named;
mod planted;
mod properties;
mod rule;
