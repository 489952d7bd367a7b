//! `cargo xtask demo`: the product, running, in one command.

use std::process::ExitCode;

use anyhow::Result;

use crate::process;

/// Builds `tta` in release mode and becomes `tta demo ARGS`.
///
/// # Errors
///
/// When cargo cannot start.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let mut command =
        process::cargo(&["run", "--release", "--package", "tta-cli", "--bin", "tta", "--", "demo"]);
    process::become_command(command.args(arguments))
}
