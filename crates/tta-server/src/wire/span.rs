//! One span: the fields that the index needs, and whether the rest can be kept.

use tta_model::name::attribute as a;

use super::field::{Fields, Slice, Wire};
use super::gen_ai::{Said, cost, tokens};
use super::schema::{self, KEY_VALUE, Kind, SPAN};
use super::{Rejection, fingerprint, parts};

/// The attributes with a text that is searched for often, by their place in [`SpanRef::words`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Primitive,
    PrimitiveType,
    Workflow,
    AgentType,
    Provider,
    Model,
    Agent,
    Session,
}

/// How many such attributes there are.
pub(crate) const WORDS: usize = 8;

/// What model calls cost, as the span says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
    /// Zero if it is not known.
    pub(crate) cost_usd: f64,
    /// Whether it used tokens of which nobody said what they cost.
    pub(crate) is_unpriced: bool,
}

/// A span of a request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SpanRef {
    pub(crate) trace: u128,
    pub(crate) id: u64,
    /// Zero if it has none.
    pub(crate) parent: u64,
    pub(crate) start: i64,
    /// In nanoseconds; zero when the clock was set back in between.
    pub(crate) duration: i64,
    pub(crate) name: Slice,
    pub(crate) raw: Slice,
    pub(crate) words: [Slice; WORDS],
    /// Of model calls, if it says anything of them.
    pub(crate) usage: Option<Usage>,
    /// Where the hashes of its attributes end in [`Traces::attributes`](super::Traces::attributes); they begin where those of the span
    /// before end.
    pub(crate) attributes_end: u32,
    /// The place of its group in the request.
    pub(crate) group: u32,
    pub(crate) kind: u8,
    pub(crate) status: u8,
}

impl SpanRef {
    pub(crate) fn word(&self, word: Word) -> Slice {
        self.words[word as usize]
    }

    pub(crate) fn is_error(&self) -> bool {
        self.status == ERROR
    }
}

/// The number of OTLP's status code for an error.
pub(crate) const ERROR: u8 = 2;

/// Scans the span that lies at `raw`, and adds the hashes of its attributes, and of what else a search for tags looks at.
pub(crate) fn scan(buffer: &[u8], raw: Slice, attributes: &mut Vec<u64>) -> Result<SpanRef, Rejection> {
    let mut span = SpanRef { raw, ..SpanRef::default() };
    let (mut trace, mut id, mut parent) = (Slice::default(), Slice::default(), Slice::default());
    let (mut start, mut end) = (0, 0);
    let mut said = Said::default();
    let mut fields = Fields::new(buffer, raw);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (9, Wire::Bytes(found)) => {
                attributes.push(take_attribute(buffer, found, (&mut span, &mut said))?)
            }
            (1, Wire::Bytes(found)) => trace = found,
            (2, Wire::Bytes(found)) => id = found,
            (4, Wire::Bytes(found)) => parent = found,
            (5, Wire::Bytes(found)) => {
                schema::check_text(found.of(buffer))?;
                span.name = found;
            }
            (6, Wire::Varint(kind)) => span.kind = u8::try_from(kind).unwrap_or(0).min(7),
            (7, Wire::Fixed64(time)) => start = time,
            (8, Wire::Fixed64(time)) => end = time,
            (15, Wire::Bytes(found)) => attributes.extend(take_status(buffer, found, &mut span)?),
            (3, Wire::Bytes(state)) if !state.is_empty() => {
                schema::check_text(state.of(buffer))?;
                attributes.push(fingerprint::text(a::W3C_TRACESTATE.key, state.of(buffer)));
            }
            (11 | 13, Wire::Bytes(part)) => parts::scan(buffer, (number, part), attributes)?,
            _ => schema::check_field(buffer, SPAN.kind(number), value, 0)?,
        }
    }
    said.finish(&mut span);
    span.trace = u128::from_be_bytes(bytes(trace.of(buffer), Rejection::TraceId)?);
    span.id = u64::from_be_bytes(bytes(id.of(buffer), Rejection::SpanId)?);
    if !parent.is_empty() {
        // Some write "no parent" as eight zeros.
        let bytes: Result<[u8; 8], _> = parent.of(buffer).try_into();
        span.parent = bytes.map(u64::from_be_bytes).map_err(|_| Rejection::ParentId)?;
    }
    (span.start, span.duration) = times(start, end)?;
    Ok(span)
}

/// The start, and how long it took.
fn times(start: u64, end: u64) -> Result<(i64, i64), Rejection> {
    if start == 0 || end == 0 {
        return Err(Rejection::NoTime);
    }
    let start = i64::try_from(start).map_err(|_| Rejection::Time)?;
    let end = i64::try_from(end).map_err(|_| Rejection::Time)?;
    Ok((start, (end - start).max(0)))
}

fn bytes<const N: usize>(bytes: &[u8], otherwise: Rejection) -> Result<[u8; N], Rejection> {
    let bytes: [u8; N] = bytes.try_into().map_err(|_| otherwise)?;
    if bytes.iter().all(|byte| *byte == 0) { Err(otherwise) } else { Ok(bytes) }
}

