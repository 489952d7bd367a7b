//! The standard environment variables of OpenTelemetry, read strictly.
//!
//! A misspelt setting that is ignored shows days later, as telemetry that is not there. So every value
//! that cannot be read is an error, all of them in one message, at the start. Names of variables are not
//! checked: others may read what this library does not know.
//!
//! # Precedence
//! [`Config::from_env`] applies the environment to the defaults. Every field is public: what a program
//! sets afterwards in code wins over the environment, and the environment over the defaults. Among
//! variables, the one for a signal wins over the one for all signals.

mod error;
mod file;
mod list;
mod metric_reader;
mod metrics;
mod otlp;
mod otlp_endpoint;
mod read;
mod sampling;

use std::path::Path;
use std::time::Duration;

pub use error::{ConfigError, Problem};
pub use file::{FILE_KEYS, FileError, OTHER_VARIABLES};
pub use metric_reader::{MetricReaderConfig, Temporality};
pub use metrics::{MetricsConfig, MetricsExporter, PushConfig};
pub use otlp::{Compression, OtlpConfig, OtlpEndpoint, OtlpProtocol, Signal};

pub(crate) use metrics::WITHOUT_HTTP;

use crate::logs::{LogConfig, LogFormat};
use crate::sampling::{Environment, Sampler, TailConfig};
use crate::slo::Slo;
use file::SettingsFile;
use read::Reader;

/// What whoever asks for OTLP is told where it was not built in.
pub(crate) const WITHOUT_OTLP: &str = "this program was built without OTLP: enable the feature `otlp`";

const EXPECTED_EXPORTERS: &str = "expected otlp, console or none";

/// Everything that can be set from outside of the program.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Whether nothing is recorded at all (`OTEL_SDK_DISABLED`).
    pub disabled: bool,
    /// The name of the service (`OTEL_SERVICE_NAME`); it wins over one among the resource attributes.
    pub service_name: Option<String>,
    /// The version of the service.
    pub service_version: Option<String>,
    /// What else describes this process (`OTEL_RESOURCE_ATTRIBUTES`).
    pub resource_attributes: Vec<(String, String)>,
    /// Where spans go (`OTEL_TRACES_EXPORTER`): to OTLP by default if it was built in, nowhere if empty.
    pub exporters: Vec<ExporterKind>,
    /// Which traces are recorded (`OTEL_TRACES_SAMPLER`): all, unless the caller decided otherwise.
    pub sampler: Sampler,
    /// Which of the recorded traces are exported, decided once they have ended: all of them if there is none.
    pub tail: Option<TailConfig>,
    /// Where the program runs (`TTA_ENVIRONMENT`): what is usual there decides on sampling where nothing else does.
    pub environment: Option<Environment>,
    /// What is promised of workflows and primitives (`[[slo]]` of a file).
    pub slos: Vec<Slo>,
    /// Where metrics go (`OTEL_METRICS_EXPORTER`).
    pub metrics: MetricsConfig,
    /// Which lines are written (`TTA_LOG`, `TTA_LOG_FORMAT`), and whether they are exported (`OTEL_LOGS_EXPORTER`).
    pub logs: LogConfig,
    /// How spans are gathered (`OTEL_BSP_*`).
    pub batch: BatchConfig,
    /// How log records are gathered (`OTEL_BLRP_*`).
    pub log_batch: BatchConfig,
    /// How often metrics are sent, and what of them (`OTEL_METRIC_EXPORT_*`).
    pub metric_reader: MetricReaderConfig,
    /// Where spans go by OTLP (`OTEL_EXPORTER_OTLP_*`).
    pub otlp: OtlpConfig,
    /// Where metrics go by OTLP; the variables for all signals are the same.
    pub otlp_metrics: OtlpConfig,
    /// Where log records go by OTLP; the variables for all signals are the same.
    pub otlp_logs: OtlpConfig,
    /// How much one span holds (`OTEL_SPAN_*_LIMIT`).
    pub limits: SpanLimits,
}

/// An exporter that can be asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExporterKind {
    /// OTLP, over gRPC or HTTP.
    Otlp,
    /// Lines on standard error.
    Console,
}

/// How spans or log records are gathered before they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchConfig {
    /// How long a record waits for company at most: 5 s by default, for log records 1 s.
    pub schedule_delay: Duration,
    /// How long sending one batch takes at most, all attempts included: 30 s by default.
    pub export_timeout: Duration,
    /// How many records wait at most: 65,536 by default; what is beyond them is dropped and counted.
    pub max_queue_size: usize,
    /// How many records one request holds at most: 512 by default.
    pub max_export_batch_size: usize,
}

