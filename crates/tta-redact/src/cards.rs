//! The numbers of payment cards: 13 to 19 digits, in one group or in those that cards have, with the prefix of an issuer and
//! the right check digit. Order numbers and moments have neither.

use std::ops::Range;

use crate::scan::ends_in_colour;

/// How many digits a group has that every number of a card contains; so every so many bytes one is looked at.
const STRIDE: usize = 4;

/// Groups of digits as they are printed on cards.
const GROUPS: [&[usize]; 8] = [
    &[4, 4, 4, 4, 3],
    &[4, 4, 4, 4, 2],
    &[4, 4, 4, 4],
    &[4, 6, 5],
    &[4, 6, 4],
    &[4, 4, 5],
    &[6, 13],
    &[8, 8],
];

/// Adds where numbers of cards are.
pub(crate) fn find(text: &str, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let mut at = STRIDE - 1;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += STRIDE;
            continue;
        }
        let run = run(bytes, at);
        if run.len() >= 13 && stands_alone(bytes, &run) {
            in_run(bytes, &run, found);
        }
        at = run.end + STRIDE - 1;
    }
}

/// The digits around a place, with single spaces or dashes between them.
fn run(bytes: &[u8], at: usize) -> Range<usize> {
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let is_gap = |at: usize| matches!(bytes.get(at), Some(b' ' | b'-'));
    let (mut start, mut end) = (at, at + 1);
    while start > 0 {
        match () {
            () if is_digit(start - 1) => start -= 1,
            () if start > 1 && is_gap(start - 1) && is_digit(start - 2) => start -= 2,
            () => break,
        }
    }
    loop {
        match () {
            () if is_digit(end) => end += 1,
            () if is_gap(end) && is_digit(end + 1) => end += 2,
            () => return start..end,
        }
    }
}

/// Whether digits are not a part of something longer, such as a hash or a fraction.
fn stands_alone(bytes: &[u8], run: &Range<usize>) -> bool {
    let escaped =
        run.start > 1 && bytes[run.start - 2] == b'\\' && matches!(bytes[run.start - 1], b'n' | b'r' | b't');
    let encoded = run.start > 2
        && bytes[run.start - 3] == b'%'
        && bytes[run.start - 2..run.start].iter().all(u8::is_ascii_hexdigit);
    let before = run.start.checked_sub(1).map(|at| bytes[at]);
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
    let after = bytes.get(run.end).is_some_and(u8::is_ascii_alphabetic);
    let coloured = ends_in_colour(&bytes[..run.start]);
    (escaped || encoded || coloured || !before.is_some_and(is_part)) && !after
}

fn in_run(bytes: &[u8], run: &Range<usize>, found: &mut Vec<Range<usize>>) {
    let groups: Vec<Range<usize>> = groups(bytes, run);
    let mut first = 0;
    while first < groups.len() {
        let card = card_at(bytes, &groups[first..]);
        if let Some(count) = card {
            found.push(groups[first].start..groups[first + count - 1].end);
        }
        first += card.unwrap_or(1);
    }
}

fn groups(bytes: &[u8], run: &Range<usize>) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let mut start = run.start;
    for at in run.clone().chain([run.end]) {
        if at == run.end || !bytes[at].is_ascii_digit() {
            groups.push(start..at);
            start = at + 1;
        }
    }
    groups
}

/// How many groups from the first one on are the number of a card.
fn card_at(bytes: &[u8], groups: &[Range<usize>]) -> Option<usize> {
    if groups[0].len() >= 13 && is_card(bytes, &groups[..1]) {
        return Some(1);
    }
    let shaped = |shape: &&&[usize]| {
        let same =
            shape.len() <= groups.len() && shape.iter().zip(groups).all(|(n, group)| *n == group.len());
        same && is_card(bytes, &groups[..shape.len()])
    };
    GROUPS.iter().find(shaped).map(|shape| shape.len())
}

fn is_card(bytes: &[u8], groups: &[Range<usize>]) -> bool {
    let digits: Vec<u8> =
        groups.iter().flat_map(|group| &bytes[group.clone()]).map(|digit| digit - b'0').collect();
    (13..=19).contains(&digits.len()) && has_issuer(&digits) && has_check_digit(&digits)
}

/// The prefixes of the issuers, and the lengths that their numbers have.
fn has_issuer(digits: &[u8]) -> bool {
    let prefix = |count: usize| digits[..count].iter().fold(0_u32, |sum, digit| sum * 10 + u32::from(*digit));
    let (two, three, four, length) = (prefix(2), prefix(3), prefix(4), digits.len());
    match two {
        // Visa.
        40..=49 => matches!(length, 13 | 16 | 19),
        // Mastercard.
        51..=55 => length == 16,
        22..=27 if (2221..=2720).contains(&four) => length == 16,
        // American Express.
        34 | 37 => length == 15,
        // Diners Club.
        36 | 38 | 39 => (14..=19).contains(&length),
        30 if (300..=305).contains(&three) || four == 3095 => (14..=19).contains(&length),
        // JCB.
        35 if (3528..=3589).contains(&four) => length >= 16,
        // Discover and UnionPay.
        60 if four == 6011 => length >= 16,
        64 if three >= 644 => length >= 16,
        62 | 65 | 81 => length >= 16,
        // Maestro.
        _ => matches!(four, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763),
    }
}

/// Whether the last digit fits the others, by the formula of Luhn.
fn has_check_digit(digits: &[u8]) -> bool {
    let value = |(place, digit): (usize, &u8)| match (place % 2, u32::from(*digit)) {
        (0, digit) => digit,
        (_, digit) if digit > 4 => digit * 2 - 9,
        (_, digit) => digit * 2,
    };
    digits.iter().rev().enumerate().map(value).sum::<u32>() % 10 == 0
}
