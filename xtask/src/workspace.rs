//! Where this workspace is and what is in it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand, Package};

/// Returns the workspace's root folder: of the checkout that runs this tool, where it was built is second.
///
/// Two checkouts that share a target directory share this binary, so the place where it was built may be
/// the other one. Cargo says at run time which one is meant.
pub(crate) fn root() -> PathBuf {
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&manifest).parent().expect("xtask lies in the workspace's root").to_owned()
}

/// Reads the manifests of the workspace's own packages; dependencies are not resolved.
///
/// # Errors
///
/// When cargo cannot read a manifest.
pub(crate) fn manifests() -> Result<Metadata> {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cannot read the workspace's manifests")
}

/// Returns the packages of `crates/`, by name.
pub(crate) fn crates(metadata: &Metadata) -> Vec<&Package> {
    let mut crates = metadata.workspace_packages();
    crates.retain(|package| package.name != "xtask");
    crates.sort_by(|left, right| left.name.cmp(&right.name));
    crates
}

/// Lists the Rust files below `folder`, sorted, or none when it does not exist.
///
/// # Errors
///
/// When a folder cannot be read.
pub(crate) fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in
            std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
