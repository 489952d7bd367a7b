//! The demo: a workflow over real documents, and no pretended work.
//!
//! Here are the parts that know nothing of workflows. A [corpus] names documents, a [document] is
//! one that passed validation, and [text] has the functions that the steps call.

pub(crate) mod corpus;
pub(crate) mod document;
mod extract;
pub(crate) mod text;
