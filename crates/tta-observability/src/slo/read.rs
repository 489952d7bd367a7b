//! Objectives as they are written in a configuration.

use std::time::Duration;

use serde::Deserialize;
use tta_model::Text;

use super::status::repeated;
use super::{LONGEST_WINDOW, Objective, Slo, SloError, Target};

/// A list of objectives, as a configuration has it.
///
/// ```
/// #[derive(serde::Deserialize)]
/// struct Settings {
///     slo: tta_observability::slo::SloList,
/// }
///
/// let settings: Settings = toml::from_str(
///     r#"
///     [[slo]]
///     name = "report succeeds"
///     workflow = "report"
///     availability = 0.999
///     window = "30d"
///
///     [[slo]]
///     name = "search is fast"
///     primitive = "search"
///     latency = "250ms"
///     goal = 0.99
///     "#,
/// )?;
/// assert_eq!(settings.slo.0.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// An entry names a `workflow` or a `primitive`, and has `availability`, which is the goal, or `latency` with a `goal`.
/// Times are numbers with units, such as `250ms`, `5m`, `1h` or `30d`; a `window` that is not given is 30 days.
/// What is wrong with any entry is said all at once.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "Vec<Entry>")]
pub struct SloList(pub Vec<Slo>);

/// What an entry may hold. Whether it makes sense is seen when all of it is there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Option<Text>,
    workflow: Option<Text>,
    primitive: Option<Text>,
    availability: Option<f64>,
    latency: Option<String>,
    goal: Option<f64>,
    window: Option<String>,
}

impl TryFrom<Vec<Entry>> for SloList {
    type Error = SloError;

    fn try_from(entries: Vec<Entry>) -> Result<Self, SloError> {
        let (mut slos, mut problems) = (Vec::new(), Vec::new());
        for (at, entry) in entries.iter().enumerate() {
            let name = entry.name.clone().unwrap_or_else(|| format!("number {}", at + 1).into());
            match entry.read() {
                Ok(slo) => slos.push(slo),
                Err(wrong) => problems.extend(wrong.into_iter().map(|problem| (name.clone(), problem))),
            }
        }
        problems.extend(repeated(&slos));
        if problems.is_empty() { Ok(Self(slos)) } else { Err(SloError { problems }) }
    }
}

impl<'de> Deserialize<'de> for Slo {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entry = Entry::deserialize(deserializer)?;
        let name = entry.name.clone().unwrap_or_default();
        entry.read().map_err(|wrong| {
            let problems = wrong.into_iter().map(|problem| (name.clone(), problem)).collect();
            serde::de::Error::custom(SloError { problems })
        })
    }
}

impl Entry {
    fn read(&self) -> Result<Slo, Vec<String>> {
        let mut problems = Vec::new();
        let mut keep = |problem: String| problems.push(problem);
        if self.name.is_none() {
            keep("`name` is missing".to_owned());
        }
        let target = self.target().map_err(&mut keep).ok();
        let objective = self.objective().map_err(&mut keep).ok();
        let window = self.window.as_deref().map_or(Ok(LONGEST_WINDOW), |text| time("window", text));
        let window = window.map_err(&mut keep).ok();
        // What could not be read is filled in with what is right, so that the rest is checked all the same.
        let filled = Slo {
            name: self.name.clone().unwrap_or("-".into()),
            target: target.unwrap_or(Target::Workflow("-".into())),
            objective: objective.map_or(Objective::Availability, |(objective, _)| objective),
            goal: objective.map_or(0.5, |(_, goal)| goal),
            window: window.unwrap_or(LONGEST_WINDOW),
        };
        problems.extend(filled.problems());
        if problems.is_empty() { Ok(filled) } else { Err(problems) }
    }

    fn target(&self) -> Result<Target, String> {
        match (&self.workflow, &self.primitive) {
            (Some(workflow), None) => Ok(Target::Workflow(workflow.clone())),
            (None, Some(primitive)) => Ok(Target::Primitive(primitive.clone())),
            (None, None) => Err("give a `workflow` or a `primitive`".to_owned()),
            (Some(_), Some(_)) => Err("give a `workflow` or a `primitive`, not both".to_owned()),
        }
    }

