//! TLS by rustls: the system's authorities or a given one, and a certificate of our own if asked for.

use std::path::Path;
use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

use super::OtlpError;
use super::connect::chain;
use crate::config::OtlpConfig;

/// TLS as the settings ask for it.
pub(super) fn config(config: &OtlpConfig) -> Result<ClientConfig, OtlpError> {
    let builder = builder()?;
    let builder = match &config.certificate {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| in_file(path, &error))?;
            }
            builder.with_root_certificates(roots)
        }
        None => builder.with_native_roots().map_err(|error| OtlpError::Tls(chain(&error)))?,
    };
    match (&config.client_certificate, &config.client_key) {
        (Some(certificate), Some(key)) => {
            let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| in_file(key, &error))?;
            builder
                .with_client_auth_cert(certificates(certificate)?, private)
                .map_err(|error| in_file(certificate, &error))
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

/// TLS that trusts nobody, for connections that do not use it.
pub(super) fn unused() -> Result<ClientConfig, OtlpError> {
    Ok(builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, OtlpError> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| OtlpError::Tls(chain(&error)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, OtlpError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    let certificates = read.map_err(|error| in_file(path, &error))?;
    if certificates.is_empty() {
        let reason = "it has no certificate in PEM".to_owned();
        return Err(OtlpError::File { path: path.to_owned(), reason });
    }
    Ok(certificates)
}

fn read(path: &Path) -> Result<Vec<u8>, OtlpError> {
    std::fs::read(path).map_err(|error| in_file(path, &error))
}

fn in_file(path: &Path, error: &(dyn std::error::Error + 'static)) -> OtlpError {
    OtlpError::File { path: path.to_owned(), reason: chain(error) }
}
