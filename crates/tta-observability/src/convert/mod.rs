//! Between the types of TTA and those of OpenTelemetry.

pub(crate) mod from_otel;
pub(crate) mod to_otel;
