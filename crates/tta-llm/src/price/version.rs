//! Which names of models are the same model.
//!
//! A provider calls one model by many names: `gpt-4o`, `gpt-4o-2024-08-06`, `gemini-2.5-pro-preview-05-06`,
//! `claude-3-5-sonnet-v2@20241022`. Another model may have a name that begins in the same way, `gpt-4o-mini`, and cost a
//! tenth. So what follows the name of a family must look like a version, and like nothing else.

/// Where a name can be cut.
const BOUNDARIES: [char; 3] = ['-', '@', ':'];

/// What a provider calls the current version, or one that is not final.
const STAGES: [&str; 4] = ["latest", "preview", "experimental", "exp"];

/// A name without the folders before it (`models/`, `openai/`), in lower case.
pub(super) fn normal(name: &str) -> String {
    name.trim().rsplit('/').next().unwrap_or_default().to_ascii_lowercase()
}

/// The beginnings of a name that may be the name of a family, the longest first, each with what follows it.
pub(super) fn families(name: &str) -> impl Iterator<Item = (&str, &str)> {
    let cuts = name.char_indices().rev().filter(|(_, letter)| BOUNDARIES.contains(letter));
    std::iter::once(name.len()).chain(cuts.map(|(offset, _)| offset)).map(|offset| name.split_at(offset))
}

/// Whether what follows the name of a family is nothing, or a version of it.
pub(super) fn is_version(rest: &str) -> bool {
    let mut rest = rest;
    let mut is_staged = false;
    while !rest.is_empty() {
        let Some(step) = step(rest, is_staged) else { return false };
        is_staged = STAGES.contains(&&rest[1..step]);
        rest = &rest[step..];
    }
    true
}

/// How long the first part of a version is, with the boundary before it; none if it is not a part of a version.
fn step(rest: &str, is_staged: bool) -> Option<usize> {
    let boundary = rest.chars().next().filter(|letter| BOUNDARIES.contains(letter))?;
    let body = &rest[1..];
    let ends = |length: usize| body.len() == length || body[length..].starts_with(BOUNDARIES);
    let is_part = |length: usize| body.is_char_boundary(length) && ends(length);
    // The longer forms first: a day has a month and a year in it.
    let dated = [(10, "dddd-dd-dd"), (7, "dd-dddd"), (5, "dd-dd"), (8, "dddddddd"), (4, "dddd")];
    for (length, form) in dated {
        let is_day = body.len() >= length && is_part(length) && fits(&body[..length], form);
        // A month and a day without a year are told from a version number by what is before them.
        if is_day && is_date(&body[..length]) && (is_staged || form != "dd-dd") {
            return Some(1 + length);
        }
    }
    let length = body.find(BOUNDARIES).unwrap_or(body.len());
    let word = &body[..length];
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_revision = word.len() == 3 && word.starts_with('0') && is_number(word);
    let is_numbered = word.strip_prefix('v').is_some_and(is_number) || (boundary == ':' && is_number(word));
    (STAGES.contains(&word) || is_revision || is_numbered).then_some(1 + length)
}

/// Whether a text has digits where the form has `d`, and is the form elsewhere.
fn fits(text: &str, form: &str) -> bool {
    text.bytes()
        .zip(form.bytes())
        .all(|(byte, form)| if form == b'd' { byte.is_ascii_digit() } else { byte == form })
}

/// Whether digits can be a date in one of the orders that providers use.
fn is_date(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|letter| letter.to_digit(10)).collect();
    let number = |from: usize, to: usize| digits[from..to].iter().fold(0, |sum, digit| sum * 10 + digit);
    let is_year = |year: u32| (2020..2100).contains(&year);
    let is_month = |month: u32| (1..=12).contains(&month);
    let is_day = |day: u32| (1..=31).contains(&day);
    match (text.len(), digits.len()) {
        (_, 8) => is_year(number(0, 4)) && is_month(number(4, 6)) && is_day(number(6, 8)),
        (7, _) => is_month(number(0, 2)) && is_year(number(2, 6)),
        // A month and a day (`0613`), or without a line between them a year and a month (`2512`).
        (length, _) => {
            let (first, second) = (number(0, 2), number(2, 4));
            is_month(first) && is_day(second) || length == 4 && (23..40).contains(&first) && is_month(second)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_family_is_a_version_or_another_model() {
        let check = |rest: &str, expect: bool| assert_eq!(is_version(rest), expect, "{rest}");
        for rest in [
            "",
            "-2024-08-06",
            "-20250514",
            "-latest",
            "-preview",
            "-preview-05-20",
            "-preview-09-2025",
            "-001",
            "-exp",
            "-exp-03-25",
            "@20240229",
            ":latest",
            "-v1:0",
            "-20241022-v2:0",
            "-v2@20241022",
            "-0613",
            "-2512",
            "-08-2024",
            "-preview-2025-02-27",
            "@001",
        ] {
            check(rest, true);
        }
        for rest in [
            "-mini",
            "-audio-preview",
            ".1",
            "-5",
            "-4-5",
            "-32k",
            "-8192",
            "-32768",
            "-pro",
            "o",
            "-search-preview",
            "-2024-13-01",
            "-05-20",
            ":free",
            ":extended",
            "-preview-tts",
            "-exp-image",
            "-",
            "--",
            "-latest-",
            "-1",
            "-é",
            "-2024-08-0é",
            "-2024-08-06x",
        ] {
            check(rest, false);
        }
    }

    #[test]
    fn folders_and_case_do_not_matter() {
        let check = |name: &str, expect: &str| assert_eq!(normal(name), expect);
        check("models/gemini-2.5-pro", "gemini-2.5-pro");
        check("publishers/google/models/Gemini-2.5-Pro", "gemini-2.5-pro");
        check("openai/gpt-oss-120b", "gpt-oss-120b");
        check(" GPT-4o ", "gpt-4o");
        check("", "");
    }

    #[test]
    fn families_are_tried_from_the_longest_on() {
        let found: Vec<_> = families("gpt-4o-2024-08-06").map(|(family, _)| family).collect();
        assert_eq!(found, ["gpt-4o-2024-08-06", "gpt-4o-2024-08", "gpt-4o-2024", "gpt-4o", "gpt"]);
    }
}
