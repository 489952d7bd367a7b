//! Parsers that are not ours read the page of metrics, in both its formats.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::programs::{self, get};
use crate::prometheus::Demo;
use crate::receiver::interpreter;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";
const CLASSIC: &str = "text/plain; version=0.0.4";

/// What promtool does not like and we keep, with the reason.
const ACCEPTED: &[&str] = &[
    // OpenTelemetry's instrument of this name measures in milliseconds, and so do the queries that name it.
    r#"primitive_execution_duration_milliseconds use base unit "seconds" instead of "milliseconds""#,
];

/// A demo in which a lot has happened.
fn demo() -> Demo {
    Demo::start(&["--hold", "--runs", "60", "--chaos", "0.4"])
}

/// Runs a command with a text as its input.
fn fed(mut command: Command, text: &str) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("it is piped");
    // It reads everything before it answers.
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    child.wait_with_output().expect("it ends")
}

#[test]
fn promtool_finds_nothing_but_what_is_accepted() {
    if !programs::are_there(&["promtool"]) {
        return;
    }
    let demo = demo();
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]);
    let output = fed(command, &get(demo.page(), CLASSIC));
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert_eq!(complaints.lines().collect::<Vec<_>>(), ACCEPTED);
    demo.stop();
}

/// Each series of a page with its value, as the parser of Prometheus' Python client reads it.
fn parsed(python: &OsString, format: &str, page: &str) -> BTreeMap<String, f64> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/parse.py");
    let mut command = Command::new(python);
    command.arg(script).arg(format);
    let output = fed(command, page);
    assert!(output.status.success(), "{}\n{page}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_parsers_of_the_python_client_read_the_same_in_both_formats() {
    let Some(python) = interpreter() else { return };
    let demo = demo();
    let open_metrics = get(demo.page(), OPEN_METRICS);
    assert!(open_metrics.ends_with("# EOF\n"), "{open_metrics}");
    let read = parsed(&python, "openmetrics", &open_metrics);
    assert_eq!(read, parsed(&python, "classic", &get(demo.page(), CLASSIC)));
    let sum = |name: &str| {
        let of_name = read.iter().filter(|(series, _)| series.split('{').next() == Some(name));
        of_name.map(|(_, value)| value).sum::<f64>()
    };
    for (name, pointer) in [
        ("tta_workflow_executions_total", "/runs"),
        ("cache_total", "/cache/lookups"),
        ("tta_retries_total", "/retries"),
        ("tta_workflow_duration_seconds_count", "/runs"),
    ] {
        assert_eq!(sum(name), demo.count(pointer) as f64, "{name}");
    }
    demo.stop();
}
