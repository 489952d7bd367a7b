//! What somebody who means harm may send, and that others do not feel it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use tta_server::Limits;

use super::served::{JSON, PROTOBUF, Served, client, gzip, raw};
use super::support::{request, span};

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

#[test]
fn a_bomb_is_refused_and_takes_little() {
    let server = Served::new();
    let bomb = bomb();
    let before = peak();
    let request = client().post(format!("http://{}/v1/traces", server.handle.http));
    let request = request.header("content-type", PROTOBUF).header("content-encoding", "gzip");
    assert_eq!(request.body(bomb).send().expect("it answers").status(), 413);
    if let (Some(before), Some(after)) = (before, peak()) {
        assert!(after - before < 128 << 20, "{} MiB", (after - before) >> 20);
    }
    assert_eq!(server.post("/v1/traces", PROTOBUF, batch(1)).status(), 200);
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

#[test]
fn connections_that_say_nothing_do_not_keep_others_out() {
    let server = Served::limited(Limits { max_connections: 64, ..Limits::default() });
    let mut silent = Vec::new();
    for n in 0..400 {
        let mut stream = TcpStream::connect(server.handle.http).expect("it accepts");
        if n % 2 == 0 {
            // Cut off before by the server to make room, perhaps.
            let _ = stream.write_all(b"POST /v1/traces HTTP/1.1\r\nHost: local");
        }
        silent.push(stream);
    }
    assert_eq!(server.post("/v1/traces", PROTOBUF, batch(1)).status(), 200);
    assert_eq!(server.count(1), 1);
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

#[test]
fn a_foreign_host_or_origin_is_refused_everywhere() {
    let server = Served::new();
    for address in [server.handle.http, server.handle.query, server.handle.grpc] {
        for path in ["/", "/v1/traces", "/metrics", "/healthz"] {
            let ask = |host: &str, origin: &str| {
                let head = format!(
                    "POST {path} HTTP/1.1\r\nHost: {host}\r\n{origin}Content-Length: 0\r\nConnection: close\r\n\r\n"
                );
                raw(address, head.as_bytes())
            };
            let port = address.port();
            let foreign = ask(&format!("evil.example:{port}"), "");
            assert!(foreign.starts_with("HTTP/1.1 403"), "{address}{path}: {foreign}");
            let foreign = ask(&format!("localhost:{port}"), "Origin: http://evil.example\r\n");
            assert!(foreign.starts_with("HTTP/1.1 403"), "{address}{path}: {foreign}");
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