/// How much one span holds; what is beyond is left out and counted on the span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanLimits {
    /// Attributes of a span: 128 by default.
    pub attributes: usize,
    /// Characters of a value of text; no limit by default.
    pub value_length: Option<usize>,
    /// Events of a span: 128 by default.
    pub events: usize,
    /// Links of a span: 128 by default.
    pub links: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            disabled: false,
            service_name: None,
            service_version: None,
            resource_attributes: Vec::new(),
            exporters: if cfg!(feature = "otlp") { vec![ExporterKind::Otlp] } else { Vec::new() },
            sampler: Sampler::default(),
            tail: None,
            environment: None,
            slos: Vec::new(),
            metrics: MetricsConfig::default(),
            logs: LogConfig::default(),
            batch: BatchConfig::default(),
            log_batch: BatchConfig::of_logs(),
            metric_reader: MetricReaderConfig::default(),
            otlp: OtlpConfig::of(Signal::Traces),
            otlp_metrics: OtlpConfig::of(Signal::Metrics),
            otlp_logs: OtlpConfig::of(Signal::Logs),
            limits: SpanLimits::default(),
        }
    }
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            schedule_delay: Duration::from_secs(5),
            export_timeout: Duration::from_secs(30),
            max_queue_size: 65_536,
            max_export_batch_size: 512,
        }
    }
}

impl Default for SpanLimits {
    fn default() -> Self {
        Self { attributes: 128, value_length: None, events: 128, links: 128 }
    }
}

impl Config {
    /// The defaults without any way out of the process, and without lines: what a program adds in code is all.
    #[must_use]
    pub fn silent() -> Self {
        Self {
            exporters: Vec::new(),
            metrics: MetricsConfig::none(),
            logs: LogConfig { format: LogFormat::Off, ..LogConfig::default() },
            ..Self::default()
        }
    }

    /// The defaults with the variables of this process applied, and below them the file that `TTA_CONFIG` names,
    /// if it names one.
    ///
    /// # Errors
    /// If the file cannot be read, or it or a variable holds what it must not; the error lists everything that is
    /// wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        let variable = |name: &str| Some(std::env::var_os(name)?.to_string_lossy().into_owned());
        match variable("TTA_CONFIG").filter(|path| !path.trim().is_empty()) {
            Some(path) => Self::from_file(Path::new(path.trim()), &variable),
            None => Self::from_lookup(&variable),
        }
    }

    /// The defaults with a file applied, and above it the variables that a function knows.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_file(path: &Path, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let (file, table) = SettingsFile::read(path)?;
        let is_set = |name: &str| lookup(name).is_some_and(|value| !value.trim().is_empty());
        let both = |name: &str| {
            lookup(name).filter(|_| is_set(name)).or_else(|| file.value(name).map(str::to_owned))
        };
        let slos = SettingsFile::slos(path, &table);
        let mut result = Self::from_lookup(&both);
        if let Err(error) = &mut result {
            for problem in error.problems.iter_mut().filter(|problem| !is_set(&problem.variable)) {
                problem.variable = file.place(&problem.variable).unwrap_or(problem.variable.clone());
            }
        }
        match (result, slos) {
            (Ok(config), Ok(slos)) => Ok(Self { slos, ..config }),
            (Err(mut error), Err(more)) => {
                error.problems.extend(ConfigError::from(more).problems);
                Err(error)
            }
            (result, Err(error)) => result.and(Err(error.into())),
            (Err(error), Ok(_)) => Err(error),
        }
    }

    /// The defaults with variables applied that a function knows.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    ///
    /// # Examples
    /// ```
    /// use tta_observability::config::Config;
    ///
    /// let error = Config::from_lookup(&|name| (name == "OTEL_TRACES_SAMPLER_ARG").then(|| "2".into()));
    /// assert_eq!(
    ///     error.unwrap_err().to_string(),
    ///     r#"OTEL_TRACES_SAMPLER_ARG="2": expected a number from 0 to 1"#,
    /// );
    /// ```
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(lookup);
        let mut config = Self {
            disabled: reader.parsed("OTEL_SDK_DISABLED", read::boolean).unwrap_or(false),
            service_name: reader.text("OTEL_SERVICE_NAME"),
            resource_attributes: reader.parsed("OTEL_RESOURCE_ATTRIBUTES", list::pairs).unwrap_or_default(),
            ..Self::default()
        };
        (config.environment, config.sampler, config.tail) = sampling::read(&mut reader);
        config.logs = logs(&mut reader);
        config.metrics.read(&mut reader);
        if let Some(exporters) = reader.parsed("OTEL_TRACES_EXPORTER", exporters) {
            config.exporters = exporters;
        }
        config.batch.read(&mut reader, "OTEL_BSP");
        config.log_batch.read(&mut reader, "OTEL_BLRP");
        config.metric_reader.read(&mut reader);
        for otlp in [&mut config.otlp, &mut config.otlp_metrics, &mut config.otlp_logs] {
            otlp.read(&mut reader);
        }
        config.limits.read(&mut reader);
        reader.finish(config)
    }
}

