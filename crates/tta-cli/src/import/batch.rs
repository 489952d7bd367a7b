//! Lines of OTLP's JSON, taken apart as far as they are put together anew.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// About how many bytes are sent at once.
const ENOUGH: usize = 1 << 20;

/// The spans of one resource, as their line has them.
pub(super) struct Part {
    /// The number of its line, from 1.
    pub(super) line: u64,
    pub(super) spans: u64,
    json: Box<RawValue>,
}

/// What is sent at once.
#[derive(Default)]
pub(super) struct Batch {
    parts: Vec<Part>,
    bytes: usize,
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "resourceSpans")]
    resource_spans: Option<Vec<Box<RawValue>>>,
}

#[derive(Deserialize)]
struct OfResource {
    #[serde(rename = "scopeSpans", default)]
    scope_spans: Option<Vec<OfScope>>,
}

#[derive(Deserialize)]
struct OfScope {
    #[serde(default)]
    spans: Option<Vec<IgnoredAny>>,
}

/// Reads a line.
///
/// # Errors
///
/// When it is no request with spans: what is wrong with it.
pub(super) fn parts(number: u64, line: &[u8]) -> Result<Vec<Part>, String> {
    let wrong = |error: serde_json::Error| format!("line {number} is not OTLP's JSON of traces: {error}");
    let read: Line = serde_json::from_slice(line).map_err(wrong)?;
    let groups = read.resource_spans.ok_or_else(|| {
        format!("line {number} has no `resourceSpans`; only traces can be imported, one request a line")
    })?;
    let part = |json: Box<RawValue>| {
        let read: OfResource = serde_json::from_str(json.get()).map_err(wrong)?;
        let scopes = read.scope_spans.unwrap_or_default();
        let spans = scopes.iter().map(|scope| scope.spans.as_ref().map_or(0, Vec::len) as u64).sum();
        Ok(Part { line: number, spans, json })
    };
    groups.into_iter().map(part).collect()
}

impl Batch {
    /// Whether there is enough to be sent before more is added.
    pub(super) fn is_full_with(&self, more: &[Part]) -> bool {
        let more: usize = more.iter().map(|part| part.json.get().len()).sum();
        !self.parts.is_empty() && self.bytes + more > ENOUGH
    }

    pub(super) fn add(&mut self, parts: Vec<Part>) {
        self.bytes += parts.iter().map(|part| part.json.get().len()).sum::<usize>();
        self.parts.extend(parts);
    }

    pub(super) fn into_parts(self) -> Vec<Part> {
        self.parts
    }
}

/// One request with all of them.
pub(super) fn request(parts: &[Part]) -> String {
    let parts: Vec<&str> = parts.iter().map(|part| part.json.get()).collect();
    format!("{{\"resourceSpans\":[{}]}}", parts.join(","))
}

#[cfg(test)]
mod tests {
    use super::{parts, request};

    fn check(line: &str, expect: Result<(&[u64], &str), &str>) {
        let found = parts(7, line.as_bytes());
        match expect {
            Ok((spans, json)) => {
                let found = found.expect("it is a request");
                assert_eq!(found.iter().map(|part| part.spans).collect::<Vec<_>>(), spans, "{line}");
                assert_eq!(request(&found), json);
            }
            Err(says) => {
                let why = found.err().unwrap_or_default();
                assert!(why.contains(says) && why.contains("line 7"), "{line}: {why}");
            }
        }
    }

    #[test]
    fn a_line_is_taken_apart_and_put_together() {
        let line = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{},{}]},{"spans":[{}]}]},{"resource":{}}]}"#;
        check(line, Ok((&[3, 0], line)));
        check(r#"{"resourceSpans":[]}"#, Ok((&[], r#"{"resourceSpans":[]}"#)));
        check("{", Err("not OTLP's JSON"));
        check("no JSON", Err("not OTLP's JSON"));
        check("[1]", Err("line 7"));
        check(r#"{"resourceLogs":[]}"#, Err("only traces can be imported"));
        check(r#"{"resourceSpans":[{"scopeSpans":7}]}"#, Err("not OTLP's JSON"));
    }
}
