//! Where OTLP goes, and how.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tta_redact::secrets;

use super::read::{self, Reader};
use super::{list, otlp_endpoint as endpoint};

/// How one signal travels to a receiver.
#[derive(Clone, PartialEq, Eq)]
pub struct OtlpConfig {
    /// What is sent; it decides about the path of the address and the names of the variables.
    pub signal: Signal,
    /// The receiver.
    pub endpoint: OtlpEndpoint,
    /// The protocol; protobuf over HTTP by default.
    pub protocol: OtlpProtocol,
    /// Headers of each request, such as an authorization. They are never printed.
    pub headers: Vec<(String, String)>,
    /// How long one request may take, 10 s by default; `Duration::MAX` means no limit.
    pub timeout: Duration,
    /// How the requests are compressed; not at all by default.
    pub compression: Compression,
    /// A PEM file of the authorities to trust instead of the system's.
    pub certificate: Option<PathBuf>,
    /// A PEM file of the private key by which this client shows who it is.
    pub client_key: Option<PathBuf>,
    /// A PEM file of the client's certificate.
    pub client_certificate: Option<PathBuf>,
    /// Whether a gRPC endpoint without a scheme is spoken to without TLS.
    pub insecure: bool,
}

/// The address of a receiver.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum OtlpEndpoint {
    /// This machine, at the standard port of the protocol.
    #[default]
    Local,
    /// The address for all signals; over HTTP the path of the signal is appended, such as `v1/traces`.
    Base(String),
    /// The address for one signal, used as it is.
    Exact(String),
}

/// A kind of telemetry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Spans.
    #[default]
    Traces,
    /// Metrics.
    Metrics,
    /// Log records.
    Logs,
}

/// A protocol that telemetry travels by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// gRPC.
    Grpc,
    /// Protobuf over HTTP.
    #[default]
    HttpProtobuf,
}

/// How requests are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// By gzip.
    Gzip,
}

impl fmt::Debug for OtlpEndpoint {
    /// Shows the address without a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("Local"),
            Self::Base(url) => f.debug_tuple("Base").field(&secrets(url)).finish(),
            Self::Exact(url) => f.debug_tuple("Exact").field(&secrets(url)).finish(),
        }
    }
}

impl OtlpEndpoint {
    /// Takes the address for all signals, if it is one.
    ///
    /// # Errors
    /// Says what is wrong with the address.
    pub fn base(url: impl Into<String>, protocol: OtlpProtocol) -> Result<Self, String> {
        let url = url.into();
        endpoint::check(&url, protocol)?;
        Ok(Self::Base(url))
    }
}

impl Signal {
    /// The word in addresses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }

    /// The word in the names of variables.
    pub(crate) const fn in_variables(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
            Self::Logs => "LOGS",
        }
    }

    /// The name of its variable of this ending, which wins over the one for all signals.
    fn variable(self, which: &str) -> String {
        format!("OTEL_EXPORTER_OTLP_{}_{which}", self.in_variables())
    }
}

impl Default for OtlpConfig {
    fn default() -> Self {
        Self::of(Signal::Traces)
    }
}

impl OtlpConfig {
    /// The defaults for a signal.
    #[must_use]
    pub const fn of(signal: Signal) -> Self {
        Self {
            signal,
            endpoint: OtlpEndpoint::Local,
            protocol: OtlpProtocol::HttpProtobuf,
            headers: Vec::new(),
            timeout: Duration::from_secs(10),
            compression: Compression::None,
            certificate: None,
            client_key: None,
            client_certificate: None,
            insecure: false,
        }
    }
}

impl fmt::Debug for OtlpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("OtlpConfig")
            .field("url", &secrets(&self.url()))
            .field("protocol", &self.protocol)
            .field("headers", &names)
            .field("timeout", &self.timeout)
            .field("compression", &self.compression)
            .finish_non_exhaustive()
    }
}

impl OtlpConfig {
    /// The address that the signal is sent to, complete with scheme and, over HTTP, path.
    #[must_use]
    pub fn url(&self) -> String {
        let signal = self.signal.as_str();
        match (&self.endpoint, self.protocol) {
            (OtlpEndpoint::Local, OtlpProtocol::Grpc) => "http://localhost:4317".to_owned(),
            (OtlpEndpoint::Local, OtlpProtocol::HttpProtobuf) => format!("http://localhost:4318/v1/{signal}"),
            (OtlpEndpoint::Base(base), OtlpProtocol::HttpProtobuf) => {
                format!("{}/v1/{signal}", base.trim_end_matches('/'))
            }
            (OtlpEndpoint::Exact(url), OtlpProtocol::HttpProtobuf) => url.clone(),
            (OtlpEndpoint::Base(url) | OtlpEndpoint::Exact(url), OtlpProtocol::Grpc) => {
                let scheme = if self.insecure { "http" } else { "https" };
                if url.contains("://") { url.clone() } else { format!("{scheme}://{url}") }
            }
        }
    }

