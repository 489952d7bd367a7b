//! `cargo xtask bench NAME`: one benchmark of the `tta` crate. It writes `target/bench/NAME.json`.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::process;

/// Becomes `cargo bench` for one benchmark; what follows its name is passed on to it.
///
/// # Errors
///
/// When no benchmark is named or cargo cannot start.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let Some((name, rest)) = arguments.split_first() else {
        bail!("name a benchmark: cargo xtask bench overhead");
    };
    let mut command = process::cargo(&["bench", "--package", "tta", "--all-features", "--bench", name, "--"]);
    process::become_command(command.args(rest))
}
