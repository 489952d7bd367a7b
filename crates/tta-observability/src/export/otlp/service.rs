//! The services of OTLP that are called here: metrics and logs.

use opentelemetry_proto::tonic::collector::logs::v1 as logs;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1 as metrics;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::sender::{Partial, Service};
use crate::config::Compression;

/// The service for metrics.
pub(super) struct Metrics;

impl Service for Metrics {
    type Request = metrics::ExportMetricsServiceRequest;
    type Response = metrics::ExportMetricsServiceResponse;
    type Client = MetricsServiceClient<Channel>;

    fn client(channel: Channel, compression: Compression) -> Self::Client {
        let client = MetricsServiceClient::new(channel);
        match compression {
            Compression::None => client,
            Compression::Gzip => client.send_compressed(CompressionEncoding::Gzip),
        }
    }

    async fn call(
        mut client: Self::Client,
        request: Request<Self::Request>,
    ) -> Result<Self::Response, Status> {
        Ok(client.export(request).await?.into_inner())
    }

    fn partial(response: Self::Response) -> Option<Partial> {
        let partial = response.partial_success?;
        Partial::new(partial.rejected_data_points, partial.error_message)
    }
}

/// The service for log records.
pub(super) struct Logs;

impl Service for Logs {
    type Request = logs::ExportLogsServiceRequest;
    type Response = logs::ExportLogsServiceResponse;
    type Client = LogsServiceClient<Channel>;

    fn client(channel: Channel, compression: Compression) -> Self::Client {
        let client = LogsServiceClient::new(channel);
        match compression {
            Compression::None => client,
            Compression::Gzip => client.send_compressed(CompressionEncoding::Gzip),
        }
    }

    async fn call(
        mut client: Self::Client,
        request: Request<Self::Request>,
    ) -> Result<Self::Response, Status> {
        Ok(client.export(request).await?.into_inner())
    }

    fn partial(response: Self::Response) -> Option<Partial> {
        let partial = response.partial_success?;
        Partial::new(partial.rejected_log_records, partial.error_message)
    }
}
