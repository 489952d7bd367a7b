//! `tta export`: what a server has stored, as lines of OTLP's JSON or as tables.

mod draft;
mod lines;
mod parquet;
mod plan;
pub(crate) mod wanted;

use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use tta::server::Reader;
use tta::server::read::{self, Arrivals, StoredLog, StoredMetric, StoredTrace};

use crate::serve::data_directory;
use crate::{progress, stop};
use plan::Plan;

/// What `tta export` can be told.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Read the telemetry in this directory; by default in the user's own for data.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Write these only, such as traces,logs; by default all, or the traces alone if --out names a single table.
    #[arg(long, value_name = "SIGNALS", value_enum, value_delimiter = ',')]
    signals: Vec<Signal>,
    /// Write only the traces with a span of this service, and its log records and metrics.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Write only the traces with a span that started within this time, such as 1h or 2d, and log records and metrics of it.
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    since: Option<Duration>,
    /// Write in this format; by default in the one that the ending of --out tells, or else lines.
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Format>,
    /// Write to this file instead of the standard output; of tables also to this folder, each signal to a file.
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Write over files that exist already.
    #[arg(long, requires = "out")]
    force: bool,
    /// Print how much was written as JSON.
    #[arg(long, requires = "out")]
    json: bool,
}

/// A kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Signal {
    Traces,
    Logs,
    Metrics,
}

impl Signal {
    const ALL: [Self; 3] = [Self::Traces, Self::Logs, Self::Metrics];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines of OTLP's JSON, as the collector writes them and `tta import` reads them.
    Jsonl,
    /// Tables for DuckDB, pandas and Polars.
    Parquet,
}

/// Where telemetry is written.
trait Sink {
    /// Adds the spans of a trace; its log records come with the others.
    fn trace(&mut self, trace: &StoredTrace) -> Result<(), Box<dyn Error>>;
    fn logs(&mut self, records: &[StoredLog]) -> Result<(), Box<dyn Error>>;
    fn metrics(&mut self, metrics: &[StoredMetric]) -> Result<(), Box<dyn Error>>;
    /// Gives the files their names, as all is in them.
    fn finish(self: Box<Self>) -> Result<(), Box<dyn Error>>;
}

#[derive(Default)]
struct Written {
    traces: u64,
    /// Found, and then given up by the server before they were read.
    given_up: u64,
    spans: u64,
    log_records: u64,
    metric_points: u64,
}

/// Writes the traces, each whole, the oldest first; then log records and metrics in the order in which they came.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let directory = match &arguments.data {
        Some(directory) => directory.clone(),
        None => data_directory().ok_or("no directory for data is known; name one with --data")?,
    };
    let plan = Plan::of(arguments)?;
    wanted::check_store(&directory)?;
    let reader = Reader::open(&directory)?;
    wanted::check_service(&reader, arguments.service.as_deref())?;
    // A pipe is open only when somebody reads it; until then, Ctrl-C ends the process as the system does it.
    let sink = plan.open(arguments.force)?;
    let asked_to_stop = match &arguments.out {
        Some(_) => stop::listen()?,
        None => Arc::default(),
    };
    let mut export = Export {
        reader,
        arguments,
        sink,
        asked_to_stop,
        bar: ProgressBar::hidden(),
        written: Written::default(),
    };
    for signal in &plan.signals {
        let done = export.write(*signal);
        export.bar.finish_and_clear();
        done?;
    }
    let Export { reader, sink, written, .. } = export;
    sink.finish().map_err(|error| failed(arguments, error))?;
    if let Some(path) = &arguments.out {
        tell(&written, &plan.signals, (path, arguments.json))?;
    }
    if written.given_up > 0 {
        eprintln!("{} traces are left out: the server gave them up meanwhile.", written.given_up);
    }
    Ok(wanted::check_damage(&reader)?)
}

/// Says where what could not be written was to go.
fn failed(arguments: &Arguments, error: Box<dyn Error>) -> Box<dyn Error> {
    match &arguments.out {
        None => error,
        Some(path) => format!("cannot write {}: {error}", path.display()).into(),
    }
}

/// An export under way.
struct Export<'a> {
    reader: Reader,
    arguments: &'a Arguments,
    sink: Box<dyn Sink>,
    asked_to_stop: Arc<AtomicBool>,
    bar: ProgressBar,
    written: Written,
}

