//! Objectives: how much of what runs must go well, and what is left of the failures that this allows.
//!
//! An objective of 99.9 % over 30 days allows one event of a thousand to be bad: that is its error budget. How fast the
//! budget is spent is the *burn rate*: at 1 it lasts exactly as long as the window, at 14.4 a fiftieth of it is gone after
//! an hour. A high burn rate is told of once when it begins and once when it ends, by two windows each, as
//! the fifth chapter of the Site Reliability Workbook describes: the long one says that it matters, the short one
//! that it still goes on.
//!
//! Counts are exact: they come from the [metrics](crate::metrics), which count every execution, sampled or not.
//! They begin with the process, so a window covers no more than its uptime.
//!
//! ```
//! use std::time::Duration;
//! use tta_observability::Telemetry;
//! use tta_observability::slo::{Objective, Slo, Target};
//!
//! let report = Target::Workflow("report".into());
//! let fast = Objective::Latency { within: Duration::from_millis(250) };
//! let guard = Telemetry::new()
//!     .slo(Slo::new("report succeeds", report.clone(), Objective::Availability, 0.999)?)
//!     .slo(Slo::new("report is fast", report, fast, 0.99)?)
//!     .install()?;
//! for status in guard.slos().status() {
//!     assert_eq!(status.budget_remaining, 1.0, "nothing has run, so nothing is spent");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod burn;
mod engine;
mod history;
#[cfg(test)]
mod oracle;
mod read;
mod status;

use std::fmt;
use std::time::Duration;

use tta_model::Text;

pub use burn::{Alert, Urgency};
pub use read::SloList;
pub use status::{SloStatus, Slos, WindowStatus};

pub(crate) use history::Events;

use crate::metrics::Limit;

/// The shortest window of an objective: five minutes.
pub const SHORTEST_WINDOW: Duration = Duration::from_secs(5 * 60);
/// The longest window of an objective, and the usual one: 30 days.
pub const LONGEST_WINDOW: Duration = Duration::from_secs(30 * 24 * 3_600);
/// How many objectives a process may have, so that each window of each of them has a series of its own.
pub const MAX_SLOS: usize = 200;

/// What must go well, how often, and over which time.
#[derive(Clone, Debug, PartialEq)]
pub struct Slo {
    name: Text,
    target: Target,
    objective: Objective,
    goal: f64,
    window: Duration,
}

/// What an objective is about. Everything that has the name is counted together: all addresses of a primitive,
/// all kinds of agents that run a workflow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// The runs of the workflow of this name.
    Workflow(Text),
    /// The executions of the primitives of this name.
    Primitive(Text),
}

/// What makes an event good. What was cancelled is neither good nor bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Objective {
    /// It succeeds. An error or a timeout is bad.
    Availability,
    /// It succeeds within a time. A failure is bad, however fast it comes.
    Latency {
        /// The longest time that is good.
        within: Duration,
    },
}

impl Slo {
    /// States an objective over the last 30 days: the part of events that must be good, above 0 and below 1.
    ///
    /// # Errors
    /// If the name or that of the target is empty, the goal is out of range, or the time limit is zero; the
    /// error lists all that is wrong.
    pub fn new(
        name: impl Into<Text>,
        target: Target,
        objective: Objective,
        goal: f64,
    ) -> Result<Self, SloError> {
        Self { name: name.into(), target, objective, goal, window: LONGEST_WINDOW }.checked()
    }

    /// Changes the window: whole seconds, from [`SHORTEST_WINDOW`] to [`LONGEST_WINDOW`].
    ///
    /// # Errors
    /// If it is shorter or longer.
    pub fn over(self, window: Duration) -> Result<Self, SloError> {
        Self { window, ..self }.checked()
    }

    /// The name, which tells it from the other objectives of the process.
    #[must_use]
    pub fn name(&self) -> &Text {
        &self.name
    }

    /// What it is about.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What makes an event good.
    #[must_use]
    pub fn objective(&self) -> Objective {
        self.objective
    }

    /// The part of events that must be good, above 0 and below 1.
    #[must_use]
    pub fn goal(&self) -> f64 {
        self.goal
    }

