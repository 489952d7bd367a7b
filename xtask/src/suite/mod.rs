//! `cargo xtask test`: everything CI checks, so that a green run here is a green run there.
//!
//! Every step runs, whatever the one before it did: one run shows all there is to mend. Cargo's own builds
//! share one target directory and the same flags, so that no step rebuilds what another has built.

mod report;
mod steps;

use std::process::ExitCode;

use anyhow::{Result, bail};

use self::report::Report;
use crate::workspace;

/// Runs every step, or those whose names are given, and prints a table and the count.
///
/// # Errors
///
/// When a name is unknown or the manifests cannot be read.
pub(crate) fn run(wanted: &[String]) -> Result<ExitCode> {
    if let Some(unknown) = wanted.iter().find(|&name| steps::ALL.iter().all(|step| step.name != name)) {
        let names: Vec<&str> = steps::ALL.iter().map(|step| step.name).collect();
        bail!("no step `{unknown}`; there are {}", names.join(", "));
    }
    std::env::set_current_dir(workspace::root())?;
    let mut bench = steps::Bench::new(workspace::manifests()?);
    let mut report = Report::default();
    for step in steps::ALL {
        if wanted.is_empty() || wanted.iter().any(|name| name == step.name) {
            report.run(step.name, || (step.run)(&mut bench));
        }
    }
    Ok(report.finish())
}
