//! Finds secrets in a text: one pass for the marks of all kinds, and a closer look where there is one.

use std::iter;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};
use regex::Regex;

use crate::named::{self, Kind, NAMES};
use crate::shapes::{Check, SHAPES, Shape};
use crate::words::{LONGEST_WORD, looks_like_words};
use crate::{REDACTED, addresses, cards};

/// How long a text is at least that can hold a secret, in bytes.
const SHORTEST: usize = 6;
/// How much from a mark on is compared with a shape, in bytes; what goes on beyond it belongs to the secret too.
const WINDOW: usize = 1_024;
/// How long a word is at most that makes what has the shape of a key look like words.
const LONGEST_WORD_OF_KEY: usize = 12;

/// How many bytes the numbers of a colour have at most.
const LONGEST_COLOUR: usize = 32;

/// What the marks of one kind begin.
#[derive(Clone, Copy, Debug)]
enum Mark {
    Shape(usize),
    Named(Kind),
    /// `Bearer` or `Basic`.
    Scheme,
    Pem,
    Url,
    Mail,
}

/// Other marks than those of shapes and names.
const MARKS: [(&str, Mark); 8] = [
    ("bearer", Mark::Scheme),
    ("basic", Mark::Scheme),
    ("-----BEGIN ", Mark::Pem),
    ("://", Mark::Url),
    (":\\/\\/", Mark::Url),
    ("%3A%2F%2F", Mark::Url),
    ("@", Mark::Mail),
    ("%40", Mark::Mail),
];

struct Finder {
    marks: AhoCorasick,
    kinds: Vec<Mark>,
    lengths: Vec<usize>,
    /// For each mark, those that begin it.
    beginnings: Vec<Vec<usize>>,
    names: AhoCorasick,
    patterns: Vec<Regex>,
    /// The shape whose mark is no text.
    dotted: Option<usize>,
}

static FINDER: LazyLock<Finder> = LazyLock::new(Finder::new);

pub(crate) fn prepare() {
    LazyLock::force(&FINDER);
}

/// Where secrets are, in order and apart from each other.
pub(crate) fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    if text.len() < SHORTEST {
        return found;
    }
    FINDER.find(text, &mut found);
    cards::find(text, &mut found);
    merge(&mut found);
    found.retain(|range| text[range.clone()] != *REDACTED);
    found
}

/// What the name of a field says of its value.
pub(crate) fn names_secret(name: &str) -> Option<Kind> {
    let mut from = 0;
    while let Some(mark) = FINDER.names.find(Input::new(name).range(from..)) {
        if named::ends_with(name, mark.end()) {
            return Some(NAMES[mark.pattern().as_usize()].1);
        }
        from = mark.start() + 1;
    }
    None
}

fn merge(found: &mut Vec<Range<usize>>) {
    found.sort_unstable_by_key(|range| range.start);
    found.dedup_by(|next, kept| {
        let is_one = next.start <= kept.end;
        if is_one {
            kept.end = kept.end.max(next.end);
        }
        is_one
    });
}

impl Finder {
    fn new() -> Self {
        let shapes = SHAPES.iter().enumerate();
        let shapes =
            shapes.flat_map(|(at, shape)| shape.marks.iter().map(move |mark| (*mark, Mark::Shape(at))));
        let names = NAMES.iter().map(|(name, kind)| (*name, Mark::Named(*kind)));
        let (marks, kinds): (Vec<_>, Vec<_>) = shapes.chain(names).chain(MARKS).unzip();
        let begins = |mark: &str, other: &str| {
            other.len() < mark.len()
                && mark.is_char_boundary(other.len())
                && mark[..other.len()].eq_ignore_ascii_case(other)
        };
        let beginnings = |mark: &&str| {
            let all = marks.iter().enumerate();
            all.filter(|(_, other)| begins(mark, other)).map(|(at, _)| at).collect()
        };
        let pattern = |shape: &Shape| Regex::new(&format!("^(?:{})", shape.pattern));
        let patterns: Result<_, _> = SHAPES.iter().map(pattern).collect();
        Self {
            marks: search(&marks),
            beginnings: marks.iter().map(beginnings).collect(),
            lengths: marks.iter().map(|mark| mark.len()).collect(),
            kinds,
            names: search(&NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>()),
            patterns: patterns.expect("the shapes are valid"),
            dotted: SHAPES.iter().position(|shape| shape.marks.is_empty()),
        }
    }

    fn find(&self, text: &str, found: &mut Vec<Range<usize>>) {
        // What belongs to a secret is not looked at again, so that the time does not grow faster than the text.
        // Neither is what looks like words from some mark on.
        let (mut from, mut words) = (0, 0);
        while let Some(mark) = self.marks.find(Input::new(text).range(from..)) {
            let longest = mark.pattern().as_usize();
            let mut marks = iter::once(&longest).chain(&self.beginnings[longest]);
            let range = marks.find_map(|known| self.at(text, (*known, mark.start()), &mut words));
            from = range.as_ref().map_or(mark.start() + 1, |range| range.end.max(mark.start() + 1));
            found.extend(range);
        }
        self.find_dotted(text, found);
    }

    /// The secret at a mark that begins there.
    fn at(&self, text: &str, (mark, start): (usize, usize), words: &mut usize) -> Option<Range<usize>> {
        let place = start..start + self.lengths[mark];
        match self.kinds[mark] {
            Mark::Shape(shape) => self.shaped(text, (shape, start), words),
            Mark::Named(kind) => named::value(text, &place, kind),
            Mark::Scheme => credentials(text, place.end),
            Mark::Pem => pem(text, place),
            Mark::Url => addresses::password(text, (place.start, place.end)),
            Mark::Mail => addresses::mail(text, &place),
        }
    }

