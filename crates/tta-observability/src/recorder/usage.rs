//! What the model calls of a span came to. A step may make several, so their tokens and their cost are added up, and
//! written on the span when it ends.

use tta_model::name::attribute as a;
use tta_model::{Attributes, Text, Value};
use tta_primitives::MicroUsd;
use tta_primitives::observe::Event;

/// Tokens and cost of all calls, and what the last of them was.
#[derive(Debug, Default)]
pub(super) struct Usage {
    provider: Option<Text>,
    model: Option<Text>,
    operation: Option<&'static str>,
    /// Of the prompts and of the answers.
    tokens: Option<(u64, u64)>,
    /// In millionths of a dollar, which add up exactly.
    spent: Option<i64>,
}

impl Usage {
    /// Whether an event is about a model call.
    pub(super) fn is_told_by(happened: &Event<'_>) -> bool {
        matches!(happened, Event::Spent { .. } | Event::ModelCallFinished { .. })
    }

    pub(super) fn add(&mut self, happened: &Event<'_>) {
        match happened {
            Event::Spent { amount_micro_usd, provider, model } => {
                let spent = self.spent.get_or_insert(0);
                *spent = spent.saturating_add((*amount_micro_usd).max(0));
                self.name(*provider, *model);
            }
            Event::ModelCallFinished {
                provider, model, operation, prompt_tokens, completion_tokens, ..
            } => {
                let (prompt, completion) = self.tokens.get_or_insert((0, 0));
                *prompt = prompt.saturating_add(*prompt_tokens);
                *completion = completion.saturating_add(*completion_tokens);
                self.operation = Some(operation);
                self.name(Some(provider), Some(model));
            }
            _ => {}
        }
    }

    fn name(&mut self, provider: Option<&Text>, model: Option<&Text>) {
        self.provider = provider.cloned().or(self.provider.take());
        self.model = model.cloned().or(self.model.take());
    }

    /// The attributes, under our names and under those of the GenAI conventions.
    pub(super) fn attributes(&self) -> Attributes {
        let mut attributes = Attributes::new();
        let mut set = |attribute: a::Attribute, value: Value| attributes.push((attribute.key(), value));
        if let Some(provider) = &self.provider {
            set(a::LLM_PROVIDER, provider.clone().into());
        }
        if let Some(model) = &self.model {
            set(a::LLM_MODEL_NAME, model.clone().into());
        }
        if let Some(spent) = self.spent {
            set(a::LLM_COST_USD, MicroUsd(spent).as_usd().into());
        }
        if let (Some(operation), Some((prompt, completion))) = (self.operation, self.tokens) {
            set(a::LLM_PROMPT_TOKENS, integer(prompt));
            set(a::LLM_COMPLETION_TOKENS, integer(completion));
            set(a::LLM_TOTAL_TOKENS, integer(prompt.saturating_add(completion)));
            set(a::GEN_AI_OPERATION_NAME, operation.into());
            set(a::GEN_AI_USAGE_INPUT_TOKENS, integer(prompt));
            set(a::GEN_AI_USAGE_OUTPUT_TOKENS, integer(completion));
            if let Some(provider) = &self.provider {
                set(a::GEN_AI_PROVIDER_NAME, a::gen_ai_provider(provider).into());
            }
            if let Some(model) = &self.model {
                set(a::GEN_AI_REQUEST_MODEL, model.clone().into());
            }
        }
        attributes
    }
}

fn integer(count: u64) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}
