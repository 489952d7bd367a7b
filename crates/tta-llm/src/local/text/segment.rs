//! Sentences and words, by the rules of Unicode (UAX #29).

use unicode_segmentation::UnicodeSegmentation;

/// What the rules of Unicode take for the end of a sentence when a capital follows.
const ABBREVIATIONS: &[&str] = &[
    "approx.", "cf.", "dr.", "e.g.", "etc.", "fig.", "i.e.", "mr.", "mrs.", "ms.", "no.", "prof.", "st.",
    "vs.",
];

/// A longer sentence is a list in disguise.
const MAX_WORDS: usize = 60;

/// English words that carry no topic, and the parts of addresses. Sorted.
#[rustfmt::skip]
const STOP_WORDS: &[&str] = &[
    "a", "about", "above", "after", "again", "against", "all", "also", "am", "an", "and", "another", "any", "are",
    "aren't", "as", "at", "be", "because", "been", "before", "being", "below", "between", "both", "but", "by", "can",
    "can't", "cannot", "could", "couldn't", "did", "didn't", "do", "does", "doesn't", "doing", "don't", "done", "down",
    "during", "each", "either", "else", "even", "ever", "every", "few", "first", "for", "from", "further", "get",
    "gets", "give", "given", "gives", "had", "has", "hasn't", "have", "haven't", "having", "he", "her", "here", "hers",
    "him", "his", "how", "http", "https", "i", "if", "in", "instead", "into", "is", "isn't", "it", "it's", "its",
    "itself", "just", "last", "least", "let", "like", "made", "make", "makes", "many", "may", "me", "might", "more",
    "most", "much", "must", "my", "need", "needs", "neither", "never", "next", "no", "none", "nor", "not", "nothing",
    "now", "of", "off", "on", "once", "one", "only", "onto", "or", "other", "others", "otherwise", "ought", "our",
    "ours", "out", "over", "own", "per", "rather", "same", "see", "shall", "she", "should", "since", "so", "some",
    "still", "such", "take", "taken", "takes", "than", "that", "the", "their", "theirs", "them", "then", "there",
    "therefore", "these", "they", "this", "those", "though", "through", "thus", "to", "too", "two", "under", "unless",
    "until", "up", "upon", "us", "use", "used", "uses", "using", "very", "via", "was", "wasn't", "we", "were",
    "weren't", "what", "when", "where", "whether", "which", "while", "who", "whom", "whose", "why", "will", "with",
    "within", "without", "won't", "would", "www", "yes", "yet", "you", "your", "yours",
];

/// The sentences of one paragraph that have a word in them, without the space around them.
#[must_use]
pub fn sentences(paragraph: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    for (offset, piece) in paragraph.split_sentence_bound_indices() {
        let end = offset + piece.len();
        if end < paragraph.len() && ends_in_abbreviation(piece) {
            continue;
        }
        let sentence = paragraph[start..end].trim();
        if words(sentence).next().is_some() {
            found.push(sentence);
        }
        start = end;
    }
    found
}

/// Whether a sentence ends and is as long as one, not as a title, a number or a whole list.
pub(super) fn is_whole(sentence: &str) -> bool {
    let closers = [')', ']', '"', '\'', '\u{201d}', '\u{2019}', '»', '」'];
    // A sentence of a script without spaces is one long word to a counter, or a word a character.
    let length = words(sentence).count();
    let is_long_enough = length >= 3 || sentence.len() >= 12;
    let ends = sentence.trim_end_matches(closers).ends_with(['.', '!', '?', '…', '。', '！', '？', '।', '؟']);
    ends && is_long_enough && length <= MAX_WORDS
}

/// The words as they are written. A run of emoji or punctuation has none.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.unicode_words()
}

/// The words that may carry a topic, in lower case.
pub(super) fn topic_words(text: &str) -> impl Iterator<Item = String> {
    words(text).map(str::to_lowercase).filter(|word| is_topic_word(word))
}

/// Whether a word in lower case may carry a topic: a number and a single Latin letter do not.
#[must_use]
pub fn is_topic_word(word: &str) -> bool {
    let word_of_one_letter = word.len() == 1;
    let has_letter = word.chars().any(char::is_alphabetic);
    // A typographic apostrophe is an apostrophe.
    let plain = word.replace('\u{2019}', "'");
    has_letter && !word_of_one_letter && STOP_WORDS.binary_search(&plain.as_str()).is_err()
}

fn ends_in_abbreviation(piece: &str) -> bool {
    let last = piece.split_whitespace().next_back().unwrap_or_default();
    let last = last.trim_start_matches(['(', '[', '"', '\u{201c}']).to_lowercase();
    ABBREVIATIONS.binary_search(&last.as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted() {
        assert!(STOP_WORDS.is_sorted());
        assert!(ABBREVIATIONS.is_sorted());
    }

    #[test]
    fn sentences_end_where_a_reader_stops() {
        let check = |text: &str, expect: &[&str]| assert_eq!(sentences(text), expect);
        check("One step. Two steps! Three?", &["One step.", "Two steps!", "Three?"]);
        check("It took 3.14 ms in main.rs and no more", &["It took 3.14 ms in main.rs and no more"]);
        check(
            "Some tools (e.g. Jaeger) show it. Dr. Who agrees.",
            &["Some tools (e.g. Jaeger) show it.", "Dr. Who agrees."],
        );
        check("It ends in etc.", &["It ends in etc."]);
        check("これはペンです。それは本です。", &["これはペンです。", "それは本です。"]);
        check("Wait... 🎉🎉 !!! ", &["Wait..."]);
        check("🎉 !!!", &[]);
        check("", &[]);
    }

    #[test]
    fn a_title_is_not_a_whole_sentence() {
        let check = |text: &str, expect: bool| assert_eq!(is_whole(text), expect, "{text}");
        check("It works now.", true);
        check("(It \u{201c}works now!\u{201d})", true);
        check("それは本です。", true);
        check("Three steps:", false);
        check("crates/tta/src", false);
        check("24.", false);
        check(&format!("{}.", "word, ".repeat(MAX_WORDS + 1)), false);
    }

    #[test]
    fn words_without_a_topic_are_left_out() {
        let check = |text: &str, expect: &[&str]| {
            assert_eq!(topic_words(text).collect::<Vec<_>>(), expect);
        };
        check("The Span isn't at 42 C, and it\u{2019}s open", &["span", "open"]);
        check("Größe und ЯЗЫК", &["größe", "und", "язык"]);
        check("👩‍👩‍👧 🎉", &[]);
    }
}