/// Takes the status, and answers with the hash of its message, if it has one.
fn take_status(buffer: &[u8], message: Slice, span: &mut SpanRef) -> Result<Option<u64>, Rejection> {
    let mut hash = None;
    let mut fields = Fields::new(buffer, message);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (2, Wire::Bytes(text)) => {
                schema::check_text(text.of(buffer))?;
                hash = Some(fingerprint::text(a::OTEL_STATUS_DESCRIPTION.key, text.of(buffer)));
            }
            (3, Wire::Varint(code)) => span.status = u8::try_from(code).unwrap_or(0).min(3),
            (2 | 3, _) => return Err(Rejection::WrongType),
            _ => {}
        }
    }
    Ok(hash)
}

/// The value of an attribute, as far as the index needs it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Found {
    Text(Slice),
    Bool(bool),
    Int(i64),
    Float(f64),
    Other,
}

/// Reads and checks an attribute.
#[inline]
pub(crate) fn attribute(buffer: &[u8], message: Slice) -> Result<(Slice, Found), Rejection> {
    let (mut key, mut found) = (Slice::default(), Found::Other);
    let mut fields = Fields::new(buffer, message);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Wire::Bytes(text)) => {
                schema::check_text(text.of(buffer))?;
                key = text;
            }
            (2, Wire::Bytes(inner)) => found = any_value(buffer, inner)?,
            _ => schema::check_field(buffer, KEY_VALUE.kind(number), value, 1)?,
        }
    }
    Ok((key, found))
}

#[inline]
fn any_value(buffer: &[u8], message: Slice) -> Result<Found, Rejection> {
    let mut found = Found::Other;
    let mut fields = Fields::new(buffer, message);
    let Kind::Message(schema) = KEY_VALUE.kind(2) else { return Ok(found) };
    while let Some((number, value)) = fields.next()? {
        found = match (number, value) {
            (1, Wire::Bytes(text)) => {
                schema::check_text(text.of(buffer))?;
                Found::Text(text)
            }
            (2, Wire::Varint(bool)) => Found::Bool(bool != 0),
            (3, Wire::Varint(int)) => Found::Int(int.cast_signed()),
            (4, Wire::Fixed64(bits)) => Found::Float(f64::from_bits(bits)),
            _ => {
                let kind = schema.kind(number);
                schema::check_field(buffer, kind, value, 2)?;
                // What nobody knows is passed by, and takes nothing away.
                if matches!(kind, Kind::Any) { found } else { Found::Other }
            }
        };
    }
    Ok(found)
}

const PRIMITIVE_NAME: &[u8] = a::PRIMITIVE_NAME.key.as_bytes();
const PRIMITIVE_TYPE: &[u8] = a::PRIMITIVE_TYPE.key.as_bytes();
const WORKFLOW_NAME: &[u8] = a::WORKFLOW_NAME.key.as_bytes();
const AGENT_TYPE: &[u8] = a::AGENT_TYPE.key.as_bytes();
const LLM_PROVIDER: &[u8] = a::LLM_PROVIDER.key.as_bytes();
const LLM_MODEL_NAME: &[u8] = a::LLM_MODEL_NAME.key.as_bytes();
const AGENT_ID: &[u8] = a::AGENT_ID.key.as_bytes();
const SESSION_ID: &[u8] = a::SESSION_ID.key.as_bytes();
const LLM_PROMPT_TOKENS: &[u8] = a::LLM_PROMPT_TOKENS.key.as_bytes();
const LLM_COMPLETION_TOKENS: &[u8] = a::LLM_COMPLETION_TOKENS.key.as_bytes();
const LLM_COST_USD: &[u8] = a::LLM_COST_USD.key.as_bytes();
const LLM_UNPRICED: &[u8] = a::LLM_UNPRICED.key.as_bytes();

#[inline]
fn take_attribute(
    buffer: &[u8],
    message: Slice,
    (span, said): (&mut SpanRef, &mut Said),
) -> Result<u64, Rejection> {
    let (key, found) = attribute(buffer, message)?;
    let hash = fingerprint::of(buffer, key, found);
    let key = key.of(buffer);
    if said.take(buffer, key, found) {
        return Ok(hash);
    }
    let word = match key {
        PRIMITIVE_NAME => Word::Primitive,
        PRIMITIVE_TYPE => Word::PrimitiveType,
        WORKFLOW_NAME => Word::Workflow,
        AGENT_TYPE => Word::AgentType,
        LLM_PROVIDER => Word::Provider,
        LLM_MODEL_NAME => Word::Model,
        AGENT_ID => Word::Agent,
        SESSION_ID => Word::Session,
        _ => {
            match key {
                LLM_PROMPT_TOKENS => said.prompt_tokens = tokens(found),
                LLM_COMPLETION_TOKENS => said.completion_tokens = tokens(found),
                LLM_COST_USD => said.cost_usd = cost(found),
                LLM_UNPRICED => said.is_unpriced = found == Found::Bool(true),
                _ => {}
            }
            return Ok(hash);
        }
    };
    if let Found::Text(text) = found {
        span.words[word as usize] = text;
    }
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_nobody_knows_takes_no_value_away() {
        // A key, and a value that is a text and has a field 50.
        let buffer = [0x0a, 1, b'k', 0x12, 7, 0x0a, 2, b'm', b'9', 0x90, 0x03, 1];
        let (key, found) = attribute(&buffer, Slice::all(&buffer)).expect("it is protobuf");
        let Found::Text(text) = found else { panic!("{found:?}") };
        assert_eq!((key.of(&buffer), text.of(&buffer)), (&b"k"[..], &b"m9"[..]));
    }
}
