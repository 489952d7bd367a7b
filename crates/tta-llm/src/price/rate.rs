//! The price of a token, exactly.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// How many digits a price may have behind the point: more would not be a whole number of [`Rate::UNIT`]s.
const DECIMALS: usize = 6;

/// What a token costs, in millionths of a millionth of a dollar (pico-dollars).
///
/// Price lists say what a million tokens cost, such as `$0.0375`. A token then costs a fraction of a micro-dollar, which
/// would be rounded away thousands of times; in pico-dollars it is a whole number, 37,500, and sums of it are exact.
///
/// ```
/// use tta_llm::Rate;
///
/// let rate: Rate = "0.0375".parse()?;
/// assert_eq!(rate.pico_usd(), 37_500);
/// assert_eq!(rate.to_string(), "0.0375");
/// # Ok::<(), tta_llm::RateError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(i64);

impl Rate {
    /// Pico-dollars for a token in a dollar for a million tokens.
    const UNIT: i64 = 1_000_000;

    /// What a token costs, in pico-dollars; never negative.
    #[must_use]
    pub const fn pico_usd(self) -> i64 {
        self.0
    }

    /// What so many tokens cost, in pico-dollars, or as much as the number can hold.
    pub(super) fn of(self, tokens: u64) -> i128 {
        i128::from(tokens).saturating_mul(i128::from(self.0))
    }
}

/// Why a text is not a price.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a price; write US dollars for 1,000,000 tokens with at most six decimals, such as 2.50"
)]
pub struct RateError(String);

impl FromStr for Rate {
    type Err = RateError;

    /// Reads dollars for a million tokens, such as `2.50` or `0.0375`, without rounding.
    fn from_str(text: &str) -> Result<Self, RateError> {
        let wrong = || RateError(text.to_owned());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !are_digits(whole) || !are_digits(fraction) || fraction.len() > DECIMALS {
            return Err(wrong());
        }
        let dollars: i64 = whole.parse().map_err(|_| wrong())?;
        let rest: i64 = format!("{fraction:0<DECIMALS$}").parse().map_err(|_| wrong())?;
        let pico = dollars.checked_mul(Self::UNIT).and_then(|pico| pico.checked_add(rest));
        pico.map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Rate {
    /// Dollars for a million tokens, with two decimals or as many as it has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:0DECIMALS$}", self.0 % Self::UNIT);
        let (cents, rest) = digits.split_at(2);
        f.pad(&format!("{}.{cents}{}", self.0 / Self::UNIT, rest.trim_end_matches('0')))
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_exactly_and_shown_as_they_were_read() {
        let check = |text: &str, pico: i64, shown: &str| {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.pico_usd(), rate.to_string().as_str()), (pico, shown));
        };
        check("2.50", 2_500_000, "2.50");
        check("0.075", 75_000, "0.075");
        check("0.0028", 2_800, "0.0028");
        check("0.000001", 1, "0.000001");
        check("0", 0, "0.00");
        check("600", 600_000_000, "600.00");
    }

    #[test]
    fn what_is_not_a_price_is_refused() {
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", "$2", "0.0000001", "NaN", "9223372036855"]
        {
            let error = text.parse::<Rate>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is not a price; write")), "{error}");
        }
    }
}
