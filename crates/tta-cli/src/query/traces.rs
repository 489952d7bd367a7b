//! `tta traces`: which traces there are.

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::{Value, json};

use super::source::Source;
use super::{Parameters, number, print, print_json, push, table, text};
use crate::render::duration;

/// How many traces are asked for at once.
const PAGE: usize = 1_000;

/// What `tta traces` can be told.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    filters: Filters,
    /// Show at most so many, the latest first.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// Print the traces as JSON.
    #[arg(long)]
    json: bool,
}

/// A trace is shown if one of its spans fits all of it.
#[derive(Debug, Args)]
struct Filters {
    /// Of this service.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// With this name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Of this primitive.
    #[arg(long, value_name = "NAME")]
    primitive: Option<String>,
    /// Of this workflow.
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// Run by this instance of an agent.
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// In this session.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// A call of this model.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// With this status.
    #[arg(long, value_parser = ["unset", "ok", "error"])]
    status: Option<String>,
    /// At least this long, such as 1.5s or 20ms.
    #[arg(long, value_name = "TIME")]
    min_duration: Option<String>,
    /// At most this long.
    #[arg(long, value_name = "TIME")]
    max_duration: Option<String>,
    /// With this attribute, of the span or its resource; can be given more than once.
    #[arg(long, value_name = "KEY:VALUE")]
    attr: Vec<String>,
    /// With this text in its name, an attribute, an event or its status.
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Started no longer ago than this, such as 15m or 2h.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    since: Option<Duration>,
}

impl Filters {
    fn parameters(&self) -> Parameters<'_> {
        let mut parameters = Vec::new();
        push(&mut parameters, "service", self.service.as_ref());
        push(&mut parameters, "name", self.name.as_ref());
        push(&mut parameters, "primitive", self.primitive.as_ref());
        push(&mut parameters, "workflow", self.workflow.as_ref());
        push(&mut parameters, "agent", self.agent.as_ref());
        push(&mut parameters, "session", self.session.as_ref());
        push(&mut parameters, "model", self.model.as_ref());
        push(&mut parameters, "status", self.status.as_ref());
        push(&mut parameters, "min_duration", self.min_duration.as_ref());
        push(&mut parameters, "max_duration", self.max_duration.as_ref());
        self.attr.iter().for_each(|attr| push(&mut parameters, "attr", Some(attr)));
        push(&mut parameters, "q", self.text.as_ref());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let start = self.since.map(|since| now.saturating_sub(since).as_nanos());
        push(&mut parameters, "start", start);
        parameters
    }
}

/// Shows the traces.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let (found, has_more) = find(arguments)?;
    if arguments.json {
        return print_json(&json!({ "traces": found, "has_more": has_more }));
    }
    if found.is_empty() {
        return print("No trace fits.\n");
    }
    let rows = found.iter().map(row).collect();
    print(&table(&["trace", "service", "name", "started", "spans", "errors", "duration"], rows, 4))?;
    if has_more {
        print(&format!("There are more than {}; show more with --limit.\n", arguments.limit))?;
    }
    Ok(())
}

/// Asks for pages until there are enough.
fn find(arguments: &Arguments) -> Result<(Vec<Value>, bool), Box<dyn Error>> {
    let wanted = arguments.limit as usize;
    let filters = arguments.filters.parameters();
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut parameters = filters.clone();
        push(&mut parameters, "limit", Some((wanted - found.len()).min(PAGE)));
        push(&mut parameters, "cursor", cursor.as_ref());
        let mut answer = arguments.source.get("/api/tta/v1/traces", &parameters, "traces")?;
        if let Value::Array(traces) = answer["traces"].take() {
            found.extend(traces);
        }
        cursor = answer["next"].as_str().map(str::to_owned);
        if cursor.is_none() || found.len() >= wanted {
            return Ok((found, cursor.is_some()));
        }
    }
}

fn row(trace: &Value) -> Vec<String> {
    let nanos: u64 = trace["start_unix_nanos"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
    let started = UNIX_EPOCH.checked_add(Duration::from_nanos(nanos)).unwrap_or(UNIX_EPOCH);
    vec![
        text(&trace["trace_id"]),
        text(&trace["service"]),
        text(&trace["name"]),
        humantime::format_rfc3339_millis(started).to_string(),
        number(&trace["spans"]).to_string(),
        number(&trace["errors"]).to_string(),
        duration(number(&trace["duration_nanos"])),
    ]
}
