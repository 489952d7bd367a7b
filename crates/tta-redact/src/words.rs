//! Tells what people write from what machines draw.

/// How long a word of people is at most.
pub(crate) const LONGEST_WORD: usize = 20;

/// Whether a text has neither digits nor capitals inside its words, as what people write and unlike what
/// machines draw.
pub(crate) fn looks_like_words(text: &str, longest: usize) -> bool {
    let is_word = |word: &str| word.len() <= longest && !word.chars().skip(1).any(char::is_uppercase);
    !text.contains(|c: char| c.is_ascii_digit() || "+/=".contains(c))
        && text.split(|c: char| !c.is_alphabetic()).all(is_word)
}
