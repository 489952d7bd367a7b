//! Text that is safe and known in width.
//!
//! A name in a trace may come from another process. One with an escape sequence in it could move the
//! cursor and rewrite what the reader sees, and one with wide characters breaks the columns.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The text with every character that could control the terminal replaced.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains(is_control) {
        Cow::Owned(text.replace(is_control, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The text in exactly `columns` columns: filled with spaces, or cut with `…` at the end.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    let width = text.width();
    if width <= columns {
        return text.to_owned() + &" ".repeat(columns - width);
    }
    let mut cut = String::new();
    let mut taken = 0;
    for character in text.chars() {
        let next = taken + character.width().unwrap_or(0);
        // One column is kept for the ellipsis.
        if next >= columns {
            break;
        }
        cut.push(character);
        taken = next;
    }
    cut.push_str(if columns == 0 { "" } else { "…" });
    cut + &" ".repeat(columns.saturating_sub(taken + 1))
}

/// Control characters, and those that turn the direction of the text after them.
fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(character, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_controls_the_terminal() {
        let check = |text: &str, expect: &str| assert_eq!(clean(text), expect);
        check("plain größe 🎉", "plain größe 🎉");
        check("\u{1b}[2Jx\ny\u{202e}z", "\u{fffd}[2Jx\u{fffd}y\u{fffd}z");
    }

    #[test]
    fn every_text_fits() {
        let check = |text: &str, columns: usize, expect: &str| assert_eq!(fit(text, columns), expect);
        check("abc", 5, "abc  ");
        check("abc", 3, "abc");
        check("abcd", 3, "ab…");
        check("日本語", 6, "日本語");
        check("日本語", 5, "日本…");
        check("日本語", 4, "日… ");
        check("abc", 1, "…");
        check("abc", 0, "");
        check("", 2, "  ");
        // More than a format's width can be.
        check("", 70_000, &" ".repeat(70_000));
        check(&"a".repeat(70_001), 70_000, &format!("{}…", "a".repeat(69_999)));
    }
}
