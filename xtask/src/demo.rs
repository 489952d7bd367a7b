//! `cargo xtask demo`: the product, running, in one command.

use std::process::ExitCode;

use anyhow::Result;

use crate::process;

/// What makes a demo one without a server beside it.
const WITHOUT_SERVER: &[&str] = &["--exit", "--otlp", "--serve", "--help", "-h"];

/// Builds `tta` in release mode and becomes `tta demo ARGS`, with a server unless the demo ends by itself or sends elsewhere.
///
/// # Errors
///
/// When cargo cannot start.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let mut command =
        process::cargo(&["run", "--release", "--package", "tta-cli", "--bin", "tta", "--", "demo"]);
    let names = |argument: &String, name: &str| argument == name || argument.starts_with(&format!("{name}="));
    let is_alone = arguments.iter().any(|argument| WITHOUT_SERVER.iter().any(|name| names(argument, name)));
    if !is_alone {
        command.arg("--serve");
    }
    process::become_command(command.args(arguments))
}
