//! What the index would know of a span.

use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::wire::field::Slice;
use crate::wire::span::{Word, scan};

/// What a span says of the primitive, the workflow, the agent and the model calls that it is of: in the words of TTA, or else in those
/// of OpenTelemetry's GenAI conventions. What it does not say is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpanFacts {
    /// The name of the primitive.
    pub primitive: String,
    /// The type of the primitive.
    pub primitive_type: String,
    /// The workflow.
    pub workflow: String,
    /// The instance of the agent.
    pub agent: String,
    /// The kind of agent.
    pub agent_type: String,
    /// The session.
    pub session: String,
    /// The provider of the model.
    pub provider: String,
    /// The model.
    pub model: String,
    /// What it tells of model calls, if anything.
    pub usage: Option<SpanUsage>,
}

/// What a span tells of model calls.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SpanUsage {
    /// Tokens of the prompts.
    pub prompt_tokens: u64,
    /// Tokens of the answers.
    pub completion_tokens: u64,
    /// What they cost, in US dollars.
    pub cost_usd: f64,
    /// Whether there are tokens of which nobody said what they cost.
    pub is_unpriced: bool,
}

/// Reads from a span what the index knows of it, by the same rules.
#[must_use]
pub fn facts(span: &Span) -> SpanFacts {
    let buffer = span.encode_to_vec();
    // What is stored was scanned when it came.
    let Ok(found) = scan(&buffer, Slice::all(&buffer), &mut Vec::new()) else { return SpanFacts::default() };
    let word = |word| found.word(word).text(&buffer).to_owned();
    SpanFacts {
        primitive: word(Word::Primitive),
        primitive_type: word(Word::PrimitiveType),
        workflow: word(Word::Workflow),
        agent: word(Word::Agent),
        agent_type: word(Word::AgentType),
        session: word(Word::Session),
        provider: word(Word::Provider),
        model: word(Word::Model),
        usage: found.usage.map(|usage| SpanUsage {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            cost_usd: usage.cost_usd,
            is_unpriced: usage.is_unpriced,
        }),
    }
}