impl BatchConfig {
    /// The defaults for log records.
    #[must_use]
    pub fn of_logs() -> Self {
        Self { schedule_delay: Duration::from_secs(1), ..Self::default() }
    }

    fn read(&mut self, reader: &mut Reader<'_>, prefix: &str) {
        let name = |which: &str| format!("{prefix}_{which}");
        if let Some(delay) = reader.parsed(&name("SCHEDULE_DELAY"), read::milliseconds) {
            self.schedule_delay = delay;
        }
        if let Some(timeout) = reader.parsed(&name("EXPORT_TIMEOUT"), read::time_limit) {
            self.export_timeout = timeout;
        }
        if let Some(size) = reader.parsed(&name("MAX_QUEUE_SIZE"), read::count(1)) {
            self.max_queue_size = size;
            // A batch larger than its queue is never full; whoever asked for one below is told.
            self.max_export_batch_size = self.max_export_batch_size.min(size);
        }
        let queue = self.max_queue_size;
        let size = reader.parsed(&name("MAX_EXPORT_BATCH_SIZE"), |value| match read::count(1)(value)? {
            size if size > queue => Err(format!("expected at most {}, {queue}", name("MAX_QUEUE_SIZE"))),
            size => Ok(size),
        });
        self.max_export_batch_size = size.unwrap_or(self.max_export_batch_size);
    }
}

impl SpanLimits {
    fn read(&mut self, reader: &mut Reader<'_>) {
        let mut limit = |variable| reader.parsed(variable, read::count(0));
        let (attributes, length) =
            (limit("OTEL_ATTRIBUTE_COUNT_LIMIT"), limit("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"));
        let of_spans = limit("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT");
        self.attributes = of_spans.or(attributes).unwrap_or(self.attributes);
        let of_spans = limit("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT");
        self.value_length = of_spans.or(length).or(self.value_length);
        self.events = limit("OTEL_SPAN_EVENT_COUNT_LIMIT").unwrap_or(self.events);
        self.links = limit("OTEL_SPAN_LINK_COUNT_LIMIT").unwrap_or(self.links);
    }
}

fn exporters(value: &str) -> Result<Vec<ExporterKind>, String> {
    list::words(value, |word| match word {
        "otlp" if !cfg!(feature = "otlp") => Err(WITHOUT_OTLP.to_owned()),
        "otlp" => Ok(ExporterKind::Otlp),
        "console" => Ok(ExporterKind::Console),
        _ => Err(EXPECTED_EXPORTERS.to_owned()),
    })
}

fn logs(reader: &mut Reader<'_>) -> LogConfig {
    let usual = LogConfig::default();
    let check = |value: &str| LogConfig::check_filter(value).map(|()| value.to_owned());
    let format = reader.parsed("TTA_LOG_FORMAT", |value| match value.to_ascii_lowercase().as_str() {
        "auto" => Ok(LogFormat::Auto),
        "pretty" => Ok(LogFormat::Pretty),
        "json" => Ok(LogFormat::Json),
        "off" => Ok(LogFormat::Off),
        _ => Err("expected auto, pretty, json or off".to_owned()),
    });
    let otlp = reader.parsed("OTEL_LOGS_EXPORTER", |value| {
        list::words(value, |word| match word {
            "otlp" if !cfg!(feature = "otlp") => Err(WITHOUT_OTLP.to_owned()),
            "otlp" => Ok(()),
            _ => Err("expected otlp or none".to_owned()),
        })
    });
    // A program that says nothing to us has perhaps said it to everybody.
    let filter = reader.parsed("TTA_LOG", check).or_else(|| reader.parsed("RUST_LOG", check));
    LogConfig {
        format: format.unwrap_or(usual.format),
        filter: filter.unwrap_or(usual.filter),
        otlp: otlp.is_some_and(|kinds| !kinds.is_empty()),
    }
}
