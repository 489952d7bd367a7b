//! TLS trusts whom it is told to trust, shows who we are, and tells at once when it fails.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;
use tta_observability::config::{Config, OtlpEndpoint, OtlpProtocol};
use tta_observability::export::SpanExporter as _;

use super::{BOTH, config, spans, start};

const ENOUGH: Duration = Duration::from_secs(30);

/// An authority, a server's certificate for `localhost`, and the files that a client needs.
struct Authority {
    folder: TempDir,
    server: Arc<ServerConfig>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, key()).expect("the authority signs itself");
        let folder = TempDir::new().expect("a folder");
        let write =
            |name, text: String| std::fs::write(folder.path().join(name), text).expect("it is writable");
        write("ca.pem", authority.pem());
        let client_key = key();
        let client = CertificateParams::new(["client".to_owned()]).expect("a name");
        let client = client.signed_by(&client_key, &authority).expect("the authority signs");
        write("client.pem", client.pem());
        write("client.key", client_key.serialize_pem());

        let server_key = key();
        let server = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        let server = server.signed_by(&server_key, &authority).expect("the authority signs");
        let private = PrivateKeyDer::try_from(server_key.serialize_der()).expect("a key");
        let server = server_config(authority.der().clone(), server.der().clone(), private);
        Self { folder, server: Arc::new(server) }
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.path().join(name))
    }

    /// Answers requests over HTTP until one was good.
    fn serve(&self, listener: TcpListener) -> JoinHandle<()> {
        let config = Arc::clone(&self.server);
        std::thread::spawn(move || while answer(&listener, Arc::clone(&config)).is_err() {})
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

/// A server that wants to see a certificate of the client, by the same authority.
fn server_config(
    authority: CertificateDer<'static>,
    own: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority).expect("it is an authority");
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the versions fit")
        .with_client_cert_verifier(clients.build().expect("it has an authority"))
        .with_single_cert(vec![own], key)
        .expect("the key fits")
}

fn answer(listener: &TcpListener, config: Arc<ServerConfig>) -> Result<(), Box<dyn std::error::Error>> {
    let (connection, _) = listener.accept()?;
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(config)?, connection));
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    Ok(stream.get_mut().flush()?)
}

fn secured(protocol: OtlpProtocol) -> (Config, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let mut config = config(protocol, port);
    config.otlp.endpoint = OtlpEndpoint::Base(format!("https://localhost:{port}"));
    (config, listener)
}

#[test]
fn both_sides_show_who_they_are() {
    let authority = Authority::new();
    let (mut config, listener) = secured(OtlpProtocol::HttpProtobuf);
    config.otlp.certificate = authority.file("ca.pem");
    config.otlp.client_certificate = authority.file("client.pem");
    config.otlp.client_key = authority.file("client.key");
    let served = authority.serve(listener);
    let (mut otlp, counts) = start(&config);
    otlp.export(&spans(1..=3));
    assert_eq!(otlp.flush(ENOUGH), Ok(()));
    assert_eq!(counts.exported(), 3);
    served.join().expect("the server ends");
}

#[test]
fn an_authority_that_is_not_trusted_is_told() {
    let (real, other) = (Authority::new(), Authority::new());
    for protocol in BOTH {
        let (mut config, listener) = secured(protocol);
        config.otlp.certificate = other.file("ca.pem");
        config.batch.export_timeout = Duration::from_secs(1);
        // No request is good, so it serves until the process ends.
        let _serves = real.serve(listener);
        let (mut otlp, counts) = start(&config);
        otlp.export(&spans(1..=3));
        let error = otlp.flush(ENOUGH).expect_err("the server is not trusted");
        assert!(error.reason.contains("invalid peer certificate"), "{}", error.reason);
        assert!(error.reason.contains("OTEL_EXPORTER_OTLP_CERTIFICATE"), "{}", error.reason);
        assert_eq!((counts.exported(), counts.dropped_total()), (0, 3));
    }
}

#[test]
fn a_file_without_a_certificate_is_refused() {
    let authority = Authority::new();
    for protocol in BOTH {
        let (mut config, _listener) = secured(protocol);
        config.otlp.certificate = authority.file("client.key");
        let error = super::trouble::refused(&config).to_string();
        assert!(error.contains("client.key: it has no certificate in PEM"), "{error}");
    }
}
