//! Prints how large the answers about a trace of 50,000 spans are, and how long they take.
#![expect(clippy::print_stdout, reason = "that is what it is for")]

use std::error::Error;
use std::time::Instant;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tta_server::api::ApiState;
use tta_server::{Options, Store, Traces};

const SPANS: u64 = 50_000;
const START: u64 = 1_795_000_000_000_000_000;

/// A span, each the child of one before, with 8 attributes.
fn span(id: u64) -> Span {
    let attribute = |at: u64| KeyValue {
        key: format!("attribute.{at}"),
        value: Some(AnyValue { value: Some(Value::StringValue(format!("value {}", id * at % 97))) }),
        ..KeyValue::default()
    };
    Span {
        trace_id: 1_u128.to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        parent_span_id: if id == 1 { Vec::new() } else { (id / 4 + 1).min(id - 1).to_be_bytes().to_vec() },
        name: format!("step {}", id % 40),
        start_time_unix_nano: START + id * 20_000,
        end_time_unix_nano: START + id * 20_000 + 5_000_000_000 / id,
        attributes: (0..8).map(attribute).collect(),
        ..Span::default()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let store = Store::open(Options::new(directory.path()))?;
    let spans: Vec<Span> = (1..=SPANS).map(span).collect();
    for spans in spans.chunks(512) {
        let scope = ScopeSpans { spans: spans.to_vec(), ..ScopeSpans::default() };
        let group = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
        let body = ExportTraceServiceRequest { resource_spans: vec![group] }.encode_to_vec();
        store.submit(Traces::scan(body.into())?.into())?.wait().await?;
    }
    let state = ApiState::new(store.reader());
    for path in ["", "/critical-path", "/flame", "/spans/0000000000000001"] {
        show(&state, &format!("/api/tta/v1/traces/1{path}")).await?;
    }
    show(&state, "/api/tta/v1/traces").await?;
    show(&state, "/api/traces/1").await?;
    show(&state, "/api/v3/traces/1").await
}

async fn show(state: &ApiState, address: &str) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let (status, body) = state.ask(&address.parse()?).await;
    let milliseconds = began.elapsed().as_secs_f64() * 1e3;
    println!("{status} {address:48} {:>12} bytes {milliseconds:>8.1} ms", body.len());
    Ok(())
}