    /// Adds secrets of three parts, of which the one in the middle has six characters.
    fn find_dotted(&self, text: &str, found: &mut Vec<Range<usize>>) {
        let dots = text.match_indices('.').filter(|(at, _)| text.as_bytes().get(at + 7) == Some(&b'.'));
        for (at, _) in dots {
            found.extend(self.dotted.and_then(|shape| self.shaped(text, (shape, at), &mut 0)));
        }
    }

    /// The secret of a shape at its mark.
    fn shaped(&self, text: &str, (shape, mark): (usize, usize), words: &mut usize) -> Option<Range<usize>> {
        let (shape, pattern) = (&SHAPES[shape], &self.patterns[shape]);
        if mark < *words && shape.check == Check::Drawn {
            return None;
        }
        let start = begins(text, shape, mark)?;
        let window = &text[mark..text.floor_char_boundary(mark.saturating_add(WINDOW))];
        let mut end = mark + pattern.find(window)?.end();
        if end - mark == window.len() {
            end += text[end..].bytes().take_while(|byte| is_token(*byte)).count();
        }
        let is_secret = match shape.check {
            Check::None => true,
            Check::Drawn if looks_like_words(&text[start..end], LONGEST_WORD_OF_KEY) => {
                *words = end;
                false
            }
            Check::Drawn => true,
            Check::Ends => !text[end..].starts_with(|c: char| c.is_ascii_alphanumeric()),
        };
        is_secret.then_some(start..end)
    }
}

fn search(marks: &[&str]) -> AhoCorasick {
    let mut builder = AhoCorasick::builder();
    let builder = builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA));
    let builder = builder.match_kind(MatchKind::LeftmostLongest);
    builder.build(marks).expect("the marks fit an automaton")
}

/// Where a secret begins that has its mark here, unless the mark is in the middle of a word.
fn begins(text: &str, shape: &Shape, mark: usize) -> Option<usize> {
    let before = &text.as_bytes()[..mark];
    let Some(rule) = &shape.before else {
        return (!ends_in_word(before)).then_some(mark);
    };
    let count = before.iter().rev().take(rule.most + 1).take_while(|byte| (rule.is_part)(**byte)).count();
    (rule.least..=rule.most).contains(&count).then_some(mark - count)
}

/// Whether a text ends within a word, and not with an escaped character.
fn ends_in_word(before: &[u8]) -> bool {
    match before {
        [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f'] => false,
        [.., b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => false,
        [.., b'\\', b'u', a, b, c, d] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => false,
        [.., last] => last.is_ascii_alphanumeric() && !ends_in_colour(before),
        [] => false,
    }
}

/// Whether a text ends with what sets the colour of a terminal, as in `\x1b[31m`, as it is or escaped.
pub(crate) fn ends_in_colour(before: &[u8]) -> bool {
    let Some(before) = before.strip_suffix(b"m") else { return false };
    let is_number = |byte: &&u8| byte.is_ascii_digit() || matches!(byte, b';' | b':');
    let numbers = before.iter().rev().take(LONGEST_COLOUR).take_while(is_number).count();
    let begin = before[..before.len() - numbers].strip_suffix(b"[");
    let escapes: [&[u8]; 5] = [b"\x1b", b"u001b", b"x1b", b"033", b"\\e"];
    begin.is_some_and(|begin| {
        let ends_with = |escape: &&[u8]| {
            let end = begin.len().checked_sub(escape.len()).map(|from| &begin[from..]);
            end.is_some_and(|end| end.eq_ignore_ascii_case(escape))
        };
        escapes.iter().any(ends_with)
    })
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

/// What follows `Bearer` or `Basic`, unless it is a word.
fn credentials(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = &text[at..text.floor_char_boundary(at.saturating_add(WINDOW))];
    let secret = rest.trim_start_matches([' ', '\t', '\r', '\n', ':', '=', '+']);
    let secret = secret.strip_prefix("%20").unwrap_or(secret);
    let start = at + rest.len() - secret.len();
    let length = text[start..].bytes().take_while(|byte| is_token(*byte)).count();
    let is_secret =
        start > at && length >= 8 && !looks_like_words(text.get(start..start + length)?, LONGEST_WORD);
    is_secret.then_some(start..start + length)
}

/// A whole block of PEM, up to the end of the text if it has none of its own.
fn pem(text: &str, begin: Range<usize>) -> Option<Range<usize>> {
    const DASHES: &str = "-----";
    let is_label = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ';
    let label = text[begin.end..].bytes().take(64).take_while(|byte| is_label(*byte)).count();
    let body = begin.end + label;
    if label == 0 || !text[body..].starts_with(DASHES) {
        return None;
    }
    let body = body + DASHES.len();
    let end = text[body..].find("-----END ").map(|end| body + end + "-----END ".len());
    let end = end.and_then(|end| text[end..].find(DASHES).map(|dashes| end + dashes + DASHES.len()));
    Some(begin.start..end.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_shape_has_a_name_of_its_own_and_a_pattern_that_begins_with_its_marks() {
        prepare();
        let names: HashSet<&str> = SHAPES.iter().map(|shape| shape.name).collect();
        assert_eq!(names.len(), SHAPES.len());
        let all = SHAPES.iter().flat_map(|shape| shape.marks.iter().map(move |mark| (shape.name, *mark)));
        let marks: HashSet<&str> = all.clone().map(|(_, mark)| mark).collect();
        assert_eq!(marks.len(), all.count(), "a mark stands for one shape");
    }
}
