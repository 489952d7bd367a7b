//! The demo: a workflow over real documents, and no pretended work.
//!
//! A [corpus] names documents, a [document] is one that passed validation, and [text] has the functions that the
//! steps of the [workflow] call. The [driver] runs it, and [outcome] says what came of it.

mod corpus;
mod document;
mod driver;
mod extract;
mod outcome;
mod server;
mod text;
mod workflow;

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use tta::config::{Config, ExporterKind, MetricsExporter, OtlpEndpoint, OtlpProtocol};
use tta::export::FlushError;
use tta::export::memory::MemoryExporter;
use tta::llm::{Llm, Models, local};
use tta::logs::LogFormat;
use tta::{Guard, Telemetry};

use crate::render::table;
use crate::render::waterfall::{WaterfallOptions, waterfall};
use crate::stop::told_to_stop;
use corpus::Corpus;
use document::Limits;
use driver::Driver;
use outcome::{Outcome, Sample};

/// The name of the service in the demo's telemetry.
const SERVICE: &str = "tta-demo";
/// How long the last spans may take to leave.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// How often each document is run by default: the second time the cache knows it.
const DEFAULT_PASSES: u64 = 2;
/// How wide a waterfall is where no terminal says.
const DEFAULT_WIDTH: usize = 110;

/// What `tta demo` can be told.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many documents to run through the workflow at full speed, again from the first after the last; by
    /// default each one twice.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    runs: Option<u64>,
    /// A file, or a folder of text files; by default the documentation of the repository around the current folder.
    #[arg(long, value_name = "PATH")]
    input: Option<PathBuf>,
    /// Send spans and metrics by OTLP to this address too: over HTTP, or over gRPC if the port is 4317 or the scheme is grpc.
    #[arg(long, value_name = "URL", value_parser = receiver)]
    otlp: Option<Receiver>,
    /// Start a server too, send to it by OTLP, and tell where to look: at the usual ports, or at free ones where these are taken.
    #[arg(long, conflicts_with_all = ["otlp", "exit"])]
    serve: bool,
    /// Which model summarises, as in openai/gpt-4o-mini or ollama/llama3.2; its provider gets the documents and its key is in the
    /// environment. By default the offline one, which ranks sentences.
    #[arg(long, value_name = "PROVIDER/MODEL", default_value = local::MODEL)]
    model: String,
    /// Let this part of the summaries fail for a moment, from 0 to 1, to see retries.
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = rate)]
    chaos: f64,
    /// Reject documents larger than this many bytes.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().max_bytes)]
    max_bytes: u64,
    /// Show metrics to Prometheus at this port of 127.0.0.1, or at a free one if it is 0; by default 9464, or nowhere
    /// if that is taken.
    #[arg(long, value_name = "PORT")]
    metrics_port: Option<u16>,
    /// Stop after the runs, instead of going on with about one a second until Ctrl-C.
    #[arg(long)]
    exit: bool,
    /// Make no more runs after the first ones, and show the metrics of these until Ctrl-C.
    #[arg(long, conflicts_with = "exit")]
    hold: bool,
    /// Print the outcome as JSON.
    #[arg(long)]
    json: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: Option<f64> = text.parse().ok();
    rate.filter(|rate| (0.0..=1.0).contains(rate)).ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

/// Where the spans are sent.
#[derive(Clone, Debug)]
struct Receiver {
    endpoint: OtlpEndpoint,
    /// The protocol, if the address tells it.
    protocol: Option<OtlpProtocol>,
}

fn receiver(url: &str) -> Result<Receiver, String> {
    let rest = url.strip_prefix("grpc://");
    let is_grpc = rest.is_some() || url.trim_end_matches('/').ends_with(":4317");
    let url = rest.map_or_else(|| url.to_owned(), |rest| format!("http://{rest}"));
    // Checked as for HTTP, so that there is a scheme: without one the address would mean TLS.
    let endpoint = OtlpEndpoint::base(url, OtlpProtocol::HttpProtobuf)?;
    Ok(Receiver { endpoint, protocol: is_grpc.then_some(OtlpProtocol::Grpc) })
}

/// Runs the demo.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let limits = Limits { max_bytes: arguments.max_bytes };
    let sources = Corpus::discover(arguments.input.as_deref()).map_err(described)?;
    let workflow = workflow::build(limits, arguments.chaos, &model(&arguments.model)?);
    let memory = MemoryExporter::new();
    let mut config = config(arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let server = arguments.serve.then(|| runtime.block_on(server::Served::start())).transpose()?;
    if let Some(server) = &server {
        server.receive(&mut config)?;
    }
    let receiver = config.exporters.contains(&ExporterKind::Otlp).then(|| config.otlp.url());
    let telemetry = Telemetry::with_config(config).exporter(memory.clone());
    let guard = workflow::objectives()?.into_iter().fold(telemetry, Telemetry::slo).install()?;

    let runs = arguments.runs.unwrap_or(sources.len() as u64 * DEFAULT_PASSES);
    let driver = Driver::new(workflow.clone(), sources, limits);
    let tally = runtime.block_on(driver.run_all(runs));
    // A receiver that is away is told at the end; what the demo shows of itself needs no receiver.
    let sent = guard.flush(FLUSH_TIMEOUT);
    let sample = Sample::choose(memory.take(), &tally);
    let outcome = Outcome::new(&workflow, &tally, &guard, sample);
    if arguments.json {
        writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&outcome)?)?;
    } else {
        print(&outcome, receiver.as_deref())?;
    }
    server.iter().try_for_each(server::Served::tell)?;
    if arguments.exit {
        return finish(guard, sent, receiver.as_deref());
    }
    sent.as_ref().err().inspect(|error| eprintln!("warning: {error}"));
    let stopped = runtime.block_on(go_on(&driver, arguments.hold, || drop(memory.take())));
    let sent = guard.flush(FLUSH_TIMEOUT);
    stopped?;
    let finished = finish(guard, sent, receiver.as_deref());
    // What the last spans go to ends after them.
    if let Some(server) = server {
        runtime.block_on(server.stop());
    }
    runtime.shutdown_background();
    finished
}

