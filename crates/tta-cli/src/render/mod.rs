//! What the command shows in a terminal.
//!
//! Every renderer is a function from records to a string, so that it can be tested to the letter and
//! printed, paged or written to a file by others.

mod cell;
mod duration;
mod facts;
pub(crate) mod prices;
mod span_tree;
pub(crate) mod table;
pub(crate) mod waterfall;
mod window;

pub(crate) use cell::{fit, width};
pub(crate) use duration::duration;
