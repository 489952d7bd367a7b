//! What a span says of model calls: in the words of TTA, or else in those of OpenTelemetry's GenAI conventions, which other
//! libraries write.
//!
//! The words of TTA win, in whatever order the attributes come, and each fact counts once: TTA's own spans say it in both. What sums
//! up other spans, as the call of an agent does, tells no tokens here.

use tta_model::name::attribute::{self as a, GEN_AI_PREFIX};

use super::field::Slice;
use super::span::{Found, SpanRef, Usage, Word};

/// The facts of one span, until all of its attributes are read.
#[derive(Clone, Copy, Default)]
pub(super) struct Said {
    pub(super) prompt_tokens: Option<u64>,
    pub(super) completion_tokens: Option<u64>,
    pub(super) cost_usd: Option<f64>,
    pub(super) is_unpriced: bool,
    other: Option<Other>,
}

/// What the GenAI conventions say, each fact under its present name and then under the one that is as good or older.
#[derive(Clone, Copy, Default)]
struct Other {
    provider: [Slice; 2],
    model: [Slice; 2],
    agent: [Slice; 2],
    conversation: Slice,
    input_tokens: [Option<u64>; 2],
    output_tokens: [Option<u64>; 2],
    is_no_model_call: bool,
}

const PREFIX: &[u8] = GEN_AI_PREFIX.as_bytes();
const OPERATION_NAME: &[u8] = a::GEN_AI_OPERATION_NAME.key.as_bytes();
const PROVIDER_NAME: &[u8] = a::GEN_AI_PROVIDER_NAME.key.as_bytes();
const SYSTEM: &[u8] = a::GEN_AI_SYSTEM.key.as_bytes();
const REQUEST_MODEL: &[u8] = a::GEN_AI_REQUEST_MODEL.key.as_bytes();
const RESPONSE_MODEL: &[u8] = a::GEN_AI_RESPONSE_MODEL.key.as_bytes();
const AGENT_ID: &[u8] = a::GEN_AI_AGENT_ID.key.as_bytes();
const AGENT_NAME: &[u8] = a::GEN_AI_AGENT_NAME.key.as_bytes();
const CONVERSATION_ID: &[u8] = a::GEN_AI_CONVERSATION_ID.key.as_bytes();
const INPUT_TOKENS: &[u8] = a::GEN_AI_USAGE_INPUT_TOKENS.key.as_bytes();
const OUTPUT_TOKENS: &[u8] = a::GEN_AI_USAGE_OUTPUT_TOKENS.key.as_bytes();
const PROMPT_TOKENS: &[u8] = a::GEN_AI_USAGE_PROMPT_TOKENS.key.as_bytes();
const COMPLETION_TOKENS: &[u8] = a::GEN_AI_USAGE_COMPLETION_TOKENS.key.as_bytes();

impl Said {
    /// Takes an attribute of the GenAI conventions. Answers whether it is one.
    #[inline]
    pub(super) fn take(&mut self, buffer: &[u8], key: &[u8], found: Found) -> bool {
        let is_one = key.starts_with(PREFIX);
        if is_one {
            self.other.get_or_insert_default().take(buffer, key, found);
        }
        is_one
    }

    /// Puts what was said into the span.
    #[inline]
    pub(super) fn finish(mut self, span: &mut SpanRef) {
        if let Some(other) = self.other {
            other.fill(&mut span.words);
            if !other.is_no_model_call {
                let first = |tokens: [Option<u64>; 2]| tokens.into_iter().find_map(|tokens| tokens);
                self.prompt_tokens = self.prompt_tokens.or(first(other.input_tokens));
                self.completion_tokens = self.completion_tokens.or(first(other.output_tokens));
            }
        }
        span.usage = self.usage();
    }

    fn usage(&self) -> Option<Usage> {
        let Self { prompt_tokens, completion_tokens, cost_usd, .. } = *self;
        if prompt_tokens.is_none() && completion_tokens.is_none() && cost_usd.is_none() {
            return None;
        }
        let (prompt_tokens, completion_tokens) = (prompt_tokens.unwrap_or(0), completion_tokens.unwrap_or(0));
        // What used nothing, as a call that failed, cost nothing.
        let is_unpriced = (self.is_unpriced || cost_usd.is_none()) && prompt_tokens + completion_tokens > 0;
        Some(Usage { prompt_tokens, completion_tokens, cost_usd: cost_usd.unwrap_or(0.0), is_unpriced })
    }
}

impl Other {
    fn take(&mut self, buffer: &[u8], key: &[u8], found: Found) {
        let text = match key {
            PROVIDER_NAME => &mut self.provider[0],
            SYSTEM => &mut self.provider[1],
            REQUEST_MODEL => &mut self.model[0],
            RESPONSE_MODEL => &mut self.model[1],
            AGENT_ID => &mut self.agent[0],
            AGENT_NAME => &mut self.agent[1],
            CONVERSATION_ID => &mut self.conversation,
            INPUT_TOKENS => return self.input_tokens[0] = tokens(found),
            PROMPT_TOKENS => return self.input_tokens[1] = tokens(found),
            OUTPUT_TOKENS => return self.output_tokens[0] = tokens(found),
            COMPLETION_TOKENS => return self.output_tokens[1] = tokens(found),
            OPERATION_NAME => {
                let Found::Text(text) = found else { return };
                let operation = text.of(buffer);
                self.is_no_model_call = a::NO_MODEL_CALLS.iter().any(|no| no.as_bytes() == operation);
                return;
            }
            _ => return,
        };
        if let Found::Text(found) = found {
            *text = found;
        }
    }

    /// Says what the span does not say in the words of TTA.
    fn fill(&self, words: &mut [Slice]) {
        let first = |texts: [Slice; 2]| if texts[0].is_empty() { texts[1] } else { texts[0] };
        for (word, text) in [
            (Word::Provider, first(self.provider)),
            (Word::Model, first(self.model)),
            (Word::Agent, first(self.agent)),
            (Word::Session, self.conversation),
        ] {
            let word = &mut words[word as usize];
            if word.is_empty() {
                *word = text;
            }
        }
    }
}

/// A number of tokens; none if it is no number. Counts below zero are nonsense, and would take away from what others spent.
pub(super) fn tokens(found: Found) -> Option<u64> {
    match found {
        Found::Int(count) => Some(u64::try_from(count).unwrap_or(0).min(MOST_TOKENS)),
        Found::Float(count) => Some((count.max(0.0) as u64).min(MOST_TOKENS)),
        _ => None,
    }
}

/// More than any call has; sums of what is below cannot overflow.
const MOST_TOKENS: u64 = 1 << 40;

/// An amount of money; none if it is no number.
pub(super) fn cost(found: Found) -> Option<f64> {
    match found {
        Found::Float(cost) if cost.is_finite() => Some(cost.max(0.0)),
        Found::Int(cost) => Some((cost as f64).max(0.0)),
        _ => None,
    }
}
