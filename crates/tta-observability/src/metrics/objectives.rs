//! What the objectives need to know of what was counted.

use tta_model::ExecutionStatus;

use super::Metrics;
use super::cell::CellSum;
use super::slots::Kind;
use crate::slo::{Events, Slo};

impl Metrics {
    /// How many events there were for each objective since counting began. What all others of too many kinds came
    /// to is not among them, since it has no name.
    pub(crate) fn events(&self, slos: &[Slo]) -> Vec<Events> {
        let (kinds, sums) = self.sums();
        let events = |slo: &Slo| {
            let mut events = Events::default();
            let counted = kinds.iter().zip(&sums.cells);
            for (kind, sum) in counted.filter(|(kind, _)| is_about(slo, kind)) {
                let more = events_of(slo, kind, sum);
                events.good += more.good;
                events.total += more.total;
            }
            events
        };
        slos.iter().map(events).collect()
    }
}

fn is_about(slo: &Slo, kind: &Kind) -> bool {
    kind.is_run == slo.target().is_run() && kind.name == *slo.target().name()
}

fn events_of(slo: &Slo, kind: &Kind, sum: &CellSum) -> Events {
    let succeeded = sum.ended(ExecutionStatus::Success);
    let total = succeeded + sum.ended(ExecutionStatus::Error) + sum.ended(ExecutionStatus::Timeout);
    let good = match slo.limit() {
        None => succeeded,
        Some(limit) => {
            let place = kind.limits.iter().position(|nanos| *nanos == limit.nanos);
            // Read after the successes, so that it may know of one more.
            place.and_then(|place| sum.in_time.get(place)).copied().unwrap_or(0).min(succeeded)
        }
    };
    Events { good, total }
}
