//! One file may have unsafe code: the one that hands tables of ours to SQLite.
//!
//! The lint denies it, and any file may expect what a lint denies. So the word is looked for in every file, tests and benches
//! included.

use anyhow::{Context, Result};
use cargo_metadata::Metadata;
use proc_macro2::{TokenStream, TokenTree};
use std::path::Path;

use super::Violation;
use crate::workspace;

/// The file that may.
const ALLOWED: &str = "crates/tta-server/src/sql/module.rs";

/// Finds unsafe code in the files of all crates.
///
/// # Errors
///
/// When a file cannot be read or is not Rust.
pub(super) fn check(root: &Path, metadata: &Metadata) -> Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for package in metadata.workspace_packages() {
        let folder = package.manifest_path.parent().map_or(root, |folder| folder.as_std_path());
        for file in workspace::rust_files(folder)? {
            let text =
                std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            violations.extend(check_file(file.strip_prefix(root).unwrap_or(&file), &text)?);
        }
    }
    Ok(violations)
}

fn check_file(file: &Path, text: &str) -> Result<Vec<Violation>> {
    if file == Path::new(ALLOWED) {
        return Ok(Vec::new());
    }
    let tokens: TokenStream = text.parse().map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
    let mut lines = Vec::new();
    find(tokens, &mut lines);
    let found = |line| Violation::new(file, line, format!("`unsafe` belongs to {ALLOWED} alone"));
    Ok(lines.into_iter().map(found).collect())
}

fn find(tokens: TokenStream, lines: &mut Vec<usize>) {
    for token in tokens {
        match token {
            TokenTree::Ident(word) if word == "unsafe" => lines.push(word.span().start().line),
            TokenTree::Group(group) => find(group.stream(), lines),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    fn check(file: &str, text: &str, lines: &[usize]) {
        let found = super::check_file(Path::new(file), text).expect("the text is Rust");
        assert_eq!(found.iter().map(|violation| violation.line).collect::<Vec<_>>(), lines, "{file}: {text}");
    }

    #[test]
    fn unsafe_code_is_found_wherever_it_is() {
        let planted = "fn f() {}\nunsafe impl Send for A {}\n";
        check("crates/tta-model/src/ids.rs", planted, &[2]);
        check("crates/tta-server/tests/it/main.rs", "fn f() { g(unsafe { h() }) }", &[1]);
        check("xtask/src/main.rs", "macro_rules! m { () => {\n unsafe { h() } } }", &[2]);
        check("crates/tta-server/src/sql/mod.rs", "#[cfg(test)] mod tests { unsafe fn f() {} }", &[1]);
        check(super::ALLOWED, planted, &[]);
    }

    #[test]
    fn the_word_in_prose_and_in_names_stands() {
        check(
            "crates/tta-model/src/ids.rs",
            "//! unsafe\n/// It is unsafe.\nfn unsafely() { g(\"unsafe\") }",
            &[],
        );
        check("crates/tta-model/src/ids.rs", "#![expect(unsafe_code, reason = \"none\")]", &[]);
    }
}
