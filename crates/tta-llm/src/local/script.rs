//! An answer, and how it comes.

use std::time::Duration;

use unicode_segmentation::UnicodeSegmentation;

use super::MODEL;
use super::chance::{Chance, Use};
use crate::request::{ChatRequest, ToolCall};
use crate::response::FinishReason;
use crate::tokens;
use crate::usage::Usage;

/// The median and the deviation of the time to the first piece, as of a quick model.
const FIRST: (Duration, f64) = (Duration::from_millis(80), 0.35);
/// Those of the time between two pieces.
const GAP: (Duration, f64) = (Duration::from_millis(8), 0.5);

/// What the offline model answers to a request, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// The pieces of the text: together they are the text.
    pub chunks: Vec<String>,
    /// The tools that it calls; it does so in the place of a text.
    pub tool_calls: Vec<ToolCall>,
    /// Why it ends.
    pub finish_reason: FinishReason,
    /// How many tokens it took.
    pub usage: Usage,
    /// How long it takes until the first piece, or until the end if there is none.
    pub first_chunk_after: Duration,
    /// How long each piece after the first takes: one time less than there are pieces.
    pub chunk_after: Vec<Duration>,
}

impl Script {
    /// The whole text.
    #[must_use]
    pub fn text(&self) -> String {
        self.chunks.concat()
    }

    /// An answer of text, as long as the request lets it be.
    pub(super) fn of_text(
        request: &ChatRequest,
        (text, finish_reason): (String, FinishReason),
        pace: f64,
        chance: &Chance,
    ) -> Self {
        let fitting = request.max_tokens.map_or(text.len(), |max| fitting(&text, max.into()));
        let finish_reason = if fitting < text.len() { FinishReason::Length } else { finish_reason };
        let text = &text[..fitting];
        let chunks = chunks(text);
        let paced = |time: Duration| paced(time, pace);
        Self {
            first_chunk_after: paced(chance.time(Use::First, 0, FIRST)),
            chunk_after: (1..chunks.len()).map(|place| paced(chance.time(Use::Gap, place, GAP))).collect(),
            chunks,
            tool_calls: Vec::new(),
            finish_reason,
            usage: usage(request, tokens::count(MODEL, text)),
        }
    }

    /// An answer that calls tools; if they are too long for the request, an empty one that was cut off.
    pub(super) fn of_calls(
        request: &ChatRequest,
        tool_calls: Vec<ToolCall>,
        pace: f64,
        chance: &Chance,
    ) -> Self {
        let output = tokens::count_answer(MODEL, "", &tool_calls);
        if request.max_tokens.is_some_and(|max| output > max.into()) {
            return Self::of_text(request, (String::new(), FinishReason::Length), pace, chance);
        }
        let empty = Self::of_text(request, (String::new(), FinishReason::ToolCalls), pace, chance);
        Self { tool_calls, usage: usage(request, output), ..empty }
    }
}

/// The text before the first place where it is to stop.
pub(super) fn stopped(mut text: String, stop: &[String]) -> String {
    let ends = stop.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| text.find(stop.as_str()));
    if let Some(end) = ends.min() {
        text.truncate(end);
    }
    text
}

fn usage(request: &ChatRequest, output_tokens: u64) -> Usage {
    Usage { input_tokens: tokens::count_request(MODEL, request), output_tokens, ..Usage::default() }
}

/// How much of a text has no more than so many tokens, in bytes.
fn fitting(text: &str, max_tokens: u64) -> usize {
    let fits = |end: usize| tokens::count(MODEL, &text[..end]) <= max_tokens;
    if fits(text.len()) {
        return text.len();
    }
    let ends: Vec<usize> = text.char_indices().map(|(offset, _)| offset).collect();
    // More text seldom has fewer tokens, so the search lands near the longest part that fits, and goes back if it must.
    let near = ends.partition_point(|&end| fits(end));
    ends[..near].iter().rev().copied().find(|&end| fits(end)).unwrap_or(0)
}

/// The words of a text, each with the space before it, as models say them.
fn chunks(text: &str) -> Vec<String> {
    let mut chunks: Vec<String> = Vec::new();
    let mut space = String::new();
    for piece in text.split_word_bounds() {
        if piece.chars().all(char::is_whitespace) {
            space.push_str(piece);
        } else if space.is_empty()
            && !chunks.is_empty()
            && piece.chars().all(|letter| letter.is_ascii_punctuation())
        {
            // A full stop comes with its word.
            if let Some(last) = chunks.last_mut() {
                last.push_str(piece);
            }
        } else {
            chunks.push(std::mem::take(&mut space) + piece);
        }
    }
    if !space.is_empty() {
        chunks.push(space);
    }
    chunks
}

/// A time at a pace; none at a pace of zero, below it, or that is not a number.
fn paced(time: Duration, pace: f64) -> Duration {
    if pace > 0.0 {
        Duration::try_from_secs_f64(time.as_secs_f64() * pace).unwrap_or(Duration::MAX)
    } else {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::{Local, answer};

    #[test]
    fn pieces_are_words_and_together_the_text() {
        let check = |text: &str, expect: &[&str]| {
            assert_eq!(chunks(text), expect);
            assert_eq!(chunks(text).concat(), text);
        };
        check("It works, now.", &["It", " works,", " now."]);
        check(" a\n b  ", &[" a", "\n b", "  "]);
        check("これは", &["こ", "れ", "は"]);
        check("...", &["..."]);
        check("", &[]);
    }

    #[test]
    fn the_pace_stretches_time() {
        let request = ChatRequest::user("One two three four.");
        let script = |pace| answer(&request, &Local { seed: 3, pace });
        let (usual, slow) = (script(1.0), script(10.0));
        assert_eq!(usual.chunk_after.len(), usual.chunks.len() - 1);
        assert!(usual.first_chunk_after > Duration::from_millis(10));
        let ratio = slow.first_chunk_after.as_secs_f64() / usual.first_chunk_after.as_secs_f64();
        assert!((ratio - 10.0).abs() < 1e-6, "{ratio}");
        for pace in [0.0, -1.0, f64::NAN] {
            let script = script(pace);
            assert!(script.first_chunk_after.is_zero() && script.chunk_after.iter().all(Duration::is_zero));
        }
        assert_eq!(script(f64::INFINITY).first_chunk_after, Duration::MAX);
    }
}
