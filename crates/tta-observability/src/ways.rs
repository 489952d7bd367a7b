//! The ways of metrics and lines out of the process: opened together, and closed together.

use std::net::SocketAddr;
#[cfg(feature = "otlp")]
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::Config;
#[cfg(feature = "http")]
use crate::config::MetricsExporter;
#[cfg(feature = "otlp")]
use crate::counts::LogCounts;
#[cfg(feature = "otlp")]
use crate::export::otlp::{OtlpLogs, OtlpMetrics};
#[cfg(feature = "http")]
use crate::export::prometheus::{MetricsPage, PushGateway, Pusher};
use crate::init::InitError;
use crate::logs::LogSink;
use crate::metrics::Metrics;
#[cfg(feature = "otlp")]
use crate::metrics::telemetry;
#[cfg(feature = "http")]
use crate::report;
use crate::resource::Resource;

/// The ways that are open.
#[derive(Debug, Default)]
pub(crate) struct Ways {
    #[cfg(feature = "http")]
    page: Option<MetricsPage>,
    #[cfg(feature = "http")]
    pusher: Option<Pusher>,
    #[cfg(feature = "otlp")]
    metrics: Option<OtlpMetrics>,
    #[cfg(feature = "otlp")]
    logs: Option<OtlpLogs>,
}

impl Ways {
    /// Opens the ways that the settings name.
    pub(crate) fn open(config: &Config, metrics: &Metrics, resource: &Resource) -> Result<Self, InitError> {
        if cfg!(not(feature = "http"))
            && !(config.metrics.exporters.is_empty() && config.metrics.push.is_none())
        {
            return Err(InitError::WithoutHttp);
        }
        let _ = (metrics, resource);
        Ok(Self {
            #[cfg(feature = "http")]
            page: page(config, metrics, resource)?,
            #[cfg(feature = "http")]
            pusher: pusher(config, metrics, resource)?,
            #[cfg(feature = "otlp")]
            metrics: otlp_metrics(config, metrics, resource)?,
            #[cfg(feature = "otlp")]
            logs: otlp_logs(config, metrics, resource)?,
        })
    }

    /// Where lines go.
    pub(crate) fn log_sink(&self) -> Option<LogSink> {
        #[cfg(feature = "otlp")]
        {
            let sink = self.logs.as_ref()?.sink();
            Some(Arc::new(move |line| sink.push(line)))
        }
        #[cfg(not(feature = "otlp"))]
        None
    }

    /// The address of the page.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        #[cfg(feature = "http")]
        {
            self.page.as_ref().map(MetricsPage::address)
        }
        #[cfg(not(feature = "http"))]
        None
    }

    /// How many ways send something, each to a receiver that may hang.
    pub(crate) fn sending(&self) -> u32 {
        #[cfg(feature = "http")]
        let pushes = self.pusher.is_some();
        #[cfg(not(feature = "http"))]
        let pushes = false;
        #[cfg(feature = "otlp")]
        let (metrics, logs) = (self.metrics.is_some(), self.logs.is_some());
        #[cfg(not(feature = "otlp"))]
        let (metrics, logs) = (false, false);
        u32::from(pushes) + u32::from(metrics) + u32::from(logs)
    }

    /// Sends what was taken over so far, within a time. What cannot be sent is reported, as it is at any other time.
    pub(crate) fn flush(&self, deadline: Instant) {
        #[cfg(feature = "otlp")]
        {
            let ways = u32::from(self.metrics.is_some());
            let _ = self.logs.as_ref().map(|logs| logs.flush(share(deadline, ways)));
            let _ = self.metrics.as_ref().map(|metrics| metrics.flush(share(deadline, 0)));
        }
        #[cfg(not(feature = "otlp"))]
        let _ = deadline;
    }

    /// Sends what is to be sent at the end, within a time, and closes all ways.
    pub(crate) fn close(&mut self, deadline: Instant) {
        #[cfg(feature = "otlp")]
        {
            let logs = self.logs.take();
            report_if(logs.map(|mut logs| logs.shutdown(share(deadline, self.sending()))));
            let metrics = self.metrics.take();
            report_if(metrics.map(|mut metrics| metrics.shutdown(share(deadline, self.sending()))));
        }
        #[cfg(feature = "http")]
        {
            report_if(self.pusher.take().map(|pusher| pusher.shutdown(share(deadline, 0))));
            self.page.take();
        }
        let _ = deadline;
    }
}

