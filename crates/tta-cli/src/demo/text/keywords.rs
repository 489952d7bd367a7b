//! The terms that a document is about.
//!
//! Single words by frequency say little: "context" may be any context. As in RAKE (Rose and others,
//! "Automatic Keyword Extraction from Individual Documents", 2010), stop words and punctuation cut the
//! text into phrases. Its weights prefer a long phrase seen once to a short one seen everywhere, so
//! they are those of the C-value (Frantzi and others, 2000): how often a phrase occurs, times the
//! logarithm of its length.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use tta::llm::local::text;
use unicode_segmentation::UnicodeSegmentation;

use crate::demo::document::{Block, Document};

/// A longer phrase is a sentence without stop words, and no term.
const MAX_WORDS: usize = 3;

/// A term and its weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Keyword {
    /// The term, in lower case.
    pub(crate) term: String,
    /// The weight, above zero; comparable within one document only.
    pub(crate) score: f64,
}

/// Finds the `count` heaviest terms of titles and paragraphs; equals are in alphabetical order.
///
/// The weight is `times * log2(1 + words)`. A word inside a longer phrase counts for that phrase only.
pub(crate) fn keywords(document: &Document, count: usize) -> Vec<Keyword> {
    let mut occurrences: HashMap<Vec<String>, usize> = HashMap::new();
    for phrase in document.blocks.iter().map(Block::text).flat_map(phrases_of) {
        *occurrences.entry(phrase).or_default() += 1;
    }
    let mut keywords: Vec<Keyword> = occurrences
        .into_iter()
        .filter(|(phrase, _)| phrase.len() <= MAX_WORDS)
        .map(|(phrase, times)| Keyword {
            term: phrase.join(" "),
            score: times as f64 * (1.0 + phrase.len() as f64).log2(),
        })
        .collect();
    keywords.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.term.cmp(&b.term)));
    keywords.truncate(count);
    keywords
}

/// The runs of topic words between stop words and punctuation.
fn phrases_of(text: &str) -> Vec<Vec<String>> {
    let mut phrases = vec![Vec::new()];
    for piece in text.split_word_bounds() {
        let word = piece.to_lowercase();
        if text::is_topic_word(&word) {
            phrases.last_mut().expect("there is always an open phrase").push(word);
        } else if !piece.trim().is_empty() && piece != "-" {
            phrases.push(Vec::new());
        }
    }
    phrases.retain(|phrase| !phrase.is_empty());
    phrases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::document::tests::document;

    fn check(source: &str, count: usize, expect: &[(&str, f64)]) {
        let found = keywords(&document("a.md", source), count);
        let shown: Vec<(&str, f64)> = found.iter().map(|word| (word.term.as_str(), word.score)).collect();
        assert_eq!(shown, expect);
    }

    #[test]
    fn frequent_phrases_weigh_most() {
        check(
            "# Circuit breaker\n\nThe circuit breaker is half-open after errors. A circuit breaker that is \
             shared counts the errors of all.",
            3,
            &[("circuit breaker", 3.0 * 3.0_f64.log2()), ("errors", 2.0), ("half open", 3.0_f64.log2())],
        );
    }

    #[test]
    fn a_sentence_without_stop_words_is_no_term() {
        check("Green ideas sleep furiously tonight.", 3, &[]);
    }

    #[test]
    fn equals_are_in_alphabetical_order() {
        check("Pears, apples; plums.", 5, &[("apples", 1.0), ("pears", 1.0), ("plums", 1.0)]);
    }

    #[test]
    fn little_text_gives_little() {
        check("The one and only.", 5, &[]);
        check("🎉 42 🎉", 5, &[]);
        check("```\ncode\n```", 5, &[]);
        check("Apples.", 0, &[]);
    }

    #[test]
    fn other_scripts_have_keywords() {
        check("Кот, собака, кот.", 1, &[("кот", 2.0)]);
    }
}
