//! Where the documents of the demo come from.
//!
//! A demo over invented text proves little. By default this one reads the documentation of the
//! repository in which it runs; away from a checkout it reads the pages that were built into the
//! binary. Finding a document and reading it are apart, so that reading can fail inside the workflow.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

use super::document::{Format, Limits, RawDocument};

/// The pages that are read where there is no checkout, by name.
const EMBEDDED: &[(&str, &str)] = &[
    ("README.md", include_str!("../../../../README.md")),
    ("ARCHITECTURE.md", include_str!("../../../../ARCHITECTURE.md")),
    ("crates/tta-cli/src/demo/corpus.rs", include_str!("corpus.rs")),
    ("crates/tta-cli/src/demo/document.rs", include_str!("document.rs")),
    ("crates/tta-cli/src/demo/text/summary.rs", include_str!("text/summary.rs")),
];

/// The extensions that are documentation of the repository itself.
const REPOSITORY_EXTENSIONS: &[&str] = &["md", "rs"];

/// The extensions that are taken from a folder which the user names.
const TEXT_EXTENSIONS: &[&str] =
    &["adoc", "asciidoc", "log", "markdown", "md", "org", "rs", "rst", "tex", "text", "toml", "txt"];

/// Why no documents were found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CorpusError {
    /// The path that the user gave is not there.
    #[error("there is no file or folder {}: give an existing one to --input", path.display())]
    NotFound {
        /// The path.
        path: PathBuf,
    },
    /// The path, or a folder below it, cannot be read.
    #[error("cannot read {}: check its permissions or give another path to --input", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder holds no file with a known extension.
    #[error(
        "no documents in {}: looked for {} outside .gitignore, a single file is taken whatever its extension",
        path.display(),
        extensions.join(", ")
    )]
    Empty {
        /// The folder.
        path: PathBuf,
        /// The extensions that were looked for.
        extensions: &'static [&'static str],
    },
}

/// A document that was found and not yet read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DocumentSource {
    /// The path as shown, below the folder that was searched, with `/` between its parts.
    pub(crate) name: String,
    /// What its bytes mean.
    pub(crate) format: Format,
    /// Where its bytes are.
    pub(crate) origin: Origin,
}

/// Where the bytes of a document are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// In a file.
    File(PathBuf),
    /// In the binary, since it was built.
    Embedded(&'static str),
}

/// The documents of one demo.
pub(crate) struct Corpus;

impl Corpus {
    /// Finds the documents, sorted by path: those of `input`, else those of the checkout around the
    /// current directory, else the embedded ones.
    ///
    /// # Errors
    ///
    /// When `input` is not there, cannot be read, or is a folder without documents.
    pub(crate) fn discover(input: Option<&Path>) -> Result<Vec<DocumentSource>, CorpusError> {
        match input {
            Some(path) => discover_input(path),
            // A directory that was deleted under the process is as good as no checkout.
            None => discover_default(std::env::current_dir().ok().as_deref()),
        }
    }
}

impl DocumentSource {
    /// Reads the bytes, and of a document above the limit only as many as prove it.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened or read.
    pub(crate) fn load(&self, limits: &Limits) -> io::Result<RawDocument> {
        let (bytes, size) = match &self.origin {
            Origin::File(path) => read_bounded(path, limits.max_bytes)?,
            Origin::Embedded(text) => (text.as_bytes().to_vec(), text.len() as u64),
        };
        Ok(RawDocument { name: self.name.clone(), format: self.format, bytes: bytes.into(), size })
    }
}

fn discover_input(input: &Path) -> Result<Vec<DocumentSource>, CorpusError> {
    let metadata = input.metadata().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => CorpusError::NotFound { path: input.to_owned() },
        _ => CorpusError::Unreadable { path: input.to_owned(), source },
    })?;
    if metadata.is_dir() {
        return walk(input, TEXT_EXTENSIONS);
    }
    // A problem with the file is worth a message here, before there is a workflow to fail.
    File::open(input).map_err(|source| CorpusError::Unreadable { path: input.to_owned(), source })?;
    let folder = input.parent().unwrap_or(Path::new(""));
    Ok(vec![source_of(folder, input.to_owned())])
}

fn discover_default(current: Option<&Path>) -> Result<Vec<DocumentSource>, CorpusError> {
    match current.and_then(checkout_around) {
        Some(root) => walk(root, REPOSITORY_EXTENSIONS),
        None => Ok(EMBEDDED.iter().map(|&(name, text)| embedded(name, text)).collect()),
    }
}

fn embedded(name: &str, text: &'static str) -> DocumentSource {
    let format = Format::of(Path::new(name));
    DocumentSource { name: name.to_owned(), format, origin: Origin::Embedded(text) }
}

/// The nearest folder above, or the folder itself, that is a checkout of this repository.
fn checkout_around(directory: &Path) -> Option<&Path> {
    directory.ancestors().find(|folder| {
        // Many repositories have a README and a folder `crates`; only this one has this crate in it.
        folder.join("crates").join(env!("CARGO_PKG_NAME")).is_dir()
            && ["ARCHITECTURE.md", "README.md"].iter().any(|page| folder.join(page).is_file())
    })
}

