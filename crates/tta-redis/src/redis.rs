//! A server at a URL.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::{Client, ConnectionAddr, IntoConnectionInfo, TlsCertificates};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tta_primitives::{Error, Result};

use crate::link::Link;
use crate::stats::RedisStats;
use crate::store::RedisStore;

/// How long an operation may take unless told otherwise.
const TIMEOUT: Duration = Duration::from_millis(250);
/// How large a value may be unless told otherwise: 1 MiB.
const MAX_VALUE_BYTES: usize = 1 << 20;
/// What keys begin with unless told otherwise.
const PREFIX: &str = "tta";

/// A Redis server, or one that speaks its protocol, such as Valkey.
///
/// Nothing is connected when it is opened: the first operation does that, so a server that is down at the start is no
/// error. All stores of it, and all its clones, share one connection. It needs a tokio runtime with time and I/O.
/// A cluster is not supported, unless through a proxy that hides it.
#[derive(Clone)]
pub struct Redis {
    pub(crate) link: Arc<Link>,
    pub(crate) settings: Settings,
}

/// What holds for the stores of a server that are made from now on.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) prefix: Arc<str>,
    pub(crate) timeout: Duration,
    pub(crate) max_value_bytes: usize,
}

impl Redis {
    /// Opens a server at a URL: `redis://[user][:password@]host[:port][/database]`, or `rediss://` for TLS with the
    /// certificates of the operating system.
    ///
    /// # Errors
    /// Of kind [`Invalid`](tta_primitives::ErrorKind::Invalid), if the URL is none of a Redis. The error does not
    /// show it, since it may hold a password.
    pub fn open(url: &str) -> Result<Self> {
        Self::with(url, None)
    }

    /// The same for a server whose certificate was signed by an authority of one's own, given in PEM.
    ///
    /// # Errors
    /// As [`open`](Self::open), and if the URL does not begin with `rediss://` or the certificate cannot be read.
    pub fn open_with_authority(url: &str, certificate: impl Into<Vec<u8>>) -> Result<Self> {
        Self::with(url, Some(certificate.into()))
    }

    fn with(url: &str, authority: Option<Vec<u8>>) -> Result<Self> {
        // What the library says of a URL may repeat a part of it.
        let info = url.into_connection_info().map_err(|_| {
            Error::invalid("the URL is none of a Redis; write it as redis://user:password@host:port/database")
        })?;
        let is_secure = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        if is_secure && CryptoProvider::get_default().is_none() {
            // If two crates of the program bring a provider each, rustls panics unless one is chosen. Somebody may
            // have chosen one in the meantime, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let client = match authority {
            None => Client::open(info),
            Some(_) if !is_secure => {
                return Err(Error::invalid(
                    "a certificate is for a server with TLS; write its URL as rediss://host",
                ));
            }
            Some(pem) => {
                check_certificates(&pem)?;
                Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: Some(pem) })
            }
        };
        let client =
            client.map_err(|error| Error::invalid(format!("the Redis cannot be opened: {error}")))?;
        let settings = Settings { prefix: PREFIX.into(), timeout: TIMEOUT, max_value_bytes: MAX_VALUE_BYTES };
        Ok(Self { link: Arc::new(Link::new(client)), settings })
    }

    /// Lets each operation take so long, the connection included; 250 ms unless set.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Stores no value, and no message, that has more bytes than this, and reads none; 1 MiB unless set.
    #[must_use]
    pub fn max_value_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_value_bytes = bytes;
        self
    }

    /// Begins every key with this and a colon; `tta` unless set.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<Arc<str>>) -> Self {
        self.settings.prefix = prefix.into();
        self
    }

    /// A store for values of one type and version, as in `answers/v2`. The namespace is a part of every key, so change
    /// it when the values change in a way that serde cannot see: what lies under the old one is not found, and expires.
    #[must_use]
    pub fn store(&self, namespace: impl Into<Arc<str>>) -> RedisStore {
        RedisStore { redis: self.clone(), namespace: namespace.into() }
    }

    /// What went wrong so far, in all stores of the server.
    #[must_use]
    pub fn stats(&self) -> RedisStats {
        self.link.counters.read()
    }
}

/// The library takes what holds no certificate for a list of none, and then believes no server.
fn check_certificates(pem: &[u8]) -> Result<()> {
    let mut certificates = CertificateDer::pem_slice_iter(pem).peekable();
    if certificates.peek().is_some() && certificates.all(|certificate| certificate.is_ok()) {
        return Ok(());
    }
    Err(Error::invalid("there is no certificate in PEM; it begins with -----BEGIN CERTIFICATE-----"))
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("address", &self.link.address())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
