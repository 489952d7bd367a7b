//! Takes secrets out of text before it leaves the process.
//!
//! What a workflow says of itself (spans, logs, labels, errors) is read by more people than its data. Everything that is
//! told goes through here, and what has the shape of a secret is replaced by `[redacted]`:
//!
//! - keys, tokens and webhooks of well-known providers, by their prefixes (`shapes.rs` lists them);
//! - JSON web tokens, PEM blocks, and what follows `Bearer` or `Basic`;
//! - what a name says is a secret (`password=`, `"api_key":`, `--token`), in queries, JSON, JSON within JSON, YAML,
//!   environment files, headers and markup;
//! - passwords in URLs, numbers of payment cards, and addresses of mail.
//!
//! A secret without a shape and without a name cannot be told from other text; [`add_rule`] takes what only the
//! application knows.
//!
//! # Cost
//! A text is passed over once, for the beginnings of all shapes together, and looked at closely only where one is found.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod addresses;
mod cards;
mod cut;
mod named;
mod rule;
mod scan;
mod shapes;
mod values;
mod words;

use std::borrow::Cow;

pub use cut::bounded;
pub use rule::{RuleIsSet, add_rule};

/// What stands in the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// How long the message of an error is at most, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1_024;
/// How long the chain of causes is at most, in bytes.
pub const MAX_CHAIN_BYTES: usize = 8_192;

/// How often a text is looked at again after something was replaced: what is left may have come to look like a secret.
const MAX_ROUNDS: usize = 8;

/// The text with every secret replaced that has a known shape, or one that the [rule](add_rule) of the application knows.
///
/// ```
/// assert_eq!(tta_redact::secrets("GET /v1?api_key=hunter22&x=1"), "GET /v1?api_key=[redacted]&x=1");
/// assert_eq!(tta_redact::secrets("gpt-4o-2024-08-06 took 1.2 s"), "gpt-4o-2024-08-06 took 1.2 s");
/// ```
pub fn secrets(text: &str) -> Cow<'_, str> {
    let mut shown = Cow::Borrowed(text);
    for _ in 0..MAX_ROUNDS {
        let ranges = scan::secrets(&shown);
        if ranges.is_empty() {
            break;
        }
        shown = Cow::Owned(replaced(&shown, &ranges));
    }
    rule::apply(shown)
}

/// [`bounded`] for the value of a field, all of which is a secret if the name of the field says so.
///
/// ```
/// assert_eq!(tta_redact::field("db.password", "open sesame", 100), "[redacted]");
/// assert_eq!(tta_redact::field("prompt_tokens", "512", 100), "512");
/// ```
pub fn field(name: &str, text: &str, longest: usize) -> String {
    if !text.is_empty() && is_secret(name, text) {
        return REDACTED.to_owned();
    }
    bounded(text, longest)
}

/// Whether the name of a field says that this value of it is a secret.
///
/// A `token` is one unless it is made of words: parsers have tokens too.
#[must_use]
pub fn is_secret(name: &str, text: &str) -> bool {
    match scan::names_secret(name) {
        Some(named::Kind::Token) => !words::looks_like_words(text, words::LONGEST_WORD),
        Some(_) => true,
        None => false,
    }
}

/// Compiles the shapes, which takes milliseconds, so that no step has to wait for it.
pub fn prepare() {
    scan::prepare();
}

fn replaced(text: &str, ranges: &[std::ops::Range<usize>]) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for range in ranges {
        shown.push_str(&text[from..range.start]);
        shown.push_str(REDACTED);
        from = range.end;
    }
    shown.push_str(&text[from..]);
    shown
}
