//! What a provider answered, before it is known what it cost.

use crate::request::ToolCall;
use crate::response::FinishReason;
use crate::usage::Usage;

/// An answer, whole or as far as it came.
#[derive(Clone, Default)]
pub(crate) struct Answer {
    pub(crate) text: String,
    /// What the model thought; it is counted and not kept.
    pub(crate) thoughts: String,
    pub(crate) tool_calls: Vec<ToolCall>,
    pub(crate) finish_reason: Option<FinishReason>,
    /// The model that answered, if the provider said which.
    pub(crate) model: Option<String>,
    /// The identifier of the answer.
    pub(crate) id: Option<String>,
    /// The tokens, as far as the provider told of them.
    pub(crate) usage: Told,
}

impl Answer {
    /// Whether the model has neither said nor thought nor called anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.thoughts.is_empty() && self.tool_calls.is_empty()
    }
}

/// What a provider told of the tokens of a call. What it did not tell is counted here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The classes of which it told; the two below say whether the sides of the call were told of at all.
    pub(crate) usage: Usage,
    pub(crate) has_input: bool,
    pub(crate) has_output: bool,
}

/// What a stream hands on.
pub(crate) enum Piece {
    /// A piece of what the model says.
    Text(String),
    /// A piece of what the model thinks.
    Thought(String),
    /// A call of a tool, as far as it has come.
    Called(ToolCall),
    /// Only a sign of life.
    Alive,
    /// The end, with what is known only then.
    End(Box<Answer>),
}

/// Texts as vectors.
pub(crate) struct Vectors {
    pub(crate) vectors: Vec<Vec<f32>>,
    pub(crate) model: Option<String>,
    pub(crate) usage: Told,
}
