//! Starts recording, and ends it without losing what was recorded.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tta_model::name::log::TELEMETRY_DROPPED;
use tta_primitives::observe::{self, AlreadyInstalled, Installed, Observer};

use crate::config::{Config, ConfigError, ExporterKind, MetricsExporter};
use crate::cost::CostBook;
use crate::counts::SpanCounts;
use crate::export::console::ConsoleExporter;
use crate::export::{FlushError, SpanExporter};
use crate::logs;
use crate::metrics::{Metrics, telemetry};
use crate::recorder::{ApplicationTracer, Drain, Outlets, Recorder};
use crate::report;
use crate::resource::Resource;
use crate::sampling::{Sampler, TailConfig};
use crate::slo::{Slo, SloError, Slos};
use crate::ticker::Ticker;
use crate::ways::{Ways, share};
use tta_redact as redact;

/// How long a [`Guard`] waits for the last spans to be sent when it is dropped: five seconds.
pub const DROP_TIMEOUT: Duration = Duration::from_secs(5);

/// Limits beyond this one are cut, so that a moment can be computed from them.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Records every run of this process from now on, as the standard `OTEL_*` variables say.
///
/// Without any of them spans go by OTLP over HTTP to `http://localhost:4318`; `OTEL_TRACES_EXPORTER=console` shows
/// them as lines instead. Keep the guard until the end of `main`, as `let _guard = ...`: dropping it sends what is
/// left and stops recording, and `let _ = ...` drops it at once.
///
/// # Errors
/// If a variable holds what it must not, an exporter cannot be set up, or recording has been started already.
/// That nobody listens at the endpoint is no error: it is logged, and the spans that are lost are counted.
///
/// # Examples
/// ```no_run
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let _guard = tta_observability::init()?;
///     // Run flows.
///     Ok(())
/// }
/// ```
pub fn init() -> Result<Guard, InitError> {
    Telemetry::from_env()?.install()
}

/// Sets up recording in code.
///
/// ```
/// use tta_observability::export::memory::MemoryExporter;
/// use tta_observability::Telemetry;
///
/// let memory = MemoryExporter::new();
/// let guard = Telemetry::new().service_name("reports").exporter(memory.clone()).install()?;
/// // Run flows.
/// guard.shutdown(std::time::Duration::from_secs(1))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing is recorded before `install`"]
pub struct Telemetry {
    config: Config,
    exporters: Vec<Box<dyn SpanExporter>>,
    tracer: Option<ApplicationTracer>,
    slos: Vec<Slo>,
}

impl Telemetry {
    /// Starts from the defaults, with no exporter, whatever the environment says.
    pub fn new() -> Self {
        Self::with_config(Config::silent())
    }

