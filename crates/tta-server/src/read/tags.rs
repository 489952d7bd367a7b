//! Whether a span has a tag, in the sense of Jaeger.
//!
//! Jaeger's storages do not agree on where a tag may be. This is all of what they look at: what its in-memory storage does, and what its
//! API shows as a tag of a span or a field of a log.

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use tta_model::name::attribute as a;

use super::plain::plain;
use super::spans::SpanQuery;
use super::trace::Origin;
use crate::store::bloom;
use crate::wire::field::{Fields, Slice, Wire};
use crate::wire::span::{self, Found};
use crate::wire::{fingerprint, parts::EVENT};

/// What Jaeger calls some fields of a span, its scope and its resource in a search.
const ERROR: &str = "error";
const STATUS: &str = a::SPAN_STATUS.key;
const SCOPE_NAME: &str = "scope.name";
const SCOPE_VERSION: &str = "scope.version";
const OF_RESOURCE: &str = "resource.";
/// The kinds of spans and the codes of statuses, by OTLP's numbers.
const KINDS: [&str; 6] = ["unspecified", "internal", "server", "client", "producer", "consumer"];
const CODES: [&str; 3] = ["unset", "ok", "error"];

/// By which a run is passed by.
pub(super) struct Hashes {
    /// Those that each of the attributes can have.
    attributes: Vec<Vec<u64>>,
    /// Those that each of the tags can have that has any.
    tags: Vec<Vec<u64>>,
}

impl Hashes {
    pub(super) fn of(query: &SpanQuery) -> Self {
        let asked = |(key, value): &(String, String)| fingerprint::asked(key, value);
        let attributes = query.attributes.iter().map(asked).collect();
        Self { attributes, tags: query.tags.iter().filter_map(hashes_of).collect() }
    }

    /// Whether a run with this filter may have the attributes and the tags.
    pub(super) fn may_be_in(&self, filter: &[u8]) -> bool {
        let may_have = |hashes: &Vec<u64>| bloom::may_have(filter, hashes);
        let knows_tags = || fingerprint::HAS_ALL.iter().all(|hash| bloom::may_have(filter, &[*hash]));
        self.attributes.iter().all(may_have)
            && (self.tags.is_empty() || !knows_tags() || self.tags.iter().all(may_have))
    }
}

/// The hashes one of which a span with this tag has; none if the tag is a field that is not hashed.
fn hashes_of((key, value): &(String, String)) -> Option<Vec<u64>> {
    let key = key.as_str();
    let is_field = key == STATUS
        || key == a::OTEL_STATUS_CODE.key
        || key == a::SPAN_KIND.key
        || key == ERROR && flag(value).is_some();
    let key = match key {
        _ if is_field => return None,
        SCOPE_NAME => a::OTEL_SCOPE_NAME.key,
        SCOPE_VERSION => a::OTEL_SCOPE_VERSION.key,
        key => key,
    };
    // No scope and no status has an empty text that is hashed.
    if value.is_empty() {
        return None;
    }
    let mut hashes = fingerprint::asked_of_any(key, value);
    if let Some(key) = key.strip_prefix(OF_RESOURCE) {
        hashes.extend(fingerprint::asked_of_any(key, value));
    }
    Some(hashes)
}

