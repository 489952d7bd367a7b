//! The JavaScript that plays the other side in tests.
//!
//! OpenTelemetry's SDK for JavaScript sends to the server, by every protocol that it has. What it needs from npm goes into a folder
//! below the target directory and nowhere else.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// The variable by which tests find the folder.
pub(crate) const FOLDER: &str = "TTA_TEST_NODE";

/// Installs the packages unless they are there as wanted; returns their folder.
///
/// # Errors
///
/// When there is no Node with npm, or the packages cannot be installed.
pub(crate) fn prepare(root: &Path, target: &Path) -> Result<PathBuf> {
    let manifest = root.join("crates/tta-server/tests/senders/package.json");
    let wanted =
        std::fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    let home = target.join("node");
    let stamp = home.join("package.stamp");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        println!("ready: {}", home.display());
        return Ok(home);
    }
    process::output(Command::new("node").arg("--version"))?;
    std::fs::create_dir_all(&home)?;
    std::fs::write(home.join("package.json"), &wanted)?;
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let mut install = Command::new(npm);
    // Scripts of packages are code of strangers, and these need none.
    install.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]);
    process::run(install.current_dir(&home))?;
    std::fs::write(&stamp, wanted)?;
    Ok(home)
}
