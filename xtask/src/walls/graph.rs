//! Who may depend on whom, and how much a primitive's author pays for it.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::Result;
use cargo_metadata::{DependencyKind, Metadata};

use super::Violation;
use crate::{process, workspace};

/// Each crate and the workspace crates it may name; a new entry is a design decision with its own commit.
const ALLOWED: &[(&str, &[&str])] = &[
    ("tta-model", &[]),
    ("tta-primitives", &["tta-model"]),
    ("tta-redact", &[]),
    ("tta-observability", &["tta-model", "tta-primitives", "tta-redact"]),
    ("tta-llm", &["tta-model", "tta-primitives", "tta-redact"]),
    ("tta-redis", &["tta-model", "tta-primitives"]),
    ("tta-server", &["tta-model"]),
    ("tta", &["tta-model", "tta-primitives", "tta-observability", "tta-llm", "tta-redis", "tta-server"]),
    ("tta-cli", &["tta", "tta-model"]),
    ("xtask", &[]),
];

/// The crates that must stay free of OpenTelemetry: its API breaks every few months, and ours must not.
const WITHOUT_OPENTELEMETRY: &[&str] = &["tta-model", "tta-primitives", "tta-redact", "tta-llm", "tta-redis"];

/// A dependency of one workspace crate on another.
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) kind: DependencyKind,
    pub(super) optional: bool,
}

/// Reads the edges between workspace crates; a crate without any is here as an edge to itself.
pub(super) fn edges(metadata: &Metadata) -> Vec<Edge> {
    let packages = metadata.workspace_packages();
    let names: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut edges = Vec::new();
    for package in &packages {
        let from = package.name.to_string();
        edges.push(Edge {
            from: from.clone(),
            to: from.clone(),
            kind: DependencyKind::Development,
            optional: false,
        });
        for dependency in
            package.dependencies.iter().filter(|dependency| names.contains(dependency.name.as_str()))
        {
            let (to, kind, optional) = (dependency.name.clone(), dependency.kind, dependency.optional);
            edges.push(Edge { from: from.clone(), to, kind, optional });
        }
    }
    edges
}

/// Compares the edges, those of tests included, with the allowed ones.
pub(super) fn check_edges(edges: &[Edge]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for edge in edges {
        let Some((_, targets)) = ALLOWED.iter().find(|(name, _)| *name == edge.from) else {
            violations.push(violation(
                &edge.from,
                "has no place in the crate graph; give it one in xtask/src/walls/graph.rs",
            ));
            continue;
        };
        let to_itself = edge.from == edge.to && edge.kind == DependencyKind::Development;
        if !to_itself && !targets.contains(&edge.to.as_str()) {
            violations.push(violation(
                &edge.from,
                format!("may not depend on {} ({} dependency)", edge.to, edge.kind),
            ));
        }
    }
    violations.dedup();
    violations
}

/// Prints which of the allowed crates exist, and on whom each depends.
pub(super) fn print_rooms(edges: &[Edge]) {
    for (name, _) in ALLOWED {
        let own: Vec<&Edge> = edges.iter().filter(|edge| edge.from == *name).collect();
        let mut targets: Vec<String> =
            own.iter().filter(|edge| edge.to != *name).map(ToString::to_string).collect();
        targets.sort();
        match (own.is_empty(), targets.is_empty()) {
            (true, _) => println!("  {name} does not exist yet"),
            (false, true) => println!("  {name} depends on none"),
            (false, false) => println!("  {name} depends on {}", targets.join(", ")),
        }
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to)?;
        if self.kind != DependencyKind::Normal {
            write!(formatter, " ({})", self.kind)?;
        }
        if self.optional {
            formatter.write_str(" (optional)")?;
        }
        Ok(())
    }
}

/// What the user of a light crate compiles, as unique crates in its normal dependencies.
pub(super) struct Weight {
    name: &'static str,
    by_default: BTreeSet<String>,
    every_feature: BTreeSet<String>,
}

