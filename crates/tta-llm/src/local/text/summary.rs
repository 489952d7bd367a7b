//! A summary made of the text's own sentences.
//!
//! A language model needs a key and a network, and answers otherwise each time. TextRank (Mihalcea and Tarau, "TextRank:
//! Bringing Order into Texts", 2004) needs neither: the sentences that share most with the others are the ones a reader
//! should see.

use std::collections::{HashMap, HashSet};

use super::segment;

/// How many sentences are compared with each other; the cost grows with the square.
const MAX_RANKED: usize = 512;
/// The part of a score that comes from the neighbours.
const DAMPING: f64 = 0.85;
/// The iteration ends when all scores together moved by less than this.
const TOLERANCE: f64 = 1e-9;
/// The iteration ends here in any case; each one leaves at most 0.85 of the error.
const MAX_ITERATIONS: usize = 200;

/// The sentences that say most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The chosen sentences, in the order of the text.
    pub sentences: Vec<String>,
    /// How many sentences the text has.
    pub total_sentences: usize,
    /// How many of them were compared: whole and distinct ones, and of a long text a sample.
    pub ranked_sentences: usize,
}

/// Chooses at most `max_sentences` sentences of some paragraphs. Between equals the earlier one wins.
///
/// # Cost
///
/// The square of the number of sentences, of which no more than 512 are compared, evenly spread over
/// the text. The words of any language are compared, but only English stop words are left out.
#[must_use]
pub fn summarise<'a>(paragraphs: impl IntoIterator<Item = &'a str>, max_sentences: usize) -> Summary {
    let all: Vec<&str> = paragraphs.into_iter().flat_map(segment::sentences).collect();
    let total_sentences = all.len();
    let candidates = spread(whole(distinct(all), max_sentences), MAX_RANKED);
    let scores = rank(&similarities(&candidates), candidates.len());

    let mut best: Vec<usize> = (0..candidates.len()).collect();
    // The sort is stable: equals stay in the order of the text. Fragments only fill up.
    best.sort_by(|&a, &b| {
        let whole = |index: usize| segment::is_whole(candidates[index]);
        whole(b).cmp(&whole(a)).then_with(|| scores[b].total_cmp(&scores[a]))
    });
    best.truncate(max_sentences);
    best.sort_unstable();
    Summary {
        sentences: best.into_iter().map(|index| candidates[index].to_owned()).collect(),
        total_sentences,
        ranked_sentences: candidates.len(),
    }
}

/// The first of each group of equal sentences: else a repeated phrase would elect itself.
fn distinct(sentences: Vec<&str>) -> Vec<&str> {
    let mut seen = HashSet::new();
    sentences.into_iter().filter(|sentence| seen.insert(sentence.to_lowercase())).collect()
}

/// The sentences that end as sentences do, unless there are fewer of them than are wanted: the items
/// of a list resemble each other and would win.
fn whole(sentences: Vec<&str>, wanted: usize) -> Vec<&str> {
    let whole: Vec<&str> = sentences.iter().copied().filter(|sentence| segment::is_whole(sentence)).collect();
    if whole.len() < wanted { sentences } else { whole }
}

/// At most `limit` items, at even distances, the first one always.
fn spread(items: Vec<&str>, limit: usize) -> Vec<&str> {
    if items.len() <= limit {
        return items;
    }
    (0..limit).map(|index| items[index * items.len() / limit]).collect()
}

/// The matrix, row by row, of how much two sentences share: common words over the logarithms of both
/// lengths, so that a long sentence does not win by its length alone.
fn similarities(sentences: &[&str]) -> Vec<f64> {
    let size = sentences.len();
    let topics = numbered_topics(sentences);
    let mut matrix = vec![0.0; size * size];
    for row in 0..size {
        for column in 0..row {
            let common = common_items(&topics[row], &topics[column]);
            if common > 0 {
                let lengths = log(topics[row].len()) + log(topics[column].len());
                let similarity = common as f64 / lengths;
                matrix[row * size + column] = similarity;
                matrix[column * size + row] = similarity;
            }
        }
    }
    matrix
}

/// The logarithm of a length. The paper takes ln(n), which is zero for a sentence of one word; and the standard library's
/// differs in its last digit between platforms, on which the choice between two sentences could depend.
fn log(length: usize) -> f64 {
    libm::log1p(length as f64)
}

/// The distinct topic words of each sentence as sorted numbers.
fn numbered_topics(sentences: &[&str]) -> Vec<Vec<usize>> {
    let mut numbers = HashMap::new();
    let mut topics = Vec::with_capacity(sentences.len());
    for sentence in sentences {
        let mut topic = Vec::new();
        for word in segment::topic_words(sentence) {
            let next = numbers.len();
            topic.push(*numbers.entry(word).or_insert(next));
        }
        topic.sort_unstable();
        topic.dedup();
        topics.push(topic);
    }
    topics
}

