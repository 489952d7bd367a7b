//! What a name says is a secret: which names do, and how a value follows its name.

use std::ops::Range;

use crate::values::{self, Value};
use crate::words::{LONGEST_WORD, looks_like_words};

/// How strongly a name says that its value is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any value is.
    Any,
    /// Unless it is made of words: parsers have tokens too.
    Token,
    /// The scheme stays.
    Authorization,
    /// All pairs of the line.
    Cookie,
}

/// The names, whatever their case and whatever words stand before.
pub(crate) const NAMES: &[(&str, Kind)] = &[
    ("password", Kind::Any),
    ("passwd", Kind::Any),
    ("passphrase", Kind::Any),
    ("passcode", Kind::Any),
    ("pwd", Kind::Any),
    ("secret", Kind::Any),
    ("apikey", Kind::Any),
    ("api_key", Kind::Any),
    ("api-key", Kind::Any),
    ("api key", Kind::Any),
    ("accesskey", Kind::Any),
    ("access_key", Kind::Any),
    ("access-key", Kind::Any),
    ("access key", Kind::Any),
    ("accountkey", Kind::Any),
    ("account_key", Kind::Any),
    ("account-key", Kind::Any),
    ("privatekey", Kind::Any),
    ("private_key", Kind::Any),
    ("private-key", Kind::Any),
    ("private key", Kind::Any),
    ("signing_key", Kind::Any),
    ("signingkey", Kind::Any),
    ("encryption_key", Kind::Any),
    ("encryptionkey", Kind::Any),
    ("subscription-key", Kind::Any),
    ("subscriptionkey", Kind::Any),
    ("auth_key", Kind::Any),
    ("authkey", Kind::Any),
    ("credential", Kind::Token),
    ("signature", Kind::Token),
    ("?sig", Kind::Token),
    ("&sig", Kind::Token),
    ("token", Kind::Token),
    ("authorization", Kind::Authorization),
    ("cookie", Kind::Cookie),
];

/// What may follow in a name that still names a secret: the name of a key, a second one, a part of it.
const ENDINGS: [&str; 10] =
    ["_key_base", "_key", "-key", " key", "key", "_value", "value", "_hash", "_confirmation", "_text"];

/// How a value follows its name.
enum Link {
    /// By `=`, `:` or the like.
    Sign,
    /// By a word or a comma, which stand after names for other reasons too.
    Loose,
}

/// The value that follows a name, if it is a secret; `name` is where the name is.
pub(crate) fn value(text: &str, name: &Range<usize>, kind: Kind) -> Option<Range<usize>> {
    let (at, link) = link(text, name)?;
    let value = match kind {
        Kind::Authorization | Kind::Cookie => values::line(text, at),
        Kind::Any | Kind::Token => values::read(text, at, starts_line(text, name, at)),
    };
    let shown = &text[value.range()];
    if values::is_endless(&value.range()) {
        return Some(value.range());
    }
    if values::is_placeholder(shown, &value) {
        return None;
    }
    let words = looks_like_words(shown, LONGEST_WORD);
    match kind {
        Kind::Authorization => return values::credentials(text, value.range()),
        Kind::Cookie => return shown.contains('=').then(|| value.range()),
        Kind::Token if words => return None,
        Kind::Any if words && matches!(link, Link::Loose) => return None,
        Kind::Any | Kind::Token => {}
    }
    Some(value.range())
}

/// Whether a name ends with what says that it names a secret; `end` is where that ends.
pub(crate) fn ends_with(name: &str, end: usize) -> bool {
    after_name(name, end) == name.len()
}

/// Behind the rest of a name.
fn after_name(text: &str, end: usize) -> usize {
    let mut at = end;
    for _ in 0..2 {
        let rest = &text.as_bytes()[at..];
        let ending = ENDINGS.iter().find(|ending| {
            rest.get(..ending.len()).is_some_and(|rest| rest.eq_ignore_ascii_case(ending.as_bytes()))
        });
        at += ending.map_or(0, |ending| ending.len());
        at += text[at..].len() - text[at..].trim_start_matches(|c: char| c.is_ascii_digit()).len();
    }
    let is_plural = text[at..].starts_with(['s', 'S']) && ends_with_credential(&text.as_bytes()[..at]);
    at + usize::from(is_plural)
}

/// The one name that is mostly used for several.
fn ends_with_credential(text: &[u8]) -> bool {
    const NAME: &[u8] = b"credential";
    text.last_chunk::<{ NAME.len() }>().is_some_and(|end| end.eq_ignore_ascii_case(NAME))
}

/// Where a value begins, and how it is linked with its name.
fn link(text: &str, name: &Range<usize>) -> Option<(usize, Link)> {
    let at = after_name(text, name.end);
    let rest = &text[at..];
    let unquoted = rest.strip_prefix(']').unwrap_or(rest);
    let unquoted = values::strip_any(unquoted, &["%22", "%27", "%5D", "%5d"]);
    let unquoted = unquoted.trim_start_matches('\\').trim_start_matches(['"', '\'', '`']);
    let is_quoted = unquoted.len() < rest.len();
    let rest = unquoted.trim_start_matches([' ', '\t']);
    let behind = |rest: &str, link| Some((text.len() - rest.len(), link));
    if let Some(value) = values::strip_sign(rest) {
        return behind(value, Link::Sign);
    }
    if let Some(value) = rest.strip_prefix(',').filter(|_| is_quoted) {
        return behind(values::strip_value_name(value), Link::Loose);
    }
    // In this order: what precedes a name without a space behind it may be the whole text, for every name in it.
    if rest.len() < unquoted.len() && is_option(&text[..name.start]) {
        return behind(rest, Link::Sign);
    }
    if let Some(value) = rest.strip_prefix('>') {
        return behind(value, Link::Loose);
    }
    let value = ["is ", "was ", "are "].iter().find_map(|word| rest.strip_prefix(word));
    behind(value.filter(|_| rest.len() < unquoted.len())?, Link::Loose)
}

/// Whether the name is that of an option of a program, as in `--password hunter2`.
fn is_option(before: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    before[before.trim_end_matches(is_name).len()..].starts_with("--")
}

/// Whether a setting begins its line, as in a file for the environment or in YAML: then no mark but a space ends its
/// value. A form has its names and values in one line, joined by marks.
fn starts_line(text: &str, name: &Range<usize>, value: usize) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let before = text[..name.start].trim_end_matches(is_name);
    let is_variable = !text[before.len()..name.end].contains(|c: char| c.is_ascii_lowercase());
    let is_yaml = text[..value].ends_with(':') && text[value..].starts_with(' ');
    let before = before.trim_end_matches([' ', '\t']);
    let before = before.strip_suffix("export").unwrap_or(before).trim_end_matches([' ', '\t']);
    (is_variable || is_yaml) && (before.is_empty() || before.ends_with('\n'))
}

impl Value {
    pub(crate) fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}
