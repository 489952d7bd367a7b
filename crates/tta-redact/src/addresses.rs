//! Passwords in URLs, and addresses of mail.

use std::ops::Range;

use crate::words::{LONGEST_WORD, looks_like_words};

/// How much of an address is looked at, in bytes.
const LONGEST: usize = 4_096;

/// Endings of files, which follow signs too, as in `map@2x.png`.
const FILES: [&str; 10] = ["png", "jpg", "jpeg", "gif", "webp", "svg", "pdf", "js", "css", "html"];

/// The password of a URL, or its user where that is a key; `at` is behind the two slashes, `before` at the colon.
pub(crate) fn password(text: &str, (before, at): (usize, usize)) -> Option<Range<usize>> {
    let has_scheme = text[..before].ends_with(|c: char| c.is_ascii_alphanumeric() || "+.-".contains(c));
    if !has_scheme {
        return None;
    }
    let rest = &text[at..text.floor_char_boundary(at.saturating_add(LONGEST))];
    let is_end = |c: char| c.is_whitespace() || c.is_control() || "\"'<>`/\\?#".contains(c);
    let authority = &rest[..rest.find(is_end).unwrap_or(rest.len())];
    // In a URL that is a part of another one, the marks are encoded.
    let is_encoded = text[..at].ends_with(|c: char| c.eq_ignore_ascii_case(&'f'));
    let (colon, sign) = if is_encoded { ("%3", "%40") } else { (":", "@") };
    let end = authority.rfind(sign)?;
    let start = match authority[..end].find(colon) {
        Some(colon) if is_encoded => colon + 3,
        Some(colon) => colon + 1,
        None if end >= 16 && !looks_like_words(&authority[..end], LONGEST_WORD) => 0,
        None => return None,
    };
    (start < end).then_some(at + start..at + end)
}

/// The address of mail around a sign; `sign` is where the sign is.
pub(crate) fn mail(text: &str, sign: &Range<usize>) -> Option<Range<usize>> {
    let is_local = |c: char| c.is_alphanumeric() || "._+-".contains(c);
    let before = &text[..sign.start];
    let local = before.char_indices().rev().take(64).take_while(|(_, c)| is_local(*c)).last();
    let mut start = local.map(|(at, _)| at)?;
    // A line break that is written as `\n` is not a part of the name.
    if before[..start].ends_with('\\') && before[start..].starts_with(['n', 'r', 't']) {
        start += 1;
    }
    let is_user_of_url = before[..start].ends_with("://") || before[..start].ends_with("%2F");
    if start == sign.start || is_user_of_url || &before[start..] == "git" {
        return None;
    }
    let after = &text[sign.end..text.floor_char_boundary(sign.end.saturating_add(256))];
    let is_domain = |c: char| c.is_alphanumeric() || ".-".contains(c);
    let domain = &after[..after.find(|c| !is_domain(c)).unwrap_or(after.len())];
    let domain = domain.trim_end_matches(['.', '-']);
    let (name, top) = domain.rsplit_once('.')?;
    let is_file = FILES.iter().any(|ending| top.eq_ignore_ascii_case(ending));
    let is_domain = !is_file
        && !name.is_empty()
        && !name.starts_with(['.', '-'])
        && top.chars().count() >= 2
        && top.chars().all(char::is_alphabetic);
    is_domain.then_some(start..sign.end + domain.len())
}
