//! Makes spans, and stores them.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tta_model::TraceId;
use tta_model::name::attribute;
use tta_server::{Options, Store, Traces};

/// Half a day before which nothing in the tests happens, in nanoseconds since 1970.
pub(crate) const NOW: u64 = 1_795_000_000_000_000_000;

pub(crate) fn text(key: &str, value: impl Into<String>) -> KeyValue {
    any(key, Value::StringValue(value.into()))
}

pub(crate) fn any(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

pub(crate) fn resource(service: &str) -> Resource {
    let attributes =
        vec![text(attribute::SERVICE_NAME.key, service), text("zone", format!("zone of {service}"))];
    Resource { attributes, ..Resource::default() }
}

/// A request with the spans of some services.
pub(crate) fn request(groups: Vec<(&str, Vec<Span>)>) -> Vec<u8> {
    let group = |(service, spans): (&str, Vec<Span>)| {
        let scope = InstrumentationScope { name: String::from("tests"), ..InstrumentationScope::default() };
        let of_scope = ScopeSpans { scope: Some(scope), spans, schema_url: String::new() };
        ResourceSpans {
            resource: Some(resource(service)),
            scope_spans: vec![of_scope],
            schema_url: String::from("https://example.com/schema"),
        }
    };
    ExportTraceServiceRequest { resource_spans: groups.into_iter().map(group).collect() }.encode_to_vec()
}

/// A span that took a millisecond.
pub(crate) fn span(trace: u128, id: u64) -> Span {
    let start = NOW + id * 1_000;
    Span {
        trace_id: trace.to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        name: format!("operation {}", id % 3),
        start_time_unix_nano: start,
        end_time_unix_nano: start + 1_000_000,
        attributes: vec![text("key", format!("value {id}"))],
        ..Span::default()
    }
}

/// The trace of a number.
pub(crate) fn id(trace: u128) -> TraceId {
    TraceId::new(trace).expect("it is not zero")
}

pub(crate) fn scan(body: Vec<u8>) -> Traces {
    Traces::scan(body.into()).expect("it is a request")
}

pub(crate) fn put(store: &Store, body: Vec<u8>) {
    let ticket = store.submit(scan(body).into()).expect("there is room");
    ticket.blocking_wait().expect("it is written");
}

pub(crate) fn settle(store: &Store) {
    store.sum_up().expect("it is open").blocking_wait().expect("it is written");
}

pub(crate) fn open(directory: &std::path::Path) -> Store {
    Store::open(Options::new(directory)).expect("it opens")
}

/// How many spans of a trace there are.
pub(crate) fn count(store: &Store, trace: u128) -> usize {
    tta_server::read::trace(&store.reader(), id(trace)).expect("it is read").spans.len()
}

/// Makes a file as the second version of its schema left it: without sums of units, and not knowing which calls have no price.
pub(crate) fn as_of_version_2(file: &std::path::Path) {
    let changes =
        "DROP VIEW primitive_minutes; DROP VIEW workflow_minutes; DROP VIEW model_calls; DROP TABLE unit;
         DROP TABLE unit_red; DELETE FROM meta WHERE key = 'rolled unit';
         ALTER TABLE model_call DROP COLUMN unpriced; PRAGMA user_version = 2";
    let file = rusqlite::Connection::open(file).expect("it opens");
    file.execute_batch(changes).expect("it is done");
}
