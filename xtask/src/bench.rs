//! `cargo xtask bench NAME`: one benchmark. It writes `target/bench/NAME.json`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::{process, workspace};

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
    if name == "server" {
        command.env("TTA_BENCH_BINARY", binary()?);
    }
    process::become_command(command.args(rest))
}

/// Builds the program as it is shipped, which the server's benchmark tells of, too.
fn binary() -> Result<PathBuf> {
    process::run(&mut process::cargo(&["build", "--release", "--package", "tta-cli", "--all-features"]))?;
    Ok(workspace::manifests()?.target_directory.into_std_path_buf().join("release").join("tta"))
}
