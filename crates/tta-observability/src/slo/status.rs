//! How the objectives stand, for those who read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tta_model::Text;
use tta_model::name::log::SLO_BURN_RATE_HIGH;
use tta_model::name::metric::{self, Metric};
use tta_model::slo::window_label;

use super::burn::Alert;
use super::engine::{SloEngine, Transition};
use super::{Events, MAX_SLOS, Slo, SloError, Target};
use crate::metrics::{Limit, Metrics, Point};

/// The objectives of a process, and how they stand. Cloning it shares it.
#[derive(Clone, Debug)]
pub struct Slos {
    slos: Arc<[Slo]>,
    engine: Arc<Mutex<SloEngine>>,
}

/// How an objective stands.
#[derive(Clone, Debug, PartialEq)]
pub struct SloStatus {
    /// The objective.
    pub slo: Slo,
    /// How many events were good, over the objective's own window.
    pub good: u64,
    /// How many events there were, over the objective's own window; what was cancelled is not among them.
    pub total: u64,
    /// The part of the error budget that is left: 1 when nothing was bad, below 0 when it is overspent.
    pub budget_remaining: f64,
    /// The windows of 5 and 30 minutes, 1 and 6 hours, 1 and 3 days, and the objective's own; the shortest first.
    pub windows: Vec<WindowStatus>,
    /// What spends the budget too fast at this moment.
    pub alerts: Vec<Alert>,
}

/// What happened in a window.
///
/// It holds the length of the window, and up to one bucket more: 10 seconds for windows of up to an hour, a minute for
/// those of up to a day, 30 minutes beyond.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowStatus {
    /// How long it is.
    pub window: Duration,
    /// How long it is in words, such as `5m`, `6h` or `30d`.
    pub label: Text,
    /// The part of events that was good, from 0 to 1; none without events.
    pub compliance: Option<f64>,
    /// How many times faster than allowed the error budget is spent; 0 without events.
    pub burn_rate: f64,
}

impl Slos {
    /// Takes objectives.
    ///
    /// # Errors
    /// If two have the same name, or there are more than [`MAX_SLOS`].
    pub(crate) fn new(slos: Vec<Slo>) -> Result<Self, SloError> {
        let mut problems = repeated(&slos);
        if slos.len() > MAX_SLOS {
            let problem = format!("there are {} objectives; at most {MAX_SLOS} are followed", slos.len());
            problems.push((slos[MAX_SLOS].name().clone(), problem));
        }
        if !problems.is_empty() {
            return Err(SloError { problems });
        }
        let engine = Arc::new(Mutex::new(SloEngine::new(&slos)));
        Ok(Self { slos: slos.into(), engine })
    }

    /// How each objective stands, in the order in which they were given; at most a second old.
    #[must_use]
    pub fn status(&self) -> Vec<SloStatus> {
        self.engine().status()
    }

    /// The time limits that the objectives set.
    pub(crate) fn limits(&self) -> Vec<Limit> {
        let mut limits: Vec<Limit> = Vec::new();
        for limit in self.slos.iter().filter_map(Slo::limit) {
            if !limits.contains(&limit) {
                limits.push(limit);
            }
        }
        limits
    }

    /// Has the metrics show how the objectives stand.
    pub(crate) fn show_in(&self, metrics: &Metrics) {
        let slos = self.clone();
        metrics.add_source(move |add| slos.status().iter().for_each(|status| status.show(add)));
    }

    /// Takes in what was counted so far, and tells of alerts that begin or end. To be called about once a second.
    pub(crate) fn tick(&self, metrics: &Metrics) {
        if self.slos.is_empty() {
            return;
        }
        self.observe(metrics.uptime(), &metrics.events(&self.slos));
    }

    fn observe(&self, now: Duration, totals: &[Events]) {
        let transitions = self.engine().observe(now, totals);
        // Without the lock, since a subscriber is the application's code and may look at the objectives.
        transitions.iter().for_each(tell);
    }

