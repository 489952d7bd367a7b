//! The page that Prometheus scrapes, and the thread that serves it.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use opentelemetry::Context;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, oneshot};

use super::answer::answer;
use super::source::Source;
use crate::metrics::Snapshot;
use crate::resource::Resource;

/// How many connections are served at once; further ones wait in the queue of the system.
const CONNECTIONS: usize = 64;
/// How long the head of a request may be, in bytes.
const HEAD_SIZE: usize = 64 * 1024;
/// How long a client may take for it.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// How long a connection may take, the slow reading of its answer included.
const CONNECTION_TIME: Duration = Duration::from_secs(30);
/// How many pages are written at once.
const WRITERS: usize = 2;
/// How long the next connection waits after the system refused one, as it does when no file is left.
const AFTER_REFUSAL: Duration = Duration::from_millis(100);

/// Serves the metrics of this process under `/metrics`.
///
/// Each request is answered with a fresh snapshot in the format that the client asks for. One bound to a loopback
/// address refuses requests that name a foreign host, so that no page in a browser reads it through a name of
/// its own. At most 64 connections are served at once, each for one request and for 30 seconds at most.
///
/// Dropped, it ends within moments; an answer that is on its way is cut short.
#[derive(Debug)]
pub struct MetricsPage {
    address: SocketAddr,
    /// Ends the thread when it is dropped.
    running: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

/// The page could not be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The address cannot be had.
    #[error("cannot serve metrics at {address}: {}", trouble(*address, source))]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The thread did not start.
    #[error("cannot start the thread that serves metrics")]
    Thread(#[source] io::Error),
}

/// The cause, and what to do.
fn trouble(address: SocketAddr, error: &io::Error) -> String {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {port} is taken, by another program that serves metrics perhaps; \
             end that, set another port, or port 0 for any that is free"
        ),
        io::ErrorKind::PermissionDenied => {
            format!("port {port} is not allowed ({error}); set a port from 1024 on")
        }
        io::ErrorKind::AddrNotAvailable => format!(
            "{} is not an address of this machine; set one that is, such as 127.0.0.1, or 0.0.0.0 for all",
            address.ip()
        ),
        _ => format!("{error}; set another address or port"),
    }
}

impl MetricsPage {
    /// Takes the address and starts the thread that serves it. With port 0 the system chooses one, which
    /// [`address`](Self::address) tells.
    ///
    /// `source` is called for every request, on one of two threads; while it takes its time, and while a slow client
    /// reads, others are answered. If it panics, that request is answered with status 500.
    ///
    /// # Errors
    /// If the address is taken, not allowed or not of this machine, or no thread can be started.
    pub fn bind(
        address: SocketAddr,
        source: impl Fn() -> Snapshot + Send + Sync + 'static,
        resource: &Resource,
    ) -> Result<Self, BindError> {
        let not_bound = |source| BindError::Address { address, source };
        let listener = TcpListener::bind(address).map_err(not_bound)?;
        listener.set_nonblocking(true).map_err(not_bound)?;
        let bound = listener.local_addr().map_err(not_bound)?;
        let source = Source::new(source, resource);
        let (running, stopped) = oneshot::channel();
        let (started, starting) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("tta-metrics".to_owned())
            .spawn(move || run(listener, source, &started, stopped))
            .map_err(BindError::Thread)?;
        // Whoever sends nothing has panicked.
        starting.recv().unwrap_or_else(|error| Err(io::Error::other(error))).map_err(BindError::Thread)?;
        Ok(Self { address: bound, running: Some(running), thread: Some(thread) })
    }

    /// The address, with the port that the system chose.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the page, as dropping it does.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for MetricsPage {
    fn drop(&mut self) {
        self.running.take();
        if let Some(thread) = self.thread.take() {
            // It ends now, since it waits for nobody; whether it panicked was told by the panic hook.
            let _ = thread.join();
        }
    }
}

/// Tells whether it started, and serves until it is stopped. The runtime is made here, since it must not be dropped
/// inside of another one, where the caller may be.
fn run(
    listener: TcpListener,
    source: Source,
    started: &mpsc::Sender<io::Result<()>>,
    stopped: oneshot::Receiver<Infallible>,
) {
    // A scrape is nobody's span.
    let _quiet = Context::enter_telemetry_suppressed_scope();
    let is_local = listener.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback());
    let (runtime, listener) = match start(listener) {
        Ok(parts) => parts,
        Err(error) => {
            // The caller waits for this.
            let _ = started.send(Err(error));
            return;
        }
    };
    let _ = started.send(Ok(()));
    runtime.block_on(async {
        tokio::select! {
            _ = stopped => {}
            () = serve(listener, source, is_local) => {}
        }
    });
    // A snapshot that hangs is not waited for.
    runtime.shutdown_background();
}

fn start(listener: TcpListener) -> io::Result<(Runtime, tokio::net::TcpListener)> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(WRITERS)
        .thread_name("tta-metrics")
        .build()?;
    let entered = runtime.enter();
    let listener = tokio::net::TcpListener::from_std(listener)?;
    drop(entered);
    Ok((runtime, listener))
}

async fn serve(listener: tokio::net::TcpListener, source: Source, is_local: bool) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    // The semaphore is never closed.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(AFTER_REFUSAL).await;
            continue;
        };
        let source = source.clone();
        tokio::spawn(async move {
            connection(stream, &source, is_local).await;
            drop(place);
        });
    }
}

/// Answers one request, unless the client is too slow for that.
async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, source: &Source, is_local: bool) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        // A scrape is rare: places are for those who ask, not for the idle.
        .keep_alive(false)
        .max_buf_size(HEAD_SIZE)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(|request| async move { Ok::<_, Infallible>(answer(request, source, is_local).await) }),
        );
    // An error is the client's, who left, spoke no HTTP or was too slow; it knows.
    let _ = tokio::time::timeout(CONNECTION_TIME, serving).await;
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::task::JoinHandle;
    use tokio::time::Instant;

    use super::*;
    use crate::config::Config;

    /// A connection whose buffers hold 64 bytes.
    fn connect() -> (DuplexStream, JoinHandle<()>) {
        let source = Source::new(Snapshot::default, &Resource::detect(&Config::default()));
        let (ours, theirs) = tokio::io::duplex(64);
        (ours, tokio::spawn(async move { connection(theirs, &source, true).await }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_asks_too_slowly_is_left() {
        let begun = Instant::now();
        let (mut client, served) = connect();
        let mut drop_by_drop = b"GET /metrics HTTP/1.1\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'x'));
        while client.write_all(&[*drop_by_drop.next().unwrap()]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        served.await.unwrap();
        assert!((HEAD_TIME..2 * HEAD_TIME).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_too_slowly_is_left() {
        let begun = Instant::now();
        let (mut client, served) = connect();
        client.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        served.await.unwrap();
        assert!((CONNECTION_TIME..2 * CONNECTION_TIME).contains(&begun.elapsed()), "{:?}", begun.elapsed());
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.len(), 64, "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_comes_is_not_waited_for() {
        let (mut client, _served) = connect();
        let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n";
        client.write_all(request).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
}