fn walk(root: &Path, extensions: &'static [&'static str]) -> Result<Vec<DocumentSource>, CorpusError> {
    let mut sources = Vec::new();
    // Without `require_git(false)` an unpacked archive would offer its build output as documents.
    for entry in WalkBuilder::new(root).require_git(false).sort_by_file_path(Path::cmp).build() {
        let entry = entry.map_err(|error| unreadable(root, error))?;
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        if is_file && has_extension(entry.path(), extensions) {
            sources.push(source_of(root, entry.into_path()));
        }
    }
    if sources.is_empty() {
        return Err(CorpusError::Empty { path: root.to_owned(), extensions });
    }
    Ok(sources)
}

fn unreadable(root: &Path, error: ignore::Error) -> CorpusError {
    let path = path_of(&error).unwrap_or(root).to_owned();
    let message = error.to_string();
    CorpusError::Unreadable { path, source: error.into_io_error().unwrap_or(io::Error::other(message)) }
}

/// The path that a walk failed at; the walker wraps its errors in each other.
fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
        _ => None,
    }
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| extensions.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

fn source_of(root: &Path, path: PathBuf) -> DocumentSource {
    let below = path.strip_prefix(root).unwrap_or(&path);
    let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
    DocumentSource { name: parts.join("/"), format: Format::of(&path), origin: Origin::File(path) }
}

/// At most one byte more than the limit, and the size that the file has as a whole.
fn read_bounded(path: &Path, max_bytes: u64) -> io::Result<(Vec<u8>, u64)> {
    let file = File::open(path)?;
    let stated = file.metadata()?.len();
    let mut bytes = Vec::new();
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    // A device or a growing file states less than it gives.
    let size = stated.max(bytes.len() as u64);
    Ok((bytes, size))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        folder
    }

    fn names(sources: &[DocumentSource]) -> Vec<&str> {
        sources.iter().map(|source| source.name.as_str()).collect()
    }

    #[test]
    fn a_folder_gives_its_texts_in_order_and_leaves_out_what_is_ignored() {
        let folder = folder(&[
            (".gitignore", "/target\n"),
            ("b/notes.TXT", "notes"),
            ("a.md", "# A"),
            ("b/logo.png", "not text"),
            (".hidden.md", "hidden"),
            ("target/doc.md", "built"),
        ]);
        let sources = Corpus::discover(Some(folder.path())).expect("documents");
        assert_eq!(names(&sources), ["a.md", "b/notes.TXT"]);
        assert_eq!(sources[0].format, Format::Markdown);
        assert_eq!(sources[1].format, Format::Plain);
    }

    #[test]
    fn a_named_file_is_taken_whatever_its_extension() {
        let folder = folder(&[("data.bin", "Some text.")]);
        let sources = Corpus::discover(Some(&folder.path().join("data.bin"))).expect("a document");
        assert_eq!(names(&sources), ["data.bin"]);
        let raw = sources[0].load(&Limits::default()).expect("readable");
        assert_eq!(&*raw.bytes, b"Some text.");
        assert_eq!(raw.size, 10);
    }

    #[test]
    fn errors_say_what_to_do() {
        let folder = folder(&[("logo.png", "")]);
        let check = |path: &Path, start: &str, advice: &str| {
            let message = Corpus::discover(Some(path)).expect_err("an error").to_string();
            assert!(message.starts_with(start) && message.contains(advice), "{message}");
        };
        check(&folder.path().join("gone"), "there is no file or folder", "give an existing one to --input");
        check(folder.path(), "no documents in", "a single file is taken whatever its extension");
    }

    #[test]
    fn a_checkout_is_found_from_below() {
        let member = concat!("crates/", env!("CARGO_PKG_NAME"), "/src/main.rs");
        let folder = folder(&[("README.md", "# R"), (member, "//! M"), ("seeds/notes.txt", "not ours")]);
        let below = folder.path().join("crates").join(env!("CARGO_PKG_NAME")).join("src");
        let sources = discover_default(Some(&below)).expect("documents");
        assert_eq!(names(&sources), ["README.md", member]);
    }

    #[test]
    fn elsewhere_the_embedded_pages_are_read() {
        let folder = folder(&[("README.md", "another project"), ("crates/other/README.md", "")]);
        for place in [Some(folder.path()), None] {
            let sources = discover_default(place).expect("documents");
            assert_eq!(sources.len(), EMBEDDED.len());
            for source in sources {
                assert!(matches!(source.origin, Origin::Embedded(_)), "{source:?}");
                let raw = source.load(&Limits::default()).expect("in memory");
                assert_eq!(raw.size, raw.bytes.len() as u64);
            }
        }
    }

    #[test]
    fn of_a_huge_file_little_more_than_the_limit_is_read() {
        let folder = folder(&[("huge.txt", &"x".repeat(5000))]);
        let sources = Corpus::discover(Some(folder.path())).expect("a document");
        let raw = sources[0].load(&Limits { max_bytes: 100 }).expect("readable");
        assert_eq!((raw.bytes.len(), raw.size), (101, 5000));
    }
}
