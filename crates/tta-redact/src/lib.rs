//! Takes secrets out of text before it leaves the process.
//!
//! What a workflow says of itself (spans, logs, labels, errors) is read by more people than its data. Everything that is
//! told goes through here, and what has the shape of a secret is replaced by `[redacted]`.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";

/// How much beside a cut is not shown, in bytes; most secrets are shorter.
const MARGIN: usize = 1_024;

/// How long the message of an error is at most, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1_024;
/// How long the chain of causes is at most, in bytes.
pub const MAX_CHAIN_BYTES: usize = 8_192;

/// The shapes of secrets. What a group `before` holds stays; what a group `plausible` holds is a secret only if it
/// does not look like words.
static SECRETS: LazyLock<Regex> = LazyLock::new(|| {
    let shapes = [
        // A whole PEM block.
        r"-----BEGIN [A-Z ]+-----[\s\S]*?(?:-----END [A-Z ]+-----|$)",
        // JSON web tokens.
        r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*",
        // Keys with the prefixes of well-known providers.
        r"\b(?P<plausible_key>(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16,})",
        r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{20,}|\bAIza[A-Za-z0-9_-]{30,}|\bxox[abprs]-[A-Za-z0-9-]{10,}",
        // Headers.
        r"(?i)(?P<before_credentials>\b(?:bearer|basic)\s+)(?P<plausible_credentials>[A-Za-z0-9+/=._~-]{8,})",
        // Queries and settings that name a secret, perhaps with words before as in `DB_PASSWORD`.
        r#"(?i)(?P<before_value>\b[\w-]*?(?:api[-_]?key|access[-_]?key|private[-_]?key|secret|password|passwd|pwd)[\\"']{0,2}\s*[=:]\s*)(?:"[^"]{4,}"|'[^']{4,}'|[\\"']{0,2}[^\s"'&,;]{4,})"#,
        r#"(?i)(?P<before_token>\b[\w-]*?token[\\"']{0,2}\s*[=:]\s*)(?P<plausible_token>"[^"]{4,}"|'[^']{4,}'|[\\"']{0,2}[^\s"'&,;]{4,})"#,
        // Passwords in URLs.
        r"(?P<before_password>\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(?P<after_password>@)",
    ];
    Regex::new(&shapes.join("|")).expect("the shapes are valid")
});

/// The text with every secret replaced that has a known shape.
pub fn secrets(text: &str) -> Cow<'_, str> {
    SECRETS.replace_all(text, |found: &Captures<'_>| {
        let all = found.get(0).map_or("", |all| all.as_str());
        let one_of =
            |names: &[&str]| names.iter().find_map(|name| found.name(name)).map(|found| found.as_str());
        let plausible = one_of(&["plausible_key", "plausible_credentials", "plausible_token"]);
        if plausible.is_some_and(looks_like_words) {
            return all.to_owned();
        }
        let before =
            one_of(&["before_credentials", "before_value", "before_token", "before_password"]).unwrap_or("");
        let after = one_of(&["after_password"]).unwrap_or("");
        let secret = &all[before.len()..all.len() - after.len()];
        let open = secret.len() - secret.trim_start_matches(QUOTES).len();
        let close = secret.trim_end_matches(QUOTES).len().max(open);
        format!("{before}{}{REDACTED}{}{after}", &secret[..open], &secret[close..])
    })
}

/// The text without secrets, cut at a character so that it has at most that many bytes.
pub fn bounded(text: &str, longest: usize) -> String {
    // What lies far beyond the cut is not looked at, so that a huge message costs no more than a long one.
    let looked_at = &text[..text.floor_char_boundary(longest.saturating_add(2 * MARGIN))];
    let mut shown = secrets(looked_at).into_owned();
    // Half of a secret may not look like one: where the text was cut, what is next to the cut goes too.
    let sure = if looked_at.len() < text.len() { shown.len().saturating_sub(MARGIN) } else { shown.len() };
    shown.truncate(shown.floor_char_boundary(longest.min(sure)));
    shown
}

