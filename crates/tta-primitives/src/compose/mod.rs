//! Composition: what runs after, beside and instead of what.

mod parallel;
mod sequential;

pub(crate) use parallel::Parallel;
pub(crate) use sequential::Sequential;

pub use parallel::{Gather, first_success, parallel, quorum};
