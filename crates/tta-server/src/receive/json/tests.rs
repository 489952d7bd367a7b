use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::{JsonError, json_to_protobuf};
use crate::receive::Signal;

const ROOM: usize = 1 << 20;

fn translate(json: &str) -> Result<ExportTraceServiceRequest, JsonError> {
    let bytes = json_to_protobuf(Signal::Traces, json.as_bytes(), ROOM)?;
    Ok(ExportTraceServiceRequest::decode(&bytes[..]).expect("what is written is protobuf"))
}

fn span(fields: &str) -> Span {
    let json = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{fields}}}]}}]}}]}}"#);
    let mut request = translate(&json).unwrap_or_else(|refusal| panic!("{fields}: {refusal}"));
    request.resource_spans.remove(0).scope_spans.remove(0).spans.remove(0)
}

fn refused(fields: &str) {
    let json = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{fields}}}]}}]}}]}}"#);
    let refusal = translate(&json).expect_err(fields);
    assert!(matches!(refusal, JsonError::Malformed(_)), "{fields}");
}

#[test]
fn a_span_is_read_by_otlps_rules() {
    let read = span(
        r#""traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174","parentSpanId":"",
        "name":"a \"name\" \u00fc","kind":"SPAN_KIND_CLIENT","startTimeUnixNano":"1544712660000000000",
        "endTimeUnixNano":1544712661000000000,"flags":257,"droppedLinksCount":null,"unknown":{"a":[1,{}]},
        "status":{"code":2,"message":"no"}"#,
    );
    assert_eq!(read.trace_id, 0x5B8E_FFF7_9803_8103_D269_B633_813F_C60C_u128.to_be_bytes());
    assert_eq!(read.span_id, 0xEEE1_9B7E_C3C1_B174_u64.to_be_bytes());
    assert_eq!((read.parent_span_id.len(), &*read.name, read.kind), (0, "a \"name\" ü", 3));
    assert_eq!(read.start_time_unix_nano, 1_544_712_660_000_000_000);
    assert_eq!(read.end_time_unix_nano, 1_544_712_661_000_000_000);
    assert_eq!((read.flags, read.dropped_links_count), (257, 0));
    let status = read.status.expect("it is there");
    assert_eq!((status.code, &*status.message), (2, "no"));
}

