//! Counts and distributions of everything that runs, exact whatever becomes of the spans.

mod bins;
mod snapshot;

pub use bins::RELATIVE_ERROR;
pub use snapshot::{Distribution, Exemplar, ExponentialBuckets, Family, Labels, Point, Series, Snapshot};
