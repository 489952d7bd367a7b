//! What a trace shows once it is looked at as a whole: pure functions over [`Trace`].
//!
//! Nothing here reads or waits. No function recurses: a trace of 50,000 spans, each the child of the one before, is a trace like
//! any other.

mod compare;
mod critical_path;
mod flame;
mod trace;

pub use compare::{Comparison, Pair, Side, compare};
pub use critical_path::{Segment, critical_path};
pub use flame::{Flame, Frame, flame};
pub use trace::{Span, Trace};

#[cfg(test)]
mod made;
