//! Cuts texts without showing half of a secret.

use crate::secrets;

/// How much beside a cut is not shown, in bytes; most secrets are shorter.
const MARGIN: usize = 1_024;

/// How often a cut text is looked at again: where it was cut, what is left may have come to look like a secret.
const MAX_ROUNDS: usize = 4;

/// The text without secrets, cut at a character so that it has at most that many bytes.
///
/// ```
/// assert_eq!(tta_redact::bounded("redis://user:hunter2@host/0", 23), "redis://user:[redacted]");
/// ```
pub fn bounded(text: &str, longest: usize) -> String {
    // What lies far beyond the cut is not looked at, so that a huge message costs no more than a long one.
    let looked_at = &text[..text.floor_char_boundary(longest.saturating_add(2 * MARGIN))];
    let mut shown = secrets(looked_at).into_owned();
    // Half of a secret may not look like one: where the text was cut, what is next to the cut goes too.
    let sure = if looked_at.len() < text.len() { shown.len().saturating_sub(MARGIN) } else { shown.len() };
    let most = longest.min(sure);
    for _ in 0..MAX_ROUNDS {
        if shown.len() <= most {
            break;
        }
        shown.truncate(shown.floor_char_boundary(most));
        shown = secrets(&shown).into_owned();
    }
    shown.truncate(shown.floor_char_boundary(most));
    shown
}
