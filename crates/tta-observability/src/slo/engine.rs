//! Follows the objectives through time.

use std::time::Duration;

use tta_model::slo::{BURN_RULES, window_label};

use super::burn::{Alert, alert, budget_remaining};
use super::history::{Events, History};
use super::status::{SloStatus, WindowStatus};
use super::{SHORTEST_WINDOW, Slo};

const HOUR: Duration = Duration::from_secs(3_600);

/// The windows that are shown of every objective, beside its own.
const WINDOWS: [Duration; 6] = [
    SHORTEST_WINDOW,
    Duration::from_secs(30 * 60),
    HOUR,
    HOUR.saturating_mul(6),
    HOUR.saturating_mul(24),
    HOUR.saturating_mul(72),
];

/// The objectives, with what happened of each.
#[derive(Debug)]
pub(super) struct SloEngine {
    followed: Vec<Followed>,
}

#[derive(Debug)]
struct Followed {
    slo: Slo,
    history: History,
    /// By rule.
    alerts: [Option<Alert>; BURN_RULES.len()],
}

/// An alert that has begun or ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Transition {
    pub(super) slo: Slo,
    pub(super) alert: Alert,
    pub(super) has_begun: bool,
    pub(super) budget_remaining: f64,
}

impl SloEngine {
    pub(super) fn new(slos: &[Slo]) -> Self {
        let follow =
            |slo: &Slo| Followed { slo: slo.clone(), history: History::default(), alerts: [None; 3] };
        Self { followed: slos.iter().map(follow).collect() }
    }

    /// Takes in the totals since the start, in the order of the objectives; says which alerts began or ended. The
    /// time is what a monotonic clock says has passed since the start.
    pub(super) fn observe(&mut self, now: Duration, totals: &[Events]) -> Vec<Transition> {
        let followed = self.followed.iter_mut().zip(totals);
        followed.flat_map(|(followed, totals)| followed.observe(now, *totals)).collect()
    }

    pub(super) fn status(&self) -> Vec<SloStatus> {
        self.followed.iter().map(Followed::status).collect()
    }
}

impl Followed {
    fn observe(&mut self, now: Duration, totals: Events) -> Vec<Transition> {
        self.history.observe(now, totals);
        let alerts = BURN_RULES.map(|rule| alert(&rule, &self.slo, &self.history));
        let before = std::mem::replace(&mut self.alerts, alerts);
        let changes = before.into_iter().zip(alerts).filter_map(|(before, now)| match (before, now) {
            (None, Some(begun)) => Some((begun, true)),
            (Some(ended), None) => Some((ended, false)),
            _ => None,
        });
        let budget_remaining = self.budget_remaining();
        let transition =
            |(alert, has_begun)| Transition { slo: self.slo.clone(), alert, has_begun, budget_remaining };
        changes.map(transition).collect()
    }

    fn budget_remaining(&self) -> f64 {
        budget_remaining(&self.slo, self.history.last(self.slo.window()))
    }

    fn status(&self) -> SloStatus {
        let mut windows = WINDOWS.to_vec();
        windows.push(self.slo.window());
        windows.sort_unstable();
        windows.dedup();
        let events = self.history.last(self.slo.window());
        SloStatus {
            slo: self.slo.clone(),
            good: events.good,
            total: events.total,
            budget_remaining: self.budget_remaining(),
            windows: windows.into_iter().map(|window| self.window(window)).collect(),
            alerts: self.alerts.into_iter().flatten().collect(),
        }
    }

    fn window(&self, window: Duration) -> WindowStatus {
        let events = self.history.last(window);
        WindowStatus {
            window,
            label: window_label(window),
            compliance: events.compliance(),
            burn_rate: events.burn_rate(self.slo.allowed()),
        }
    }
}
