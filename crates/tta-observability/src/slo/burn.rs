//! When an error budget is spent too fast.

use std::time::Duration;

pub use tta_model::slo::Urgency;
use tta_model::slo::{BurnRule, is_above};

use super::Slo;
use super::history::{Events, History};

/// An error budget that is being spent too fast.
///
/// It begins when the burn rates of both windows are above the threshold, and ends when one is not. The threshold is
/// the burn rate at which 2 % of the budget are gone in an hour or 5 % in six (page), or 10 % in three days
/// (ticket): `part * window of the objective / long window`, but never below 1, since a budget that is
/// spent at 1 lasts as long as it should. An alert whose long window is longer than the window of the objective does
/// not apply. The burn rate is at most `1 / (1 - goal)`, so a goal of 0.93 or less never reaches 14.4.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alert {
    /// How soon somebody has to look.
    pub urgency: Urgency,
    /// The window that says that it matters.
    pub long: Duration,
    /// The window that says that it still goes on.
    pub short: Duration,
    /// The burn rate above which it is too fast.
    pub threshold: f64,
    /// The burn rate over the long window.
    pub burn_rate: f64,
}

/// The alert of a rule, if both its windows say so.
pub(super) fn alert(rule: &BurnRule, slo: &Slo, history: &History) -> Option<Alert> {
    let threshold = rule.threshold(slo.window())?;
    let rate = |window| history.last(window).burn_rate(slo.allowed());
    let burn_rate = rate(rule.long);
    let is_high = is_above(burn_rate, threshold) && is_above(rate(rule.short), threshold);
    let BurnRule { urgency, long, short, .. } = *rule;
    is_high.then_some(Alert { urgency, long, short, threshold, burn_rate })
}

/// What is left of the error budget of a window: 1 without events, below 0 when more is spent than there was.
pub(super) fn budget_remaining(slo: &Slo, events: Events) -> f64 {
    1.0 - events.burn_rate(slo.allowed())
}

#[cfg(test)]
mod tests {
    use tta_model::slo::BURN_RULES;

    use super::super::{LONGEST_WINDOW, Objective, Target};
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3_600);

    fn slo(goal: f64, window: Duration) -> Slo {
        let slo = Slo::new("api", Target::Workflow("report".into()), Objective::Availability, goal);
        slo.and_then(|slo| slo.over(window)).expect("it is right")
    }

    fn thresholds(window: Duration) -> Vec<Option<f64>> {
        let rounded = |rule: &BurnRule| rule.threshold(window).map(|rate| (rate * 1e9).round() / 1e9);
        BURN_RULES.iter().map(rounded).collect()
    }

    /// Table 5-6 of the workbook for 30 days, and what follows from it for other windows.
    #[test]
    fn thresholds_are_those_of_the_workbook() {
        let days = |days: u32| HOUR * 24 * days;
        assert_eq!(thresholds(days(30)), [Some(14.4), Some(6.0), Some(1.0)]);
        assert_eq!(thresholds(days(28)), [Some(13.44), Some(5.6), Some(1.0)]);
        assert_eq!(thresholds(days(7)), [Some(3.36), Some(1.4), Some(1.0)]);
        assert_eq!(thresholds(days(1)), [Some(1.0), Some(1.2_f64.min(1.0)), None]);
        assert_eq!(thresholds(HOUR), [Some(1.0), None, None]);
        assert_eq!(thresholds(MINUTE * 59), [None, None, None]);
    }

    /// A burn rate for a time spends `rate * time / window` of the budget: table 5-4 and 5-8 of the workbook.
    #[test]
    fn a_burn_rate_spends_the_part_of_the_budget_that_it_says() {
        let table = [
            (14.4, HOUR, 0.02),
            (6.0, HOUR * 6, 0.05),
            (1.0, HOUR * 72, 0.10),
            (1.0, LONGEST_WINDOW, 1.0),
            (2.0, LONGEST_WINDOW / 2, 1.0),
            (10.0, LONGEST_WINDOW / 10, 1.0),
            (1_000.0, MINUTE * 43 + Duration::from_secs(12), 1.0),
        ];
        let slo = slo(0.999, LONGEST_WINDOW);
        let per_hour = 1_000_000_f64;
        for (rate, time, spent) in table {
            let hours = time.as_secs_f64() / 3_600.0;
            let bad = (per_hour * hours * 0.001 * rate).round() as u64;
            let during = Events { good: (per_hour * hours) as u64 - bad, total: (per_hour * hours) as u64 };
            let total = (per_hour * 720.0) as u64;
            let month = Events { good: total - bad, total };
            assert!((during.burn_rate(slo.allowed()) - rate).abs() < 1e-6 * rate, "{rate} for {time:?}");
            let remaining = budget_remaining(&slo, month);
            assert!((1.0 - remaining - spent).abs() < 1e-6, "{rate} for {time:?}: {remaining} is left");
        }
    }

    #[test]
    fn without_events_nothing_is_spent() {
        let none = Events::default();
        let slo = slo(0.999, LONGEST_WINDOW);
        assert_eq!((none.compliance(), none.burn_rate(0.001)), (None, 0.0));
        assert_eq!(budget_remaining(&slo, none), 1.0);
        assert!(budget_remaining(&slo, Events { good: 0, total: 1 }) < -998.0);
    }
}