/// Whether a span has a tag.
pub(super) fn has(span: &Span, origin: &Origin, (key, value): &(String, String)) -> bool {
    let key = key.as_str();
    let (code, message) = span.status.as_ref().map_or((0, ""), |status| (status.code, &*status.message));
    let is_named = |names: &[&str], number: i32| {
        let name = usize::try_from(number).ok().and_then(|number| names.get(number));
        name.is_some_and(|name| name.eq_ignore_ascii_case(value))
    };
    let is_field = match key {
        ERROR if flag(value).is_some() => return flag(value) == Some(code == i32::from(span::ERROR)),
        STATUS => return is_named(&CODES, code),
        SCOPE_NAME => return origin.scope.name == *value,
        SCOPE_VERSION => return origin.scope.version == *value,
        EVENT => span.events.iter().any(|event| event.name == *value),
        key if key == a::SPAN_KIND.key => is_named(&KINDS, span.kind),
        key if key == a::OTEL_STATUS_CODE.key => code != 0 && is_named(&CODES, code),
        key if key == a::OTEL_STATUS_DESCRIPTION.key => message == value,
        key if key == a::OTEL_SCOPE_NAME.key => origin.scope.name == *value,
        key if key == a::OTEL_SCOPE_VERSION.key => origin.scope.version == *value,
        key if key == a::W3C_TRACESTATE.key => span.trace_state == *value,
        _ => false,
    };
    let of_resource = key.strip_prefix(OF_RESOURCE);
    is_field
        || any(&span.attributes, key, value)
        || any(&origin.scope.attributes, key, value)
        || any(&origin.resource.attributes, key, value)
        || of_resource.is_some_and(|key| any(&origin.resource.attributes, key, value))
        || span.events.iter().any(|event| any(&event.attributes, key, value))
        || span.links.iter().any(|link| any(&link.attributes, key, value))
}

/// A word for yes or no, as Go reads it.
fn flag(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn any(attributes: &[KeyValue], key: &str, wanted: &str) -> bool {
    let mut of_key = attributes.iter().filter(|attribute| attribute.key == key);
    of_key.any(|attribute| {
        let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
        value.map_or(wanted.is_empty(), |value| is_printed(value, wanted))
    })
}

fn is_printed(value: &Value, text: &str) -> bool {
    match value {
        Value::StringValue(value) => value == text,
        Value::BoolValue(value) => value.to_string() == text,
        Value::IntValue(value) => value.to_string() == text,
        // A float can be written in more than one way.
        Value::DoubleValue(value) => text
            .parse::<f64>()
            .is_ok_and(|wanted| wanted.to_bits() == value.to_bits() || wanted.is_nan() && value.is_nan()),
        Value::BytesValue(_) => plain(value).as_str() == Some(text),
        other => {
            let printed = plain(other).to_string();
            printed == text
        }
    }
}

/// The value of an attribute of a span as it is printed; the last one if it has several of the key.
pub(super) fn attribute(raw: &[u8], key: &str) -> Option<String> {
    let mut value = None;
    let mut fields = Fields::new(raw, Slice::all(raw));
    while let Ok(Some((number, field))) = fields.next() {
        if let (9, Wire::Bytes(message)) = (number, field)
            && let Ok((found, is)) = span::attribute(raw, message)
            && found.of(raw) == key.as_bytes()
        {
            value = match is {
                Found::Text(text) => Some(text.text(raw).to_owned()),
                Found::Bool(bool) => Some(bool.to_string()),
                Found::Int(int) => Some(int.to_string()),
                Found::Float(float) => Some(float.to_string()),
                Found::Other => None,
            };
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::bloom::Bloom;

    /// The filter of a run with some attributes.
    fn filter(hashes: impl IntoIterator<Item = u64>) -> Vec<u8> {
        let (mut bloom, mut written) = (Bloom::new(), Vec::new());
        hashes.into_iter().for_each(|hash| bloom.add(hash));
        bloom.write(&mut written);
        written
    }

    #[test]
    fn a_run_that_knows_of_no_tags_may_have_any() {
        let tag = (String::from("attempt"), String::from("2"));
        let hashes = Hashes::of(&SpanQuery { tags: vec![tag.clone()], ..SpanQuery::default() });
        let int = fingerprint::asked("attempt", "2")[1];
        assert!(hashes.may_be_in(&filter([])), "it was written before there were tags");
        assert!(!hashes.may_be_in(&filter(fingerprint::HAS_ALL)));
        assert!(hashes.may_be_in(&filter(fingerprint::HAS_ALL.into_iter().chain([int]))));
        let attribute = Hashes::of(&SpanQuery { attributes: vec![tag], ..SpanQuery::default() });
        assert!(!attribute.may_be_in(&filter([])));
    }
}
