//! Takes secrets out of text before it leaves the process.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";

/// How much beside a cut is not shown, in bytes; most secrets are shorter.
const MARGIN: usize = 1_024;

/// How long the message of an error is at most, in bytes.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1_024;
/// How long the chain of causes is at most, in bytes.
pub(crate) const MAX_CHAIN_BYTES: usize = 8_192;

/// The shapes of secrets. Where a shape has a group `keep`, that part stays.
static SECRETS: LazyLock<Regex> = LazyLock::new(|| {
    let shapes = [
        // A whole PEM block.
        r"-----BEGIN [A-Z ]+-----[\s\S]*?(?:-----END [A-Z ]+-----|$)",
        // JSON web tokens.
        r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*",
        // Keys with the prefixes of well-known providers.
        r"\b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{20,}|\bAIza[A-Za-z0-9_-]{30,}|\bxox[abprs]-[A-Za-z0-9-]{10,}",
        // Headers, queries and settings that name a secret.
        r#"(?i)(?P<keep>\b(?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{8,}"#,
        r#"(?i)(?P<named>\b(?:api[-_]?key|access[-_]?token|auth[-_]?token|secret|password|passwd|token)["']?\s*[=:]\s*["']?)[^\s"'&,;]{4,}"#,
        // Passwords in URLs.
        r"(?P<scheme>\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+@",
    ];
    Regex::new(&shapes.join("|")).expect("the shapes are valid")
});

/// The text with every secret replaced that has a known shape.
pub(crate) fn secrets(text: &str) -> Cow<'_, str> {
    SECRETS.replace_all(text, |found: &regex::Captures<'_>| {
        let kept = ["keep", "named", "scheme"].iter().find_map(|name| found.name(name));
        let host = if found.name("scheme").is_some() { "@" } else { "" };
        format!("{}{REDACTED}{host}", kept.map_or("", |kept| kept.as_str()))
    })
}

/// The text without secrets, cut at a character so that it has at most that many bytes.
pub(crate) fn bounded(text: &str, longest: usize) -> String {
    // What lies far beyond the cut is not looked at, so that a huge message costs no more than a long one.
    let looked_at = &text[..text.floor_char_boundary(longest.saturating_add(2 * MARGIN))];
    let mut shown = secrets(looked_at).into_owned();
    // Half of a secret may not look like one: where the text was cut, what is next to the cut goes too.
    let sure = if looked_at.len() < text.len() { shown.len().saturating_sub(MARGIN) } else { shown.len() };
    shown.truncate(shown.floor_char_boundary(longest.min(sure)));
    shown
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
