//! Who is called, and what is asked.

use std::sync::Arc;

use tta_model::name::{attribute, span};
use tta_model::{SpanKind, Text};
use tta_primitives::MicroUsd;
use tta_primitives::observe::NodeInfo;

use crate::backend::Backend;
use crate::capture::Capture;
use crate::model::Llm;
use crate::price::Price;
use crate::request::ChatRequest;
use crate::tokens;

/// How many tokens of an answer are set aside of a budget when the request does not say how many there may be.
const RESERVED_OUTPUT_TOKENS: u64 = 1_024;

/// What is asked of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Generate,
    Stream,
    Embed,
}

impl Operation {
    /// The word of the GenAI conventions.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Generate | Self::Stream => "chat",
            Self::Embed => "embeddings",
        }
    }

    pub(super) const fn action(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Stream => "stream",
            Self::Embed => "embed",
        }
    }
}

/// Who is called, and what all calls have in common.
pub(crate) struct Callee {
    pub(crate) backend: Backend,
    pub(crate) provider: Text,
    pub(crate) model: Text,
    pub(crate) price: Option<Price>,
    pub(crate) capture: Capture,
    /// The prices of the models that a router might have chosen instead.
    pub(super) rivals: Vec<Price>,
    pub(super) operation: Operation,
    pub(super) leaf: Arc<NodeInfo>,
}

impl Callee {
    pub(crate) fn new(llm: &Llm, operation: Operation, rivals: &[Price]) -> Self {
        let Llm { backend, model, price, capture, .. } = llm.clone();
        let (provider, rivals) = (backend.provider(), rivals.to_vec());
        let mut info = NodeInfo::leaf(span::llm(&provider, operation.action()), model.clone(), "llm");
        info.span_kind = SpanKind::Client;
        info.attributes = vec![
            (attribute::LLM_STREAMING.key(), (operation == Operation::Stream).into()),
            (attribute::GEN_AI_REQUEST_STREAM.key(), (operation == Operation::Stream).into()),
        ];
        let (host, port) = backend.address();
        if !host.is_empty() {
            info.attributes.push((attribute::SERVER_ADDRESS.key(), host.into()));
        }
        info.attributes.extend(port.map(|port| (attribute::SERVER_PORT.key(), port.into())));
        Self { backend, provider, model, price, capture, rivals, operation, leaf: Arc::new(info) }
    }

    /// What a request will cost, about; nothing if the price is not known.
    pub(crate) fn estimate(&self, request: &ChatRequest) -> MicroUsd {
        let Some(price) = &self.price else { return MicroUsd(0) };
        let output = request.max_tokens.map_or(RESERVED_OUTPUT_TOKENS, u64::from);
        price.estimate(tokens::count_request(&self.model, request), output)
    }
}
