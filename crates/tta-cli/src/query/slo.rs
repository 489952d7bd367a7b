//! `tta slo`: how the objectives of programs stand.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::Value;

use super::source::Source;
use super::{number, print, print_json, push, table, text};

/// What is told where no program has an objective.
const HOW: &str = "Declare one in the file that the program's TTA_CONFIG names, and have it send its metrics here: OTEL_METRICS_EXPORTER=otlp.

[[slo]]
name = \"reports-are-quick\"
workflow = \"report\"
latency = \"250ms\"
goal = 0.99
window = \"30d\"
";

/// How many columns a full budget takes.
const BAR: usize = 10;

/// What `tta slo` can be told.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Of this service.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Of this name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Told of no longer ago than this.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = humantime::parse_duration)]
    since: Duration,
    /// After how long without a word an objective is stale: a few of the intervals at which programs send metrics.
    #[arg(long, value_name = "TIME", default_value = "5m")]
    stale_after: String,
    /// Print the objectives as JSON.
    #[arg(long)]
    json: bool,
}

/// Shows the objectives.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut parameters = vec![("stale_after", arguments.stale_after.clone())];
    push(&mut parameters, "start", Some(now.saturating_sub(arguments.since).as_nanos()));
    push(&mut parameters, "service", arguments.service.as_ref());
    push(&mut parameters, "name", arguments.name.as_ref());
    let found = arguments.source.get("/api/tta/v1/slo", &parameters, "objectives")?;
    if arguments.json {
        return print_json(&found);
    }
    let objectives = found["objectives"].as_array().map_or(&[][..], Vec::as_slice);
    if objectives.is_empty() {
        let since = age(arguments.since.as_secs());
        return match (&arguments.service, &arguments.name) {
            (None, None) => print(&format!("No program told of an objective in the last {since}. {HOW}")),
            _ => print(&format!("No such objective was told of in the last {since}.\n")),
        };
    }
    let header = [
        "objective",
        "service",
        "of",
        "target",
        "good",
        "budget left",
        "burn 1h",
        "burn 6h",
        "status",
        "told",
    ];
    let has_bars = io::stdout().is_terminal();
    let rows = objectives.iter().map(|objective| row(objective, objectives, has_bars)).collect();
    print(&table(&header, rows, 3))?;
    let alerts: String = objectives.iter().flat_map(|objective| alerts(objective, objectives)).collect();
    Ok(io::stdout().write_all(alerts.as_bytes())?)
}

fn row(objective: &Value, all: &[Value], has_bars: bool) -> Vec<String> {
    let burn = |window: &str| {
        let windows = objective["windows"].as_array().map_or(&[][..], Vec::as_slice);
        let found = windows.iter().find(|found| found["window"] == window);
        found.and_then(|found| found["burn_rate"].as_f64()).map_or_else(dash, |rate| format!("{rate:.2}"))
    };
    let window = text(&objective["window"]);
    let target = objective["target"].as_f64().map_or_else(dash, |target| goal(target, &window));
    vec![
        text(&objective["name"]),
        service(objective, all),
        subject(objective),
        target,
        objective["compliance"].as_f64().map_or_else(dash, percent),
        objective["budget_remaining"].as_f64().map_or_else(dash, |left| budget(left, has_bars)),
        burn("1h"),
        burn("6h"),
        text(&objective["status"]).replace('_', " "),
        told(objective),
    ]
}

fn dash() -> String {
    String::from("-")
}

/// The service, with the instance where others of it tell something else.
fn service(objective: &Value, all: &[Value]) -> String {
    let service = text(&objective["service"]);
    let is_same =
        |other: &&Value| other["service"] == objective["service"] && other["name"] == objective["name"];
    if all.iter().filter(is_same).count() < 2 {
        return service;
    }
    match objective["instances"].as_array().map_or(&[][..], Vec::as_slice) {
        // What tells instances apart are mostly random ids, of which the begin is enough.
        [instance] => format!("{service} {}", text(instance).chars().take(8).collect::<String>()),
        instances => format!("{service} {} instances", instances.len()),
    }
}

fn subject(objective: &Value) -> String {
    match (objective["workflow"].as_str(), objective["primitive"].as_str()) {
        (Some(_), _) => format!("workflow {}", text(&objective["workflow"])),
        (_, Some(_)) => format!("primitive {}", text(&objective["primitive"])),
        _ => dash(),
    }
}

/// The target with as many digits as it has.
fn goal(target: f64, window: &str) -> String {
    format!("{}% in {window}", (target * 1e8).round() / 1e6)
}

/// A share in per cent, rounded down: 100.00% means that nothing was bad.
fn percent(share: f64) -> String {
    // Beyond a millionth of a per cent is nothing but what was rounded before.
    format!("{:.2}%", ((share * 1e8).round() / 1e4).floor() / 1e2)
}

fn budget(left: f64, has_bar: bool) -> String {
    let share = percent(left);
    if !has_bar {
        return share;
    }
    // What is left at all is seen.
    let full = (left.clamp(0.0, 1.0) * BAR as f64).ceil() as usize;
    format!("{}{} {share:>9}", "█".repeat(full), "░".repeat(BAR - full))
}

/// How long ago it was told.
fn told(objective: &Value) -> String {
    let age = age(number(&objective["age_nanos"]) / 1_000_000_000);
    if objective["is_stale"] == true { format!("stale, {age} ago") } else { format!("{age} ago") }
}

/// Seconds in the unit that leaves at least two of it.
fn age(seconds: u64) -> String {
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let (unit, letter) = units.into_iter().find(|(unit, _)| seconds >= 2 * unit).unwrap_or((1, 's'));
    format!("{}{letter}", seconds / unit)
}

/// A line for each thing that spends the budget too fast.
fn alerts(objective: &Value, all: &[Value]) -> Vec<String> {
    let line = |alert: &Value| {
        let rate = |name: &str| alert[name].as_f64().unwrap_or(0.0);
        format!(
            "{}: {} of {} spends its budget {:.1} times as fast as allowed over {} and {}; the limit is {:.1}\n",
            text(&alert["urgency"]),
            text(&objective["name"]),
            service(objective, all),
            rate("burn_rate"),
            text(&alert["long"]),
            text(&alert["short"]),
            rate("threshold"),
        )
    };
    objective["alerts"].as_array().map_or(&[][..], Vec::as_slice).iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_never_rounded_up() {
        let check = |share: f64, expect: &str| assert_eq!(percent(share), expect);
        check(1.0, "100.00%");
        check(0.999_999, "99.99%");
        check(0.58, "58.00%");
        check(0.0, "0.00%");
        check(-1.25, "-125.00%");
        assert_eq!(goal(0.999, "30d"), "99.9% in 30d");
        assert_eq!(goal(0.57, "1h"), "57% in 1h");
    }

    #[test]
    fn a_budget_is_a_bar() {
        let check = |left: f64, expect: &str| assert_eq!(budget(left, true), expect);
        check(1.0, "██████████   100.00%");
        check(0.75, "████████░░    75.00%");
        check(0.001, "█░░░░░░░░░     0.10%");
        check(0.0, "░░░░░░░░░░     0.00%");
        check(-3.0, "░░░░░░░░░░  -300.00%");
        assert_eq!(budget(0.5, false), "50.00%");
    }

    #[test]
    fn an_age_has_a_unit_that_suits_it() {
        for (seconds, expect) in [(0, "0s"), (119, "119s"), (120, "2m"), (7_200, "2h"), (172_800, "2d")] {
            assert_eq!(age(seconds), expect);
        }
    }
}
