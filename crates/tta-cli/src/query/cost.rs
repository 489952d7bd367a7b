//! `tta cost report`: what the model calls cost that are stored.

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::Value;

use super::source::Source;
use super::{number, print, print_json, push, table, text};

/// What `tta cost report` can be told.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// What the cost is told by.
    #[arg(long, default_value = "model", value_parser = ["model", "provider", "service", "workflow", "agent", "agent_type", "session"])]
    by: String,
    /// Count the calls that started no longer ago than this, such as 24h; by default all that are stored.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    since: Option<Duration>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Shows what was spent.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut parameters = vec![("by", arguments.by.clone())];
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    push(&mut parameters, "start", arguments.since.map(|since| now.saturating_sub(since).as_nanos()));
    let found = arguments.source.get("/api/tta/v1/cost", &parameters, "rows")?;
    if arguments.json {
        return print_json(&found);
    }
    let rows = found["rows"].as_array().map_or(&[][..], Vec::as_slice);
    if rows.is_empty() {
        return print("No call of a model is stored.\n");
    }
    let header = [arguments.by.as_str(), "calls", "prompt tokens", "completion tokens", "US dollars"];
    print(&table(&header, rows.iter().map(row).collect(), 1))?;
    print(&format!("{:.4} US dollars in all.\n", found["cost_usd"].as_f64().unwrap_or(0.0)))?;
    match number(&found["unpriced_calls"]) {
        0 => Ok(()),
        calls => print(&format!(
            "The price of {calls} calls is not known, and missing from the sum: whoever made them did not tell it.\n"
        )),
    }
}

fn row(cost: &Value) -> Vec<String> {
    let key = text(&cost["key"]);
    vec![
        if key.is_empty() { String::from("(not told)") } else { key },
        number(&cost["calls"]).to_string(),
        number(&cost["prompt_tokens"]).to_string(),
        number(&cost["completion_tokens"]).to_string(),
        format!("{:.4}", cost["cost_usd"].as_f64().unwrap_or(0.0)),
    ]
}
