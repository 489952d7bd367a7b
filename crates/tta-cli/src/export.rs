//! `tta export`: stored traces as lines of OTLP's JSON.

use std::collections::HashSet;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use tta::server::Reader;
use tta::server::read::{ALWAYS, SpanQuery, Times, otlp_json, search, services, trace};
use tta_model::TraceId;

use crate::serve::data_directory;

/// How many spans are asked for at once.
const PAGE: usize = 10_000;

/// What `tta export` can be told.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Read the telemetry in this directory; by default in the user's own for data.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Write only the traces with a span of this service.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Write only the traces with a span that started within this time, such as 1h or 2d.
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    since: Option<Duration>,
    /// Write to this file instead of the standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print how much was written as JSON.
    #[arg(long, requires = "out")]
    json: bool,
}

#[derive(Default)]
struct Written {
    traces: u64,
    spans: u64,
}

/// Writes each trace as one line, whole, the oldest first.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let directory = match &arguments.data {
        Some(directory) => directory.clone(),
        None => data_directory().ok_or("no directory for data is known; name one with --data")?,
    };
    check_store(&directory)?;
    let reader = Reader::open(&directory)?;
    let found = find(&reader, arguments)?;
    match &arguments.out {
        None => _ = write(&reader, &found, io::stdout().lock())?,
        Some(path) => {
            let failed = |error: &dyn Error| format!("cannot write {}: {error}", path.display());
            let file = File::create(path).map_err(|error| failed(&error))?;
            let written = write(&reader, &found, file).map_err(|error| failed(&*error))?;
            tell(&written, path, arguments.json)?;
        }
    }
    match &reader.damage()[..] {
        [] => Ok(()),
        [first, ..] => Err(format!(
            "what is damaged in the store was left out: {} in {}; the rest was written",
            first.what, first.file
        )
        .into()),
    }
}

/// A server locks the directory that it made, so one without a lock was never a store's.
pub(crate) fn check_store(directory: &Path) -> Result<(), String> {
    let shown = directory.display();
    if !directory.exists() {
        return Err(format!("there is no folder {shown}; name the one of `tta serve` with --data"));
    }
    if !directory.join("lock").is_file() {
        return Err(format!("{shown} is not a store of `tta serve`; name its folder with --data"));
    }
    Ok(())
}

/// The traces that are asked for, by the start of what was found of them.
fn find(reader: &Reader, arguments: &Arguments) -> Result<Vec<TraceId>, Box<dyn Error>> {
    if let Some(name) = &arguments.service {
        let known = services(reader)?;
        if !known.contains(name) {
            let known = if known.is_empty() { String::from("none") } else { known.join(", ") };
            return Err(format!("no span of the service `{name}` is stored; there are: {known}").into());
        }
    }
    let mut query = SpanQuery {
        service: arguments.service.clone(),
        times: arguments.since.map_or(ALWAYS, times),
        limit: PAGE,
        ..SpanQuery::default()
    };
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    loop {
        let page = search(reader, &query)?;
        found.extend(page.hits.iter().map(|hit| hit.trace_id).filter(|id| seen.insert(*id)));
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    found.reverse();
    Ok(found)
}

fn times(since: Duration) -> Times {
    let from = SystemTime::now().checked_sub(since).and_then(|from| from.duration_since(UNIX_EPOCH).ok());
    let from = from.and_then(|from| i64::try_from(from.as_nanos()).ok());
    from.unwrap_or(i64::MIN)..=i64::MAX
}

fn write(reader: &Reader, ids: &[TraceId], out: impl Write) -> Result<Written, Box<dyn Error>> {
    let mut out = BufWriter::new(out);
    let mut written = Written::default();
    for id in ids {
        let stored = trace(reader, *id)?;
        // A server may have given it up since it was found.
        let Some(line) = otlp_json(&stored) else { continue };
        writeln!(out, "{line}")?;
        written.traces += 1;
        written.spans += stored.spans.len() as u64;
    }
    out.flush()?;
    Ok(written)
}

fn tell(written: &Written, path: &Path, is_json: bool) -> io::Result<()> {
    let Written { traces, spans } = written;
    let file = path.display().to_string();
    if is_json {
        let outcome = serde_json::json!({ "traces": traces, "spans": spans, "file": file });
        return writeln!(io::stdout(), "{outcome:#}");
    }
    writeln!(io::stdout(), "Wrote {traces} traces with {spans} spans to {file}")
}
