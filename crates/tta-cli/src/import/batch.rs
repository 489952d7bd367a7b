//! Lines of OTLP's JSON, taken apart as far as they are put together anew.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// About how many bytes are sent at once.
const ENOUGH: usize = 1 << 20;
/// How many bytes of one resource are sent at once: a trace may be larger than a server takes.
const MOST: usize = 2 << 20;

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
    let mut parts = Vec::new();
    for json in groups {
        let read: OfResource = serde_json::from_str(json.get()).map_err(wrong)?;
        let scopes = read.scope_spans.unwrap_or_default();
        if json.get().len() > MOST {
            parts.extend(pieces(number, &json).map_err(wrong)?);
        } else {
            let spans = scopes.iter().map(|scope| scope.spans.as_ref().map_or(0, Vec::len) as u64).sum();
            parts.push(Part { line: number, spans, json });
        }
    }
    Ok(parts)
}

/// Takes the spans of a resource apart where they are more than a server takes at once.
fn pieces(line: u64, json: &RawValue) -> serde_json::Result<Vec<Part>> {
    let whole: Resource<'_> = serde_json::from_str(json.get())?;
    let mut parts = Vec::new();
    for scope in whole.scope_spans.unwrap_or_default() {
        let (mut piece, mut bytes) = (Vec::new(), 0);
        let mut spans = scope.spans.unwrap_or_default().into_iter().peekable();
        while let Some(span) = spans.next() {
            bytes += span.get().len();
            piece.push(span);
            if bytes > ENOUGH || spans.peek().is_none() {
                let count = piece.len() as u64;
                let spans = Some(std::mem::take(&mut piece));
                let scope = Scope { spans, scope: scope.scope, schema_url: scope.schema_url };
                let of_resource = Resource {
                    scope_spans: Some(vec![scope]),
                    resource: whole.resource,
                    schema_url: whole.schema_url,
                };
                parts.push(Part { line, spans: count, json: serde_json::value::to_raw_value(&of_resource)? });
                bytes = 0;
            }
        }
    }
    Ok(parts)
}

/// The spans of a resource, each as it is written.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource<'a> {
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
    #[serde(borrow)]
    scope_spans: Option<Vec<Scope<'a>>>,
    #[serde(borrow)]
    schema_url: Option<&'a RawValue>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Scope<'a> {
    #[serde(borrow)]
    scope: Option<&'a RawValue>,
    #[serde(borrow)]
    spans: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    schema_url: Option<&'a RawValue>,
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

    #[test]
    fn a_resource_that_is_too_large_is_sent_in_pieces() {
        let spans: Vec<String> =
            (0..9_000).map(|n| format!(r#"{{"name":"{n}{}"}}"#, "x".repeat(500))).collect();
        let head = r#""resource":{"attributes":[]},"schemaUrl":"of resource""#;
        let of_scope = |name: &str, spans: &[String]| {
            format!(r#"{{"scope":{{"name":"{name}"}},"spans":[{}],"schemaUrl":"u"}}"#, spans.join(","))
        };
        let scopes = [of_scope("one", &spans[..8_999]), of_scope("other", &spans[8_999..])].join(",");
        let line = format!(r#"{{"resourceSpans":[{{{head},"scopeSpans":[{scopes}]}}]}}"#);
        let found = parts(1, line.as_bytes()).expect("it is a request");
        assert!(found.len() > 4, "{}", found.len());
        assert_eq!(found.iter().map(|part| part.spans).sum::<u64>(), 9_000);
        let mut names = Vec::new();
        for (at, part) in found.iter().enumerate() {
            assert!(part.json.get().len() < super::MOST);
            let read: serde_json::Value = serde_json::from_str(part.json.get()).expect("it is JSON");
            assert_eq!(read["schemaUrl"], "of resource");
            assert_eq!(read["resource"], serde_json::json!({ "attributes": [] }));
            let scope = &read["scopeSpans"][0];
            let is_last = at == found.len() - 1;
            assert_eq!(scope["scope"]["name"], if is_last { "other" } else { "one" });
            assert_eq!(scope["schemaUrl"], "u");
            let spans = scope["spans"].as_array().expect("a list");
            names.extend(spans.iter().map(|span| span.to_string()));
        }
        assert_eq!(names, spans);
    }
}
