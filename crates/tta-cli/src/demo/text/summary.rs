//! A summary made of the document's own sentences, by the offline model of the library.

use serde::{Deserialize, Serialize};
use tta::llm::local::text;

use crate::demo::document::Document;

/// How a summary was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Method {
    /// By choosing sentences, without a model and without a network.
    #[serde(rename = "extractive, offline (TextRank)")]
    TextRank,
}

/// The sentences that say most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// How it was made.
    pub(crate) method: Method,
    /// The chosen sentences, in the order of the document.
    pub(crate) sentences: Vec<String>,
    /// How many sentences the document has.
    pub(crate) total_sentences: usize,
    /// How many of them were compared: whole and distinct ones, and of a long document a sample.
    pub(crate) ranked_sentences: usize,
}

impl Summary {
    /// How many words were read and written, of which this method makes its tokens.
    pub(crate) fn tokens(&self, document: &Document) -> (u64, u64) {
        let words = |text: &str| text::words(text).count() as u64;
        let read = document.paragraphs().map(words).sum();
        (read, self.sentences.iter().map(|sentence| words(sentence)).sum())
    }
}

impl Method {
    /// The words for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::TextRank => "extractive, offline (TextRank)",
        }
    }
}

/// Chooses at most `max_sentences` sentences of a document. Between equals the earlier one wins.
pub(crate) fn summarise(document: &Document, max_sentences: usize) -> Summary {
    let text::Summary { sentences, total_sentences, ranked_sentences } =
        text::summarise(document.paragraphs(), max_sentences);
    Summary { method: Method::TextRank, sentences, total_sentences, ranked_sentences }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::document::tests::document;

    fn check(source: &str, max_sentences: usize, expect: &[&str]) {
        assert_eq!(summarise(&document("a.md", source), max_sentences).sentences, expect);
    }

    #[test]
    fn only_paragraphs_and_items_are_summarised() {
        check("# A title\n", 3, &[]);
        check("```\nlet only = code;\n```\n", 3, &[]);
        let source = "# Calls\n\n- call id one\n- call id two\n\nA whole sentence.";
        check(source, 1, &["A whole sentence."]);
        check(source, 3, &["call id one", "call id two", "A whole sentence."]);
    }

    #[test]
    fn the_output_says_its_method() {
        let json = serde_json::to_value(Method::TextRank).expect("serialisable");
        assert_eq!(json, Method::TextRank.as_str());
    }
}
