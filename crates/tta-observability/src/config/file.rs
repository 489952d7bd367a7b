//! Settings from a file.
//!
//! A file holds what the environment can hold, under names of its own ([`FILE_KEYS`]), and is read and checked in the
//! same way. The environment wins over it.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};
use tta_model::name::attribute;

use crate::slo::{Slo, SloList};

/// The keys of a file, with the variables that say the same.
pub const FILE_KEYS: &[(&str, &str)] = &[
    ("disabled", "OTEL_SDK_DISABLED"),
    ("environment", "TTA_ENVIRONMENT"),
    (attribute::SERVICE_NAME.key, "OTEL_SERVICE_NAME"),
    ("resource", "OTEL_RESOURCE_ATTRIBUTES"),
    ("traces.exporters", "OTEL_TRACES_EXPORTER"),
    ("traces.sampler", "OTEL_TRACES_SAMPLER"),
    ("traces.sampler_arg", "OTEL_TRACES_SAMPLER_ARG"),
    ("traces.delay_ms", "OTEL_BSP_SCHEDULE_DELAY"),
    ("traces.timeout_ms", "OTEL_BSP_EXPORT_TIMEOUT"),
    ("traces.queue_size", "OTEL_BSP_MAX_QUEUE_SIZE"),
    ("traces.batch_size", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
    ("tail.errors", "TTA_TAIL_ERRORS"),
    ("tail.slow_ms", "TTA_TAIL_SLOW"),
    ("tail.ratio", "TTA_TAIL_RATIO"),
    ("tail.max_spans", "TTA_TAIL_MAX_SPANS"),
    ("tail.max_bytes", "TTA_TAIL_MAX_BYTES"),
    ("tail.max_wait_ms", "TTA_TAIL_MAX_WAIT"),
    ("otlp.endpoint", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    ("otlp.protocol", "OTEL_EXPORTER_OTLP_PROTOCOL"),
    ("otlp.headers", "OTEL_EXPORTER_OTLP_HEADERS"),
    ("otlp.timeout_ms", "OTEL_EXPORTER_OTLP_TIMEOUT"),
    ("otlp.compression", "OTEL_EXPORTER_OTLP_COMPRESSION"),
    ("otlp.certificate", "OTEL_EXPORTER_OTLP_CERTIFICATE"),
    ("otlp.client_key", "OTEL_EXPORTER_OTLP_CLIENT_KEY"),
    ("otlp.client_certificate", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"),
    ("otlp.insecure", "OTEL_EXPORTER_OTLP_INSECURE"),
    ("metrics.exporters", "OTEL_METRICS_EXPORTER"),
    ("metrics.host", "OTEL_EXPORTER_PROMETHEUS_HOST"),
    ("metrics.port", "OTEL_EXPORTER_PROMETHEUS_PORT"),
    ("metrics.interval_ms", "OTEL_METRIC_EXPORT_INTERVAL"),
    ("metrics.timeout_ms", "OTEL_METRIC_EXPORT_TIMEOUT"),
    ("metrics.temporality", "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"),
    ("metrics.histogram", "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"),
    ("push.url", "TTA_PUSHGATEWAY_URL"),
    ("push.job", "TTA_PUSHGATEWAY_JOB"),
    ("push.grouping", "TTA_PUSHGATEWAY_GROUPING"),
    ("push.interval_ms", "TTA_PUSHGATEWAY_INTERVAL"),
    ("logs.filter", "TTA_LOG"),
    ("logs.format", "TTA_LOG_FORMAT"),
    ("logs.exporters", "OTEL_LOGS_EXPORTER"),
];

/// Variables that are read and that a file does not hold.
pub const OTHER_VARIABLES: &[&str] = &[
    "TTA_CONFIG",
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
    "OTEL_BLRP_SCHEDULE_DELAY",
    "OTEL_BLRP_EXPORT_TIMEOUT",
    "OTEL_BLRP_MAX_QUEUE_SIZE",
    "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
];

/// A file with settings.
#[derive(Clone, Default)]
pub(super) struct SettingsFile {
    path: PathBuf,
    /// By the variable that says the same.
    values: HashMap<&'static str, (&'static str, String)>,
}

/// A file of settings cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, and what to do.
    pub reason: String,
}

impl fmt::Debug for SettingsFile {
    /// Shows which settings there are, and none of their values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SettingsFile")
            .field("path", &self.path)
            .field("settings", &self.values.keys())
            .finish()
    }
}