/// The model that summarises, if its key is there.
fn model(name: &str) -> Result<Llm, Box<dyn Error>> {
    let model = Models::from_env()?.model(name)?;
    match model.missing_key() {
        Some(variable) => {
            Err(format!("there is no key for {name}; put it into the environment as {variable}").into())
        }
        None => Ok(model),
    }
}

/// Goes on until Ctrl-C, with runs or without.
async fn go_on(driver: &Driver, is_held: bool, after_each: impl FnMut()) -> io::Result<()> {
    if is_held {
        let mut stop = pin!(told_to_stop());
        // It listens from its first poll on: whoever reads the line may send a signal at once.
        if futures::poll!(stop.as_mut()).is_pending() {
            writeln!(io::stdout(), "\nHolding still; press Ctrl-C to stop.")?;
            stop.await;
        }
        return writeln!(io::stdout(), "Stopped.");
    }
    writeln!(io::stdout(), "\nGoing on with about one run a second; press Ctrl-C to stop.")?;
    driver.run_live(after_each).await
}

/// The environment, and what the command line says on top of it.
fn config(arguments: &Arguments) -> Result<Config, Box<dyn Error>> {
    let mut config = Config::from_env()?;
    config.service_name.get_or_insert_with(|| SERVICE.to_owned());
    // What the demo shows is not to be found between lines, unless somebody asks for them.
    if ["TTA_LOG", "TTA_LOG_FORMAT", "RUST_LOG"].iter().all(|name| std::env::var_os(name).is_none()) {
        config.logs.format = LogFormat::Off;
    }
    match &arguments.otlp {
        Some(receiver) => {
            for otlp in [&mut config.otlp, &mut config.otlp_metrics, &mut config.otlp_logs] {
                otlp.endpoint = receiver.endpoint.clone();
                otlp.protocol = receiver.protocol.unwrap_or(otlp.protocol);
            }
            config.exporters = vec![ExporterKind::Otlp];
        }
        // Without an address the demo sends nothing, though the library would try the standard one.
        None if config.otlp.endpoint == OtlpEndpoint::Local => {
            config.exporters.retain(|kind| *kind != ExporterKind::Otlp);
            config.metrics.exporters.retain(|kind| *kind != MetricsExporter::Otlp);
        }
        None => {}
    }
    if let Some(port) = arguments.metrics_port {
        config.metrics.address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        config.metrics.is_page_required = true;
        if !config.metrics.exporters.contains(&MetricsExporter::Prometheus) {
            config.metrics.exporters.push(MetricsExporter::Prometheus);
        }
    }
    Ok(config)
}

fn print(outcome: &Outcome, receiver: Option<&str>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "The workflow\n\n{}", outcome.flow)?;
    if let Some(sample) = &outcome.sample {
        let terminal = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        let options = WaterfallOptions {
            width: terminal.unwrap_or(DEFAULT_WIDTH),
            colour: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        };
        writeln!(out, "One run: {} (trace {})\n", sample.document, sample.trace_id)?;
        writeln!(out, "{}", waterfall(&sample.spans, &options))?;
        if let Some(report) = &sample.report {
            let terms: Vec<&str> = report.keywords.iter().map(|keyword| keyword.term.as_str()).collect();
            let offline =
                if report.summary.model == local::MODEL { ", offline by ranking sentences" } else { "" };
            writeln!(out, "What it made of it: a summary by {}{offline}", report.summary.model)?;
            for sentence in &report.summary.sentences {
                writeln!(out, "  - {sentence}")?;
            }
            writeln!(out, "  keywords: {}\n", terms.join(", "))?;
        }
    }
    writeln!(out, "{}\n", table::summary(&outcome.rows()))?;
    writeln!(out, "{}", outcome.totals())?;
    if let Some(receiver) = receiver {
        writeln!(out, "Spans go to {receiver}")?;
    }
    if let Some(metrics) = &outcome.metrics {
        writeln!(out, "Metrics: {metrics}")?;
    }
    Ok(())
}

/// Ends recording once everything was sent, and says so if it could not be.
fn finish(guard: Guard, sent: Result<(), FlushError>, receiver: Option<&str>) -> Result<(), Box<dyn Error>> {
    let Some(receiver) = receiver else {
        return guard.shutdown(FLUSH_TIMEOUT).map_err(Into::into);
    };
    let counts = guard.counts();
    let (recorded, exported, dropped) = (counts.recorded(), counts.exported(), counts.dropped_total());
    if let Err(error) = sent {
        // What could not be sent in its time is not waited for a second time.
        let _ = guard.shutdown(Duration::ZERO);
        return Err(format!("{error} ({exported} of {recorded} spans were sent)").into());
    }
    guard.shutdown(FLUSH_TIMEOUT)?;
    if dropped > 0 {
        return Err(format!("{dropped} spans could not be sent to {receiver}; {exported} were").into());
    }
    eprintln!("{exported} spans were sent to {receiver}");
    Ok(())
}

/// The error with its causes on one line.
fn described(error: impl Error) -> Box<dyn Error> {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text.into()
}
