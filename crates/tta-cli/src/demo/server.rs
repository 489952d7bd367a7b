//! The server that the demo starts beside itself.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use tta::config::{Config, ExporterKind, MetricsExporter, OtlpEndpoint, OtlpProtocol};
use tta::server::{Handle, Options, ServeError, ServerConfig, serve};

/// How long what was begun may take to end.
const DRAIN: Duration = Duration::from_secs(5);

/// How often metrics are sent to it at least.
const INTERVAL: Duration = Duration::from_secs(5);

/// A server in this process, with a directory that goes with it.
pub(super) struct Served {
    handle: Handle,
    directory: PathBuf,
}

impl Served {
    /// Starts it at the usual ports, or at free ones where one of these is taken.
    pub(super) async fn start() -> Result<Self, ServeError> {
        let directory = std::env::temp_dir().join(format!("tta-demo-{}", std::process::id()));
        let config = ServerConfig::new(Options::new(&directory));
        let handle = match serve(config.clone()).await {
            Err(ServeError::PortTaken { .. }) => serve(config.any_ports()).await?,
            result => result?,
        };
        Ok(Self { handle, directory })
    }

    /// Has the demo's telemetry sent to it.
    pub(super) fn receive(&self, config: &mut Config) -> Result<(), String> {
        let endpoint =
            OtlpEndpoint::base(format!("http://{}", self.handle.http), OtlpProtocol::HttpProtobuf)?;
        for otlp in [&mut config.otlp, &mut config.otlp_metrics, &mut config.otlp_logs] {
            otlp.endpoint = endpoint.clone();
            otlp.protocol = OtlpProtocol::HttpProtobuf;
        }
        config.exporters = vec![ExporterKind::Otlp];
        if !config.metrics.exporters.contains(&MetricsExporter::Otlp) {
            config.metrics.exporters.push(MetricsExporter::Otlp);
        }
        // Who watches a demo does not wait a minute for its metrics.
        config.metric_reader.interval = config.metric_reader.interval.min(INTERVAL);
        Ok(())
    }

    /// Tells where to look.
    pub(super) fn tell(&self) -> io::Result<()> {
        let Handle { query, grpc, http, .. } = &self.handle;
        let mut out = io::stdout().lock();
        writeln!(
            out,
            "Server: http://{query} answers questions (Jaeger's API and /api/tta/v1), OTLP at {http} and {grpc}"
        )?;
        writeln!(out, "  curl http://{query}/api/services")?;
        out.flush()
    }

    /// Ends it, and gives up what it kept.
    pub(super) async fn stop(self) {
        self.handle.shutdown(DRAIN).await;
        // What is left of a demo is nobody's.
        let _ = std::fs::remove_dir_all(self.directory);
    }
}
