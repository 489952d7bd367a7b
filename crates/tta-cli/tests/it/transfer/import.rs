//! What becomes of what is sent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{export, group, import, lines, now, span};
use crate::live::Signal;
use crate::serve::{start, stop};
use crate::tta::PATIENCE;

#[test]
fn what_is_refused_is_counted_and_the_rest_is_taken() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().display().to_string();
    let (server, _, http) = start(&directory);
    let good = |trace| json!({ "resourceSpans": [group("shop", vec![span(trace, 1, now())])] });
    let mut zero = good(2);
    zero["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["spanId"] = json!("0000000000000000");
    let mut wrong = good(3);
    wrong["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["kind"] = json!("SPAN_KIND_OF_ITS_OWN");
    let text = [good(1), zero, wrong, good(4)].map(|line| line.to_string()).join("\n");
    let text = format!("{text}\nno JSON\n\n{{\"resources\":[]}}");
    let file = data.path().join("mixed.jsonl").display().to_string();
    std::fs::write(&file, text).unwrap();
    let ended = import(&file, &http, &["--json"]);
    ended.assert_failed(&["2 spans and 2 lines were refused"]);
    let outcome: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&outcome["accepted_spans"], &outcome["rejected_spans"]), (&json!(2), &json!(2)), "{outcome}");
    let problems = outcome["problems"].to_string();
    for part in ["the span id is not 8 bytes", "line 3: ", "line 5 is not", "line 7 has none of"] {
        assert!(problems.contains(part), "{part}: {problems}");
    }
    assert_eq!(lines(&export(&directory, &[])).len(), 2);
    stop(server, Signal::TERM);
}

/// Answers each request with the next of these answers, and tells when each came.
fn answering(answers: Vec<&'static str>) -> (String, std::thread::JoinHandle<Vec<Instant>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let answer = |answer: &str| {
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut reader = BufReader::new(stream);
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line == "\r\n" {
                    break;
                }
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            let came = Instant::now();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
            let length = body.len();
            write!(
                reader.into_inner(),
                "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
            .unwrap();
            came
        };
        answers.into_iter().map(answer).collect()
    });
    (url, thread)
}

fn one_line() -> (tempfile::TempDir, String) {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("one.jsonl");
    std::fs::write(&file, json!({ "resourceSpans": [group("shop", vec![span(1, 1, now())])] }).to_string())
        .unwrap();
    let file = file.display().to_string();
    (data, file)
}

#[test]
fn a_server_that_asks_to_wait_is_waited_for() {
    let (_data, file) = one_line();
    let (url, server) = answering(vec![
        "429 Too Many Requests\r\nRetry-After: 2",
        "503 Service Unavailable\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT",
        "200 OK\r\nContent-Type: application/json\r\n\r\n{}",
    ]);
    let outcome = import(&file, &url, &["--json"]).json();
    assert_eq!(
        (&outcome["accepted_spans"], &outcome["requests"], &outcome["pauses"]),
        (&json!(1), &json!(3), &json!(2))
    );
    let came = server.join().unwrap();
    assert!(came[1] - came[0] >= Duration::from_secs(2), "it came before it was asked to");
}

#[test]
fn an_import_that_cannot_be_says_what_to_do() {
    let (data, file) = one_line();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("http://{free}");
    import(&file, &nobody, &[]).assert_failed(&["nobody listens at", "tta serve", "--url"]);
    import(&file, "127.0.0.1", &[]).assert_failed(&["is no address", "http://127.0.0.1:4318"]);
    import(&file, "ftp://127.0.0.1", &[]).assert_failed(&["is not of HTTP"]);
    let folder = data.path().display().to_string();
    import(&folder, &nobody, &[]).assert_failed(&["is a folder"]);
    import(&format!("{folder}/none"), &nobody, &[]).assert_failed(&["cannot read", "none"]);
    for (begin, says) in [(&b"PAR1"[..], "is a table"), (&[0x1f, 0x8b, 8], "is compressed")] {
        let other = format!("{folder}/other");
        std::fs::write(&other, begin).unwrap();
        import(&other, &nobody, &[]).assert_failed(&[says]);
    }
    import(&file, &nobody, &["--token-env", "TTA_NO_SUCH_TOKEN"]).assert_failed(&["has no token"]);
    for (answer, says) in [
        ("404 Not Found", "does it receive OTLP over HTTP there?"),
        ("401 Unauthorized", "--token-env"),
        ("200 OK\r\n\r\n<html", "is not of OTLP"),
        ("400 Bad Request", "1 spans were refused"),
    ] {
        let (url, server) = answering(vec![answer]);
        import(&file, &url, &[]).assert_failed(&[says]);
        server.join().unwrap();
    }
}
