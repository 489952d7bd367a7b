//! Calls of language models as primitives of a workflow.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod request;
mod response;
mod usage;

pub use request::{ChatRequest, Message, ResponseFormat, Role, Tool, ToolCall};
pub use response::{ChatResponse, EmbedRequest, Embeddings, FinishReason};
pub use usage::Usage;