/// Weighs the crates that must stay light.
///
/// # Errors
///
/// When cargo cannot resolve the dependencies.
pub(super) fn weights(metadata: &Metadata) -> Result<Vec<Weight>> {
    let crates = workspace::crates(metadata);
    let exist =
        WITHOUT_OPENTELEMETRY.iter().filter(|name| crates.iter().any(|package| package.name == **name));
    exist
        .map(|&name| {
            Ok(Weight { name, by_default: tree(name, &[])?, every_feature: tree(name, &["--all-features"])? })
        })
        .collect()
}

/// Finds OpenTelemetry where it must not be, with whatever feature.
pub(super) fn check_weights(weights: &[Weight]) -> Vec<Violation> {
    weights.iter().flat_map(|weight| check_tree(weight.name, &weight.every_feature)).collect()
}

/// Prints the weights.
pub(super) fn print_weights(weights: &[Weight]) {
    for Weight { name, by_default, every_feature } in weights {
        println!(
            "  {name}: {} crates by default, {} with every feature",
            by_default.len(),
            every_feature.len()
        );
    }
}

/// Lists the unique crates below `name` in its normal dependencies.
fn tree(name: &str, features: &[&str]) -> Result<BTreeSet<String>> {
    let mut command = process::cargo(&["tree", "--package", name, "--edges", "normal", "--prefix", "none"]);
    command.args(["--format", "{p}"]).args(features).current_dir(workspace::root());
    let listing = process::output(&mut command)?;
    Ok(parse_tree(&listing, name))
}

fn parse_tree(listing: &str, name: &str) -> BTreeSet<String> {
    let crates = listing.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some(format!("{} {}", words.next()?, words.next()?))
    });
    crates.filter(|found| found.split(' ').next() != Some(name)).collect()
}

fn check_tree(name: &str, crates: &BTreeSet<String>) -> Vec<Violation> {
    let telemetry = crates.iter().filter(|found| found.contains("opentelemetry"));
    telemetry
        .map(|found| violation(name, format!("reaches {found}; OpenTelemetry belongs to tta-observability")))
        .collect()
}

fn violation(name: &str, message: impl AsRef<str>) -> Violation {
    let manifest =
        if name == "xtask" { String::from("xtask/Cargo.toml") } else { format!("crates/{name}/Cargo.toml") };
    Violation::new(manifest, 1, format!("{name} {}", message.as_ref()))
}

#[cfg(test)]
mod tests {
    use cargo_metadata::DependencyKind::{self, Build, Development, Normal};

    use super::{Edge, check_edges, check_tree, parse_tree};

    fn check(from: &str, to: &str, kind: DependencyKind, violations: usize) {
        let edge = Edge { from: from.to_owned(), to: to.to_owned(), kind, optional: false };
        assert_eq!(check_edges(&[edge]).len(), violations, "{from} -> {to} ({kind})");
    }

    #[test]
    fn only_the_allowed_edges_stand() {
        check("tta-primitives", "tta-model", Normal, 0);
        check("tta-primitives", "tta-observability", Normal, 1);
        check("tta-primitives", "tta-observability", Development, 1);
        check("tta-primitives", "tta-observability", Build, 1);
        check("tta-primitives", "tta-primitives", Development, 0);
        check("tta-model", "tta-primitives", Normal, 1);
        check("tta", "tta-observability", Normal, 0);
        check("tta-cli", "tta-primitives", Normal, 1);
        check("xtask", "tta-model", Normal, 1);
    }

    #[test]
    fn a_crate_without_a_place_is_found() {
        check("tta-extra", "tta-extra", Development, 1);
    }

    #[test]
    fn opentelemetry_below_the_primitives_is_found() {
        let listing = "tta-primitives v0.1.0 (/somewhere)\nfutures v0.3.34\ntracing-opentelemetry v0.34.0\nfutures v0.3.34 (*)\n";
        let crates = parse_tree(listing, "tta-primitives");
        assert_eq!(crates.len(), 2);
        assert_eq!(check_tree("tta-primitives", &crates).len(), 1);
    }
}
