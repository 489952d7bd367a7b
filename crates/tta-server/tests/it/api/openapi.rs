//! The description of the API, and whether the API is as described.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tta_server::api::{ApiState, openapi, router};

use super::{get, put, settle};
use crate::support::{open, request, span};

/// The interpreter that `cargo xtask test python` prepares.
const INTERPRETER: &str = "TTA_TEST_PYTHON";
/// Where the description is kept.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

/// The interpreter; without one the test is skipped where a person runs it, and fails in CI.
#[expect(clippy::print_stderr, reason = "whoever runs the tests has to see what is skipped")]
fn interpreter() -> Option<OsString> {
    let python = std::env::var_os(INTERPRETER);
    if python.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{INTERPRETER} is not set: run `cargo xtask test python`");
        eprintln!("skipped: {INTERPRETER} is not set; run `cargo xtask test python` to prepare it");
    }
    python
}

#[tokio::test]
async fn the_file_and_the_server_say_what_the_code_says() {
    let made = openapi().to_pretty_json().expect("it is JSON");
    let kept = std::fs::read_to_string(FILE).unwrap_or_default();
    let how = "cargo run -p tta-server --example openapi > crates/tta-server/openapi.json";
    assert!(kept.trim_end() == made, "openapi.json is not what the code says; write it anew: {how}");
    let directory = tempfile::tempdir().expect("there is room");
    let told = get(&open(directory.path()), "/api/tta/v1/openapi.json").await;
    assert_eq!(told, serde_json::from_str::<Value>(&made).expect("it is JSON"));
}

#[test]
fn it_is_version_3_1_with_all_routes() {
    let document = serde_json::to_value(openapi()).expect("it is JSON");
    assert_eq!(document["openapi"], "3.1.0");
    let paths: Vec<&String> = document["paths"].as_object().expect("an object").keys().collect();
    assert!(paths.iter().all(|path| path.starts_with("/api/tta/v1/")), "{paths:?}");
    assert_eq!(paths.len(), 17);
}

/// Schemathesis makes questions from the description, right and wrong ones, and compares the answers with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemathesis_finds_nothing() {
    let Some(python) = interpreter() else { return };
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    put(&store, request(vec![("shop", (1..=5).map(|id| span(1, id)).collect())]));
    settle(&store);
    let routes = router(ApiState::new(store.reader()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
    let address = listener.local_addr().expect("it has one");
    let server = tokio::spawn(async move { axum::serve(listener, routes).await });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check_api.py");
    let checked = tokio::task::spawn_blocking(move || {
        let url = format!("http://{address}/api/tta/v1/openapi.json");
        // It leaves files where it runs.
        Command::new(python).arg(script).arg(url).current_dir(directory.path()).output()
    });
    let output = checked.await.expect("it runs").expect("the interpreter starts");
    server.abort();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