    fn objective(&self) -> Result<(Objective, f64), String> {
        match (self.availability, &self.latency, self.goal) {
            (Some(goal), None, None) => Ok((Objective::Availability, goal)),
            (None, Some(limit), Some(goal)) => {
                Ok((Objective::Latency { within: time("latency", limit)? }, goal))
            }
            (None, Some(_), None) => Err("`latency` needs a `goal`, as in 0.99".to_owned()),
            (Some(_), None, Some(_)) => Err("`availability` is the goal; leave `goal` out".to_owned()),
            (Some(_), Some(_), _) => {
                Err("give `availability` or `latency`, not both; two objectives are two entries".to_owned())
            }
            (None, None, _) => Err("give `availability`, as in 0.999, or `latency` with a `goal`".to_owned()),
        }
    }
}

fn time(field: &str, text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("`{field}` is {text:?}: {error}; write it as 250ms, 5m, 1h or 30d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Settings {
        slo: SloList,
    }

    fn read(text: &str) -> Result<Vec<Slo>, String> {
        toml::from_str::<Settings>(text).map(|settings| settings.slo.0).map_err(|error| error.to_string())
    }

    #[test]
    fn an_entry_reads_as_the_objective_made_in_code() {
        let read = read(
            r#"
            slo = [
                { name = "api", workflow = "report", availability = 0.999, window = "7d" },
                { name = "fast", primitive = "search", latency = "1s 500ms", goal = 0.99 },
            ]"#,
        );
        let report = Target::Workflow("report".into());
        let api = Slo::new("api", report, Objective::Availability, 0.999).expect("it is right");
        let api = api.over(Duration::from_secs(7 * 86_400)).expect("it is right");
        let limit = Objective::Latency { within: Duration::from_millis(1_500) };
        let fast = Slo::new("fast", Target::Primitive("search".into()), limit, 0.99).expect("it is right");
        assert_eq!(read, Ok(vec![api, fast]));
    }

    #[test]
    fn what_is_wrong_with_any_entry_is_said_at_once() {
        let error = read(
            r#"
            slo = [
                { name = "api", availability = 99.9, window = "90d" },
                { workflow = "w", primitive = "p", latency = "soon" },
                { name = "good", workflow = "w", availability = 0.9 },
                { name = "good", workflow = "w", latency = "fast", goal = 0.9 },
                { name = "good", workflow = "w", availability = 0.9, goal = 0.9 },
                { name = "good", workflow = "w", availability = 0.8 },
            ]"#,
        )
        .expect_err("most are wrong");
        let expected = [
            "9 things are wrong with the objectives:",
            "slo \"api\": give a `workflow` or a `primitive`",
            "slo \"api\": the goal is 99.9; it must be above 0 and below 1",
            "slo \"api\": the window is 7776000s; it must be from 5m to 30d",
            "slo \"number 2\": `name` is missing",
            "slo \"number 2\": give a `workflow` or a `primitive`, not both",
            "slo \"number 2\": `latency` needs a `goal`",
            "slo \"good\": `latency` is \"fast\": ",
            "slo \"good\": `availability` is the goal; leave `goal` out",
            "slo \"good\": an earlier objective has the same name",
        ];
        expected.iter().for_each(|line| assert!(error.contains(line), "{line}\n--- is not in:\n{error}"));
    }

    #[test]
    fn fields_that_do_not_exist_are_no_surprise_later() {
        let error = read(r#"slo = [{ name = "api", workflow = "w", availabilty = 0.9 }]"#);
        let error = error.expect_err("it is misspelt");
        assert!(error.contains("unknown field `availabilty`"), "{error}");
        let one: Result<Slo, _> = toml::from_str("name = \"api\"\nworkflow = \"w\"\navailability = 1.0");
        assert!(one.expect_err("out of range").to_string().contains("slo \"api\": the goal is 1"));
    }
}
