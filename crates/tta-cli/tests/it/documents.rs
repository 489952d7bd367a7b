//! Folders of documents.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

/// Real documents of this repository, of each format: enough to be worth a summary.
pub const GOOD: [(&str, &str); 3] = [
    ("architecture.md", include_str!("../../../../ARCHITECTURE.md")),
    ("corpus.rs", include_str!("../../src/demo/corpus.rs")),
    ("licence.txt", include_str!("../../../../LICENSE-APACHE")),
];

/// A folder with the good documents.
pub fn good() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    GOOD.iter().for_each(|(name, text)| write(folder.path(), name, text.as_bytes()));
    folder
}

pub fn write(folder: &Path, name: &str, bytes: &[u8]) {
    fs::write(folder.join(name), bytes).expect("a file");
}
