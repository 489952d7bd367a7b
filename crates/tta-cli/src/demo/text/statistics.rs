//! The numbers of a text.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use tta::llm::local::text;
use unicode_segmentation::UnicodeSegmentation;

use crate::demo::document::Document;

/// How many words an adult reads silently in a minute (Brysbaert, "How many words do we read per
/// minute?", 2019, English non-fiction).
const WORDS_PER_MINUTE: f64 = 238.0;

/// The numbers of a document. All but the bytes are of its paragraphs, without code and titles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Statistics {
    /// The size of the file, in bytes.
    pub(crate) bytes: u64,
    /// What a reader takes for one character, an emoji of several code points included.
    pub(crate) characters: usize,
    /// The words; in Chinese and Japanese nearly every ideograph counts.
    pub(crate) words: usize,
    /// The sentences.
    pub(crate) sentences: usize,
    /// The paragraphs and the items of lists.
    pub(crate) paragraphs: usize,
    /// The mean length of a sentence, in words; 0 without a sentence.
    pub(crate) words_per_sentence: f64,
    /// The distinct words over all words, from 0 to 1.
    pub(crate) unique_words_ratio: f64,
    /// The time to read it, in seconds, at 238 words a minute.
    pub(crate) reading_seconds: f64,
    /// How easy it reads: 0 is hard, 100 is easy, and both ends are open. None where the formula does
    /// not apply: without words, or when most of them are not written in the letters a to z.
    pub(crate) flesch_reading_ease: Option<f64>,
}

/// Counts a document.
///
/// The reading ease is 206.835 - 1.015 * words / sentences - 84.6 * syllables / words (Flesch, "A new
/// readability yardstick", 1948), with the syllables estimated by their vowels.
pub(crate) fn statistics(document: &Document) -> Statistics {
    let mut totals = Totals::default();
    let mut distinct = HashSet::new();
    for paragraph in document.paragraphs() {
        totals.paragraphs += 1;
        totals.characters += paragraph.graphemes(true).count();
        totals.sentences += text::sentences(paragraph).len();
        for word in text::words(paragraph) {
            let word = word.to_lowercase();
            totals.words += 1;
            if let Some(syllables) = syllables(&word) {
                totals.english_words += 1;
                totals.syllables += syllables;
            }
            distinct.insert(word);
        }
    }
    Statistics {
        bytes: document.size,
        characters: totals.characters,
        words: totals.words,
        sentences: totals.sentences,
        paragraphs: totals.paragraphs,
        words_per_sentence: ratio(totals.words, totals.sentences),
        unique_words_ratio: ratio(distinct.len(), totals.words),
        reading_seconds: totals.words as f64 * 60.0 / WORDS_PER_MINUTE,
        flesch_reading_ease: flesch_reading_ease(&totals),
    }
}

#[derive(Default)]
struct Totals {
    characters: usize,
    words: usize,
    sentences: usize,
    paragraphs: usize,
    /// The words whose syllables are known.
    english_words: usize,
    syllables: usize,
}

fn flesch_reading_ease(totals: &Totals) -> Option<f64> {
    if totals.english_words == 0 || totals.english_words * 2 < totals.words {
        return None;
    }
    let words_per_sentence = ratio(totals.words, totals.sentences);
    let syllables_per_word = ratio(totals.syllables, totals.english_words);
    Some(206.835 - 1.015 * words_per_sentence - 84.6 * syllables_per_word)
}

/// Estimates the syllables of a word in lower case: its groups of vowels without a silent final `e`.
/// None for a word that is not in the letters a to z.
fn syllables(word: &str) -> Option<usize> {
    if !word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '\'' || letter == '\u{2019}') {
        return None;
    }
    let is_vowel = |letter: char| "aeiouy".contains(letter);
    let mut groups = 0;
    let mut after_vowel = false;
    for letter in word.chars() {
        groups += usize::from(is_vowel(letter) && !after_vowel);
        after_vowel = is_vowel(letter);
    }
    let mut ending = word.chars().rev();
    let silent =
        ending.next() == Some('e') && ending.next().is_some_and(|before| !is_vowel(before) && before != 'l');
    Some(if silent { groups - 1 } else { groups }.max(1))
}

/// The quotient, and 0 where there is none.
fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::document::tests::document;

    #[test]
    fn a_small_text_is_counted() {
        let source =
            "# Title\n\nThe cat sat on the mat. The dog ran.\n\n- It slept.\n\n```\nlet cat = 1;\n```\n";
        assert_eq!(
            statistics(&document("a.md", source)),
            Statistics {
                bytes: source.len() as u64,
                characters: 45,
                words: 11,
                sentences: 3,
                paragraphs: 2,
                words_per_sentence: 11.0 / 3.0,
                unique_words_ratio: 9.0 / 11.0,
                reading_seconds: 11.0 * 60.0 / 238.0,
                flesch_reading_ease: Some(206.835 - 1.015 * (11.0 / 3.0) - 84.6),
            }
        );
    }

    #[test]
    fn only_code_counts_nothing() {
        let numbers = statistics(&document("a.rs", "fn main() {}\n"));
        assert_eq!((numbers.bytes, numbers.words, numbers.sentences, numbers.paragraphs), (13, 0, 0, 0));
        assert_eq!((numbers.words_per_sentence, numbers.unique_words_ratio), (0.0, 0.0));
        assert_eq!(numbers.flesch_reading_ease, None);
    }

    #[test]
    fn a_character_is_what_a_reader_sees() {
        let numbers = statistics(&document("a.txt", "👩‍👩‍👧 né 🇩🇪"));
        assert_eq!((numbers.characters, numbers.words), (6, 1));
    }

    #[test]
    fn reading_ease_is_for_english_only() {
        let numbers = statistics(&document("a.txt", "Кот спит на диване."));
        assert_eq!((numbers.words, numbers.flesch_reading_ease), (4, None));
    }

    #[test]
    fn syllables_are_estimated() {
        let check = |word: &str, expect: Option<usize>| assert_eq!(syllables(word), expect, "{word}");
        check("cat", Some(1));
        check("make", Some(1));
        check("the", Some(1));
        check("table", Some(2));
        check("banana", Some(3));
        check("tree", Some(1));
        check("hmm", Some(1));
        check("don't", Some(1));
        check("née", None);
        check("42", None);
    }
}
