//! The Python that plays the other side in tests.
//!
//! The receiver under `crates/tta/tests/receiver/` decodes what TTA exports with OpenTelemetry's own
//! generated code, the parsers of Prometheus' Python client read the pages of metrics, and Arrow reads tables, so that no encoder of ours
//! is its own judge. What they need from PyPI goes into a virtual environment below the target directory and nowhere
//! else.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// The variable by which tests find the interpreter.
pub(crate) const INTERPRETER: &str = "TTA_TEST_PYTHON";

/// Makes the environment unless it is there with the same requirements; returns its interpreter.
///
/// # Errors
///
/// When there is no Python 3 with `venv`, or the packages cannot be installed.
pub(crate) fn prepare(root: &Path, target: &Path) -> Result<PathBuf> {
    let requirements = root.join("crates/tta/tests/receiver/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let home = target.join("python");
    let stamp = home.join("requirements.stamp");
    let interpreter = interpreter_in(&home);
    if interpreter.exists() && std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        println!("ready: {}", interpreter.display());
        return Ok(interpreter);
    }
    create(&home)?;
    let mut install = Command::new(&interpreter);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
    install.args(["--only-binary", ":all:", "--requirement"]).arg(&requirements);
    process::run(&mut install)?;
    std::fs::write(&stamp, wanted)?;
    Ok(interpreter)
}

fn create(home: &Path) -> Result<()> {
    let python = ["python3", "python"]
        .into_iter()
        .find(|name| {
            process::output(Command::new(name).arg("-c").arg("import sys; assert sys.version_info >= (3, 9)"))
                .is_ok()
        })
        .context("no Python 3.9 or later on the path")?;
    process::run(Command::new(python).args(["-m", "venv", "--clear"]).arg(home))
}

fn interpreter_in(home: &Path) -> PathBuf {
    if cfg!(windows) { home.join("Scripts").join("python.exe") } else { home.join("bin").join("python") }
}
