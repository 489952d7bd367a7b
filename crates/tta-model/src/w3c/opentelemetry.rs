//! The `ot` member of `tracestate`, in which OpenTelemetry keeps how a trace was sampled.
//!
//! It holds sub-keys, as in `ot=th:c;rv:6e6d1a75832a2f`. The threshold `th` says which part of all
//! traces was rejected, so that a backend can count what one kept trace stands for. The randomness
//! `rv` replaces the trace id in that decision. Sub-keys of others are kept as they are.

use std::fmt::Write as _;

use super::{TraceState, TraceStateError};
use crate::ids::parse_hex;

/// The number of different thresholds and randomness values, 2^56; each is below it.
///
/// A kept trace of threshold `t` stands for `MAX_ADJUSTED_COUNT / (MAX_ADJUSTED_COUNT - t)` traces.
pub const MAX_ADJUSTED_COUNT: u64 = 1 << 56;

const MEMBER: &str = "ot";
const THRESHOLD: &str = "th";
const RANDOMNESS: &str = "rv";
const DIGITS: usize = 14;

impl TraceState {
    /// The sampling threshold: a trace is kept if its randomness is not below it.
    ///
    /// Zero keeps every trace. A value that is not 1 to 14 lowercase hex digits counts as absent.
    ///
    /// # Examples
    ///
    /// ```
    /// use tta_model::w3c::{MAX_ADJUSTED_COUNT, TraceState};
    ///
    /// let state: TraceState = "ot=th:c".parse()?;
    /// assert_eq!(state.threshold(), Some(MAX_ADJUSTED_COUNT / 4 * 3));
    /// # Ok::<(), tta_model::w3c::TraceStateError>(())
    /// ```
    #[must_use]
    pub fn threshold(&self) -> Option<u64> {
        let text = self.ot(THRESHOLD).filter(|text| (1..=DIGITS).contains(&text.len()))?;
        // At most 14 digits were read, so the value fits, also after filling it up with zeros.
        parse_hex(text.as_bytes()).map(|value| (value as u64) << (4 * (DIGITS - text.len())))
    }

    /// Sets or removes the sampling threshold, keeping the other sub-keys.
    ///
    /// # Errors
    ///
    /// If the threshold is not below [`MAX_ADJUSTED_COUNT`], or if the member would be longer than 256
    /// characters; the state then stays as it was.
    pub fn set_threshold(&mut self, threshold: Option<u64>) -> Result<(), TraceStateError> {
        let text = threshold.map(digits).transpose()?;
        let short = text.as_deref().map(|text| match text.trim_end_matches('0') {
            "" => "0",
            short => short,
        });
        self.set_ot(THRESHOLD, short)
    }

    /// The explicit randomness, which replaces the last 7 bytes of the trace id in the decision.
    ///
    /// A value that is not 14 lowercase hex digits counts as absent.
    #[must_use]
    pub fn randomness(&self) -> Option<u64> {
        let text = self.ot(RANDOMNESS).filter(|text| text.len() == DIGITS)?;
        parse_hex(text.as_bytes()).map(|value| value as u64)
    }

    /// Sets or removes the explicit randomness, keeping the other sub-keys.
    ///
    /// # Errors
    ///
    /// As [`set_threshold`](Self::set_threshold).
    pub fn set_randomness(&mut self, randomness: Option<u64>) -> Result<(), TraceStateError> {
        let text = randomness.map(digits).transpose()?;
        self.set_ot(RANDOMNESS, text.as_deref())
    }

    /// The value of a sub-key of the `ot` member.
    #[must_use]
    pub fn ot(&self, sub_key: &str) -> Option<&str> {
        let mut pairs = self.get(MEMBER)?.split(';').filter_map(|pair| pair.split_once(':'));
        pairs.find(|(key, _)| *key == sub_key).map(|(_, value)| value)
    }

    fn set_ot(&mut self, sub_key: &str, value: Option<&str>) -> Result<(), TraceStateError> {
        if self.ot(sub_key) == value {
            return Ok(());
        }
        let mut member = String::new();
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = write!(member, "{sub_key}:{value}");
        }
        for pair in self.get(MEMBER).unwrap_or_default().split(';') {
            let is_same = pair.split_once(':').is_some_and(|(key, _)| key == sub_key);
            if !pair.is_empty() && !is_same {
                let separator = if member.is_empty() { "" } else { ";" };
                let _ = write!(member, "{separator}{pair}");
            }
        }
        if member.is_empty() {
            self.remove(MEMBER);
            return Ok(());
        }
        self.insert(MEMBER, &member)
    }
}

fn digits(value: u64) -> Result<String, TraceStateError> {
    if value < MAX_ADJUSTED_COUNT { Ok(format!("{value:014x}")) } else { Err(TraceStateError::Value) }
}