    /// Starts from what the standard environment variables say.
    ///
    /// # Errors
    /// If a variable holds what it must not; the error lists every such variable.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self::with_config(Config::from_env()?))
    }

    /// Starts from a configuration.
    pub fn with_config(config: Config) -> Self {
        Self { config, exporters: Vec::new(), tracer: None, slos: Vec::new() }
    }

    /// Names the service.
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.config.service_name = Some(name.into());
        self
    }

    /// Chooses which traces are recorded.
    pub fn sampler(mut self, sampler: Sampler) -> Self {
        self.config.sampler = sampler;
        self
    }

    /// Chooses which of the recorded traces are exported, once they have ended. Exporters get
    /// those alone; [`SpanCounts::sampled_out`] counts the spans of the others. A flush decides about what has not
    /// ended with what is known.
    pub fn tail_sampling(mut self, tail: TailConfig) -> Self {
        self.config.tail = Some(tail);
        self
    }

    /// Sends spans to one more exporter.
    pub fn exporter(mut self, exporter: impl SpanExporter) -> Self {
        self.exporters.push(Box::new(exporter));
        self
    }

    /// Follows one more [objective](crate::slo).
    pub fn slo(mut self, slo: Slo) -> Self {
        self.slos.push(slo);
        self
    }

    /// Has the application's own tracer make the spans. Its provider then decides on sampling, limits and
    /// export; what is set here for those is not used.
    pub fn tracer(mut self, tracer: ApplicationTracer) -> Self {
        self.tracer = Some(tracer);
        self
    }

    /// Shows metrics to Prometheus at an address, at `/metrics`; port 0 takes a free one, which
    /// [`Guard::metrics_address`] tells.
    pub fn metrics_page(mut self, address: SocketAddr) -> Self {
        self.config.metrics.exporters.push(MetricsExporter::Prometheus);
        self.config.metrics.address = address;
        self.config.metrics.is_page_required = true;
        self
    }

    /// Starts to record. Unless the program has set a subscriber for `tracing`, and if lines are to be written, one
    /// is set for it.
    ///
    /// # Errors
    /// If an exporter cannot be set up, two objectives have the same name, or recording has been started already.
    pub fn install(self) -> Result<Guard, InitError> {
        let log = self.config.logs.clone();
        let (observer, mut guard) = self.build()?;
        if let Some(observer) = observer {
            guard.installed = Some(observe::install(observer)?);
            logs::set_sink(guard.ways.log_sink());
            logs::install(&log);
        }
        Ok(guard)
    }

    /// Makes an observer for contexts of its own, without installing it for the process; none if
    /// recording is disabled.
    ///
    /// # Errors
    /// If an exporter cannot be set up, or two objectives have the same name.
    pub fn build(self) -> Result<(Option<Arc<dyn Observer>>, Guard), InitError> {
        let counts = Arc::new(SpanCounts::default());
        let slos = Slos::new([self.config.slos.clone(), self.slos].concat())?;
        let metrics = Metrics::with_limits(slos.limits());
        slos.show_in(&metrics);
        let mut guard = Guard {
            installed: None,
            ticker: None,
            drain: None,
            ways: Ways::default(),
            counts: Arc::clone(&counts),
            metrics: metrics.clone(),
            slos: slos.clone(),
            costs: CostBook::default(),
        };
        if self.config.disabled {
            return Ok((None, guard));
        }
        let resource = Resource::detect(&self.config);
        metrics.add_source(telemetry::of_spans(&counts));
        guard.ways = Ways::open(&self.config, &metrics, &resource)?;
        if let Some(tracer) = self.tracer {
            // On this way errors are described on the thread of the step.
            redact::prepare();
            guard.ticker = Some(start_ticker(&metrics, &slos)?);
            let recorder = Recorder::sdk(tracer, metrics).with_costs(&guard.costs);
            return Ok((Some(Arc::new(recorder)), guard));
        }
        let mut exporters = self.exporters;
        for kind in &self.config.exporters {
            exporters.push(make(*kind, &self.config, (&resource, &metrics), &counts)?);
        }
        let config = self.config;
        let (recorder, finished) =
            Recorder::direct(config.sampler, config.limits, Arc::clone(&counts), metrics.clone());
        let drain = Drain::start(
            finished,
            Outlets { exporters, tail: config.tail, logs: guard.ways.log_sink() },
            counts,
        );
        guard.drain = Some(drain.map_err(InitError::Thread)?);
        guard.ticker = Some(start_ticker(&metrics, &slos)?);
        Ok((Some(Arc::new(recorder.with_costs(&guard.costs))), guard))
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Lets the windows of metrics and of objectives slide.
fn start_ticker(metrics: &Metrics, slos: &Slos) -> Result<Ticker, InitError> {
    let (metrics, slos) = (metrics.clone(), slos.clone());
    let tick = move || {
        metrics.tick();
        slos.tick(&metrics);
    };
    Ticker::start(tick).map_err(InitError::Thread)
}

fn make(
    kind: ExporterKind,
    config: &Config,
    (resource, metrics): (&Resource, &Metrics),
    counts: &Arc<SpanCounts>,
) -> Result<Box<dyn SpanExporter>, InitError> {
    match kind {
        ExporterKind::Console => Ok(Box::new(ConsoleExporter::stderr())),
        #[cfg(feature = "otlp")]
        ExporterKind::Otlp => {
            let otlp =
                crate::export::otlp::Otlp::new(&config.otlp, &config.batch, resource, Arc::clone(counts));
            let otlp = otlp?;
            metrics.add_source(telemetry::of_exporter(telemetry::TRACES, otlp.gauge()));
            Ok(Box::new(otlp))
        }
        #[cfg(not(feature = "otlp"))]
        ExporterKind::Otlp => {
            let _ = (config, resource, metrics, counts);
            Err(InitError::WithoutOtlp)
        }
    }
}

/// Why recording did not start.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The environment holds what it must not.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Recording was started before, and its guard still lives.
    #[error("recording has been started already: call `init` once, in `main`, and keep its guard")]
    AlreadyInstalled(#[from] AlreadyInstalled),
    /// OTLP cannot be set up.
    #[cfg(feature = "otlp")]
    #[error(transparent)]
    Otlp(#[from] crate::export::otlp::OtlpError),
    /// OTLP was asked for, and is not part of this program.
    #[error("{}, or choose another exporter", crate::config::WITHOUT_OTLP)]
    WithoutOtlp,
    /// The page of metrics cannot be shown.
    #[cfg(feature = "http")]
    #[error("{0}; set OTEL_EXPORTER_PROMETHEUS_PORT to another port, or to 0 for a free one")]
    Page(#[from] crate::export::prometheus::BindError),
    /// The Pushgateway cannot be used.
    #[cfg(feature = "http")]
    #[error("{0}; check the TTA_PUSHGATEWAY_ variables")]
    Push(#[from] crate::export::prometheus::PushSetupError),
    /// A page of metrics or a Pushgateway was asked for, and is not part of this program.
    #[error("metrics cannot be shown to Prometheus: {}", crate::config::WITHOUT_HTTP)]
    WithoutHttp,
    /// Two objectives have the same name, or there are too many.
    #[error(transparent)]
    Slo(#[from] SloError),
    /// The operating system gave no thread.
    #[error("cannot start a thread that records")]
    Thread(#[source] io::Error),
}

/// Keeps recording going; dropping it sends what is left, within [`DROP_TIMEOUT`], and stops.
///
/// Bind it to a name, as `let _guard = ...`: `let _ = ...` drops it at once.
#[derive(Debug)]
#[must_use = "recording stops when this is dropped: bind it as `let _guard = ...`; `let _ = ...` drops it at once"]
pub struct Guard {
    installed: Option<Installed>,
    ticker: Option<Ticker>,
    drain: Option<Drain>,
    ways: Ways,
    counts: Arc<SpanCounts>,
    metrics: Metrics,
    slos: Slos,
    costs: CostBook,
}

impl Guard {
    /// What is counted of everything that runs.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Where the page of metrics is shown; none if it is not.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.ways.address()
    }

    /// What was spent and saved, and by whom.
    #[must_use]
    pub fn costs(&self) -> &CostBook {
        &self.costs
    }

    /// How the objectives stand at this moment. A copy that is kept is brought up to date once a second.
    #[must_use]
    pub fn slos(&self) -> &Slos {
        self.slos.tick(&self.metrics);
        &self.slos
    }

    /// What has become of the spans so far. Spans made by the application's own tracer are not among them.
    #[must_use]
    pub fn counts(&self) -> &SpanCounts {
        &self.counts
    }

    /// Sends everything that has ended so far, and waits for it at most for a time: spans, and by OTLP metrics and log
    /// records too. A Pushgateway gets its next push in its own time.
    ///
    /// # Errors
    /// If spans were left when the time was over, or could not be sent. Trouble with the other signals is reported, and
    /// counted in the metrics about telemetry.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        let deadline = Instant::now() + timeout.min(LONGEST);
        let for_spans = share(deadline, self.ways.sending());
        let spans = self.drain.as_ref().map_or(Ok(()), |drain| drain.flush(for_spans));
        // What ran since the last tick counts for the objectives that the metrics tell of.
        self.slos.tick(&self.metrics);
        self.ways.flush(deadline);
        spans
    }

    /// Stops recording and sends what is left, within a time. Runs that go on are not recorded any more.
    ///
    /// # Errors
    /// If spans were left when the time was over, or could not be sent.
    pub fn shutdown(mut self, timeout: Duration) -> Result<(), FlushError> {
        self.stop(timeout)
    }

    fn stop(&mut self, timeout: Duration) -> Result<(), FlushError> {
        // Removed first, so that nothing new comes while the last spans leave.
        if self.installed.take().is_some() {
            logs::set_sink(None);
        }
        self.ticker.take();
        let deadline = Instant::now() + timeout.min(LONGEST);
        let for_spans = share(deadline, self.ways.sending());
        let spans = self.drain.take().map_or(Ok(()), |drain| drain.stop(for_spans));
        // Metrics go last, so that they tell what became of the spans; what ran since the last tick counts for the objectives.
        self.slos.tick(&self.metrics);
        self.ways.close(deadline);
        spans
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Err(error) = self.stop(DROP_TIMEOUT) {
            report::warn(&TELEMETRY_DROPPED, &format!("recording ended, and {error}"));
        }
    }
}
