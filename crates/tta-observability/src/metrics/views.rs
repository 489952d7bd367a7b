//! What a program can ask about its own executions.

use std::collections::BTreeMap;
use std::time::Duration;

use tta_model::{ExecutionStatus, Text};

use super::cell::CellSum;
use super::slots::Kind;
use super::window::{Counts, Recent};

/// What the executions of a primitive or the runs of a workflow came to in a window.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionStats {
    /// The address of the primitive: the names from the root of the flow down to it; empty for a workflow.
    pub path: Text,
    /// The name of the primitive or workflow.
    pub name: Text,
    /// The type of the primitive; `workflow` for a workflow.
    pub kind: Text,
    /// Executions that ended.
    pub executions: u64,
    /// Those that succeeded.
    pub successes: u64,
    /// Those that ended with an error.
    pub errors: u64,
    /// Those whose time ran out.
    pub timeouts: u64,
    /// Those that were dropped or told to stop.
    pub cancelled: u64,
    /// Executions that run at this moment.
    pub active: u64,
    /// Attempts beyond the first since counting began, where it is a retry.
    pub retries: u64,
    /// Look-ups since counting began, where it is a cache.
    pub cache_lookups: u64,
    /// Those of them that found something.
    pub cache_hits: u64,
    /// Half of the executions were at least this quick. Zero if there were none, as are the other percentiles.
    pub p50: Duration,
    /// 90 of 100 executions were at least this quick.
    pub p90: Duration,
    /// 95 of 100 executions were at least this quick.
    pub p95: Duration,
    /// 99 of 100 executions were at least this quick.
    pub p99: Duration,
    /// How much time the window covers.
    pub covered: Duration,
}

impl ExecutionStats {
    /// Executions a second; zero in a window of no length.
    #[must_use]
    pub fn throughput(&self) -> f64 {
        let seconds = self.covered.as_secs_f64();
        if seconds > 0.0 { self.executions as f64 / seconds } else { 0.0 }
    }

    /// The part of the executions that succeeded, from 0 to 1; none if there were none. Those that were cancelled
    /// say nothing about the primitive and do not count.
    #[must_use]
    pub fn success_rate(&self) -> Option<f64> {
        let judged = self.executions - self.cancelled;
        (judged > 0).then(|| self.successes as f64 / judged as f64)
    }
}

/// What several kinds came to that are shown together.
#[derive(Default)]
struct Group {
    counts: Counts,
    active: u64,
    retries: u64,
    lookups: u64,
    hits: u64,
}

/// The statistics of all kinds that are chosen, by address, name and type.
pub(super) fn statistics(
    kinds: &[Kind],
    sums: &[CellSum],
    recent: &Recent,
    is_chosen: impl Fn(&Kind) -> bool,
) -> Vec<ExecutionStats> {
    let mut groups: BTreeMap<(Text, Text, Text), Group> = BTreeMap::new();
    for (number, (kind, sum)) in kinds.iter().zip(sums).enumerate() {
        let counts = recent.counts.get(&number);
        if !is_chosen(kind) || (counts.is_none() && sum.active() == 0) {
            continue;
        }
        let key = (kind.path.clone(), kind.name.clone(), kind.r#type.clone());
        let group = groups.entry(key).or_default();
        counts.into_iter().for_each(|counts| group.counts.merge(counts));
        group.active += sum.active();
        group.retries += sum.retries;
        group.lookups += sum.lookups;
        group.hits += sum.hits;
    }
    groups.into_iter().map(|(key, group)| group.statistics(key, recent.covered)).collect()
}

impl Group {
    fn statistics(self, (path, name, kind): (Text, Text, Text), covered: Duration) -> ExecutionStats {
        let ended = |status: ExecutionStatus| self.counts.ended[status as usize];
        let at = |part| {
            let nanos = self.counts.bins.quantile(part).unwrap_or(0.0);
            Duration::from_nanos(nanos.round() as u64)
        };
        ExecutionStats {
            path,
            name,
            kind,
            executions: self.counts.ended.iter().sum(),
            successes: ended(ExecutionStatus::Success),
            errors: ended(ExecutionStatus::Error),
            timeouts: ended(ExecutionStatus::Timeout),
            cancelled: ended(ExecutionStatus::Cancelled),
            active: self.active,
            retries: self.retries,
            cache_lookups: self.lookups,
            cache_hits: self.hits,
            p50: at(0.50),
            p90: at(0.90),
            p95: at(0.95),
            p99: at(0.99),
            covered,
        }
    }
}
