//! What is asked of a model.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// A conversation so far, and how the model is to go on.
///
/// What is left out is up to the model. `Debug` shows sizes in the place of texts, since a log is no place for what users
/// write.
///
/// ```
/// use tta_llm::{ChatRequest, Message};
///
/// let request = ChatRequest::user("What is a saga?").system("Answer in one sentence.").max_tokens(100);
/// assert_eq!(request.messages, [Message::user("What is a saga?")]);
/// ```
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatRequest {
    /// What the model is told before everything else.
    pub system: Option<String>,
    /// The conversation, from the oldest message on.
    pub messages: Vec<Message>,
    /// The tools that the model may call.
    pub tools: Vec<Tool>,
    /// How much chance there is in the answer, from 0 to 2 with most providers.
    pub temperature: Option<f64>,
    /// The part of the probability from which tokens are drawn, in `0.0..=1.0`.
    pub top_p: Option<f64>,
    /// How many tokens the answer may have.
    pub max_tokens: Option<u32>,
    /// Texts at which the answer ends.
    pub stop: Vec<String>,
    /// Where the chance begins, for providers that repeat themselves.
    pub seed: Option<u64>,
    /// The form of the answer.
    pub format: ResponseFormat,
}

impl ChatRequest {
    /// A conversation that begins with a message of the user.
    #[must_use]
    pub fn user(text: impl Into<String>) -> Self {
        Self::from(vec![Message::user(text)])
    }

    /// Tells the model something before everything else.
    #[must_use]
    pub fn system(mut self, text: impl Into<String>) -> Self {
        self.system = Some(text.into());
        self
    }

    /// Adds a message.
    #[must_use]
    pub fn message(mut self, message: Message) -> Self {
        self.messages.push(message);
        self
    }

    /// Lets the model call a tool.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }

    /// Sets how much chance there is in the answer, from 0 to 2 with most providers.
    #[must_use]
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.temperature = Some(temperature);
        self
    }

    /// Sets how many tokens the answer may have.
    #[must_use]
    pub fn max_tokens(mut self, max_tokens: u32) -> Self {
        self.max_tokens = Some(max_tokens);
        self
    }

    /// Sets the form of the answer.
    #[must_use]
    pub fn format(mut self, format: ResponseFormat) -> Self {
        self.format = format;
        self
    }
}

impl From<Vec<Message>> for ChatRequest {
    fn from(messages: Vec<Message>) -> Self {
        Self { messages, ..Self::default() }
    }
}

impl From<&str> for ChatRequest {
    fn from(text: &str) -> Self {
        Self::user(text)
    }
}

impl From<String> for ChatRequest {
    fn from(text: String) -> Self {
        Self::user(text)
    }
}

/// The form of an answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseFormat {
    /// Whatever the model says.
    #[default]
    Text,
    /// Any JSON value.
    Json,
    /// A JSON value that fits a schema.
    Schema {
        /// The name of the schema: letters, digits, `-` and `_`.
        name: String,
        /// The schema, in JSON Schema.
        schema: Json,
    },
}

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Who set the model up.
    System,
    /// Who asks.
    User,
    /// The model.
    Assistant,
    /// A tool that the model called.
    Tool,
}

impl Role {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// One contribution to a conversation.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// What was said.
    #[serde(default)]
    pub text: String,
    /// The tools that the model calls.
    #[serde(default)]
    pub tool_calls: Vec<ToolCall>,
    /// For what a tool said: the [identifier](ToolCall::id) of the call that it answers.
    #[serde(default)]
    pub tool_call_id: Option<String>,
}

impl Message {
    /// What who set the model up said.
    #[must_use]
    pub fn system(text: impl Into<String>) -> Self {
        Self::of(Role::System, text)
    }

    /// What the user said.
    #[must_use]
    pub fn user(text: impl Into<String>) -> Self {
        Self::of(Role::User, text)
    }

    /// What the model said.
    #[must_use]
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::of(Role::Assistant, text)
    }

    /// What a tool said, in answer to a call.
    #[must_use]
    pub fn tool(call_id: impl Into<String>, text: impl Into<String>) -> Self {
        Self { tool_call_id: Some(call_id.into()), ..Self::of(Role::Tool, text) }
    }

    fn of(role: Role, text: impl Into<String>) -> Self {
        Self { role, text: text.into(), tool_calls: Vec::new(), tool_call_id: None }
    }
}

/// A tool that a model may call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// The name: letters, digits, `-` and `_`.
    pub name: String,
    /// What it does, for the model to read.
    pub description: String,
    /// What it is called with, in JSON Schema.
    pub parameters: Json,
}

/// A call that a model makes of a tool.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Tells it from the other calls of the conversation.
    pub id: String,
    /// The name of the tool.
    pub name: String,
    /// What it is called with.
    pub arguments: Json,
}

/// Shows how long a text is, and not the text.
pub(crate) fn size(text: &str) -> impl fmt::Debug {
    struct Size(usize);
    impl fmt::Debug for Size {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "[{} bytes]", self.0)
        }
    }
    Size(text.len())
}

impl fmt::Debug for ChatRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tools: Vec<&str> = self.tools.iter().map(|tool| tool.name.as_str()).collect();
        f.debug_struct("ChatRequest")
            .field("system", &self.system.as_deref().map(size))
            .field("messages", &self.messages)
            .field("tools", &tools)
            .field("temperature", &self.temperature)
            .field("max_tokens", &self.max_tokens)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("role", &self.role)
            .field("text", &size(&self.text))
            .field("tool_calls", &self.tool_calls)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ToolCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolCall")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("arguments", &size(&self.arguments.to_string()))
            .finish()
    }
}
