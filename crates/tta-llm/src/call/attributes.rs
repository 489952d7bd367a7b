//! What the span of a call tells, beside tokens and cost, which the recorder writes for every call.

use std::time::Duration;

use tta_model::name::attribute as a;
use tta_model::{Attributes, Value};
use tta_primitives::WorkflowContext;

use super::{CANCELLED, Call, Operation, Outcome};
use crate::request::{ChatRequest, ResponseFormat};

/// Writes down how an answer is asked for.
pub(super) fn asked(cx: &WorkflowContext, request: &ChatRequest) {
    let mut set = Setting { cx, attributes: Attributes::new() };
    set.some(a::LLM_TEMPERATURE, request.temperature);
    set.some(a::GEN_AI_REQUEST_TEMPERATURE, request.temperature);
    set.some(a::LLM_MAX_TOKENS, request.max_tokens);
    set.some(a::GEN_AI_REQUEST_MAX_TOKENS, request.max_tokens);
    set.some(a::GEN_AI_REQUEST_TOP_P, request.top_p);
    set.some(a::GEN_AI_REQUEST_SEED, request.seed.and_then(|seed| i64::try_from(seed).ok()));
    let is_text = matches!(request.format, ResponseFormat::Text);
    set.some(a::GEN_AI_OUTPUT_TYPE, Some(if is_text { "text" } else { "json" }));
    set.some(a::LLM_MODEL_TIER, cx.llm_model_tier().map(|tier| tier.as_str()));
    set.some(a::GEN_AI_CONVERSATION_ID, cx.session_id().map(str::to_owned));
    set.all();
}

/// Writes down how a call ended.
pub(super) fn ended(cx: &WorkflowContext, call: &Call, outcome: &Outcome<'_>, took: Duration) {
    let usage = &outcome.usage;
    let mut set = Setting { cx, attributes: Attributes::new() };
    let some =
        |tokens: u64| Some(tokens).filter(|tokens| *tokens > 0).and_then(|tokens| i64::try_from(tokens).ok());
    set.some(a::GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, some(usage.cache_read_tokens));
    set.some(a::GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS, some(usage.cache_write_tokens));
    set.some(a::GEN_AI_USAGE_REASONING_OUTPUT_TOKENS, some(usage.reasoning_tokens));
    set.some(a::LLM_TOKENS_ESTIMATED, usage.estimated.then_some(true));
    let is_unpriced = call.callee.price.is_none() && usage.total_tokens() > 0;
    set.some(a::LLM_UNPRICED, is_unpriced.then_some(true));
    if let Some(answer) = outcome.answer {
        let finish =
            answer.finish_reason.as_ref().map(|reason| Value::from(vec![reason.as_str().to_owned()]));
        set.some(a::GEN_AI_RESPONSE_FINISH_REASONS, finish);
        set.some(a::GEN_AI_RESPONSE_MODEL, answer.model.clone());
        set.some(a::GEN_AI_RESPONSE_ID, answer.id.clone());
    }
    if call.callee.operation == Operation::Stream {
        streamed(&mut set, call, outcome, took);
    }
    set.all();
}

fn streamed(set: &mut Setting<'_>, call: &Call, outcome: &Outcome<'_>, took: Duration) {
    set.some(a::LLM_CHUNKS_RECEIVED, i64::try_from(call.chunks).ok());
    let end = match outcome.error_type {
        None => "completed",
        Some(CANCELLED) => "cancelled",
        Some(_) => "failed",
    };
    set.some(a::LLM_STREAM_OUTCOME, Some(end));
    let Some(first) = call.first_chunk else { return };
    set.some(a::LLM_TIME_TO_FIRST_TOKEN_MS, Some(first.as_secs_f64() * 1e3));
    set.some(a::GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, Some(first.as_secs_f64()));
    let since_first = took.saturating_sub(first).as_secs_f64();
    let speed = outcome.usage.output_tokens as f64 / since_first;
    set.some(a::LLM_OUTPUT_TOKENS_PER_SECOND, Some(speed).filter(|speed| speed.is_finite()));
}

/// Attributes on their way to a span.
struct Setting<'a> {
    cx: &'a WorkflowContext,
    attributes: Attributes,
}

impl Setting<'_> {
    fn some(&mut self, attribute: a::Attribute, value: Option<impl Into<Value>>) {
        self.attributes.extend(value.map(|value| (attribute.key(), value.into())));
    }

    fn all(self) {
        for (key, value) in self.attributes {
            self.cx.set_attribute(key, value);
        }
    }
}
