//! What cannot work is told, with what to do, and ends in time.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use crate::documents;
use crate::receiver::Protocol;
use crate::tta::{Ended, command, demo, run};

/// How long a demo may take that cannot send its spans.
const BOUND: Duration = Duration::from_secs(10);

fn demo_of(input: &Path) -> Ended {
    run(demo(input, &["--json", "--runs", "1"]))
}

#[test]
fn an_input_without_documents_is_told() {
    let folder = tempfile::tempdir().unwrap();
    demo_of(&folder.path().join("gone")).assert_failed(&["there is no file or folder", "gone", "--input"]);
    demo_of(folder.path()).assert_failed(&["no documents in", "looked for", "md"]);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    documents::write(folder.path(), "good.md", b"Some text.");
    fs::create_dir(folder.path().join("folder.md")).unwrap();
    std::os::unix::fs::symlink("/does/not/exist.md", folder.path().join("dangling.md")).unwrap();
    assert_eq!(demo_of(folder.path()).json()["documents"], 1);
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_read_is_a_failed_run_or_an_error() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    documents::write(folder.path(), "good.md", b"Some text.");
    documents::write(folder.path(), "secret.md", b"Some secret.");
    let secret = folder.path().join("secret.md");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&secret).is_ok() {
        eprintln!("skipped: this user reads files without permission");
        return;
    }
    let outcome = run(demo(folder.path(), &["--json", "--runs", "2"])).json();
    assert_eq!((&outcome["succeeded"], &outcome["failed"]), (&1.into(), &1.into()));
    let told = outcome["failures"][0]["error"].as_str().unwrap().to_owned();
    assert!(told.contains("cannot read secret.md, check its permissions"), "{told}");
    demo_of(&secret).assert_failed(&["cannot read", "secret.md", "check its permissions"]);
}

#[test]
fn wrong_arguments_are_told_as_such() {
    let check = |arguments: &[&str], says: &[&str]| {
        let ended = run(command(&[&["demo", "--exit"], arguments].concat()));
        assert_eq!(ended.status.code(), Some(2), "{ended:#?}");
        ended.assert_no_panic();
        for part in says {
            assert!(ended.stderr.contains(part), "{part:?}: {ended:#?}");
        }
    };
    check(&["--chaos", "2"], &["--chaos", "'2'", "from 0 to 1"]);
    check(&["--chaos", "NaN"], &["--chaos", "from 0 to 1"]);
    check(&["--chaos=-0.1"], &["--chaos", "from 0 to 1"]);
    check(&["--runs", "0"], &["--runs", "'0'", "1..=10000000"]);
    check(&["--runs", "many"], &["--runs", "'many'"]);
    check(&["--max-bytes", "-1"], &["-1"]);
    check(&["--input", ""], &["--input"]);
    check(&["--otlp", "collector"], &["--otlp", "begins with http:// or https://"]);
    check(&["--otlp", "ftp://collector"], &["--otlp", "begins with http:// or https://"]);
    check(&["--otlp", "grpc://"], &["--otlp", "expected a host"]);
    check(&["--otlp", "http://a b"], &["--otlp", "has no spaces"]);
    check(&["--otlp", "http://user:word@host"], &["--otlp", "OTEL_EXPORTER_OTLP_HEADERS"]);
    check(&["--otlp", "http://host:0"], &["--otlp", "a port from 1 to 65535"]);
    check(&["--colour"], &["--colour", "--help"]);
}

#[test]
fn every_wrong_setting_of_the_environment_is_named() {
    let folder = documents::good();
    let mut command = demo(folder.path(), &["--json", "--runs", "1"]);
    command
        .env("OTEL_TRACES_SAMPLER", "sometimes")
        .env("OTEL_TRACES_SAMPLER_ARG", "2")
        .env("OTEL_BSP_MAX_QUEUE_SIZE", "none")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "collector")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "authorization Bearer s3cret")
        .env("OTEL_SDK_DISABLED", "yes");
    let ended = run(command);
    ended.assert_failed(&[
        "6 settings are wrong",
        "OTEL_TRACES_SAMPLER=\"sometimes\": expected always_on",
        "OTEL_TRACES_SAMPLER_ARG=\"2\": expected a number from 0 to 1",
        "OTEL_BSP_MAX_QUEUE_SIZE=\"none\": expected an integer of at least 1",
        "OTEL_EXPORTER_OTLP_ENDPOINT=\"collector\": expected an address that begins with http",
        "OTEL_EXPORTER_OTLP_HEADERS: member 1: expected key=value",
        "OTEL_SDK_DISABLED=\"yes\": expected true or false",
    ]);
    assert!(!ended.stderr.contains("s3cret"), "{ended:#?}");
}

fn url(protocol: Protocol, port: u16) -> String {
    let scheme = if protocol == Protocol::Grpc { "grpc" } else { "http" };
    format!("{scheme}://127.0.0.1:{port}")
}

fn check_undelivered(protocol: Protocol, port: u16, says: &[&str]) {
    let folder = documents::good();
    let url = url(protocol, port);
    let ended = run(demo(folder.path(), &["--json", "--runs", "3", "--otlp", &url]));
    ended.assert_failed(says);
    ended.assert_failed(&[&format!("http://127.0.0.1:{port}"), "spans were not sent", "(0 of "]);
    assert!(ended.took < BOUND, "took {:?}", ended.took);
    // The runs themselves succeeded, and what they came to is told.
    let outcome: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(outcome["succeeded"], 3);
    assert_eq!(outcome["spans"]["exported"], 0);
}

fn check_closed_port(protocol: Protocol) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    check_undelivered(protocol, port, &["refused", "start an OTLP receiver there"]);
}

fn check_black_hole(protocol: Protocol) {
    // The system accepts for it; it never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    check_undelivered(protocol, port, &["check that an OTLP receiver answers there"]);
}

#[test]
fn a_closed_port_is_told_over_http() {
    check_closed_port(Protocol::Http);
}

#[test]
fn a_closed_port_is_told_over_grpc() {
    check_closed_port(Protocol::Grpc);
}

#[test]
fn a_listener_that_never_answers_is_told_over_http() {
    check_black_hole(Protocol::Http);
}

#[test]
fn a_listener_that_never_answers_is_told_over_grpc() {
    check_black_hole(Protocol::Grpc);
}

#[test]
fn the_help_lists_every_flag() {
    let ended = run(command(&["demo", "--help"]));
    assert!(ended.status.success(), "{ended:#?}");
    for flag in [
        "--runs <N>",
        "--input <PATH>",
        "--otlp <URL>",
        "--chaos <RATE>",
        "--max-bytes <BYTES>",
        "--exit",
        "--hold",
        "--json",
    ] {
        assert!(ended.stdout.contains(flag), "{flag}: {ended:#?}");
    }
    assert!(run(command(&["--help"])).stdout.contains("demo"));
    assert!(run(command(&["--version"])).stdout.starts_with("tta "));
}

#[test]
fn without_recording_the_runs_work_all_the_same() {
    let folder = documents::good();
    let mut command = demo(folder.path(), &["--json", "--runs", "3"]);
    command.env("OTEL_SDK_DISABLED", "true");
    let outcome = run(command).json();
    assert_eq!((&outcome["succeeded"], &outcome["spans"]["recorded"]), (&3.into(), &0.into()));
    run(demo(folder.path(), &["--runs", "3"])).assert_no_panic();
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let folder = documents::good();
    let mut child = demo(folder.path(), &["--runs", "3"]).spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut stderr).unwrap();
    assert_eq!((crate::tta::wait(&mut child).code(), stderr.as_str()), (Some(0), ""));
}
