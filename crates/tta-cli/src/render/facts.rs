//! What a span says about itself, and how that looks.
//!
//! This is the only place of the renderers that knows the keys of attributes.

use anstyle::{AnsiColor, Style};
use tta_model::name::attribute::{CACHE_HIT, EXECUTION_STATUS, RETRY_ATTEMPT};
use tta_model::{ExecutionStatus, SpanRecord, SpanStatus, Value};

/// What a span says about itself beside its name and times.
pub(super) struct Facts {
    /// How it ended.
    pub(super) outcome: Outcome,
    /// The number of the attempt, if it is one.
    pub(super) attempt: Option<i64>,
    /// Whether the cache had the value, if one was asked.
    pub(super) cache_hit: Option<bool>,
}

/// How a span ended, as far as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It says nothing.
    Unknown,
    /// It says this.
    Known(ExecutionStatus),
}

impl Facts {
    /// Reads the attributes.
    pub(super) fn of(span: &SpanRecord) -> Self {
        let status = span.attribute(EXECUTION_STATUS.key).and_then(Value::as_text);
        Self {
            outcome: Outcome::of(status, &span.status),
            attempt: span.attribute(RETRY_ATTEMPT.key).and_then(Value::as_int),
            cache_hit: span.attribute(CACHE_HIT.key).and_then(Value::as_bool),
        }
    }
}

impl Outcome {
    /// What is worth counting, in the order of the legend.
    pub(super) const NOT_SUCCESSFUL: [ExecutionStatus; 3] =
        [ExecutionStatus::Error, ExecutionStatus::Timeout, ExecutionStatus::Cancelled];

    /// The word of the execution, else the status that spans of any origin have.
    fn of(word: Option<&str>, status: &SpanStatus) -> Self {
        let known = [ExecutionStatus::Success].into_iter().chain(Self::NOT_SUCCESSFUL);
        let stated = known.into_iter().find(|known| word == Some(known.as_str()));
        match (stated, status) {
            (Some(stated), _) => Self::Known(stated),
            (None, SpanStatus::Error(_)) => Self::Known(ExecutionStatus::Error),
            (None, SpanStatus::Ok) => Self::Known(ExecutionStatus::Success),
            (None, SpanStatus::Unset) => Self::Unknown,
        }
    }

    /// The sign of it.
    pub(super) const fn mark(self) -> char {
        match self {
            Self::Unknown => '·',
            Self::Known(ExecutionStatus::Success) => '✓',
            Self::Known(ExecutionStatus::Error) => '✗',
            Self::Known(ExecutionStatus::Timeout) => '◔',
            Self::Known(ExecutionStatus::Cancelled) => '⊘',
        }
    }

    /// The colour of it.
    pub(super) const fn style(self) -> Style {
        let colour = match self {
            Self::Unknown => return Style::new(),
            Self::Known(ExecutionStatus::Success) => AnsiColor::Green,
            Self::Known(ExecutionStatus::Error) => AnsiColor::Red,
            Self::Known(ExecutionStatus::Timeout) => AnsiColor::Yellow,
            Self::Known(ExecutionStatus::Cancelled) => AnsiColor::Magenta,
        };
        colour.on_default()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::render::waterfall::tests::span;

    /// The span with what a recorder would have written of it.
    pub(crate) fn ended(mut span: SpanRecord, status: ExecutionStatus) -> SpanRecord {
        span.attributes.push((EXECUTION_STATUS.key(), status.as_str().into()));
        span
    }

    /// The span as the given attempt.
    pub(crate) fn attempt(mut span: SpanRecord, number: i64) -> SpanRecord {
        span.attributes.push((RETRY_ATTEMPT.key(), number.into()));
        span
    }

    /// The span as a look into a cache.
    pub(crate) fn lookup(mut span: SpanRecord, hit: bool) -> SpanRecord {
        span.attributes.push((CACHE_HIT.key(), hit.into()));
        span
    }

    #[test]
    fn the_word_of_the_execution_counts_before_the_status() {
        let check = |word: Option<&str>, status: SpanStatus, expect: Outcome| {
            assert_eq!(Outcome::of(word, &status), expect, "{word:?} {status:?}");
        };
        let failed = || SpanStatus::Error("it broke".into());
        check(Some("timeout"), failed(), Outcome::Known(ExecutionStatus::Timeout));
        check(Some("success"), SpanStatus::Unset, Outcome::Known(ExecutionStatus::Success));
        check(Some("new word"), failed(), Outcome::Known(ExecutionStatus::Error));
        check(None, SpanStatus::Ok, Outcome::Known(ExecutionStatus::Success));
        check(None, SpanStatus::Unset, Outcome::Unknown);
    }

    #[test]
    fn attributes_of_another_type_say_nothing() {
        let mut odd = span(1, None, "odd", 0..1);
        odd.attributes =
            [EXECUTION_STATUS, RETRY_ATTEMPT, CACHE_HIT].map(|key| (key.key(), 1.5.into())).into();
        let facts = Facts::of(&odd);
        assert_eq!(
            (facts.outcome, facts.attempt, facts.cache_hit),
            (Outcome::Known(ExecutionStatus::Success), None, None)
        );
    }
}
