//! The kinds of telemetry, in the words of OTLP.

/// A kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Logs,
    Metrics,
}

impl Signal {
    /// In the order of their declaration, so that a list of all can be asked with one as the place.
    pub(super) const ALL: [Self; 3] = [Self::Traces, Self::Logs, Self::Metrics];

    /// Where a server receives it.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Traces => "v1/traces",
            Self::Logs => "v1/logs",
            Self::Metrics => "v1/metrics",
        }
    }

    /// The list of a request.
    pub(super) const fn resources(self) -> &'static str {
        match self {
            Self::Traces => "resourceSpans",
            Self::Logs => "resourceLogs",
            Self::Metrics => "resourceMetrics",
        }
    }

    /// The list of a resource.
    pub(super) const fn scopes(self) -> &'static str {
        match self {
            Self::Traces => "scopeSpans",
            Self::Logs => "scopeLogs",
            Self::Metrics => "scopeMetrics",
        }
    }

    /// The list of a scope.
    pub(super) const fn records(self) -> &'static str {
        match self {
            Self::Traces => "spans",
            Self::Logs => "logRecords",
            Self::Metrics => "metrics",
        }
    }

    /// What people call what is counted of it.
    pub(super) const fn counted(self) -> &'static str {
        match self {
            Self::Traces => "spans",
            Self::Logs => "log records",
            Self::Metrics => "points of metrics",
        }
    }
}
