//! What somebody who means harm may send, and that others do not feel it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tta_server::Limits;

use super::served::{JSON, PROTOBUF, Served, client, gzip, raw};
use super::support::{NOW, request, resource, span, text};

fn batch(trace: u128) -> Vec<u8> {
    request(vec![("shop", vec![span(trace, 1)])])
}

/// The most memory that this process had at once, in bytes.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib << 10)
}

/// Half a gigabyte of zeros in half a megabyte: members of gzip one after the other.
fn bomb() -> Vec<u8> {
    gzip(&vec![0; 1 << 20]).repeat(500)
}

/// The time that this process has computed, in hundredths of a second.
fn computed() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = status.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// Sends a bomb, and checks that it takes the server less than 2 seconds of computing and 128 MiB of memory.
fn check_bomb(server: &Served, explode: impl FnOnce(Vec<u8>)) {
    let bomb = bomb();
    let before = (peak(), computed());
    explode(bomb);
    if let (Some(before), Some(after)) = (before.0, peak()) {
        assert!(after - before < 128 << 20, "{} MiB", (after - before) >> 20);
    }
    if let (Some(before), Some(after)) = (before.1, computed()) {
        assert!(after - before < 200, "{} ms", (after - before) * 10);
    }
    assert_eq!(server.post("/v1/traces", PROTOBUF, batch(1)).status(), 200);
}

#[test]
fn a_bomb_is_refused_and_takes_little() {
    let server = Served::new();
    let address = format!("http://{}/v1/traces", server.handle.http);
    for media_type in [PROTOBUF, JSON] {
        check_bomb(&server, |bomb| {
            let request = client().post(&address).header("content-type", media_type);
            let answer = request.header("content-encoding", "gzip").body(bomb).send().expect("it answers");
            assert_eq!(answer.status(), 413);
        });
    }
}

#[test]
fn a_bomb_in_a_call_is_refused_and_takes_little() {
    let server = Served::new();
    let address =
        format!("http://{}/opentelemetry.proto.collector.trace.v1.TraceService/Export", server.handle.grpc);
    check_bomb(&server, |bomb| {
        let mut message = vec![1];
        message.extend((bomb.len() as u32).to_be_bytes());
        message.extend(bomb);
        // The frames of gRPC are the same over HTTP/1.1, and the port speaks both.
        let request = client().post(&address).header("content-type", "application/grpc");
        let answer = request.header("grpc-encoding", "gzip").body(message).send().expect("it answers");
        // The status of gRPC for what is too much.
        assert_eq!((answer.status().as_u16(), answer.headers()["grpc-status"].as_bytes()), (200, &b"8"[..]));
    });
}

/// A message of protobuf in another, and so on.
fn nested(depth: usize) -> Vec<u8> {
    // From the inside out: lengths in four bytes each, which is longer than needed and allowed.
    let field = |number: u8, inner: usize, out: &mut Vec<u8>| {
        let length = inner as u32;
        let byte = |shift: u32, more: u8| (length >> shift & 0x7f) as u8 | more;
        // Reversed, as the whole is.
        out.extend([byte(21, 0), byte(14, 0x80), byte(7, 0x80), byte(0, 0x80), number << 3 | 2]);
    };
    let mut reversed = Vec::new();
    for _ in 0..depth {
        field(1, reversed.len(), &mut reversed);
        field(5, reversed.len(), &mut reversed);
    }
    reversed.reverse();
    reversed
}

#[test]
fn nesting_without_end_is_refused_in_both_encodings() {
    let server = Served::new();
    for (open, close) in [(r#"{"a":"#, "}"), ("[", "]")] {
        let deep = open.repeat(100_000) + "1" + &close.repeat(100_000);
        assert_eq!(server.post("/v1/traces", JSON, deep.into()).status(), 400);
        let deep = open.repeat(100_000) + "1" + &close.repeat(100_000);
        let json = format!(r#"{{"resourceSpans":[{{"x":{deep}}}]}}"#);
        assert_eq!(server.post("/v1/traces", JSON, json.into()).status(), 400);
    }
    let deep = r#"{"arrayValue":{"values":["#.repeat(100_000) + &"]}}".repeat(100_000);
    let json = format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"attributes":[{{"key":"k","value":{deep}}}]}}]}}]}}]}}"#
    );
    assert_eq!(server.post("/v1/traces", JSON, json.into()).status(), 400);

    // The value of an attribute that is put in place of a short one, with the lengths around it made right.
    let value = nested(100_000);
    let attribute = wrap(&[(1, b"k"), (2, &value)]);
    let span_bytes = {
        let mut whole = prost::Message::encode_to_vec(&span(4, 1));
        whole.extend(wrap(&[(9, &attribute)]));
        whole
    };
    let body = wrap(&[(1, &wrap(&[(2, &wrap(&[(2, &span_bytes)]))]))]);
    assert!(<ExportTraceServiceRequest as prost::Message>::decode(&body[..]).is_err());
    assert_eq!(server.post("/v1/traces", PROTOBUF, body).status(), 400);
    assert_eq!(server.post("/v1/traces", PROTOBUF, batch(1)).status(), 200);
}

