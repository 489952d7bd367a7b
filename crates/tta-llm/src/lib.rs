//! Calls of language models as primitives of a workflow.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod answer;
mod backend;
mod call;
mod capture;
mod error;
pub mod local;
mod model;
mod models;
mod play;
mod price;
mod provider;
mod remote;
mod request;
mod response;
mod router;
pub mod tokens;
mod usage;
mod vocabulary;

pub use call::{ChatStream, Chunk};
pub use capture::Capture;
pub use error::{CallFailure, FailureClass};
pub use local::Local;
pub use model::Llm;
pub use models::{ModelError, Models, ModelsBuilder};
pub use price::{LongInput, PRICES_VARIABLE, Price, PriceError, PriceTable, Rate, RateError, Rates};
pub use provider::{Api, Provider};
pub use remote::Unreachable;
pub use request::{ChatRequest, Message, ResponseFormat, Role, Tool, ToolCall};
pub use response::{ChatResponse, EmbedRequest, Embeddings, FinishReason};
pub use router::{Candidate, ModelRouter, ModelRouterError, Pick};
pub use usage::Usage;
