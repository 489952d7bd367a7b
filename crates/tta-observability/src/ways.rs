//! The ways of metrics out of the process: opened together, and closed together.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::Config;
#[cfg(feature = "http")]
use crate::config::MetricsExporter;
#[cfg(feature = "http")]
use crate::export::prometheus::{MetricsPage, PushGateway, Pusher};
use crate::init::InitError;
use crate::metrics::Metrics;
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
}

impl Ways {
    /// Opens the ways that the settings name.
    pub(crate) fn open(config: &Config, metrics: &Metrics, resource: &Resource) -> Result<Self, InitError> {
        #[cfg(feature = "http")]
        {
            Ok(Self { page: page(config, metrics, resource)?, pusher: pusher(config, metrics, resource)? })
        }
        #[cfg(not(feature = "http"))]
        {
            let _ = (metrics, resource);
            let metrics = &config.metrics;
            let asks = !metrics.exporters.is_empty() || metrics.push.is_some();
            if asks { Err(InitError::WithoutHttp) } else { Ok(Self::default()) }
        }
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

    /// Sends what is to be sent at the end, within a time, and closes all ways.
    pub(crate) fn close(&mut self, timeout: Duration) {
        #[cfg(feature = "http")]
        {
            if let Some(Err(error)) = self.pusher.take().map(|pusher| pusher.shutdown(timeout)) {
                report::warn(&tta_model::name::log::TELEMETRY_EXPORT_FAILED, &error.to_string());
            }
            self.page.take();
        }
        #[cfg(not(feature = "http"))]
        let _ = timeout;
    }
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
