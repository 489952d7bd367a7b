//! The steps, in the order in which a mistake is cheapest to find.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use cargo_metadata::Metadata;

use super::report::{Outcome, Tally};
use crate::{node, packages, process, python, walls, workspace};

/// A named check.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) run: fn(&mut Bench) -> Result<Outcome>,
}

/// What the steps share.
pub(super) struct Bench {
    metadata: Metadata,
    /// The interpreter for the receiver's tests, once its step has made it.
    python: Option<PathBuf>,
    /// The folder of the JavaScript that sends, once its step has made it.
    node: Option<PathBuf>,
}

impl Bench {
    pub(super) fn new(metadata: Metadata) -> Self {
        Bench { metadata, python: None, node: None }
    }

    /// Runs a command that runs tests, and counts them.
    fn test(&self, arguments: &[&str]) -> Result<Outcome> {
        let mut command = process::cargo(arguments);
        if let Some(python) = &self.python {
            command.env(python::INTERPRETER, python);
        }
        if let Some(node) = &self.node {
            command.env(node::FOLDER, node);
        }
        let mut tally = Tally::default();
        let success = process::watch(&mut command, |line| tally.read(line))?;
        Ok(Outcome::Tested { tally, success })
    }
}

pub(super) const ALL: &[Step] = &[
    Step { name: "format", run: |_| passed(&mut process::cargo(&["fmt", "--all", "--check"])) },
    Step { name: "walls", run: |_| walls::check().map(|()| Outcome::Passed) },
    Step { name: "clippy", run: |_| passed(&mut process::cargo(CLIPPY)) },
    Step { name: "python", run: python_environment },
    Step { name: "node", run: node_folder },
    Step { name: "packages", run: |_| needed_by("Prometheus and Redis", packages::prepare()) },
    Step { name: "tests", run: tests },
    Step {
        name: "doctests",
        run: |bench| bench.test(&["test", "--doc", "--workspace", "--all-features", "--no-fail-fast"]),
    },
    Step { name: "docs", run: |_| passed(process::cargo(DOCS).env("RUSTDOCFLAGS", "-D warnings")) },
    Step { name: "features", run: features },
    Step { name: "deny", run: deny },
    Step { name: "advisories", run: advisories },
];

const CLIPPY: &[&str] =
    &["clippy", "--keep-going", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
/// The libraries only: the command is called `tta` too, and its page would take the place of the library's.
const DOCS: &[&str] = &["doc", "--lib", "--no-deps", "--workspace", "--all-features"];

fn passed(command: &mut Command) -> Result<Outcome> {
    process::run(command).map(|()| Outcome::Passed)
}

/// Makes the Python of the receiver, and of the parsers that read our metrics.
fn python_environment(bench: &mut Bench) -> Result<Outcome> {
    let prepared = python::prepare(&workspace::root(), bench.metadata.target_directory.as_std_path());
    needed_by("Python", prepared.map(|interpreter| bench.python = Some(interpreter)))
}

/// Makes the folder of the JavaScript that sends to the server.
fn node_folder(bench: &mut Bench) -> Result<Outcome> {
    let prepared = node::prepare(&workspace::root(), bench.metadata.target_directory.as_std_path());
    needed_by("JavaScript", prepared.map(|folder| bench.node = Some(folder)))
}

/// Without what was to be prepared some tests skip themselves, which CI must not accept in silence.
fn needed_by(tests: &str, prepared: Result<()>) -> Result<Outcome> {
    match prepared {
        Ok(()) => Ok(Outcome::Passed),
        Err(error) if std::env::var("CI").is_ok_and(|value| value == "true" || value == "1") => Err(error),
        Err(error) => Ok(Outcome::Skipped(format!("the tests with {tests} do not run: {error:#}"))),
    }
}

fn tests(bench: &mut Bench) -> Result<Outcome> {
    if process::has_cargo_command("nextest") {
        return bench.test(&[
            "nextest",
            "run",
            "--workspace",
            "--all-features",
            "--no-fail-fast",
            "--no-tests=pass",
        ]);
    }
    println!("cargo-nextest is not installed; cargo test runs the same tests");
    let targets = [
        "test",
        "--workspace",
        "--all-features",
        "--no-fail-fast",
        "--lib",
        "--bins",
        "--tests",
        "--examples",
    ];
    bench.test(&targets)
}

/// Checks every crate without its features, and with each one alone: features must not need each other.
fn features(bench: &mut Bench) -> Result<Outcome> {
    let mut broken = Vec::new();
    for package in workspace::crates(&bench.metadata) {
        let names = package.features.keys().filter(|name| *name != "default").map(String::as_str);
        for feature in std::iter::once("").chain(names) {
            let mut check =
                process::cargo(&["check", "--quiet", "--package", &package.name, "--no-default-features"]);
            if !feature.is_empty() {
                check.args(["--features", feature]);
            }
            if process::run(&mut check).is_err() {
                broken.push(format!(
                    "{}/{}",
                    package.name,
                    if feature.is_empty() { "none" } else { feature }
                ));
            }
        }
    }
    if !broken.is_empty() {
        bail!("does not build alone: {}", broken.join(", "));
    }
    Ok(Outcome::Passed)
}

fn deny(_: &mut Bench) -> Result<Outcome> {
    if !process::has_cargo_command("deny") {
        return Ok(Outcome::Skipped(String::from(
            "cargo-deny is not installed: cargo install cargo-deny --locked",
        )));
    }
    passed(&mut process::cargo(&["deny", "check", "licenses", "bans", "sources"]))
}

/// Looks for known vulnerabilities where the database can be had; a machine without network skips this.
fn advisories(_: &mut Bench) -> Result<Outcome> {
    if !process::has_cargo_command("deny") {
        return Ok(Outcome::Skipped(String::from(
            "cargo-deny is not installed: cargo install cargo-deny --locked",
        )));
    }
    let mut fetch = process::cargo(&["deny", "fetch", "db"]);
    if !succeeds_within(&mut fetch, Duration::from_secs(60))? {
        return Ok(Outcome::Skipped(String::from("the advisory database cannot be fetched")));
    }
    passed(&mut process::cargo(&["deny", "check", "advisories"]))
}

/// Runs a command in silence; what has not ended within `limit` is ended.
#[expect(clippy::disallowed_methods, reason = "there is nothing else for this thread to do")]
fn succeeds_within(command: &mut Command, limit: Duration) -> Result<bool> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let started = Instant::now();
    while started.elapsed() < limit {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    child.kill()?;
    child.wait()?;
    Ok(false)
}
