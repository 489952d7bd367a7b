//! Reads the values that follow names: quoted at any depth, up to a mark, or to the end of the line.

use std::ops::Range;

use crate::REDACTED;
use crate::words::{LONGEST_WORD, looks_like_words};

/// How long a value without quotes is at most; what is longer is a secret, whatever it looks like.
const LONGEST: usize = 4_096;
/// How short a value is that is not worth to hide.
const SHORTEST: usize = 4;
/// How much may open before the quote of a value, in bytes.
const OPENING: usize = 40;

/// How deep objects are looked into for the value of a name.
const DEEPEST: usize = 4;

/// What stands where a value is not told, or in a program where its type is.
const PLACEHOLDERS: [&str; 18] = [
    "null",
    "none",
    "some(",
    "true",
    "false",
    "undefined",
    "string",
    "&str",
    "option",
    "secretstring",
    "required",
    "optional",
    "number",
    "hidden",
    "masked",
    "redacted",
    "boolean",
    "varchar",
];

/// Whose members programs ask for secrets.
const HOLDERS: [&str; 8] = ["self.", "this.", "config.", "settings.", "args.", "process.", "os.", "env::"];

/// Before credentials, what stays of an authorization.
const SCHEMES: [&str; 7] = ["bearer", "basic", "token", "apikey", "digest", "negotiate", "aws4-hmac-sha256"];

/// A value, without its quotes.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) is_quoted: bool,
}

/// Reads a value, or the first one of an object. In a setting that begins its line, only a space ends it.
pub(crate) fn read(text: &str, at: usize, starts_line: bool) -> Value {
    let mut value = plain(text, at, starts_line);
    for _ in 0..DEEPEST {
        let is_key = value.is_quoted && text[at..value.start].contains('{');
        let behind = text[value.end..].trim_start_matches(['\\', '"', '\'', '`']).trim_start();
        let Some(inner) = behind.strip_prefix(':').filter(|_| is_key) else { break };
        value = plain(text, text.len() - inner.len(), false);
    }
    value
}

fn plain(text: &str, at: usize, starts_line: bool) -> Value {
    let start = opened(text, at);
    let rest = &text[start..];
    let depth = rest.bytes().take_while(|byte| *byte == b'\\').count();
    if let Some(quote @ (b'"' | b'\'' | b'`')) = rest.as_bytes().get(depth) {
        let start = start + depth + 1;
        // What was replaced before ends there, also where its quote has no other one.
        let behind = text[start..].strip_prefix(REDACTED);
        if behind.is_some_and(|behind| behind.is_empty() || behind.starts_with(['"', '\'', '`', '\\'])) {
            return Value { start, end: start + REDACTED.len(), is_quoted: true };
        }
        return Value { start, end: closing(text, start, (depth, *quote)), is_quoted: true };
    }
    let is_end = |c: char| c.is_whitespace() || "\"'`<>".contains(c) || (!starts_line && "&,;".contains(c));
    let mut end = rest.find(is_end).unwrap_or(rest.len());
    end = escaped_break(&rest[..end]).unwrap_or(end);
    // The quote that ends the value may itself be quoted.
    end = rest[..end].trim_end_matches('\\').len();
    // What closes behind a number in JSON, or behind what stands for one, is no part of it.
    let number = rest[..end].trim_end_matches(['}', ']']);
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if number == REDACTED.trim_end_matches(']') && rest.starts_with(REDACTED) {
        end = REDACTED.len();
    } else if is_number && !number.is_empty() {
        end = number.len();
    }
    Value { start, end: start + end, is_quoted: false }
}

/// Reads to the end of a quoted text, or of the line.
pub(crate) fn line(text: &str, at: usize) -> Value {
    let start = text.len() - text[at..].trim_start_matches([' ', '\t']).len();
    let value = read(text, start, false);
    if value.is_quoted {
        return value;
    }
    let rest = &text[start..];
    let is_digest = rest.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("digest"));
    let is_end = |c: char| c == '\n' || c == '\r' || (!is_digest && "\"'`".contains(c));
    let end = rest.find(is_end).unwrap_or(rest.len());
    let end = escaped_break(&rest[..end]).unwrap_or(end);
    Value { start, end: start + rest[..end].trim_end_matches('\\').len(), is_quoted: false }
}

/// The credentials of an authorization, behind its scheme.
pub(crate) fn credentials(text: &str, value: Range<usize>) -> Option<Range<usize>> {
    let (scheme, rest) = text[value.clone()].split_once([' ', '\t']).unwrap_or(("", &text[value.clone()]));
    let is_known = SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let secret = if is_known { rest.trim_start() } else { &text[value.clone()] };
    let is_words = looks_like_words(secret, LONGEST_WORD);
    let is_secret = secret.len() >= SHORTEST && secret != REDACTED && !is_words;
    is_secret.then_some(value.end - secret.len()..value.end)
}

