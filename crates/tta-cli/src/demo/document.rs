//! A document, before and after its validation.
//!
//! Bytes become a [`Document`] only through [`validate`], so every later step may rely on text that
//! is there, is UTF-8 and is of a bounded size. The three ways to fail are faults that real folders
//! have; the demo injects none.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::extract;

/// What the bytes of a document mean, by its extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// Markdown: code, tables, images and HTML are not text.
    Markdown,
    /// Rust: the doc comments `//!` and `///` are the text, and they are Markdown.
    Rust,
    /// Anything else: all of it is text.
    Plain,
}

/// The bounds of a valid document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// The size of the largest document, in bytes; by default 1 MiB.
    pub(crate) max_bytes: u64,
}

/// A document as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct RawDocument {
    /// The path as shown.
    pub(crate) name: String,
    /// What the bytes mean.
    pub(crate) format: Format,
    /// The bytes, possibly cut off above the limit.
    pub(crate) bytes: Arc<[u8]>,
    /// The size of the whole, in bytes.
    pub(crate) size: u64,
}

/// A valid document, reduced to its text. A clone costs the name and a reference count.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Document {
    /// The path as shown.
    pub(crate) name: String,
    /// What the bytes meant.
    pub(crate) format: Format,
    /// The size of the file, in bytes.
    pub(crate) size: u64,
    /// The text in order; empty when a file is all code.
    pub(crate) blocks: Arc<[Block]>,
}

/// A piece of text without line breaks and markup.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Block {
    /// A title, which is seldom a sentence.
    Heading(String),
    /// A paragraph or an item of a list.
    Paragraph(String),
}

/// Why bytes are not a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValidationError {
    /// There is nothing but white space.
    #[error("{name} is empty: write some text or leave it out")]
    Empty {
        /// The document.
        name: String,
    },
    /// The bytes are not UTF-8.
    #[error("{name} is not UTF-8 at byte {offset}: convert it or leave it out")]
    NotUtf8 {
        /// The document.
        name: String,
        /// The first byte that does not belong, counted from 0.
        offset: usize,
    },
    /// The document is above the limit.
    #[error("{name} has {size} bytes and the limit is {limit}: split it or raise the limit")]
    TooLarge {
        /// The document.
        name: String,
        /// Its size, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },
}

impl Format {
    /// The format of a file by its extension.
    pub(crate) fn of(path: &Path) -> Self {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "md" | "markdown" => Self::Markdown,
            "rs" => Self::Rust,
            _ => Self::Plain,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 1024 * 1024 }
    }
}

impl Document {
    /// The paragraphs and list items, without the titles.
    pub(crate) fn paragraphs(&self) -> impl Iterator<Item = &str> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Paragraph(text) => Some(text.as_str()),
            Block::Heading(_) => None,
        })
    }
}

impl Block {
    /// The text.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Heading(text) | Self::Paragraph(text) => text,
        }
    }
}

/// Makes a document of bytes.
///
/// A file of nothing but code is valid, and its document has no blocks.
///
/// # Errors
///
/// When the document is above the limit, not UTF-8 or empty, looked for in this order.
pub(crate) fn validate(raw: &RawDocument, limits: &Limits) -> Result<Document, ValidationError> {
    let name = raw.name.clone();
    if raw.size > limits.max_bytes {
        return Err(ValidationError::TooLarge { name, size: raw.size, limit: limits.max_bytes });
    }
    let source = match std::str::from_utf8(&raw.bytes) {
        // A byte order mark is no text.
        Ok(source) => source.trim_start_matches('\u{feff}'),
        Err(error) => return Err(ValidationError::NotUtf8 { name, offset: error.valid_up_to() }),
    };
    if source.trim().is_empty() {
        return Err(ValidationError::Empty { name });
    }
    let blocks = match raw.format {
        Format::Markdown => extract::markdown(source),
        Format::Rust => extract::rust_docs(source),
        Format::Plain => extract::plain(source),
    };
    Ok(Document { name, format: raw.format, size: raw.size, blocks: blocks.into() })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The document of a source text.
    pub(crate) fn document(name: &str, source: &str) -> Document {
        validate(&raw(name, source.as_bytes()), &Limits::default()).expect("a valid document")
    }

    fn raw(name: &str, bytes: &[u8]) -> RawDocument {
        let format = Format::of(Path::new(name));
        RawDocument { name: name.to_owned(), format, bytes: bytes.into(), size: bytes.len() as u64 }
    }

    #[test]
    fn faults_are_told_apart() {
        let check = |bytes: &[u8], expect: &str| {
            let error = validate(&raw("a.txt", bytes), &Limits { max_bytes: 12 }).expect_err("a fault");
            assert_eq!(error.to_string(), expect);
        };
        check(b"", "a.txt is empty: write some text or leave it out");
        check(b" \r\n\t ", "a.txt is empty: write some text or leave it out");
        check("\u{feff}\n".as_bytes(), "a.txt is empty: write some text or leave it out");
        check(b"caf\xe9 au lait", "a.txt is not UTF-8 at byte 3: convert it or leave it out");
        check(b"thirteen byte", "a.txt has 13 bytes and the limit is 12: split it or raise the limit");
    }

    #[test]
    fn a_document_at_the_limit_is_valid() {
        assert!(validate(&raw("a.txt", b"twelve bytes"), &Limits { max_bytes: 12 }).is_ok());
    }

    #[test]
    fn a_character_cut_off_at_the_limit_is_too_large_and_not_broken() {
        let cut = RawDocument { size: 500, ..raw("a.txt", &"é".as_bytes()[..1]) };
        let error = validate(&cut, &Limits { max_bytes: 0 }).expect_err("a fault");
        assert!(matches!(error, ValidationError::TooLarge { size: 500, limit: 0, .. }), "{error:?}");
    }

    #[test]
    fn a_document_survives_a_round_trip() {
        let before = document("a.md", "# Title\n\nText.");
        let json = serde_json::to_string(&before).expect("serialisable");
        assert_eq!(serde_json::from_str::<Document>(&json).expect("readable"), before);
    }
}