fn wrap(fields: &[(u32, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, bytes) in fields {
        prost::encoding::encode_key(*number, prost::encoding::WireType::LengthDelimited, &mut out);
        prost::encoding::encode_varint(bytes.len() as u64, &mut out);
        out.extend_from_slice(bytes);
    }
    out
}

/// Opens connections that say nothing, or half of something, and then asks for what everybody may ask.
fn check_silence(server: &Served, connections: usize) {
    let ports = [server.handle.http, server.handle.grpc, server.handle.query];
    let begun = [&b""[..], b"POST /v1/traces HTTP/1.1\r\nHost: local", b"PRI * HTTP/2.0\r\n\r\nSM"];
    let mut silent = Vec::new();
    for n in 0..connections {
        let mut stream = TcpStream::connect(ports[n % 3]).expect("it accepts");
        // Cut off before by the server to make room, perhaps.
        let _ = stream.write_all(begun[n / 3 % 3]);
        silent.push(stream);
    }
    assert_eq!(server.post("/v1/traces", PROTOBUF, batch(1)).status(), 200);
    assert_eq!(server.count(1), 1);
    assert_eq!(server.get("/api/services").0, 200);
    drop(silent);
}

#[test]
fn connections_that_say_nothing_do_not_keep_others_out() {
    check_silence(&Served::limited(Limits { max_connections: 64, ..Limits::default() }), 400);
}

/// Tells the child that it is one.
const CHILD: &str = "TTA_TEST_SILENCE";

#[test]
fn a_thousand_connections_that_say_nothing_do_not_keep_others_out() {
    if std::env::var_os(CHILD).is_some() {
        return check_silence(&Served::new(), 1_000);
    }
    // Both ends of a connection are files of this process, and a process may often have a thousand only.
    let child = std::process::Command::new("bash")
        .args(["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().expect("a test is a program"))
        .args([
            "attacks::a_thousand_connections_that_say_nothing_do_not_keep_others_out",
            "--exact",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .expect("it runs");
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
}

/// A request with a metric of many points, each with another value of a label.
fn labels(first: u64, count: u64) -> Vec<u8> {
    let point = |n: u64| NumberDataPoint {
        time_unix_nano: NOW,
        attributes: vec![text("user", n.to_string())],
        ..NumberDataPoint::default()
    };
    let data = Some(Data::Gauge(Gauge { data_points: (first..first + count).map(point).collect() }));
    let metrics = vec![Metric { name: String::from("logins"), data, ..Metric::default() }];
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let of = ResourceMetrics { resource: Some(resource("shop")), scope_metrics, schema_url: String::new() };
    ExportMetricsServiceRequest { resource_metrics: vec![of] }.encode_to_vec()
}

#[test]
fn a_million_values_of_a_label_leave_the_page_of_metrics_as_it_is() {
    let server = Served::new();
    let series = || {
        let (_, page) = server.get("/metrics");
        let samples = page.lines().filter(|line| !line.starts_with('#'));
        let mut families: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
        let family = |line: &str| line.split(['{', ' ']).next().unwrap_or_default().to_owned();
        samples.for_each(|line| *families.entry(family(line)).or_default() += 1);
        families
    };
    assert_eq!(server.post("/v1/metrics", PROTOBUF, labels(0, 1)).status(), 200);
    assert_eq!(server.post("/v1/traces", PROTOBUF, batch(1)).status(), 200);
    let before = series();
    for part in 0..4 {
        assert_eq!(server.post("/v1/metrics", PROTOBUF, labels(part * 250_000, 250_000)).status(), 200);
    }
    // Services, operations and attributes that nobody has seen before.
    let groups: Vec<(String, Vec<Span>)> = (1..=3_000_u64)
        .map(|n| (format!("service {n}"), vec![Span { name: format!("operation {n}"), ..span(2, n) }]))
        .collect();
    let groups = groups.iter().map(|(service, spans)| (&service[..], spans.clone())).collect();
    assert_eq!(server.post("/v1/traces", PROTOBUF, request(groups)).status(), 200);
    assert_eq!(server.count(2), 3_000);
    let after = series();
    assert_eq!(after, before, "no family has another series");
    assert!(after.values().all(|series| *series < 2_000), "{after:?}");
    assert_eq!(server.handle.stats().metrics, 5);
}

#[test]
fn who_is_slow_is_cut_off() {
    let short = Duration::from_millis(100);
    let limits = Limits { first_request_timeout: short, body_timeout: short, ..Limits::default() };
    let server = Served::limited(limits);
    for begun in [&b""[..], b"POST /v1/traces HTTP/1.1\r\nHost: local", b"PRI * HTTP/2.0\r\n\r\n"] {
        for address in [server.handle.http, server.handle.grpc, server.handle.query] {
            // It is over when the server ends the connection; nothing says so but the end.
            raw(address, begun);
        }
    }
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nHost: {}\r\nContent-Type: {PROTOBUF}\r\nContent-Length: 10\r\n\r\nhalf",
        server.handle.http
    );
    let answer = raw(server.handle.http, head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

/// Every path that some port answers, with the method that it is for.
fn routes() -> Vec<(&'static str, String)> {
    let own = tta_server::api::openapi().paths.paths.into_keys().map(|path| path.replace(['{', '}'], ""));
    let jaeger = [
        "services",
        "operations?service=x",
        "services/x/operations",
        "traces",
        "traces/1",
        "dependencies",
        "metrics/calls",
        "v3/services",
        "v3/operations",
        "v3/traces",
        "v3/traces/1",
        "v3/trace-summaries",
    ];
    let others = ["/", "/metrics", "/healthz", "/readyz", "/api/tta/v1/openapi.json", "/nothing"];
    let asked =
        jaeger.map(|path| format!("/api/{path}")).into_iter().chain(others.map(String::from)).chain(own);
    let sent = [
        "/v1/traces",
        "/v1/logs",
        "/v1/metrics",
        "/api/archive/1",
        "/grpc.health.v1.Health/Check",
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    ];
    asked.map(|path| ("GET", path)).chain(sent.map(|path| ("POST", String::from(path)))).collect()
}

#[test]
fn a_foreign_host_or_origin_is_refused_everywhere() {
    let server = Served::new();
    let routes = routes();
    assert!(routes.len() > 30, "{routes:?}");
    for address in [server.handle.http, server.handle.query, server.handle.grpc] {
        for (method, path) in &routes {
            let ask = |host: &str, origin: &str| {
                let head = format!(
                    "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{origin}Content-Length: 0\r\nConnection: close\r\n\r\n"
                );
                raw(address, head.as_bytes())
            };
            let port = address.port();
            let foreign = ask(&format!("evil.example:{port}"), "");
            assert!(foreign.starts_with("HTTP/1.1 403"), "{address}{path}: {foreign}");
            let foreign = ask(&format!("localhost:{port}"), "Origin: http://evil.example\r\n");
            assert!(foreign.starts_with("HTTP/1.1 403"), "{address}{path}: {foreign}");
            // The feed of events does not end by itself.
            if path.ends_with("/live") {
                continue;
            }
            let ours = ask(&format!("localhost:{port}"), "");
            assert!(!ours.starts_with("HTTP/1.1 403"), "{address}{path}: {ours}");
            assert!(!ours.to_lowercase().contains("access-control"), "{ours}");
        }
    }
    let mut stream = TcpStream::connect(server.handle.http).expect("it accepts");
    stream.write_all(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it is text");
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[test]
fn more_than_can_be_written_is_put_off_and_nothing_is_lost() {
    // Only one batch may wait at a time, so most of those that come together are sent away.
    let server = Served::with(|config| config.store.queue_batches = 1);
    let outcomes: Vec<(u128, u16)> = std::thread::scope(|scope| {
        let senders: Vec<_> = (1..=8_u128)
            .map(|sender| {
                let server = &server;
                scope.spawn(move || {
                    let traces = (0..20).map(|n| sender * 100 + n);
                    let send = |trace| {
                        let answer = server.post("/v1/traces", PROTOBUF, batch(trace));
                        let status = answer.status().as_u16();
                        assert_eq!(answer.headers().contains_key("retry-after"), status == 429, "{status}");
                        (trace, status)
                    };
                    traces.map(send).collect::<Vec<_>>()
                })
            })
            .collect();
        senders.into_iter().flat_map(|sender| sender.join().expect("it ends")).collect()
    });
    for (trace, status) in &outcomes {
        match status {
            200 => assert_eq!(server.count(*trace), 1),
            429 => assert_eq!(server.count(*trace), 0),
            other => panic!("{other}"),
        }
    }
    assert!(outcomes.iter().any(|(_, status)| *status == 200));
}