/// Whether a value is none, or only stands for one.
pub(crate) fn is_placeholder(shown: &str, value: &Value) -> bool {
    let shown = if value.is_quoted { shown } else { shown.trim_end_matches([',', ';', ')']) };
    let lower = shown.trim_end_matches(['}', ']']).to_ascii_lowercase();
    let is_reference = (shown.starts_with("${") || shown.starts_with("{{") || shown.starts_with("$("))
        && (shown.ends_with('}') || shown.ends_with(')') || !value.is_quoted && !shown.contains('}'));
    let is_code =
        !value.is_quoted && (shown.ends_with('(') || HOLDERS.iter().any(|holder| lower.starts_with(holder)));
    shown.len() < SHORTEST
        || shown == REDACTED
        || PLACEHOLDERS.contains(&&*lower)
        || shown.chars().all(|c| "*x.-_•".contains(c))
        // A text that ends with a name and its sign: what follows is the JSON around it.
        || value.is_quoted && shown.chars().all(|c| "[]{},: \n\t".contains(c))
        || is_reference
        || is_code
}

/// Behind the sign between a name and its value.
pub(crate) fn strip_sign(rest: &str) -> Option<&str> {
    let is_compared = |rest: &&str| !rest.starts_with(['=', ':', '~']);
    let sign = ["=>", ":=", "%3D", "%3d", "%3A", "%3a"].iter().find_map(|sign| rest.strip_prefix(sign));
    sign.or_else(|| rest.strip_prefix(['=', ':']).filter(is_compared))
}

/// Behind the name of the value, as in `"name": "password", "value": "hunter2"`.
pub(crate) fn strip_value_name(rest: &str) -> &str {
    let marks = [' ', '\n', '\\', '"', '\''];
    let name = rest.trim_start_matches(marks);
    let behind = name.strip_prefix("value").map(|name| name.trim_start_matches(marks));
    behind.and_then(|name| name.strip_prefix(':')).unwrap_or(rest)
}

/// The text without one of these beginnings.
pub(crate) fn strip_any<'a>(text: &'a str, beginnings: &[&str]) -> &'a str {
    beginnings.iter().find_map(|beginning| text.strip_prefix(beginning)).unwrap_or(text)
}

/// Behind what opens before a value: spaces, brackets, the variant of an enum, the mark of a block in YAML.
fn opened(text: &str, at: usize) -> usize {
    let rest = text[at..].trim_start_matches([' ', '\t']);
    let next_line =
        Some(rest.trim_start()).filter(|next| next.trim_start_matches('\\').starts_with(['"', '\'']));
    let rest = next_line.unwrap_or(rest);
    let block = rest.strip_prefix(['|', '>']).map(|block| block.trim_start_matches(['-', '+']));
    if let Some(block) = block.filter(|block| block.starts_with(['\n', '\r'])) {
        return text.len() - block.trim_start().len();
    }
    let rest = rest.strip_prefix("!!str ").unwrap_or(rest);
    let near = &rest[..rest.floor_char_boundary(OPENING)];
    let inner = near.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "([{_:& \n\t".contains(c));
    let opening = &near[..near.len() - inner.len()];
    let inner = &rest[opening.len()..];
    let is_opening = opening.ends_with(['(', '[', '{', ' ', '\n', '\t']) && opening.contains(['(', '[', '{'])
        || matches!(opening, "b" | "r" | "u" | "f" | "&");
    let is_quoted = inner.trim_start_matches('\\').starts_with(['"', '\'', '`']);
    if is_opening && is_quoted { text.len() - inner.len() } else { text.len() - rest.len() }
}

/// Where a quoted value ends, that begins with so many backslashes and this quote.
fn closing(text: &str, start: usize, (depth, quote): (usize, u8)) -> usize {
    let mut backslashes = 0;
    for (at, byte) in text.bytes().enumerate().skip(start) {
        match byte {
            b'\\' => backslashes += 1,
            // A quote within the value has more backslashes than those around it, and not whole ones of its own.
            _ if byte == quote
                && (backslashes <= depth || (backslashes - depth) % (2 * (depth + 1)) == 0) =>
            {
                return at - backslashes.min(depth);
            }
            _ => backslashes = 0,
        }
    }
    text.len()
}

/// Where a text has the end of a line that is written as `\n`.
fn escaped_break(text: &str) -> Option<usize> {
    ["\\n", "\\r", "\\t"].iter().filter_map(|mark| text.find(mark)).min()
}

/// Whether a value is so long that nobody wrote it.
pub(crate) fn is_endless(value: &Range<usize>) -> bool {
    value.len() > LONGEST
}
