//! `cargo xtask walls`: what the compiler does not forbid and this house does.
//!
//! Each wall is a function from what was read to the violations found in it, so that a test can plant one.

mod graph;
mod names;
mod purity;
mod size;
mod unsafety;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use cargo_metadata::Metadata;

use crate::source::Source;
use crate::workspace;

/// A place that breaks a wall.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    file: PathBuf,
    line: usize,
    message: String,
}

impl Violation {
    fn new(file: impl Into<PathBuf>, line: usize, message: impl Into<String>) -> Self {
        Violation { file: file.into(), line, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.file.display(), self.line, self.message)
    }
}

/// The sources of one crate without its tests.
pub(crate) struct Crate {
    name: String,
    sources: Vec<Source>,
}

/// Checks every wall, as a command.
///
/// # Errors
///
/// As [`check`].
pub(crate) fn run() -> Result<ExitCode> {
    check().map(|()| ExitCode::SUCCESS)
}

/// Checks every wall and prints what each one found.
///
/// # Errors
///
/// When a wall is broken, or when a file or manifest cannot be read.
pub(crate) fn check() -> Result<()> {
    let metadata = workspace::manifests()?;
    let crates = read_crates(&workspace::root(), &metadata)?;
    let mut broken = 0;
    let mut report = |wall: &str, violations: Vec<Violation>| {
        println!("{wall}: {}", if violations.is_empty() { "stands" } else { "BROKEN" });
        violations.iter().for_each(|violation| println!("  {violation}"));
        broken += violations.len();
    };
    let edges = graph::edges(&metadata);
    report("crate graph", graph::check_edges(&edges));
    graph::print_rooms(&edges);
    let weights = graph::weights(&metadata)?;
    report("dependency weight", graph::check_weights(&weights));
    graph::print_weights(&weights);
    let known = names::known(&crates);
    report("names", names::check(&known, &crates));
    println!(
        "  tta-model has {} names{}",
        known.len(),
        if known.is_empty() { ", so there is nothing to compare" } else { "" }
    );
    report("clocks, randomness, spawns and prints", purity::check(&crates));
    report("unsafe code", unsafety::check(&workspace::root(), &metadata)?);
    report("sizes", size::check(&crates));
    size::print_report(&crates);
    if broken > 0 {
        bail!("{broken} violation{} of the walls", if broken == 1 { "" } else { "s" });
    }
    Ok(())
}

fn read_crates(root: &Path, metadata: &Metadata) -> Result<Vec<Crate>> {
    let mut crates = Vec::new();
    for package in workspace::crates(metadata) {
        let folder = package.manifest_path.parent().map_or(root, |folder| folder.as_std_path());
        let sources = Source::read_all(root, &folder.join("src"))?;
        crates.push(Crate { name: package.name.to_string(), sources });
    }
    crates.push(Crate {
        name: String::from("xtask"),
        sources: Source::read_all(root, &root.join("xtask/src"))?,
    });
    Ok(crates)
}

#[cfg(test)]
mod tests {
    use super::Crate;
    use crate::source::Source;

    /// Builds a crate of one file, to plant violations in.
    pub(super) fn planted(name: &str, file: &str, text: &str) -> Vec<Crate> {
        let path = format!("crates/{name}/src/{file}");
        vec![Crate {
            name: name.to_owned(),
            sources: vec![Source::parse(path, text).expect("the text is Rust")],
        }]
    }

    #[test]
    fn this_repository_stands() {
        super::check().expect("no wall is broken");
    }
}
