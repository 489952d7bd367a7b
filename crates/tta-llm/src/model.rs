//! A model, and the flows that call it.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tta_model::Text;
use tta_primitives::{Flow, ModelTier};

use crate::backend::Backend;
use crate::call::{Callee, Chat, ChatStream, Converse, Embed, Operation, Streamed, Structured};
use crate::capture::Capture;
use crate::price::Price;
use crate::request::{ChatRequest, Message};
use crate::response::{ChatResponse, EmbedRequest, Embeddings};

/// A model of a provider, from which flows are made that call it.
///
/// ```
/// use std::time::Duration;
/// use tta_llm::{ChatRequest, Models};
/// use tta_primitives::{Retry, WorkflowContext};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = Models::offline().model("local/textrank")?.max_tokens(50);
/// let ask = model.chat().retry(Retry::exponential(3, Duration::from_millis(200)));
/// let answer = ask.run(ChatRequest::user("Tests find faults. Faults cost money."), &WorkflowContext::new()).await?;
/// assert!(answer.usage.output_tokens > 0);
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "a model does nothing until a flow is made of it"]
pub struct Llm {
    pub(crate) backend: Backend,
    pub(crate) model: Text,
    pub(crate) price: Option<Price>,
    pub(crate) capture: Capture,
    pub(crate) tier: Option<ModelTier>,
    defaults: Defaults,
}

/// What is asked for unless the request says otherwise.
#[derive(Clone, Default)]
pub(crate) struct Defaults {
    system: Option<String>,
    temperature: Option<f64>,
    max_tokens: Option<u32>,
}

impl Defaults {
    pub(crate) fn fill(&self, mut request: ChatRequest) -> ChatRequest {
        if request.system.is_none() {
            request.system.clone_from(&self.system);
        }
        request.temperature = request.temperature.or(self.temperature);
        request.max_tokens = request.max_tokens.or(self.max_tokens);
        request
    }
}

impl Llm {
    pub(crate) fn new(backend: Backend, model: Text, price: Option<Price>, capture: Capture) -> Self {
        Self { backend, model, price, capture, tier: None, defaults: Defaults::default() }
    }

    /// The name of the provider.
    #[must_use]
    pub fn provider(&self) -> Text {
        self.backend.provider()
    }

    /// The name of the model, without its provider.
    #[must_use]
    pub fn name(&self) -> &Text {
        &self.model
    }

    /// What it costs; none if the price table does not have it.
    #[must_use]
    pub fn price(&self) -> Option<&Price> {
        self.price.as_ref()
    }

    /// The variable of the environment that should hold the key of its provider, if it does not.
    #[must_use]
    pub fn missing_key(&self) -> Option<String> {
        let variable = self.backend.key_variable()?;
        let is_there = std::env::var(variable).is_ok_and(|key| !key.is_empty());
        (!is_there).then(|| variable.to_owned())
    }

    /// Bills it by another price than that of the table.
    pub fn priced(mut self, price: Price) -> Self {
        self.price = Some(price);
        self
    }

    /// Says which tier it belongs to, for [routers](crate::ModelRouter).
    pub fn tier(mut self, tier: ModelTier) -> Self {
        self.tier = Some(tier);
        self
    }

    /// What it is told before everything else, unless the request says.
    pub fn system(mut self, text: impl Into<String>) -> Self {
        self.defaults.system = Some(text.into());
        self
    }

    /// How much chance there is in answers, unless the request says.
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.defaults.temperature = Some(temperature);
        self
    }

    /// How many tokens an answer may have, unless the request says. A budget sets as many aside for each call.
    pub fn max_tokens(mut self, max_tokens: u32) -> Self {
        self.defaults.max_tokens = Some(max_tokens);
        self
    }

    /// A flow that asks and waits for the whole answer.
    ///
    /// # Errors
    /// Those of the flow have a [`CallFailure`](crate::CallFailure) as their source. They are retryable where the same
    /// call may succeed later, and hold for how long the provider asked to wait. A run whose budget does not cover the call ends with
    /// [`BudgetExceeded`](tta_primitives::ErrorKind::BudgetExceeded) before anything is sent.
    #[must_use]
    pub fn chat(&self) -> Flow<ChatRequest, ChatResponse> {
        Flow::new(self.chatting())
    }

    /// A flow that asks for a stream, which it returns with the first piece of the answer.
    ///
    /// # Errors
    /// As for [`chat`](Self::chat); what goes wrong later is an error of the stream.
    #[must_use]
    pub fn stream(&self) -> Flow<ChatRequest, ChatStream> {
        Flow::new(self.streaming_among(&[]))
    }

    /// A flow that asks for a value of a type, of which the model is told the schema.
    ///
    /// # Errors
    /// As for [`chat`](Self::chat), and an error of kind [`Invalid`](tta_primitives::ErrorKind::Invalid), which can be
    /// retried, if the answer does not fit the type.
    #[must_use]
    pub fn structured<T: DeserializeOwned + JsonSchema + Send + 'static>(&self) -> Flow<ChatRequest, T> {
        Flow::new(Structured::new(self.chatting()))
    }

    /// A flow that goes on with a conversation: what was said so far becomes what the model says next.
    ///
    /// # Errors
    /// As for [`chat`](Self::chat).
    #[must_use]
    pub fn converse(&self) -> Flow<Vec<Message>, Message> {
        Flow::new(Converse { chat: self.chatting() })
    }

    /// A flow that turns texts into vectors.
    ///
    /// # Errors
    /// As for [`chat`](Self::chat).
    #[must_use]
    pub fn embed(&self) -> Flow<EmbedRequest, Embeddings> {
        Flow::new(Embed { callee: self.callee(Operation::Embed, &[]) })
    }

    fn chatting(&self) -> Chat {
        self.chatting_among(&[])
    }

    /// Asks where other models might have been asked.
    pub(crate) fn chatting_among(&self, rivals: &[Price]) -> Chat {
        Chat { callee: self.callee(Operation::Generate, rivals), defaults: self.defaults.clone() }
    }

    /// Asks for a stream where other models might have been asked.
    pub(crate) fn streaming_among(&self, rivals: &[Price]) -> Streamed {
        Streamed { callee: self.callee(Operation::Stream, rivals), defaults: self.defaults.clone() }
    }

    fn callee(&self, operation: Operation, rivals: &[Price]) -> Arc<Callee> {
        Arc::new(Callee::new(self, operation, rivals))
    }
}

impl fmt::Debug for Llm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Llm")
            .field("provider", &self.provider())
            .field("model", &self.model)
            .field("tier", &self.tier)
            .field("is_priced", &self.price.is_some())
            .finish_non_exhaustive()
    }
}
