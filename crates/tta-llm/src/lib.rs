//! Calls of language models as primitives of a workflow.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

pub mod local;
mod price;
mod request;
mod response;
pub mod tokens;
mod usage;

pub use local::Local;
pub use price::{LongInput, PRICES_VARIABLE, Price, PriceError, PriceTable, Rate, RateError, Rates};
pub use request::{ChatRequest, Message, ResponseFormat, Role, Tool, ToolCall};
pub use response::{ChatResponse, EmbedRequest, Embeddings, FinishReason};
pub use usage::Usage;
