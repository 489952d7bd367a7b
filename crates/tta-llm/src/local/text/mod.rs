//! Sentences, words and summaries of plain text, without a model and without a network.

mod segment;
mod summary;

pub use segment::{is_topic_word, sentences, words};
pub use summary::{Summary, summarise};