impl Export<'_> {
    fn write(&mut self, signal: Signal) -> Result<(), Box<dyn Error>> {
        match signal {
            Signal::Traces => self.write_traces(),
            Signal::Logs => self.write_logs(),
            Signal::Metrics => self.write_metrics(),
        }
    }

    fn write_traces(&mut self) -> Result<(), Box<dyn Error>> {
        self.show(None, "traces found");
        let (arguments, bar) = (self.arguments, self.bar.clone());
        let found = wanted::traces(&self.reader, arguments, |found| {
            bar.set_position(found as u64);
            self.go_on()
        })?;
        self.bar.finish_and_clear();
        self.show(Some(found.len() as u64), "traces");
        for id in found {
            self.go_on()?;
            self.bar.inc(1);
            let stored = read::trace(&self.reader, id)?;
            // A server may have given it up since it was found.
            if stored.spans.is_empty() {
                self.written.given_up += 1;
                continue;
            }
            self.sink.trace(&stored).map_err(|error| failed(arguments, error))?;
            self.written.traces += 1;
            self.written.spans += stored.spans.len() as u64;
        }
        Ok(())
    }

    fn write_logs(&mut self) -> Result<(), Box<dyn Error>> {
        self.show(None, "log records");
        let mut query = self.arrivals();
        loop {
            self.go_on()?;
            let page = read::arrived_logs(&self.reader, &query)?;
            self.sink.logs(&page.records).map_err(|error| failed(self.arguments, error))?;
            self.written.log_records += page.records.len() as u64;
            self.bar.set_position(self.written.log_records);
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn write_metrics(&mut self) -> Result<(), Box<dyn Error>> {
        self.show(None, "points of metrics");
        let mut query = self.arrivals();
        loop {
            self.go_on()?;
            let page = read::arrived_metrics(&self.reader, &query)?;
            self.sink.metrics(&page.records).map_err(|error| failed(self.arguments, error))?;
            self.written.metric_points += page.records.iter().map(points).sum::<u64>();
            self.bar.set_position(self.written.metric_points);
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn arrivals(&self) -> Arrivals {
        let Arguments { service, since, .. } = self.arguments;
        Arrivals { service: service.clone(), times: wanted::times(*since), ..Arrivals::default() }
    }

    /// Shows progress on a terminal, where it is not in the way of what is written.
    fn show(&mut self, length: Option<u64>, what: &'static str) {
        if self.arguments.out.is_some() {
            self.bar = progress::items(length, what);
        }
    }

    fn go_on(&self) -> Result<(), Box<dyn Error>> {
        match self.asked_to_stop.load(Ordering::Relaxed) {
            false => Ok(()),
            true => Err("it was interrupted, so nothing was written".into()),
        }
    }
}

/// How many points a metric has.
fn points(stored: &StoredMetric) -> u64 {
    let points = match &stored.metric.data {
        Some(Data::Gauge(of)) => of.data_points.len(),
        Some(Data::Sum(of)) => of.data_points.len(),
        Some(Data::Histogram(of)) => of.data_points.len(),
        Some(Data::ExponentialHistogram(of)) => of.data_points.len(),
        Some(Data::Summary(of)) => of.data_points.len(),
        None => 0,
    };
    points as u64
}

fn tell(written: &Written, signals: &[Signal], (path, is_json): (&Path, bool)) -> io::Result<()> {
    let Written { traces, given_up, spans, log_records, metric_points } = written;
    let file = path.display().to_string();
    if is_json {
        let outcome = serde_json::json!({
            "traces": traces,
            "traces_given_up": given_up,
            "spans": spans,
            "log_records": log_records,
            "metric_points": metric_points,
            "file": file,
        });
        return writeln!(io::stdout(), "{outcome:#}");
    }
    let parts: Vec<String> = signals
        .iter()
        .map(|signal| match signal {
            Signal::Traces => format!("{traces} traces with {spans} spans"),
            Signal::Logs => format!("{log_records} log records"),
            Signal::Metrics => format!("{metric_points} points of metrics"),
        })
        .collect();
    writeln!(io::stdout(), "Wrote {} to {file}", parts.join(", "))
}