    fn engine(&self) -> MutexGuard<'_, SloEngine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every objective whose name an earlier one has; they could not be told apart.
pub(super) fn repeated(slos: &[Slo]) -> Vec<(Text, String)> {
    let names = slos.iter().enumerate().map(|(at, slo)| (at, slo.name()));
    let again = names.filter(|(at, name)| slos[..*at].iter().any(|slo| slo.name() == *name));
    again.map(|(_, name)| (name.clone(), "an earlier objective has the same name".to_owned())).collect()
}

impl SloStatus {
    fn show(&self, add: crate::metrics::Add<'_>) {
        let (workflow, primitive) = match self.slo.target() {
            Target::Workflow(name) => (Some(name.clone()), None),
            Target::Primitive(name) => (None, Some(name.clone())),
        };
        let goal = Text::from(self.slo.goal().to_string());
        let mut show = |metric: &'static Metric, window: &Text, value: f64| {
            let labels = [
                Some(self.slo.name().clone()),
                Some(goal.clone()),
                primitive.clone(),
                workflow.clone(),
                Some(window.clone()),
            ];
            add(metric, &labels, Point::Value(value));
        };
        for window in &self.windows {
            if let Some(compliance) = window.compliance {
                show(&metric::SLO_COMPLIANCE, &window.label, compliance);
            }
            show(&metric::SLO_BURN_RATE, &window.label, window.burn_rate);
        }
        show(&metric::SLO_ERROR_BUDGET_REMAINING, &window_label(self.slo.window()), self.budget_remaining);
    }
}

fn tell(transition: &Transition) {
    let Transition { slo, alert, has_begun, budget_remaining } = transition;
    let event = SLO_BURN_RATE_HIGH.name;
    let (name, urgency) = (slo.name().as_str(), alert.urgency.as_str());
    let (long, short) = (window_label(alert.long), window_label(alert.short));
    if *has_begun {
        tracing::warn!(
            target: "tta::slo",
            event,
            slo = name,
            urgency,
            burn_rate = alert.burn_rate,
            threshold = alert.threshold,
            budget_remaining,
            "the error budget of {name:?} is spent {:.1} times as fast as allowed over {long} and {short}",
            alert.burn_rate,
        );
    } else {
        tracing::info!(
            target: "tta::slo",
            event,
            slo = name,
            urgency,
            resolved = true,
            budget_remaining,
            "the error budget of {name:?} is no longer spent too fast over {long} and {short}",
        );
    }
}

#[cfg(test)]
mod tests {
    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Level, Metadata, Subscriber};

    use super::super::Objective;
    use super::*;

    /// Keeps what is logged of objectives.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<(Level, String)>>>);

    struct Line(String);

    impl Visit for Line {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            self.0 += &format!("{}={value:?} ", field.name());
        }
    }

    impl Subscriber for Log {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == "tta::slo"
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            let mut line = Line(String::new());
            event.record(&mut line);
            self.0.lock().expect("not poisoned").push((*event.metadata().level(), line.0));
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    fn slo(name: &str) -> Slo {
        let target = Target::Workflow("report".into());
        Slo::new(name.to_owned(), target, Objective::Availability, 0.999).expect("it is right")
    }

    #[test]
    fn an_alert_is_told_of_once_when_it_begins_and_once_when_it_ends() {
        let slos = Slos::new(vec![slo("api").over(Duration::from_secs(7_200)).expect("it is right")]);
        let (slos, log) = (slos.expect("it is right"), Log::default());
        tracing::subscriber::with_default(log.clone(), || {
            let mut totals = Events::default();
            for second in 1..2_000 {
                totals.total += 10;
                totals.good += if (600..660).contains(&second) { 0 } else { 10 };
                slos.observe(Duration::from_secs(second), &[totals]);
            }
        });
        let lines = log.0.lock().expect("not poisoned").clone();
        let [(Level::WARN, begun), (Level::INFO, ended)] = &lines[..] else { panic!("{lines:?}") };
        let event = format!("event={:?} slo=\"api\" urgency=\"page\" ", SLO_BURN_RATE_HIGH.name);
        assert!(begun.contains(&event) && ended.contains(&event), "{lines:?}");
        assert!(begun.contains("times as fast as allowed over 1h and 5m"), "{begun}");
        assert!(ended.contains("resolved=true"), "{ended}");
    }

    #[test]
    fn windows_are_named_in_their_largest_unit() {
        let named = [(300, "5m"), (3_600, "1h"), (129_600, "36h"), (86_400, "1d"), (301, "301s")];
        for (seconds, name) in named {
            assert_eq!(window_label(Duration::from_secs(seconds)), name);
        }
    }

    #[test]
    fn objectives_have_names_of_their_own_and_are_not_too_many() {
        let error = Slos::new(vec![slo("a"), slo("b"), slo("a")]).expect_err("two have the same name");
        assert_eq!(error.to_string(), "slo \"a\": an earlier objective has the same name");
        let many: Vec<Slo> = (0..=MAX_SLOS).map(|n| slo(&n.to_string())).collect();
        assert!(Slos::new(many[1..].to_vec()).is_ok());
        let error = Slos::new(many).expect_err("one too many");
        assert!(error.to_string().contains("there are 201 objectives; at most 200"), "{error}");
    }
}