    pub(super) fn read(&mut self, reader: &mut Reader<'_>) {
        let of = self.signal;
        take(&mut self.protocol, specific(reader, of, "PROTOCOL", |r, name| r.parsed(name, protocol)));
        self.read_endpoint(reader);
        take(&mut self.headers, specific(reader, of, "HEADERS", |r, name| r.secret(name, list::headers)));
        take(&mut self.timeout, specific(reader, of, "TIMEOUT", |r, name| r.parsed(name, read::time_limit)));
        take(
            &mut self.compression,
            specific(reader, of, "COMPRESSION", |r, name| r.parsed(name, compression)),
        );
        take(&mut self.insecure, specific(reader, of, "INSECURE", |r, name| r.parsed(name, read::boolean)));
        self.read_files(reader);
    }

    fn read_files(&mut self, reader: &mut Reader<'_>) {
        let of = self.signal;
        let mut file = |which| specific(reader, of, which, |r, name| r.text(name).map(PathBuf::from));
        let (certificate, key, own) = (file("CERTIFICATE"), file("CLIENT_KEY"), file("CLIENT_CERTIFICATE"));
        if key.is_some() != own.is_some() {
            let (set, missing) = if key.is_some() {
                ("CLIENT_KEY", "CLIENT_CERTIFICATE")
            } else {
                ("CLIENT_CERTIFICATE", "CLIENT_KEY")
            };
            let value = key.as_ref().or(own.as_ref()).map(|path| path.display().to_string());
            let name: fn(Signal, &str) -> String = match reader.text(&of.variable(set)) {
                Some(_) => Signal::variable,
                None => |_, which| general(which),
            };
            let message = format!("set {} too, or neither", name(of, missing));
            reader.reject(&name(of, set), value, message);
        }
        self.certificate = certificate.or(self.certificate.take());
        self.client_key = key.or(self.client_key.take());
        self.client_certificate = own.or(self.client_certificate.take());
    }

    fn read_endpoint(&mut self, reader: &mut Reader<'_>) {
        let (signal, protocol) = (self.signal, self.protocol);
        let mut url = |variable: String, protocol| {
            let value = reader.text(&variable)?;
            match endpoint::check(&value, protocol) {
                Ok(()) => return Some(value),
                // A password in an address is as secret as one in a header.
                Err(message) if value.contains('@') => reader.reject(&variable, None, message),
                Err(message) => reader.reject(&variable, Some(value), message),
            }
            None
        };
        // An address without a scheme is good for gRPC alone. Whether it is wrong for all signals is decided by that of
        // traces: another signal, which may not even be sent, finds out when it starts.
        let for_all = if signal == Signal::Traces { protocol } else { OtlpProtocol::Grpc };
        let base = url(general("ENDPOINT"), for_all).map(OtlpEndpoint::Base);
        let exact = url(signal.variable("ENDPOINT"), protocol).map(OtlpEndpoint::Exact);
        take(&mut self.endpoint, exact.or(base));
    }
}

fn general(which: &str) -> String {
    format!("OTEL_EXPORTER_OTLP_{which}")
}

/// Reads the variable for all signals and the one for this signal, which wins. Both are checked.
fn specific<T>(
    reader: &mut Reader<'_>,
    signal: Signal,
    which: &str,
    read: impl Fn(&mut Reader<'_>, &str) -> Option<T>,
) -> Option<T> {
    let for_all = read(reader, &general(which));
    read(reader, &signal.variable(which)).or(for_all)
}

fn take<T>(setting: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *setting = value;
    }
}

fn protocol(value: &str) -> Result<OtlpProtocol, String> {
    match value.to_ascii_lowercase().as_str() {
        "grpc" => Ok(OtlpProtocol::Grpc),
        "http/protobuf" => Ok(OtlpProtocol::HttpProtobuf),
        _ => Err("expected grpc or http/protobuf".to_owned()),
    }
}

fn compression(value: &str) -> Result<Compression, String> {
    match value.to_ascii_lowercase().as_str() {
        "none" => Ok(Compression::None),
        "gzip" => Ok(Compression::Gzip),
        _ => Err("expected gzip or none".to_owned()),
    }
}
