//! Compares the scanner with a decoder, on requests of which some bytes are others than those that were written.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, exponential_histogram_data_point::Buckets,
    metric::Data,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span};
use prost::Message;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tta_model::name::attribute as a;

use super::{Logs, Metrics, Traces, Word};

fn any(value: Value) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

fn text(key: &str, value: &str) -> KeyValue {
    let value = any(Value::StringValue(value.to_owned()));
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

/// Attributes of every type.
fn attributes() -> Vec<KeyValue> {
    let list = ArrayValue { values: vec![AnyValue { value: Some(Value::BytesValue(vec![1, 2])) }] };
    let map = KeyValueList { values: vec![text("inner", "ü")] };
    let values = [
        Value::BoolValue(true),
        Value::IntValue(-300),
        Value::DoubleValue(0.25),
        Value::ArrayValue(list),
        Value::KvlistValue(map),
    ];
    let named = values.into_iter().map(|value| KeyValue {
        key: String::from("k"),
        value: any(value),
        ..KeyValue::default()
    });
    named.chain([text(a::WORKFLOW_NAME.key, "flow"), text(a::LLM_MODEL_NAME.key, "model")]).collect()
}

fn resource() -> Option<Resource> {
    Some(Resource { attributes: attributes(), dropped_attributes_count: 3, ..Resource::default() })
}

fn scope() -> Option<InstrumentationScope> {
    let (name, version) = (String::from("scope"), String::from("1"));
    Some(InstrumentationScope { name, version, attributes: attributes(), dropped_attributes_count: 1 })
}

fn traces() -> Vec<u8> {
    let event = span::Event {
        time_unix_nano: 5,
        name: String::from("e"),
        attributes: attributes(),
        dropped_attributes_count: 1,
    };
    let link = span::Link {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        attributes: attributes(),
        flags: 1,
        ..span::Link::default()
    };
    let span = |n| Span {
        trace_id: vec![n; 16],
        span_id: vec![n; 8],
        parent_span_id: vec![9; 8],
        trace_state: String::from("a=b"),
        name: String::from("name"),
        kind: 3,
        start_time_unix_nano: 1_000,
        end_time_unix_nano: 3_000,
        attributes: attributes(),
        events: vec![event.clone()],
        links: vec![link.clone()],
        status: Some(Status { code: 2, message: String::from("message") }),
        flags: 0x101,
        dropped_attributes_count: 300,
        ..Span::default()
    };
    let scope_spans =
        vec![ScopeSpans { scope: scope(), spans: vec![span(1), span(2)], schema_url: String::from("u") }];
    let resource_spans =
        vec![ResourceSpans { resource: resource(), scope_spans, schema_url: String::from("url") }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

/// Changes some bytes, takes some away, or puts some in.
fn spoil(original: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut spoilt = original.to_vec();
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..spoilt.len());
        match random.random_range(0..8) {
            0 => drop(spoilt.remove(at)),
            1 => spoilt.insert(at, random.random()),
            2 => spoilt[at] ^= 1 << random.random_range(0..8),
            _ => spoilt[at] = random.random(),
        }
    }
    spoilt
}

/// Spoils a request again and again, and checks what is kept of it. `keep` answers how many records are.
fn check(original: &[u8], mut keep: impl FnMut(Vec<u8>) -> Option<usize>) {
    let mut random = StdRng::seed_from_u64(original.len() as u64);
    assert!(keep(original.to_vec()).is_some_and(|kept| kept > 0));
    let (mut kept, mut broken) = (0, 0);
    for _ in 0..20_000 {
        match keep(spoil(original, &mut random)) {
            Some(count) => kept += count,
            None => broken += 1,
        }
    }
    assert!(kept > 5_000 && broken > 500, "{kept} {broken}");
}

#[test]
fn a_span_that_is_kept_is_what_a_decoder_reads() {
    check(&traces(), |body| {
        let scanned = Traces::scan(body.into()).ok()?;
        for found in &scanned.spans {
            let span = Span::decode(found.raw.of(&scanned.body)).expect("what is kept can be decoded");
            assert_eq!(found.trace.to_be_bytes()[..], span.trace_id);
            assert_eq!(found.id.to_be_bytes()[..], span.span_id);
            assert!(span.parent_span_id.is_empty() || found.parent.to_be_bytes()[..] == span.parent_span_id);
            assert_eq!(found.name.text(&scanned.body), span.name);
            assert_eq!((found.start as u64, found.duration), (span.start_time_unix_nano, duration(&span)));
            let code = span.status.as_ref().map_or(0, |status| status.code);
            assert!(i32::from(found.status) == code || !(0..3).contains(&code));
            assert!(i32::from(found.kind) == span.kind || !(0..6).contains(&span.kind));
            let last = span.attributes.iter().rfind(|attribute| attribute.key == a::WORKFLOW_NAME.key);
            if let Some(Value::StringValue(flow)) = last.and_then(|last| last.value.as_ref()?.value.as_ref())
            {
                assert_eq!(found.word(Word::Workflow).text(&scanned.body), flow);
            }
            check_glance(found.raw.of(&scanned.body), &span);
        }
        for group in &scanned.groups {
            let mut message = Vec::new();
            group.resource.write(&scanned.body, &mut message);
            ResourceSpans::decode(&message[..]).expect("a resource that is kept can be decoded");
            group.scope.write(&scanned.body, &mut message);
            ScopeSpans::decode(&message[..]).expect("a scope that is kept can be decoded");
        }
        Some(scanned.spans.len())
    });
}

/// What is looked at is what a decoder reads.
fn check_glance(raw: &[u8], span: &Span) {
    let seen = super::glance(raw).expect("what is kept can be looked at");
    let parent = span.parent_span_id[..].try_into().map_or(0, u64::from_be_bytes);
    assert_eq!((seen.parent, seen.has_parent), (parent, !span.parent_span_id.is_empty()));
    assert_eq!((seen.start, seen.end), (span.start_time_unix_nano, span.end_time_unix_nano));
    assert_eq!(seen.name.text(raw), span.name);
    let code = span.status.as_ref().map_or(0, |status| status.code);
    let number = |code| u8::try_from(code).unwrap_or(0);
    assert_eq!((seen.kind, seen.status), (number(span.kind), number(code)));
    let last = span.attributes.iter().rfind(|attribute| attribute.key == a::WORKFLOW_NAME.key);
    let flow = last.and_then(|last| last.value.as_ref()?.value.as_ref());
    let flow = if let Some(Value::StringValue(flow)) = flow { flow } else { "" };
    assert_eq!(seen.workflow.text(raw), flow);
}

fn duration(span: &Span) -> i64 {
    (span.end_time_unix_nano as i64 - span.start_time_unix_nano as i64).max(0)
}

#[test]
fn a_log_record_that_is_kept_can_be_decoded() {
    let record = LogRecord {
        time_unix_nano: 5,
        observed_time_unix_nano: 6,
        severity_number: 9,
        severity_text: String::from("INFO"),
        body: any(Value::StringValue(String::from("body"))),
        attributes: attributes(),
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        event_name: String::from("event"),
        ..LogRecord::default()
    };
    let scope_logs =
        vec![ScopeLogs { scope: scope(), log_records: vec![record; 3], schema_url: String::new() }];
    let resource_logs = vec![ResourceLogs { resource: resource(), scope_logs, schema_url: String::new() }];
    check(&ExportLogsServiceRequest { resource_logs }.encode_to_vec(), |body| {
        let scanned = Logs::scan(body.into()).ok()?;
        for found in &scanned.records {
            let record = LogRecord::decode(found.raw.of(&scanned.body)).expect("what is kept can be decoded");
            let trace = found.trace.to_be_bytes();
            assert!(record.trace_id == trace || record.trace_id.is_empty() && found.trace == 0);
        }
        Some(scanned.records.len())
    });
}

#[test]
fn a_metric_that_is_kept_can_be_decoded() {
    let exemplar = Exemplar {
        filtered_attributes: attributes(),
        span_id: vec![1; 8],
        trace_id: vec![2; 16],
        ..Exemplar::default()
    };
    let exemplars = vec![exemplar];
    let number = NumberDataPoint {
        attributes: attributes(),
        time_unix_nano: 7,
        exemplars: exemplars.clone(),
        ..NumberDataPoint::default()
    };
    let histogram = HistogramDataPoint {
        attributes: attributes(),
        bucket_counts: vec![1, 2, 3],
        explicit_bounds: vec![0.5, 1.5],
        exemplars: exemplars.clone(),
        max: Some(3.0),
        ..HistogramDataPoint::default()
    };
    let exponential = ExponentialHistogramDataPoint {
        attributes: attributes(),
        scale: -2,
        negative: Some(Buckets { offset: -7, bucket_counts: vec![1, 300, 70_000] }),
        exemplars,
        ..ExponentialHistogramDataPoint::default()
    };
    let datas = [
        Data::Gauge(Gauge { data_points: vec![number] }),
        Data::Histogram(Histogram { data_points: vec![histogram], aggregation_temporality: 2 }),
        Data::ExponentialHistogram(ExponentialHistogram {
            data_points: vec![exponential],
            aggregation_temporality: 1,
        }),
    ];
    let metric = |data| Metric {
        name: String::from("m"),
        unit: String::from("s"),
        data: Some(data),
        metadata: attributes(),
        ..Metric::default()
    };
    let metrics = datas.map(metric).to_vec();
    let scope_metrics = vec![ScopeMetrics { scope: scope(), metrics, schema_url: String::new() }];
    let resource_metrics =
        vec![ResourceMetrics { resource: resource(), scope_metrics, schema_url: String::new() }];
    check(&ExportMetricsServiceRequest { resource_metrics }.encode_to_vec(), |body| {
        let scanned = Metrics::scan(body.into()).ok()?;
        for found in &scanned.metrics {
            Metric::decode(found.raw.of(&scanned.body)).expect("what is kept can be decoded");
        }
        Some(scanned.metrics.len())
    });
}
