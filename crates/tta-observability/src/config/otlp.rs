//! Where OTLP goes, and how.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::read::{self, Reader};
use super::{list, otlp_endpoint as endpoint};

/// How spans travel to a receiver.
#[derive(Clone, PartialEq, Eq)]
pub struct OtlpConfig {
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OtlpEndpoint {
    /// This machine, at the standard port of the protocol.
    #[default]
    Local,
    /// The address for all signals; over HTTP `v1/traces` is appended.
    Base(String),
    /// The address for traces, used as it is.
    Traces(String),
}

/// A protocol that spans travel by.
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

impl Default for OtlpConfig {
    fn default() -> Self {
        Self {
            endpoint: OtlpEndpoint::default(),
            protocol: OtlpProtocol::default(),
            headers: Vec::new(),
            timeout: Duration::from_secs(10),
            compression: Compression::default(),
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
            .field("url", &self.url())
            .field("protocol", &self.protocol)
            .field("headers", &names)
            .field("timeout", &self.timeout)
            .field("compression", &self.compression)
            .finish_non_exhaustive()
    }
}

impl OtlpConfig {
    /// The address that spans are sent to, complete with scheme and, over HTTP, path.
    #[must_use]
    pub fn url(&self) -> String {
        match (&self.endpoint, self.protocol) {
            (OtlpEndpoint::Local, OtlpProtocol::Grpc) => "http://localhost:4317".to_owned(),
            (OtlpEndpoint::Local, OtlpProtocol::HttpProtobuf) => "http://localhost:4318/v1/traces".to_owned(),
            (OtlpEndpoint::Base(base), OtlpProtocol::HttpProtobuf) => {
                format!("{}/v1/traces", base.trim_end_matches('/'))
            }
            (OtlpEndpoint::Traces(url), OtlpProtocol::HttpProtobuf) => url.clone(),
            (OtlpEndpoint::Base(url) | OtlpEndpoint::Traces(url), OtlpProtocol::Grpc) => {
                let scheme = if self.insecure { "http" } else { "https" };
                if url.contains("://") { url.clone() } else { format!("{scheme}://{url}") }
            }
        }
    }

    pub(super) fn read(&mut self, reader: &mut Reader<'_>) {
        take(&mut self.protocol, specific(reader, "PROTOCOL", |r, name| r.parsed(name, protocol)));
        self.read_endpoint(reader);
        take(&mut self.headers, specific(reader, "HEADERS", |r, name| r.secret(name, list::headers)));
        take(&mut self.timeout, specific(reader, "TIMEOUT", |r, name| r.parsed(name, read::time_limit)));
        take(&mut self.compression, specific(reader, "COMPRESSION", |r, name| r.parsed(name, compression)));
        take(&mut self.insecure, specific(reader, "INSECURE", |r, name| r.parsed(name, read::boolean)));
        let mut file = |which| specific(reader, which, |r, name| r.text(name).map(PathBuf::from));
        let (certificate, key, own) = (file("CERTIFICATE"), file("CLIENT_KEY"), file("CLIENT_CERTIFICATE"));
        if key.is_some() != own.is_some() {
            let (set, missing) = if key.is_some() {
                ("CLIENT_KEY", "CLIENT_CERTIFICATE")
            } else {
                ("CLIENT_CERTIFICATE", "CLIENT_KEY")
            };
            let value = key.as_ref().or(own.as_ref()).map(|path| path.display().to_string());
            let message = format!("set OTEL_EXPORTER_OTLP_{missing} too, or neither");
            reader.reject(&format!("OTEL_EXPORTER_OTLP_{set}"), value, message);
        }
        self.certificate = certificate.or(self.certificate.take());
        self.client_key = key.or(self.client_key.take());
        self.client_certificate = own.or(self.client_certificate.take());
    }

    fn read_endpoint(&mut self, reader: &mut Reader<'_>) {
        let protocol = self.protocol;
        let mut url = |variable: String| {
            let value = reader.text(&variable)?;
            match endpoint::check(&value, protocol) {
                Ok(()) => return Some(value),
                // A password in an address is as secret as one in a header.
                Err(message) if value.contains('@') => reader.reject(&variable, None, message),
                Err(message) => reader.reject(&variable, Some(value), message),
            }
            None
        };
        let base = url(general("ENDPOINT")).map(OtlpEndpoint::Base);
        let traces = url(traces("ENDPOINT")).map(OtlpEndpoint::Traces);
        take(&mut self.endpoint, traces.or(base));
    }
}

fn general(which: &str) -> String {
    format!("OTEL_EXPORTER_OTLP_{which}")
}

fn traces(which: &str) -> String {
    format!("OTEL_EXPORTER_OTLP_TRACES_{which}")
}

/// Reads the variable for all signals and the one for traces, which wins. Both are checked.
fn specific<T>(
    reader: &mut Reader<'_>,
    which: &str,
    read: impl Fn(&mut Reader<'_>, &str) -> Option<T>,
) -> Option<T> {
    let for_all = read(reader, &general(which));
    read(reader, &traces(which)).or(for_all)
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
