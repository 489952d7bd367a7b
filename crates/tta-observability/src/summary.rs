//! Counts and percentiles per primitive, folded from finished spans.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sketches_ddsketch::{Config, DDSketch};
use tta_model::name::attribute;
use tta_model::{ExecutionStatus, SpanRecord, Text};

use crate::export::{FlushError, SpanExporter};

/// The relative error of a percentile: a value of 100 ms may be shown as 99 to 101 ms.
pub const RELATIVE_ERROR: f64 = 0.01;
/// How many addresses are kept apart; what comes later is counted together under [`OTHER`].
pub const MAX_PATHS: usize = 2_000;
/// The address under which everything beyond [`MAX_PATHS`] is counted.
pub const OTHER: &str = "__other__";

/// What is known of all executions of the primitive at one address.
#[derive(Clone, Debug, PartialEq)]
pub struct PrimitiveSummary {
    /// The address: the names from the root of the workflow down to the primitive.
    pub path: Text,
    /// The type of the primitive.
    pub kind: Text,
    /// How often it ran.
    pub executions: u64,
    /// How often it succeeded.
    pub successes: u64,
    /// Attempts beyond the first, where the primitive is a retry.
    pub retries: u64,
    /// Look-ups that found something, where the primitive is a cache.
    pub cache_hits: u64,
    /// Look-ups, where the primitive is a cache.
    pub cache_lookups: u64,
    /// Half of the executions were at least this quick.
    pub p50: Duration,
    /// 95 of 100 executions were at least this quick.
    pub p95: Duration,
    /// 99 of 100 executions were at least this quick.
    pub p99: Duration,
}

/// Folds finished spans into a summary for each primitive. Cloning it shares it.
///
/// Percentiles come from a sketch of bounded size with a relative error of [1 %](RELATIVE_ERROR).
#[derive(Clone, Default)]
pub struct Summary {
    state: Arc<Mutex<BTreeMap<Text, Counts>>>,
}

struct Counts {
    kind: Text,
    executions: u64,
    successes: u64,
    retries: u64,
    cache_hits: u64,
    cache_lookups: u64,
    durations: DDSketch,
}

impl Summary {
    /// Makes an empty summary.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is known so far, in the order of the addresses.
    #[must_use]
    pub fn primitives(&self) -> Vec<PrimitiveSummary> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.iter().map(|(path, counts)| counts.summary(path)).collect()
    }

    fn fold(state: &mut BTreeMap<Text, Counts>, span: &SpanRecord) {
        let text = |key| match span.attribute(key) {
            Some(tta_model::Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let Some(path) = text(attribute::PRIMITIVE_PATH.key) else { return };
        // The spans of roles have the address of their node, but not its type.
        let Some(kind) = text(attribute::PRIMITIVE_TYPE.key) else { return };
        let path = if state.len() < MAX_PATHS || state.contains_key(&path) { path } else { OTHER.into() };
        state.entry(path).or_insert_with(|| Counts::new(kind)).add(span);
    }
}

impl Counts {
    fn new(kind: Text) -> Self {
        let sketch = Config::new(RELATIVE_ERROR, 2_048, 1.0);
        Self {
            kind,
            executions: 0,
            successes: 0,
            retries: 0,
            cache_hits: 0,
            cache_lookups: 0,
            durations: DDSketch::new(sketch),
        }
    }

    fn add(&mut self, span: &SpanRecord) {
        let status = span.attribute(attribute::EXECUTION_STATUS.key).and_then(|value| value.as_text());
        self.executions += 1;
        self.successes += u64::from(status == Some(ExecutionStatus::Success.as_str()));
        let retries = span.attribute(attribute::EXECUTION_RETRY_COUNT.key).and_then(|value| value.as_int());
        self.retries += retries.and_then(|retries| u64::try_from(retries).ok()).unwrap_or(0);
        if let Some(hit) = span.attribute(attribute::CACHE_HIT.key).and_then(|value| value.as_bool()) {
            self.cache_lookups += 1;
            self.cache_hits += u64::from(hit);
        }
        self.durations.add(span.duration_nanos() as f64);
    }

    fn summary(&self, path: &Text) -> PrimitiveSummary {
        let at = |quantile| {
            let nanos = self.durations.quantile(quantile).ok().flatten().unwrap_or(0.0);
            Duration::from_nanos(nanos as u64)
        };
        PrimitiveSummary {
            path: path.clone(),
            kind: self.kind.clone(),
            executions: self.executions,
            successes: self.successes,
            retries: self.retries,
            cache_hits: self.cache_hits,
            cache_lookups: self.cache_lookups,
            p50: at(0.50),
            p95: at(0.95),
            p99: at(0.99),
        }
    }
}

impl fmt::Debug for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.primitives()).finish()
    }
}

impl SpanExporter for Summary {
    fn export(&mut self, spans: &[SpanRecord]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        spans.iter().for_each(|span| Self::fold(&mut state, span));
    }

    fn flush(&mut self, _timeout: Duration) -> Result<(), FlushError> {
        Ok(())
    }
}
