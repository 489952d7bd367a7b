//! Requests in OTLP's JSON, taken apart as far as they are put together anew.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::{RawValue, to_raw_value};

use super::signal::Signal;

/// About how many bytes are sent at once.
const ENOUGH: usize = 1 << 20;
/// How many bytes of one resource are sent at once: a trace may be larger than a server takes.
const MOST: usize = 2 << 20;

/// The records of one resource, as their line has them.
pub(super) struct Part {
    pub(super) signal: Signal,
    /// The number of its line, from 1.
    pub(super) line: u64,
    /// Its spans, log records or points of metrics.
    pub(super) records: u64,
    json: Box<RawValue>,
}

/// What is sent at once, of one signal.
#[derive(Default)]
pub(super) struct Batch {
    parts: Vec<Part>,
    bytes: usize,
}

/// An object, whose values are as they are written. Its order is always the same, so that a server knows what it has already.
type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// Where a metric has its points.
const KINDS_OF_METRIC: [&str; 5] = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"];

#[derive(Deserialize)]
struct Points {
    #[serde(rename = "dataPoints")]
    data_points: Option<Vec<IgnoredAny>>,
}

/// Reads what begins in a line.
///
/// # Errors
///
/// When it is no request of OTLP: what is wrong with it.
pub(super) fn parts(number: u64, document: &[u8]) -> Result<Vec<Part>, String> {
    let wrong = |error: serde_json::Error| format!("line {number} is not OTLP's JSON: {error}");
    let fields: Fields<'_> = serde_json::from_slice(document).map_err(wrong)?;
    let (mut parts, mut is_request) = (Vec::new(), false);
    for signal in Signal::ALL {
        let Some(groups) = list(&fields, signal.resources()).map_err(wrong)? else { continue };
        is_request = true;
        for json in groups {
            if json.get().len() > MOST {
                parts.extend(pieces((signal, number), json).map_err(wrong)?);
            } else {
                let records = records(signal, json).map_err(wrong)?;
                parts.push(Part { signal, line: number, records, json: json.to_owned() });
            }
        }
    }
    if !is_request {
        let names = Signal::ALL.map(|signal| format!("`{}`", signal.resources())).join(", ");
        return Err(format!("line {number} has none of {names}, so it is no request of OTLP"));
    }
    Ok(parts)
}

/// The list of a name; none if there is none, or null.
fn list<'a>(fields: &Fields<'a>, name: &str) -> serde_json::Result<Option<Vec<&'a RawValue>>> {
    match fields.get(name) {
        Some(list) => serde_json::from_str(list.get()),
        None => Ok(None),
    }
}

/// How many records a resource has.
fn records(signal: Signal, resource: &RawValue) -> serde_json::Result<u64> {
    let mut sum = 0;
    let fields: Fields<'_> = serde_json::from_str(resource.get())?;
    for scope in list(&fields, signal.scopes())?.unwrap_or_default() {
        let fields: Fields<'_> = serde_json::from_str(scope.get())?;
        for record in list(&fields, signal.records())?.unwrap_or_default() {
            sum += weight(signal, record)?;
        }
    }
    Ok(sum)
}

/// For how many a record counts: a metric for its points.
fn weight(signal: Signal, record: &RawValue) -> serde_json::Result<u64> {
    if signal != Signal::Metrics {
        return Ok(1);
    }
    let mut sum = 0;
    let fields: Fields<'_> = serde_json::from_str(record.get())?;
    for data in KINDS_OF_METRIC.iter().filter_map(|kind| fields.get(*kind)) {
        let points: Option<Points> = serde_json::from_str(data.get())?;
        sum += points.and_then(|points| points.data_points).map_or(0, |points| points.len() as u64);
    }
    Ok(sum)
}

