//! OTLP over HTTP, by the letter of its specification.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use serde_json::{Value, json};
use tta_server::Limits;

use super::served::{JSON, PROTOBUF, Served, client, gzip};
use super::support::{NOW, request, span};

fn batch(trace: u128, spans: u64) -> Vec<u8> {
    request(vec![("shop", (1..=spans).map(|id| span(trace, id)).collect())])
}

fn in_json(trace: &str, spans: u64) -> Value {
    let spans: Vec<Value> = (1..=spans)
        .map(|id| {
            json!({
                "traceId": trace, "spanId": format!("{id:016x}"), "name": "n", "kind": 1,
                "startTimeUnixNano": NOW.to_string(), "endTimeUnixNano": (NOW + 1).to_string(),
                "attributes": [{ "key": "k", "value": { "intValue": id.to_string() } }],
            })
        })
        .collect();
    json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] })
}

#[test]
fn what_is_taken_is_answered_with_an_empty_message() {
    let server = Served::new();
    let answer = server.post("/v1/traces", PROTOBUF, batch(7, 3));
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &PROTOBUF.parse().expect("text"))
    );
    assert_eq!(answer.bytes().expect("a body").len(), 0, "nothing was rejected, and so nothing is said");
    assert_eq!(server.count(7), 3);

    let trace = format!("{:032x}", 8);
    let answer =
        server.post("/v1/traces", "application/json; charset=utf-8", in_json(&trace, 2).to_string().into());
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &JSON.parse().expect("text"))
    );
    assert_eq!(answer.text().expect("a body"), "{}");
    assert_eq!(server.count(8), 2);

    for path in ["/v1/logs", "/v1/metrics", "/v1/traces"] {
        assert_eq!(server.post(path, PROTOBUF, Vec::new()).status(), 200, "{path}");
        assert_eq!(server.post(path, JSON, b"{}".to_vec()).status(), 200, "{path}");
    }
}

#[test]
fn gzip_is_unpacked() {
    let server = Served::new();
    for (trace, media_type, body) in [
        (5_u128, PROTOBUF, batch(5, 4)),
        (6, JSON, in_json(&format!("{:032x}", 6), 4).to_string().into_bytes()),
    ] {
        let request = client().post(format!("http://{}/v1/traces", server.handle.http));
        let request = request.header("content-type", media_type).header("content-encoding", "gzip");
        assert_eq!(request.body(gzip(&body)).send().expect("it answers").status(), 200);
        assert_eq!(server.count(trace), 4);
    }
}

/// Checks a refusal: its status, its body in both encodings, and a header.
fn refused(answer: reqwest::blocking::Response, status: u16, media_type: &str, header: Option<(&str, &str)>) {
    assert_eq!(answer.status().as_u16(), status);
    assert_eq!(answer.headers()["content-type"], media_type);
    assert_eq!(answer.headers().get("access-control-allow-origin"), None);
    if let Some((name, value)) = header {
        assert_eq!(answer.headers()[name], value);
    }
    let body = answer.bytes().expect("a body");
    let (code, message) = if media_type == JSON {
        let said: Value = serde_json::from_slice(&body).expect("it is JSON");
        (said["code"].as_i64().expect("a number"), said["message"].as_str().expect("a text").to_owned())
    } else {
        let said = tonic_types::Status::decode(body).expect("it is a status");
        (i64::from(said.code), said.message)
    };
    assert!(code > 0 && !message.is_empty(), "{code} {message}");
}

#[test]
fn each_mistake_has_its_status() {
    let server = Served::new();
    let address = server.handle.http;
    let url = format!("http://{address}/v1/traces");
    refused(server.post("/v1/traces", PROTOBUF, b"no protobuf".to_vec()), 400, PROTOBUF, None);
    refused(server.post("/v1/traces", JSON, b"no JSON".to_vec()), 400, JSON, None);
    refused(server.post("/v1/traces", "text/plain", batch(1, 1)), 415, JSON, None);
    refused(client().post(&url).body(batch(1, 1)).send().expect("it answers"), 415, JSON, None);
    let packed = |how: &str, body: Vec<u8>| {
        let request = client().post(&url).header("content-type", PROTOBUF).header("content-encoding", how);
        request.body(body).send().expect("it answers")
    };
    refused(packed("br", batch(1, 1)), 415, PROTOBUF, Some(("accept-encoding", "gzip")));
    refused(packed("gzip", batch(1, 1)), 400, PROTOBUF, None);
    refused(client().get(&url).send().expect("it answers"), 405, JSON, Some(("allow", "POST")));
    refused(client().put(&url).body("x").send().expect("it answers"), 405, JSON, Some(("allow", "POST")));
    refused(server.post("/v1/other", PROTOBUF, Vec::new()), 404, PROTOBUF, None);
    refused(server.post("/", JSON, Vec::new()), 404, JSON, None);
    assert_eq!(server.handle.stats().spans, 0);
}