/// How long one of several may take that come one after the other, so that a receiver that hangs leaves time for the
/// receivers of those that follow: its part of what is left.
pub(crate) fn share(deadline: Instant, following: u32) -> Duration {
    deadline.saturating_duration_since(Instant::now()) / (following + 1)
}

/// Tells of what could not be sent at the end.
#[cfg(any(feature = "http", feature = "otlp"))]
fn report_if<E: std::fmt::Display>(ended: Option<Result<(), E>>) {
    if let Some(Err(error)) = ended {
        report::warn(&tta_model::name::log::TELEMETRY_EXPORT_FAILED, &error.to_string());
    }
}

#[cfg(feature = "otlp")]
fn otlp_metrics(
    config: &Config,
    metrics: &Metrics,
    resource: &Resource,
) -> Result<Option<OtlpMetrics>, InitError> {
    if !config.metrics.exporters.contains(&MetricsExporter::Otlp) {
        return Ok(None);
    }
    let source = metrics.clone();
    let snapshot =
        move |exponential| if exponential { source.exponential_snapshot() } else { source.snapshot() };
    let otlp = OtlpMetrics::start(&config.otlp_metrics, &config.metric_reader, resource, snapshot)?;
    metrics.add_source(telemetry::of_exporter(telemetry::METRICS, otlp.gauge()));
    Ok(Some(otlp))
}

#[cfg(feature = "otlp")]
fn otlp_logs(config: &Config, metrics: &Metrics, resource: &Resource) -> Result<Option<OtlpLogs>, InitError> {
    if !config.logs.otlp {
        return Ok(None);
    }
    let counts = Arc::new(LogCounts::default());
    let otlp = OtlpLogs::start(&config.otlp_logs, &config.log_batch, resource, Arc::clone(&counts))?;
    metrics.add_source(telemetry::of_exporter(telemetry::LOGS, otlp.gauge()));
    metrics.add_source(telemetry::of_logs(counts));
    Ok(Some(otlp))
}

#[cfg(feature = "http")]
fn page(config: &Config, metrics: &Metrics, resource: &Resource) -> Result<Option<MetricsPage>, InitError> {
    let settings = &config.metrics;
    if !settings.exporters.contains(&MetricsExporter::Prometheus) {
        return Ok(None);
    }
    let metrics = metrics.clone();
    match MetricsPage::bind(settings.address, move || metrics.snapshot(), resource) {
        Ok(page) => Ok(Some(page)),
        Err(error) if settings.is_page_required => Err(error.into()),
        // Nobody asked for the page: another program of ours may have it, and this one runs all the same.
        Err(error) => {
            let advice = "set OTEL_EXPORTER_PROMETHEUS_PORT to another port, or OTEL_METRICS_EXPORTER=none";
            report::warn(&tta_model::name::log::TELEMETRY_EXPORT_FAILED, &format!("{error}; {advice}"));
            Ok(None)
        }
    }
}

#[cfg(feature = "http")]
fn pusher(config: &Config, metrics: &Metrics, resource: &Resource) -> Result<Option<Pusher>, InitError> {
    let Some(push) = &config.metrics.push else { return Ok(None) };
    let job = push.job.clone().or_else(|| config.service_name.clone());
    let job = job.unwrap_or_else(|| tta_model::name::span::DEFAULT_SERVICE_NAME.to_string());
    let mut gateway = PushGateway::new(push.url.clone(), job);
    gateway.grouping = push.grouping.clone();
    gateway.interval = push.interval;
    let metrics = metrics.clone();
    Ok(Some(gateway.start(move || metrics.snapshot(), resource)?))
}
