//! `cargo xtask bench NAME`: one benchmark. It writes `target/bench/NAME.json`.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::process;

/// The benchmarks of the server's crate; all others are of `tta`, which sees everything.
const OF_SERVER: &[&str] = &["server", "store"];

/// Becomes `cargo bench` for one benchmark; what follows its name is passed on to it.
///
/// # Errors
///
/// When no benchmark is named or cargo cannot start.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let Some((name, rest)) = arguments.split_first() else {
        bail!("name a benchmark: cargo xtask bench overhead");
    };
    let package = if OF_SERVER.contains(&name.as_str()) { "tta-server" } else { "tta" };
    let mut command =
        process::cargo(&["bench", "--package", package, "--all-features", "--bench", name, "--"]);
    process::become_command(command.args(rest))
}