#[test]
fn the_limit_holds_for_what_is_unpacked() {
    let server = Served::limited(Limits { max_bytes: 10_000, ..Limits::default() });
    let large = batch(1, 200);
    assert!(large.len() > 10_000 && gzip(&large).len() < 10_000);
    refused(server.post("/v1/traces", PROTOBUF, large.clone()), 413, PROTOBUF, None);
    refused(server.post("/v1/traces", JSON, vec![b' '; 10_001]), 413, JSON, None);
    let request = client().post(format!("http://{}/v1/traces", server.handle.http));
    let request = request.header("content-type", PROTOBUF).header("content-encoding", "gzip");
    refused(request.body(gzip(&large)).send().expect("it answers"), 413, PROTOBUF, None);
    // Without a length that is told before, too.
    let request = client().post(format!("http://{}/v1/traces", server.handle.http));
    let body = reqwest::blocking::Body::new(std::io::Cursor::new(large));
    refused(
        request.header("content-type", PROTOBUF).body(body).send().expect("it answers"),
        413,
        PROTOBUF,
        None,
    );
    assert_eq!(server.post("/v1/traces", PROTOBUF, batch(1, 10)).status(), 200);
}

#[test]
fn what_is_wrong_with_a_few_spans_is_said_and_the_others_stay() {
    let server = Served::new();
    let mut spans: Vec<_> = (1..=4).map(|id| span(9, id)).collect();
    spans[0].trace_id = vec![0; 16];
    spans[1].span_id = vec![0; 8];
    let answer = server.post("/v1/traces", PROTOBUF, request(vec![("shop", spans)]));
    assert_eq!(answer.status(), 200);
    let said = ExportTraceServiceResponse::decode(answer.bytes().expect("a body")).expect("an answer");
    let partial = said.partial_success.expect("some were rejected");
    assert_eq!(partial.rejected_spans, 2);
    assert!(partial.error_message.contains("the trace id is not 16 bytes"), "{}", partial.error_message);
    assert_eq!(server.count(9), 2);

    let mut request = in_json(&format!("{:032x}", 10), 3);
    request["resourceSpans"][0]["scopeSpans"][0]["spans"][2]["spanId"] = json!("00");
    let answer = server.post("/v1/traces", JSON, request.to_string().into());
    let said: Value = answer.json().expect("it is JSON");
    assert_eq!(said["partialSuccess"]["rejectedSpans"], "1");
    assert_eq!(server.count(10), 2);
}

#[test]
fn a_text_that_is_not_utf8_costs_its_own_span() {
    let server = Served::new();
    let mut body = batch(3, 3);
    let at = body.windows(7).position(|window| window == b"value 2").expect("it is there");
    body[at] = 0xff;
    let answer = server.post("/v1/traces", PROTOBUF, body);
    let said = ExportTraceServiceResponse::decode(answer.bytes().expect("a body")).expect("an answer");
    assert_eq!(said.partial_success.expect("one was rejected").rejected_spans, 1);
    assert_eq!(server.count(3), 2);
}

#[test]
fn who_sends_too_much_at_once_is_asked_to_wait() {
    let server = Served::limited(Limits { max_bytes_at_once: 5_000, ..Limits::default() });
    refused(server.post("/v1/traces", PROTOBUF, batch(1, 100)), 429, PROTOBUF, Some(("retry-after", "1")));
    let none = Served::limited(Limits { max_requests: 0, ..Limits::default() });
    refused(none.post("/v1/traces", JSON, b"{}".to_vec()), 429, JSON, Some(("retry-after", "1")));
    // What was taken up is given back.
    assert_eq!(server.post("/v1/traces", PROTOBUF, batch(1, 10)).status(), 200);
}