/// How many items two sorted lists have in common.
fn common_items(left: &[usize], right: &[usize]) -> usize {
    let (mut i, mut j, mut common) = (0, 0, 0);
    while i < left.len() && j < right.len() {
        match left[i].cmp(&right[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => (i, j, common) = (i + 1, j + 1, common + 1),
        }
    }
    common
}

/// The share of each sentence in a random walk over the matrix, by power iteration.
fn rank(matrix: &[f64], size: usize) -> Vec<f64> {
    let even = 1.0 / size.max(1) as f64;
    let strengths: Vec<f64> = matrix.chunks(size.max(1)).map(|row| row.iter().sum()).collect();
    let mut scores = vec![even; size];
    for _ in 0..MAX_ITERATIONS {
        // A sentence without neighbours gives its share to all, or the shares would not add up to 1.
        let stranded: f64 = (0..size).filter(|&i| strengths[i] == 0.0).map(|i| scores[i]).sum();
        let base = (1.0 - DAMPING + DAMPING * stranded) * even;
        let flows: Vec<f64> =
            (0..size).map(|i| if strengths[i] > 0.0 { scores[i] / strengths[i] } else { 0.0 }).collect();
        let next: Vec<f64> = matrix
            .chunks(size.max(1))
            .map(|row| {
                base + DAMPING * row.iter().zip(&flows).map(|(weight, flow)| weight * flow).sum::<f64>()
            })
            .collect();
        let moved: f64 = next.iter().zip(&scores).map(|(new, old)| (new - old).abs()).sum();
        scores = next;
        if moved < TOLERANCE {
            break;
        }
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRIES: &str = "A retry repeats a failed call. The weather was fine on Tuesday. \
        A retry with jitter spreads the repeated calls over time, and a failed call costs less.\n\n\
        Jitter draws the time of each retry at random. Bananas are yellow.";

    fn of(source: &str, max_sentences: usize) -> Summary {
        summarise(source.split("\n\n"), max_sentences)
    }

    fn check(source: &str, max_sentences: usize, expect: &[&str]) {
        assert_eq!(of(source, max_sentences).sentences, expect);
    }

    #[test]
    fn the_sentences_that_share_most_are_chosen_in_order() {
        check(
            RETRIES,
            2,
            &[
                "A retry repeats a failed call.",
                "A retry with jitter spreads the repeated calls over time, and a failed call costs less.",
            ],
        );
    }

    #[test]
    fn little_text_gives_little() {
        check("Only this.", 3, &["Only this."]);
        check("Only this.", 0, &[]);
        check("", 3, &[]);
        check("🎉🎉🎉", 3, &[]);
    }

    #[test]
    fn equals_keep_their_order() {
        check("Red apples. Green pears. Blue plums.", 2, &["Red apples.", "Green pears."]);
    }

    #[test]
    fn fragments_fill_up_but_do_not_compete() {
        let source = "call id one\n\ncall id two\n\ncall id three\n\nA whole sentence.";
        check(source, 1, &["A whole sentence."]);
        check(source, 2, &["call id one", "A whole sentence."]);
        check(source, 4, &["call id one", "call id two", "call id three", "A whole sentence."]);
    }

    #[test]
    fn a_repeated_sentence_does_not_elect_itself() {
        let summary = of(&format!("{}{RETRIES}", "Chorus line here.\n\n".repeat(50)), 1);
        assert!(summary.sentences[0].starts_with("A retry with jitter"), "{summary:?}");
        assert_eq!((summary.total_sentences, summary.ranked_sentences), (55, 6));
    }

    #[test]
    fn other_scripts_are_ranked_too() {
        check(
            "Кот спит на диване. Погода хорошая. Кот на диване видит сны.",
            2,
            &["Кот спит на диване.", "Кот на диване видит сны."],
        );
    }

    #[test]
    fn a_huge_document_is_sampled_from_end_to_end() {
        let source: String = (0..5000).map(|n| format!("Sentence w{n} has topic t{}.\n\n", n % 7)).collect();
        let summary = of(&source, 3);
        assert_eq!((summary.total_sentences, summary.ranked_sentences), (5000, MAX_RANKED));
        assert_eq!(summary.sentences.len(), 3);
        assert_eq!(spread(vec!["a", "b", "c", "d", "e"], 2), ["a", "c"]);
    }

    #[test]
    fn shares_add_up_to_one() {
        let sentences = ["red apples fall", "apples are red", "fall of rome", "nothing alike"];
        let total: f64 = rank(&similarities(&sentences), sentences.len()).iter().sum();
        assert!((total - 1.0).abs() < 1e-9, "{total}");
    }
}