/// [`bounded`] for the value of a field, all of which is a secret if the name of the field says so.
pub fn field(name: &str, text: &str, longest: usize) -> String {
    let is_named = secrets(&format!("{name}=a1B2c3D4")).contains(REDACTED);
    let may_be_words = name.to_ascii_lowercase().ends_with("token") && looks_like_words(text);
    if is_named && !may_be_words && !text.is_empty() {
        return REDACTED.to_owned();
    }
    bounded(text, longest)
}

/// Compiles the shapes, which takes milliseconds, so that no step has to wait for it.
pub fn prepare() {
    LazyLock::force(&SECRETS);
}

/// What may stand around a value, also within a quoted text.
const QUOTES: [char; 3] = ['\\', '"', '\''];

/// Whether a text has neither digits nor capitals inside its words, as what people write and unlike what
/// machines draw.
fn looks_like_words(text: &str) -> bool {
    let is_word = |word: &str| word.len() <= 20 && !word.chars().skip(1).any(char::is_uppercase);
    !text.contains(|c: char| c.is_ascii_digit() || "+/=".contains(c))
        && text.split(|c: char| !c.is_alphabetic()).all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced_and_the_rest_stays() {
        let check = |text: &str, expect: &str| assert_eq!(secrets(text), expect, "{text}");
        check("connection refused by 10.0.0.1:443", "connection refused by 10.0.0.1:443");
        check("Authorization: Bearer abcdef0123456789", "Authorization: Bearer [redacted]");
        check("key sk-abcdefghijklmnop1234 is bad", "key [redacted] is bad");
        check("GET /v1?api_key=hunter22&x=1", "GET /v1?api_key=[redacted]&x=1");
        check("redis://user:hunter2@host/0", "redis://user:[redacted]@host/0");
        check("jwt eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl!", "jwt [redacted]!");
        check("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----.", "[redacted].");
        check("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic [redacted]");
    }

    #[test]
    fn the_name_of_a_secret_may_have_words_around_it() {
        let check = |text: &str, expect: &str| assert_eq!(secrets(text), expect, "{text}");
        check("DB_PASSWORD=hunter22 is wrong", "DB_PASSWORD=[redacted] is wrong");
        check("client_secret=a1b2c3d4&x=1", "client_secret=[redacted]&x=1");
        check("refresh_token: 0a1b2c3d", "refresh_token: [redacted]");
        check("aws_secret_access_key = wJalrXUt", "aws_secret_access_key = [redacted]");
        check(r#"{"userPassword":"open sesame", "n": 1}"#, r#"{"userPassword":"[redacted]", "n": 1}"#);
        check("pwd='let me in' failed", "pwd='[redacted]' failed");
    }

    #[test]
    fn the_name_of_a_field_may_say_that_it_is_a_secret() {
        let check =
            |name: &str, text: &str, expect: &str| assert_eq!(field(name, text, 100), expect, "{name}");
        check("password", "hunter2", "[redacted]");
        check("db.password", "open sesame, and more", "[redacted]");
        check("api_key", "\"x\"", "[redacted]");
        check("session_token", "0a1b2c3d", "[redacted]");
        check("token", "semicolon", "semicolon");
        check("prompt_tokens", "12345678", "12345678");
        check("message_id", "0a1b2c3d", "0a1b2c3d");
        check("password", "", "");
    }

    #[test]
    fn words_that_only_look_like_secrets_stay() {
        let benign = [
            "basic authentication is not supported",
            "Basic Authentication failed",
            "see the basic documentation",
            "the bearer certificate has expired",
            "unexpected token: identifier",
            "syntax error near token: `semicolon`",
            "prompt_tokens: 4096, completion_tokens: 512",
            "the token: expired yesterday",
            "sk-learn-compatible-estimator is not installed",
            "tokenizer=sentencepiece",
            "https://example.com:8080/a@b",
        ];
        benign.into_iter().for_each(|text| assert_eq!(secrets(text), text));
    }

    #[test]
    fn a_cut_shows_no_half_of_a_secret() {
        for before in 0..4_000 {
            let text =
                format!("{} redis://user:hunter2hunter2@host/0{}", "x".repeat(before), "y".repeat(9_000));
            let shown = bounded(&text, 1_000);
            assert!(shown.len() <= 1_000 && !shown.contains("hunter"), "{before}: {shown}");
        }
        assert_eq!(bounded("grüße", 3), "gr");
        assert_eq!(bounded("grüße", 4), "grü");
    }
}
