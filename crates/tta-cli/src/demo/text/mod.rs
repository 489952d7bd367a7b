//! What the steps of the demo compute, as plain functions from records to records.
//!
//! All of it is offline and deterministic: the same document and the same answer of a model give the same report, bit for
//! bit, so that a cached result and a computed one cannot be told apart.

mod keywords;
mod report;
mod statistics;
mod summary;

pub(crate) use keywords::{Keyword, keywords};
pub(crate) use report::{Report, aggregate};
pub(crate) use statistics::{Statistics, statistics};
pub(crate) use summary::{Summary, prompt, read};
