//! What a model answers.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tta_model::Text;
use tta_primitives::{Error, ErrorKind, MicroUsd, Result};

use crate::request::{Message, Role, ToolCall, size};
use crate::usage::Usage;

/// The answer of a model, and what it took.
///
/// `Debug` shows sizes in the place of texts.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatResponse {
    /// What the model said.
    pub text: String,
    /// The tools that it calls.
    pub tool_calls: Vec<ToolCall>,
    /// Why it stopped.
    pub finish_reason: FinishReason,
    /// Who ran the model, such as `openai`.
    pub provider: Text,
    /// The model that answered, as the provider calls it; it may be a version of the one that was asked.
    pub model: Text,
    /// How many tokens it took.
    pub usage: Usage,
    /// What it cost by the price table; none if the table does not have the model.
    pub cost: Option<MicroUsd>,
}

impl ChatResponse {
    /// The answer as a message, to go on with the conversation.
    #[must_use]
    pub fn into_message(self) -> Message {
        let Self { text, tool_calls, .. } = self;
        Message { role: Role::Assistant, text, tool_calls, tool_call_id: None }
    }

    /// Reads the text as JSON, also where the model has put it between the marks of a code block.
    ///
    /// # Errors
    /// An error of kind [`Invalid`](ErrorKind::Invalid) that can be retried, since the next answer may be another, if
    /// the text is not JSON or does not fit the type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        let text = self.text.trim();
        let fenced = text.strip_prefix("```json").or_else(|| text.strip_prefix("```"));
        let text = fenced.map_or(text, |text| text.trim_end().trim_end_matches("```"));
        serde_json::from_str(text).map_err(|error| {
            // What serde says quotes the answer; only where and what kind is told.
            let what = match error.classify() {
                serde_json::error::Category::Data => "does not fit the type that was asked for",
                _ => "is not JSON",
            };
            let (line, column) = (error.line(), error.column());
            let ended = self.finish_reason.as_str();
            let message = format!(
                "the answer of {} {what} (line {line}, column {column}; it ended by `{ended}`)",
                self.model
            );
            Error::new(ErrorKind::Invalid, message).retryable(true)
        })
    }
}

/// Why a model stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// It had said everything.
    Stop,
    /// The answer would have become too long.
    Length,
    /// It waits for the tools that it calls.
    ToolCalls,
    /// The provider held the answer back.
    ContentFilter,
    /// Something else, in the provider's word; empty if it said nothing.
    Other(String),
}

impl FinishReason {
    /// The word for it in attributes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Other(word) if word.is_empty() => "unknown",
            Self::Other(word) => word,
        }
    }
}

/// Texts to be turned into vectors.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbedRequest {
    /// The texts.
    pub texts: Vec<String>,
    /// How long the vectors are to be, for models that let one choose.
    #[serde(default)]
    pub dimensions: Option<u32>,
}

impl<T: Into<String>> FromIterator<T> for EmbedRequest {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        Self { texts: texts.into_iter().map(Into::into).collect(), dimensions: None }
    }
}

/// Texts as vectors.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Embeddings {
    /// A vector for each text, in their order.
    pub vectors: Vec<Vec<f32>>,
    /// Who ran the model.
    pub provider: Text,
    /// The model that answered, as the provider calls it.
    pub model: Text,
    /// How many tokens it took.
    pub usage: Usage,
    /// What it cost by the price table; none if the table does not have the model.
    pub cost: Option<MicroUsd>,
}

impl fmt::Debug for ChatResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatResponse")
            .field("text", &size(&self.text))
            .field("tool_calls", &self.tool_calls)
            .field("finish_reason", &self.finish_reason)
            .field("provider", &self.provider)
            .field("model", &self.model)
            .field("usage", &self.usage)
            .field("cost", &self.cost)
            .finish()
    }
}

impl fmt::Debug for EmbedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes: Vec<_> = self.texts.iter().map(|text| size(text)).collect();
        f.debug_struct("EmbedRequest").field("texts", &sizes).field("dimensions", &self.dimensions).finish()
    }
}

impl fmt::Debug for Embeddings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths: Vec<usize> = self.vectors.iter().map(Vec::len).collect();
        f.debug_struct("Embeddings")
            .field("vectors", &lengths)
            .field("model", &self.model)
            .field("usage", &self.usage)
            .field("cost", &self.cost)
            .finish_non_exhaustive()
    }
}