impl SettingsFile {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<(Self, Table), FileError> {
        let failed = |reason: String| FileError { path: path.to_owned(), reason };
        let text =
            std::fs::read_to_string(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
        let table: Table = text.parse().map_err(|error| failed(not_toml(&text, &error)))?;
        let mut file = Self { path: path.to_owned(), values: HashMap::new() };
        file.take("", &table).map_err(failed)?;
        Ok((file, table))
    }

    /// The objectives of a file.
    pub(super) fn slos(path: &Path, table: &Table) -> Result<Vec<Slo>, FileError> {
        let Some(list) = table.get(SLO) else { return Ok(Vec::new()) };
        let list = list.clone().try_into::<SloList>();
        let failed = |error: toml::de::Error| error.message().to_owned();
        list.map(|list| list.0).map_err(|error| FileError { path: path.to_owned(), reason: failed(error) })
    }

    /// The value that the file has for a variable.
    pub(super) fn value(&self, variable: &str) -> Option<&str> {
        self.values.get(variable).map(|(_, value)| value.as_str())
    }

    /// Where in the file the value of a variable stands.
    pub(super) fn place(&self, variable: &str) -> Option<String> {
        self.values.get(variable).map(|(key, _)| format!("{}: {key}", self.path.display()))
    }

    fn take(&mut self, prefix: &str, table: &Table) -> Result<(), String> {
        for (key, value) in table {
            let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            if key == SLO {
                continue;
            }
            match (FILE_KEYS.iter().find(|(known, _)| *known == key), value) {
                (Some((known, variable)), value) => {
                    let text = text(value).ok_or_else(|| format!("`{key}` has a value of the wrong type"))?;
                    self.values.insert(variable, (known, text));
                }
                (None, Value::Table(table)) if FILE_KEYS.iter().any(|(known, _)| is_below(known, &key)) => {
                    self.take(&key, table)?;
                }
                (None, _) => return Err(format!("`{key}` is not a setting; {}", nearest(&key))),
            }
        }
        Ok(())
    }
}

/// The key of the objectives, which are read by themselves.
const SLO: &str = "slo";

/// What is wrong with the text of a file. The line itself is not cited, as the error would: it may hold a secret.
fn not_toml(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    format!("is not valid TOML in line {line}: {}", error.message())
}

fn is_below(known: &str, key: &str) -> bool {
    known.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'))
}

/// A value as the environment would have it.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Array(items) => Some(items.iter().map(text).collect::<Option<Vec<_>>>()?.join(",")),
        Value::Table(table) => {
            let pair = |(key, value): (&String, &Value)| {
                Some(format!("{}={}", encoded(key), encoded(&text(value)?)))
            };
            Some(table.iter().map(pair).collect::<Option<Vec<_>>>()?.join(","))
        }
        Value::Datetime(_) => None,
    }
}

/// Percent-encodes what separates members of a list.
fn encoded(text: &str) -> String {
    text.replace('%', "%25").replace(',', "%2C").replace('=', "%3D").replace(';', "%3B")
}

/// The setting that was meant, perhaps.
fn nearest(key: &str) -> String {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let similar = |known: &&&str| last(known) == last(key) || is_below(known, key) || known.starts_with(key);
    let names: Vec<&str> = FILE_KEYS.iter().map(|(known, _)| *known).collect();
    if let Some(known) = names.iter().find(similar) {
        return format!("perhaps `{known}` was meant");
    }
    let section = key.split_once('.').map(|(section, _)| section);
    let there: Vec<&str> = names
        .iter()
        .copied()
        .filter(|known| section.is_some_and(|section| is_below(known, section)))
        .collect();
    match section.filter(|_| !there.is_empty()) {
        Some(section) => format!("the settings of [{section}] are {}", there.join(", ")),
        None => format!("the settings are {} and [[slo]]", names.join(", ")),
    }
}
