//! Composition: what runs after, beside and instead of what.

mod fan_out;
mod parallel;
mod sequential;

pub(crate) use parallel::Parallel;
pub(crate) use sequential::Sequential;

pub use fan_out::fan_out;
pub use parallel::{Gather, first_success, parallel, quorum};
