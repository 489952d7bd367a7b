//! Between the types of TTA and those of OpenTelemetry.

pub(crate) mod from_otel;
#[cfg(feature = "otlp")]
pub(crate) mod proto;
#[cfg(feature = "otlp")]
pub(crate) mod span_data;
pub(crate) mod to_otel;
