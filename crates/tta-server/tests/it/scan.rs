//! What is kept of a request, and what is not.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{Span, Status, span as inner};
use prost::Message;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tta_server::{Rejection, Traces};

use super::support::{any, open, put, request, scan, span, text};

/// Stores a good span and another one, which is rejected for a reason, or else kept as it is.
fn check(other: Span, expect: Option<Rejection>) {
    let traces = scan(request(vec![("shop", vec![span(1, 1), other.clone()])]));
    let reasons: Vec<_> = traces.rejected().reasons().collect();
    assert_eq!(reasons, expect.map(|why| (why, 1)).into_iter().collect::<Vec<_>>(), "{other:?}");
    assert_eq!(traces.len(), 2 - reasons.len());
}

#[test]
fn the_good_spans_of_a_batch_stay() {
    check(Span { trace_id: vec![1; 15], ..span(1, 2) }, Some(Rejection::TraceId));
    check(Span { trace_id: vec![0; 16], ..span(1, 2) }, Some(Rejection::TraceId));
    check(Span { span_id: vec![], ..span(1, 2) }, Some(Rejection::SpanId));
    check(Span { span_id: vec![0; 8], ..span(1, 2) }, Some(Rejection::SpanId));
    check(Span { parent_span_id: vec![1; 7], ..span(1, 2) }, Some(Rejection::ParentId));
    check(Span { parent_span_id: vec![0; 8], ..span(1, 2) }, None);
    check(Span { start_time_unix_nano: 0, ..span(1, 2) }, Some(Rejection::NoTime));
    check(Span { end_time_unix_nano: 0, ..span(1, 2) }, Some(Rejection::NoTime));
    check(Span { end_time_unix_nano: u64::MAX, ..span(1, 2) }, Some(Rejection::Time));
    check(Span { end_time_unix_nano: 5, ..span(1, 2) }, None);
    check(Span { name: String::new(), kind: 77, ..span(1, 2) }, None);
}

#[test]
fn text_that_is_not_utf8_costs_its_span_only() {
    let marked = |place: Span| {
        let mut body = request(vec![("shop", vec![span(1, 1), place, span(1, 3)])]);
        let at = body.windows(4).position(|window| window == b"MARK").expect("it is there");
        body[at] = 0xff;
        let traces = scan(body);
        assert_eq!(traces.rejected().reasons().collect::<Vec<_>>(), [(Rejection::NotUtf8, 1)]);
        assert_eq!(traces.len(), 2);
    };
    let mark = || String::from("MARK");
    let list = ArrayValue { values: vec![AnyValue { value: Some(Value::StringValue(mark())) }] };
    marked(Span { name: mark(), ..span(1, 2) });
    marked(Span { trace_state: mark(), ..span(1, 2) });
    marked(Span { attributes: vec![text("MARK", "x")], ..span(1, 2) });
    marked(Span { attributes: vec![text("x", mark())], ..span(1, 2) });
    marked(Span { attributes: vec![any("x", Value::ArrayValue(list))], ..span(1, 2) });
    marked(Span { status: Some(Status { message: mark(), code: 2 }), ..span(1, 2) });
    marked(Span { events: vec![inner::Event { name: mark(), ..inner::Event::default() }], ..span(1, 2) });
    let link = inner::Link { attributes: vec![text("x", mark())], ..inner::Link::default() };
    marked(Span { links: vec![link], ..span(1, 2) });
}

#[test]
fn a_resource_that_is_not_valid_costs_its_own_spans() {
    let mut body = request(vec![("MARK", vec![span(1, 1), span(1, 2)]), ("shop", vec![span(1, 3)])]);
    let at = body.windows(4).position(|window| window == b"MARK").expect("it is there");
    body[at] = 0xff;
    let traces = scan(body);
    assert_eq!(traces.rejected().reasons().collect::<Vec<_>>(), [(Rejection::Envelope, 2)]);
    assert_eq!(
        (traces.len(), traces.rejected().to_string()),
        (1, String::from("2: its resource or its scope is not valid"))
    );
}

#[test]
fn values_without_end_are_refused() {
    let mut value = Value::IntValue(1);
    for _ in 0..60 {
        value = Value::ArrayValue(ArrayValue { values: vec![AnyValue { value: Some(value) }] });
    }
    check(Span { attributes: vec![any("deep", value)], ..span(1, 2) }, Some(Rejection::TooDeep));
    // Empty groups take no memory, however many there are.
    let empty: Vec<u8> = [0x0a, 0x02, 0x12, 0x00].repeat(1_000_000);
    assert!(Traces::scan(empty.into()).expect("it is a request").is_empty());
    // Neither do empty resources.
    let body: Vec<u8> = [0x0a, 0x00].repeat(200_000);
    assert!(Traces::scan(body.into()).is_ok());
}

/// Whatever bytes come, a span that is kept can be decoded, and is what a decoder makes of it.
#[test]
fn what_is_kept_can_be_decoded() {
    let mut random = StdRng::seed_from_u64(5);
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let event = inner::Event {
        name: String::from("event"),
        attributes: vec![text("a", "b")],
        ..inner::Event::default()
    };
    let link = inner::Link { trace_id: vec![7; 16], span_id: vec![8; 8], ..inner::Link::default() };
    let (mut kept, mut broken) = (0, 0);
    for round in 0..400_u64 {
        let full = Span {
            events: vec![event.clone()],
            links: vec![link.clone()],
            attributes: vec![
                text("k", "v"),
                any("n", Value::IntValue(-5)),
                any("d", Value::DoubleValue(0.5)),
            ],
            status: Some(Status { message: String::from("m"), code: 2 }),
            ..span(u128::from(round) + 1, 1)
        };
        let mut body = request(vec![("shop", vec![full])]);
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..body.len());
            body[at] = random.random();
        }
        let Ok(traces) = Traces::scan(body.clone().into()) else {
            broken += 1;
            continue;
        };
        let decoded = ExportTraceServiceRequest::decode(&body[..]);
        if traces.len() == 1 {
            let decoded = decoded.expect("what is kept can be decoded");
            let expect = &decoded.resource_spans[0].scope_spans[0].spans[0];
            let trace = tta_model::TraceId::from_bytes(expect.trace_id[..].try_into().expect("16 bytes"));
            put(&store, body);
            let read =
                tta_server::read::trace(&store.reader(), trace.expect("not zero")).expect("it is read");
            assert!(read.spans.iter().any(|stored| stored.span == *expect), "{expect:?}");
            kept += 1;
        }
    }
    assert!(kept > 100 && broken > 10, "{kept} {broken}");
    assert_eq!(store.damage(), []);
}