fn check_value(json: &str, expect: Option<Value>) {
    let mut read = span(&format!(r#""attributes":[{{"value":{json},"key":"k"}}]"#));
    let attribute = read.attributes.remove(0);
    assert_eq!(attribute.key, "k");
    assert_eq!(attribute.value.and_then(|value| value.value), expect, "{json}");
}

#[test]
fn values_keep_their_types() {
    check_value(r#"{"stringValue":""}"#, Some(Value::StringValue(String::new())));
    check_value(r#"{"boolValue":false}"#, Some(Value::BoolValue(false)));
    check_value(r#"{"intValue":"-9223372036854775808"}"#, Some(Value::IntValue(i64::MIN)));
    check_value(r#"{"intValue":9223372036854775807}"#, Some(Value::IntValue(i64::MAX)));
    check_value(r#"{"intValue":1e3}"#, Some(Value::IntValue(1_000)));
    check_value(r#"{"doubleValue":1}"#, Some(Value::DoubleValue(1.0)));
    check_value(r#"{"doubleValue":"-Infinity"}"#, Some(Value::DoubleValue(f64::NEG_INFINITY)));
    check_value(r#"{"bytesValue":"-_8"}"#, Some(Value::BytesValue(vec![0xfb, 0xff])));
    check_value(r#"{"bytesValue":"+/8="}"#, Some(Value::BytesValue(vec![0xfb, 0xff])));
    check_value("{}", None);
    check_value("null", None);
    check_value(r#"{"later":[1]}"#, None);
}

#[test]
fn values_lie_in_each_other() {
    let text = "x".repeat(300);
    let mut read = span(&format!(
        r#""attributes":[{{"key":"k","value":{{"arrayValue":{{"values":[{{"intValue":1}},
        {{"kvlistValue":{{"values":[{{"key":"in","value":{{"stringValue":"{text}"}}}}]}}}}]}}}}}}]"#
    ));
    let Some(Value::ArrayValue(list)) = read.attributes.remove(0).value.and_then(|value| value.value) else {
        panic!("it is a list")
    };
    let [Some(Value::IntValue(1)), Some(Value::KvlistValue(map))] =
        &list.values.into_iter().map(|value| value.value).collect::<Vec<_>>()[..]
    else {
        panic!("a number and a map")
    };
    let inner = map.values[0].value.clone().and_then(|value| value.value);
    assert_eq!((&*map.values[0].key, inner), ("in", Some(Value::StringValue(text))));
}

#[test]
fn what_is_no_otlp_is_refused() {
    refused(r#""traceId":"xyz""#);
    refused(r#""traceId":"abc""#);
    refused(r#""name":7"#);
    refused(r#""startTimeUnixNano":"-1""#);
    refused(r#""startTimeUnixNano":1.5"#);
    refused(r#""kind":"SPAN_KIND_OTHER""#);
    refused(r#""attributes":{}"#);
    refused(r#""attributes":[{"key":"k","value":{"intValue":"1e3"}}]"#);
    refused(r#""attributes":[{"key":"k","value":{"bytesValue":"*"}}]"#);
    for json in ["", "[]", "7", "{", "{}{}", "{\"resourceSpans\":[7]}", "{\"resourceSpans\":\"\u{0}\"}"] {
        assert!(translate(json).is_err(), "{json}");
    }
    assert!(
        json_to_protobuf(Signal::Traces, b"{\"resourceSpans\":[{\"schemaUrl\":\"\xff\"}]}", ROOM).is_err()
    );
}

#[test]
fn nesting_has_an_end() {
    for (open, close) in [(r#"{"arrayValue":{"values":["#, "]}}"), ("[", "]"), (r#"{"x":"#, "}")] {
        let deep = open.repeat(100_000) + "{}" + &close.repeat(100_000);
        let json = format!(
            r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"attributes":[{{"key":"k","value":{deep}}}]}}]}}]}}]}}"#
        );
        assert!(matches!(translate(&json).expect_err("it is deep"), JsonError::Malformed(_)));
    }
}

#[test]
fn what_becomes_too_large_is_refused() {
    let bounds = "0,".repeat(10_000) + "0";
    let json = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"m","histogram":{{"dataPoints":[{{"explicitBounds":[{bounds}]}}]}}}}]}}]}}]}}"#
    );
    let refusal = json_to_protobuf(Signal::Metrics, json.as_bytes(), json.len()).expect_err("it grows");
    assert_eq!(refusal, JsonError::TooLarge(json.len()));
}

#[test]
fn log_records_and_metrics_are_read() {
    let json = r#"{"resourceLogs":[{"resource":{"attributes":[]},"scopeLogs":[{"scope":{"name":"s"},"logRecords":[
        {"timeUnixNano":"5","severityNumber":"SEVERITY_NUMBER_WARN","body":{"stringValue":"text"},"eventName":"e"}]}]}]}"#;
    let bytes = json_to_protobuf(Signal::Logs, json.as_bytes(), ROOM).expect("it is valid");
    let request = ExportLogsServiceRequest::decode(&bytes[..]).expect("it is protobuf");
    let record = &request.resource_logs[0].scope_logs[0].log_records[0];
    assert_eq!((record.time_unix_nano, record.severity_number, &*record.event_name), (5, 13, "e"));

    let json = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[
        {"name":"sum","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{"asInt":"-3","timeUnixNano":"1"}]}},
        {"name":"exp","exponentialHistogram":{"dataPoints":[{"scale":-2,"count":"4","positive":{"offset":-5,"bucketCounts":["1",2]}}]}}
        ]}]}]}"#;
    let bytes = json_to_protobuf(Signal::Metrics, json.as_bytes(), ROOM).expect("it is valid");
    let request = ExportMetricsServiceRequest::decode(&bytes[..]).expect("it is protobuf");
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let Some(Data::Sum(sum)) = &metrics[0].data else { panic!("it is a sum") };
    assert_eq!(sum.data_points[0].value, Some(number_data_point::Value::AsInt(-3)));
    assert_eq!((sum.aggregation_temporality, sum.is_monotonic), (2, true));
    let Some(Data::ExponentialHistogram(histogram)) = &metrics[1].data else { panic!("it is exponential") };
    let point = &histogram.data_points[0];
    let positive = point.positive.as_ref().expect("it is there");
    assert_eq!((point.scale, point.count, positive.offset), (-2, 4, -5));
    assert_eq!(positive.bucket_counts, [1, 2]);
}