/// Takes the records of a resource apart where they are more than a server takes at once.
fn pieces((signal, line): (Signal, u64), resource: &RawValue) -> serde_json::Result<Vec<Part>> {
    let resource: Fields<'_> = serde_json::from_str(resource.get())?;
    let mut parts = Vec::new();
    for scope in list(&resource, signal.scopes())?.unwrap_or_default() {
        let scope: Fields<'_> = serde_json::from_str(scope.get())?;
        let (mut piece, mut bytes, mut count) = (Vec::new(), 0, 0);
        let mut records = list(&scope, signal.records())?.unwrap_or_default().into_iter().peekable();
        while let Some(record) = records.next() {
            bytes += record.get().len();
            count += weight(signal, record)?;
            piece.push(record);
            if bytes > ENOUGH || records.peek().is_none() {
                let with = (&resource, &scope);
                let json = envelope(signal, with, &std::mem::take(&mut piece))?;
                parts.push(Part { signal, line, records: count, json });
                (bytes, count) = (0, 0);
            }
        }
    }
    Ok(parts)
}

/// A resource with one scope and some of its records.
fn envelope(
    signal: Signal,
    (resource, scope): (&Fields<'_>, &Fields<'_>),
    records: &[&RawValue],
) -> serde_json::Result<Box<RawValue>> {
    let records = to_raw_value(records)?;
    let mut scope: Fields<'_> = scope.clone();
    scope.insert(signal.records().to_owned(), &records);
    let scopes = to_raw_value(&[scope])?;
    let mut resource: Fields<'_> = resource.clone();
    resource.insert(signal.scopes().to_owned(), &scopes);
    to_raw_value(&resource)
}

impl Batch {
    /// Whether there is enough to be sent before more is added.
    pub(super) fn is_full_with(&self, more: &Part) -> bool {
        !self.parts.is_empty() && self.bytes + more.json.get().len() > ENOUGH
    }

    pub(super) fn add(&mut self, part: Part) {
        self.bytes += part.json.get().len();
        self.parts.push(part);
    }

    pub(super) fn into_parts(self) -> Vec<Part> {
        self.parts
    }
}

/// One request with all of them.
pub(super) fn request(signal: Signal, parts: &[Part]) -> String {
    let parts: Vec<&str> = parts.iter().map(|part| part.json.get()).collect();
    format!("{{\"{}\":[{}]}}", signal.resources(), parts.join(","))
}

#[cfg(test)]
mod tests {
    use super::{Signal, parts, request};

    fn check(line: &str, expect: Result<(&[u64], &str), &str>) {
        let found = parts(7, line.as_bytes());
        match expect {
            Ok((records, json)) => {
                let found = found.expect("it is a request");
                assert_eq!(found.iter().map(|part| part.records).collect::<Vec<_>>(), records, "{line}");
                let signal = found.first().map_or(Signal::Traces, |part| part.signal);
                assert_eq!(request(signal, &found), json);
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
        check(r#"{"resources":[]}"#, Err("has none of `resourceSpans`, `resourceLogs`, `resourceMetrics`"));
        check(r#"{"resourceSpans":null}"#, Err("has none of"));
        check(r#"{"resourceSpans":[{"scopeSpans":7}]}"#, Err("not OTLP's JSON"));
    }

    #[test]
    fn log_records_and_points_are_counted() {
        let logs = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{},{}]}]}]}"#;
        check(logs, Ok((&[2], logs)));
        let sum = r#"{"name":"a","sum":{"dataPoints":[{},{}]}}"#;
        let metrics = format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{sum},{{"summary":null}},{{"gauge":{{"dataPoints":[{{}}]}}}}]}}]}}]}}"#
        );
        check(&metrics, Ok((&[3], &metrics)));
        check(r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[7]}]}]}"#, Err("not OTLP's JSON"));
        // A document may have something of each.
        let mixed = r#"{"resourceLogs":[{}],"resourceSpans":[{},{}]}"#;
        let signals: Vec<_> = parts(1, mixed.as_bytes()).unwrap().iter().map(|part| part.signal).collect();
        assert_eq!(signals, [Signal::Traces, Signal::Traces, Signal::Logs]);
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
        assert_eq!(found.iter().map(|part| part.records).sum::<u64>(), 9_000);
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
