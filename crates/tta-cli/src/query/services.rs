//! `tta services`: which services there are, and what they did in the last hour.

use std::error::Error;

use clap::Args;
use serde_json::Value;

use super::source::Source;
use super::{number, print, print_json, table, text};
use crate::render::duration;

/// What `tta services` can be told.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Print the services as JSON.
    #[arg(long)]
    json: bool,
}

/// Shows the services.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let found = arguments.source.get("/api/tta/v1/services", &[], "services")?;
    if arguments.json {
        return print_json(&found);
    }
    let services = found["services"].as_array().map_or(&[][..], Vec::as_slice);
    if services.is_empty() {
        return print("Nothing is stored yet.\n");
    }
    let rows = services.iter().map(row).collect();
    print(&table(&["service", "spans in the last hour", "errors", "p50", "p95", "p99"], rows, 1))
}

fn row(service: &Value) -> Vec<String> {
    let executions = &service["executions"];
    let count = number(&executions["count"]);
    let percentile = |name: &str| match count {
        0 => String::from("-"),
        _ => duration(number(&executions[name])),
    };
    vec![
        text(&service["name"]),
        count.to_string(),
        number(&executions["errors"]).to_string(),
        percentile("p50_nanos"),
        percentile("p95_nanos"),
        percentile("p99_nanos"),
    ]
}
