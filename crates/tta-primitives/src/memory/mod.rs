//! Conversations that are remembered.
//!
//! An agent that answers a message must know what was said before. A [`ConversationMemory`] stands before a flow
//! that answers from all messages so far, and makes of it one that takes a message and gives an answer. It decides
//! alone who speaks when, and what a turn leaves behind; a [`MemoryStore`] only keeps messages. So every store, in
//! this process or elsewhere, behaves the same.

mod local;
mod settings;
mod stats;
mod store;
mod turn;
mod turns;

pub use settings::ConversationMemory;
pub use stats::MemoryStats;
pub use store::{Keep, MemoryStore};