    /// The time over which the goal is to be met.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.window
    }

    /// The part of events that may be bad.
    pub(crate) fn allowed(&self) -> f64 {
        1.0 - self.goal
    }

    /// The time limit, if it has one, for those who count.
    pub(crate) fn limit(&self) -> Option<Limit> {
        let Objective::Latency { within } = self.objective else { return None };
        let nanos = u64::try_from(within.as_nanos()).unwrap_or(u64::MAX);
        Some(Limit { is_run: self.target.is_run(), name: self.target.name().clone(), nanos })
    }

    fn checked(self) -> Result<Self, SloError> {
        let problems = self.problems();
        if problems.is_empty() {
            return Ok(self);
        }
        Err(SloError { problems: problems.into_iter().map(|problem| (self.name.clone(), problem)).collect() })
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |is_right: bool, problem: &dyn Fn() -> String| {
            if !is_right {
                problems.push(problem());
            }
        };
        check(!self.name.trim().is_empty(), &|| "the name is empty".to_owned());
        check(!self.target.name().trim().is_empty(), &|| {
            "the name of the workflow or primitive is empty".to_owned()
        });
        check(self.goal > 0.0 && self.goal < 1.0, &|| {
            format!("the goal is {}; it must be above 0 and below 1, as in 0.999", self.goal)
        });
        if let Objective::Latency { within } = self.objective {
            check(!within.is_zero(), &|| "the time limit is zero, which nothing can keep".to_owned());
        }
        check((SHORTEST_WINDOW..=LONGEST_WINDOW).contains(&self.window), &|| {
            format!("the window is {:?}; it must be from 5m to 30d", self.window)
        });
        check(self.window.subsec_nanos() == 0, &|| {
            format!("the window is {:?}; it must be whole seconds", self.window)
        });
        problems
    }
}

impl Target {
    /// The name of the workflow or primitive.
    #[must_use]
    pub fn name(&self) -> &Text {
        match self {
            Self::Workflow(name) | Self::Primitive(name) => name,
        }
    }

    /// Whether it is about runs, and not about executions of primitives.
    pub(crate) fn is_run(&self) -> bool {
        matches!(self, Self::Workflow(_))
    }
}

/// Some objectives are wrong. It lists all that is wrong with each, so that one round of corrections is enough.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SloError {
    /// What is wrong, with the name of the objective or its place in the list; never empty.
    pub problems: Vec<(Text, String)>,
}

impl fmt::Display for SloError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let write = |f: &mut fmt::Formatter<'_>, (name, problem): &(Text, String)| {
            write!(f, "slo {name:?}: {problem}")
        };
        match self.problems.as_slice() {
            [problem] => write(f, problem),
            problems => {
                write!(f, "{} things are wrong with the objectives:", problems.len())?;
                problems.iter().try_for_each(|problem| {
                    f.write_str("\n  ")?;
                    write(f, problem)
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn available(goal: f64) -> Result<Slo, SloError> {
        Slo::new("api", Target::Workflow("report".into()), Objective::Availability, goal)
    }

    #[test]
    fn a_goal_lies_between_nothing_and_everything() {
        for goal in [0.0, 1.0, -0.5, 99.9, f64::NAN, f64::INFINITY] {
            let error = available(goal).expect_err("it is out of range");
            assert!(error.to_string().contains("must be above 0 and below 1"), "{error}");
        }
        assert_eq!(available(0.999).expect("it is in range").window(), LONGEST_WINDOW);
    }

    #[test]
    fn a_window_has_bounds() {
        let slo = available(0.9).expect("it is right");
        for seconds in [299.0, 300.5, 30.0 * 86_400.0 + 1.0] {
            let window = Duration::from_secs_f64(seconds);
            assert!(slo.clone().over(window).is_err(), "{window:?}");
        }
        for window in [SHORTEST_WINDOW, LONGEST_WINDOW] {
            assert_eq!(slo.clone().over(window).expect("it is in range").window(), window);
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let limit = Objective::Latency { within: Duration::ZERO };
        let error = Slo::new("", Target::Primitive(" ".into()), limit, 2.0).expect_err("nothing is right");
        assert_eq!(error.problems.len(), 4, "{error}");
        assert!(
            error.to_string().starts_with("4 things are wrong with the objectives:\n  slo \"\": "),
            "{error}"
        );
    }
}
