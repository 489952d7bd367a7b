//! Where metrics go.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tta_redact::secrets;

use super::read::{self, Reader};
use super::{WITHOUT_OTLP, list};

/// The port of the page of metrics, as OpenTelemetry's specification has it.
const DEFAULT_PORT: u16 = 9464;
/// What whoever asks for the page is told where it was not built in.
pub(crate) const WITHOUT_HTTP: &str = "this program was built without it: enable the feature `http`";

/// Where metrics go, beside the program itself, which can always read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsConfig {
    /// The ways out of the process (`OTEL_METRICS_EXPORTER`): by default the page for Prometheus, and OTLP if it
    /// was built in.
    pub exporters: Vec<MetricsExporter>,
    /// The address of the page for Prometheus (`OTEL_EXPORTER_PROMETHEUS_HOST` and `_PORT`): `127.0.0.1:9464` by
    /// default. Port 0 takes a free one.
    pub address: SocketAddr,
    /// Whether the page was asked for: then an address that is taken is an error at the start, and otherwise a
    /// warning.
    pub is_page_required: bool,
    /// The Pushgateway to which metrics are pushed, for programs that end too soon to be scraped.
    pub push: Option<PushConfig>,
}

/// A way of metrics out of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsExporter {
    /// A page that Prometheus scrapes.
    Prometheus,
    /// OTLP, over gRPC or HTTP.
    Otlp,
}

/// A Pushgateway.
#[derive(Clone, PartialEq, Eq)]
pub struct PushConfig {
    /// Its address (`TTA_PUSHGATEWAY_URL`).
    pub url: String,
    /// The job (`TTA_PUSHGATEWAY_JOB`): the name of the service unless it is set.
    pub job: Option<String>,
    /// More labels of the group (`TTA_PUSHGATEWAY_GROUPING`, as `key=value,key=value`).
    pub grouping: Vec<(String, String)>,
    /// How often metrics are pushed (`TTA_PUSHGATEWAY_INTERVAL`, in milliseconds): every 15 s by default, and once
    /// more at the end.
    pub interval: Duration,
}

impl fmt::Debug for PushConfig {
    /// Shows the address without a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushConfig")
            .field("url", &secrets(&self.url))
            .field("job", &self.job)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

impl Default for MetricsConfig {
    fn default() -> Self {
        let mut exporters = Vec::new();
        if cfg!(feature = "http") {
            exporters.push(MetricsExporter::Prometheus);
        }
        if cfg!(feature = "otlp") {
            exporters.push(MetricsExporter::Otlp);
        }
        Self {
            exporters,
            address: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), DEFAULT_PORT),
            is_page_required: false,
            push: None,
        }
    }
}

impl MetricsConfig {
    /// Only what the program itself reads.
    #[must_use]
    pub fn none() -> Self {
        Self { exporters: Vec::new(), ..Self::default() }
    }

    pub(super) fn read(&mut self, reader: &mut Reader<'_>) {
        if let Some(exporters) = reader.parsed("OTEL_METRICS_EXPORTER", exporters) {
            self.is_page_required = exporters.contains(&MetricsExporter::Prometheus);
            self.exporters = exporters;
        }
        let host = reader.parsed("OTEL_EXPORTER_PROMETHEUS_HOST", host);
        let port = reader.parsed("OTEL_EXPORTER_PROMETHEUS_PORT", |value| {
            value.parse::<u16>().map_err(|_| "expected a port, from 0 to 65535".to_owned())
        });
        let asks = host.is_some() || port.is_some();
        self.is_page_required |= asks && self.exporters.contains(&MetricsExporter::Prometheus);
        self.address.set_ip(host.unwrap_or(self.address.ip()));
        self.address.set_port(port.unwrap_or(self.address.port()));
        self.read_push(reader);
    }

    fn read_push(&mut self, reader: &mut Reader<'_>) {
        let url = reader.text("TTA_PUSHGATEWAY_URL");
        let job = reader.text("TTA_PUSHGATEWAY_JOB");
        let grouping = reader.parsed("TTA_PUSHGATEWAY_GROUPING", list::pairs);
        let interval = reader.parsed("TTA_PUSHGATEWAY_INTERVAL", |value| {
            read::milliseconds(value)
                .ok()
                .filter(|interval| !interval.is_zero())
                .ok_or_else(|| "expected milliseconds, an integer of at least 1".to_owned())
        });
        self.push = url.map(|url| PushConfig {
            url,
            job,
            grouping: grouping.unwrap_or_default(),
            interval: interval.unwrap_or(Duration::from_secs(15)),
        });
    }
}

fn exporters(value: &str) -> Result<Vec<MetricsExporter>, String> {
    let words = |word: &str| match word {
        "prometheus" if cfg!(feature = "http") => Ok(MetricsExporter::Prometheus),
        "prometheus" => Err(WITHOUT_HTTP.to_owned()),
        "otlp" if cfg!(feature = "otlp") => Ok(MetricsExporter::Otlp),
        "otlp" => Err(WITHOUT_OTLP.to_owned()),
        _ => Err("expected prometheus, otlp or none".to_owned()),
    };
    list::words(value, words)
}

fn host(value: &str) -> Result<IpAddr, String> {
    if value.eq_ignore_ascii_case("localhost") {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    value.parse().map_err(|_| "expected localhost or an IP address, such as 127.0.0.1 or 0.0.0.0".to_owned())
}
