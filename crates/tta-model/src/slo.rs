//! When an error budget is spent too fast, for the program that counts and for the server that is told.
//!
//! The rules are those of the Site Reliability Workbook, chapter 5. Each looks at two windows: the long one says that it matters,
//! the short one that it still goes on.

use std::time::Duration;

use crate::Text;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// What is above a threshold by no more than this part was rounded: an allowance of 0.1 is not a binary fraction.
const ROUNDING: f64 = 1e-9;

/// The units of the labels of windows, the largest first, in seconds.
const UNITS: [(u64, char); 4] = [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')];

/// How soon somebody has to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// In the next days.
    Ticket,
    /// Now.
    Page,
}

impl Urgency {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
            Self::Page => "page",
        }
    }
}

/// A part of an error budget that is gone too soon, and the windows that say so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurnRule {
    /// How soon somebody has to look.
    pub urgency: Urgency,
    /// The part of the budget, from 0 to 1.
    pub consumption: f64,
    /// The time in which it is gone.
    pub long: Duration,
    /// The time in which it must still go on.
    pub short: Duration,
}

/// The rules: over 30 days their burn rates are 14.4, 6 and 1.
pub const BURN_RULES: [BurnRule; 3] = [
    BurnRule { urgency: Urgency::Page, consumption: 0.02, long: HOUR, short: MINUTE.saturating_mul(5) },
    BurnRule {
        urgency: Urgency::Page,
        consumption: 0.05,
        long: HOUR.saturating_mul(6),
        short: MINUTE.saturating_mul(30),
    },
    BurnRule {
        urgency: Urgency::Ticket,
        consumption: 0.1,
        long: HOUR.saturating_mul(72),
        short: HOUR.saturating_mul(6),
    },
];

impl BurnRule {
    /// The burn rate above which the budget of an objective is spent too fast, by the objective's own window; none if the rule
    /// does not apply, because its long window is longer than that. It is at least 1: a budget that is spent at 1 lasts as long
    /// as it should.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use tta_model::slo::BURN_RULES;
    ///
    /// let day = Duration::from_secs(24 * 3_600);
    /// let rounded = |rate: f64| (rate * 1e9).round() / 1e9;
    /// assert_eq!(BURN_RULES[0].threshold(30 * day).map(rounded), Some(14.4));
    /// assert_eq!(BURN_RULES[2].threshold(day), None);
    /// ```
    #[must_use]
    pub fn threshold(&self, window: Duration) -> Option<f64> {
        let threshold = self.consumption * window.as_secs_f64() / self.long.as_secs_f64();
        (self.long <= window).then_some(threshold.max(1.0))
    }
}

/// Whether a burn rate is above a threshold, and not only by what was rounded.
#[must_use]
pub fn is_above(rate: f64, threshold: f64) -> bool {
    rate > threshold * (1.0 + ROUNDING)
}

/// The label of a window: its length in the largest unit that gives a whole number, such as `5m`, `6h` or `30d`.
#[must_use]
pub fn window_label(window: Duration) -> Text {
    let seconds = window.as_secs();
    let (unit, letter) =
        UNITS.into_iter().find(|(unit, _)| seconds.is_multiple_of(*unit)).unwrap_or((1, 's'));
    format!("{}{letter}", seconds / unit).into()
}

/// The window that has a label; none if it is no label of a window.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tta_model::slo::{window_label, window_of};
///
/// assert_eq!(window_of("6h"), Some(Duration::from_secs(6 * 3_600)));
/// assert_eq!(window_of(&window_label(Duration::from_secs(301))), Some(Duration::from_secs(301)));
/// assert_eq!(window_of("soon"), None);
/// ```
#[must_use]
pub fn window_of(label: &str) -> Option<Duration> {
    let letter = label.chars().next_back()?;
    let (unit, _) = UNITS.into_iter().find(|(_, known)| *known == letter)?;
    let number = &label[..label.len() - letter.len_utf8()];
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = is_number.then(|| number.parse().ok()).flatten()?;
    number.checked_mul(unit).map(Duration::from_secs)
}
