//! The server: OTLP by gRPC and by HTTP into the store, and what is in it out again.
//!
//! Each port is bound before the store is opened, so that a port that is taken is told at once. When the server ends, it stops
//! accepting, answers what it has begun, and closes the store, which writes what waits.

mod counters;
mod guard;
mod listen;
mod own;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

pub(crate) use counters::Counters;
use guard::Guard;
use listen::{Port, Requests, Service};
use own::Own;

use crate::api::{self, ApiState};
use crate::receive::{self, Health, Limits, Receiver};
use crate::store::{OpenError, Options, Store};

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where telemetry is kept, and how much of it.
    pub store: Options,
    /// The address that all ports are bound to. 127.0.0.1.
    pub listen: IpAddr,
    /// The port of OTLP over gRPC; 0 is any free one. 4317.
    pub grpc_port: u16,
    /// The port of OTLP over HTTP; 0 is any free one. 4318.
    pub http_port: u16,
    /// The port of the pages and questions; 0 is any free one. 16686.
    pub query_port: u16,
    /// What senders and readers must show as `Authorization: Bearer`. Needed unless the address is this machine's own.
    pub token: Option<String>,
    /// Names by which the server may be called, beside its address, 127.0.0.1, localhost and \[::1\]. One without a port is allowed
    /// with every port.
    pub hosts: Vec<String>,
    /// What is let in.
    pub limits: Limits,
}

impl ServerConfig {
    /// The defaults, with a store.
    #[must_use]
    pub fn new(store: Options) -> Self {
        Self {
            store,
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            grpc_port: 4317,
            http_port: 4318,
            query_port: 16686,
            token: None,
            hosts: Vec::new(),
            limits: Limits::default(),
        }
    }

    /// The same with free ports instead of the usual ones.
    #[must_use]
    pub fn any_ports(self) -> Self {
        Self { grpc_port: 0, http_port: 0, query_port: 0, ..self }
    }
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// An address that others can reach, without a token.
    #[error(
        "{0} can be reached from other machines; set a token that they must show, or listen on 127.0.0.1"
    )]
    TokenNeeded(IpAddr),
    /// A token that nobody can show.
    #[error("the token is empty or has characters that a header cannot carry; set another one")]
    BadToken,
    /// A port that another program has.
    #[error("port {} for {purpose} is taken; stop the program that listens on it, or choose another port", .address.port())]
    PortTaken {
        /// The address.
        address: SocketAddr,
        /// What the port is for.
        purpose: &'static str,
    },
    /// An address that cannot be bound to.
    #[error("cannot listen on {address} for {purpose}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the port is for.
        purpose: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// Opening the store ended without an answer.
    #[error("opening the store failed unexpectedly; look at standard error, and try again")]
    Unexpected,
}

/// A server that runs. Dropping it ends it at once; what was acknowledged is on disk all the same.
#[derive(Debug)]
pub struct Handle {
    /// Where OTLP over gRPC is received.
    pub grpc: SocketAddr,
    /// Where OTLP over HTTP is received.
    pub http: SocketAddr,
    /// Where pages and questions are answered.
    pub query: SocketAddr,
    receiver: Arc<Receiver>,
    stop: watch::Sender<bool>,
    ports: JoinSet<()>,
    /// Ends the requests that are still being answered.
    cut: DropGuard,
    /// The work of the questions.
    questions: TaskTracker,
}

/// Starts a server in the current runtime of tokio.
///
/// # Errors
///
/// When a port cannot be had, the store cannot be opened, or an address that other machines reach has no token.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tta_server::{Options, ServerConfig, serve};
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let directory = tempfile::tempdir()?;
/// let server = serve(ServerConfig::new(Options::new(directory.path())).any_ports()).await?;
/// println!("send spans to http://{}", server.http);
/// assert!(server.shutdown(Duration::from_secs(5)).await);
/// # Ok(())
/// # }
/// ```
pub async fn serve(config: ServerConfig) -> Result<Handle, ServeError> {
    check_token(&config)?;
    let grpc = bind(config.listen, config.grpc_port, "OTLP over gRPC").await?;
    let http = bind(config.listen, config.http_port, "OTLP over HTTP").await?;
    let query = bind(config.listen, config.query_port, "pages and questions").await?;
    let options = config.store.clone();
    let opened = tokio::task::spawn_blocking(move || Store::open(options)).await;
    let store = Arc::new(opened.map_err(|_| ServeError::Unexpected)??);
    let (stop, stopped) = watch::channel(false);
    let receiver = Arc::new(Receiver::new(store, config.limits.clone(), Health::new(stopped.clone())));
    let questions = ApiState::new(receiver.store.reader());
    let cut = CancellationToken::new();
    let mut handle = Handle {
        grpc: grpc.1,
        http: http.1,
        query: query.1,
        receiver: Arc::clone(&receiver),
        stop,
        ports: JoinSet::new(),
        cut: cut.clone().drop_guard(),
        questions: questions.tasks(),
    };
    let own = Own { receiver: Arc::clone(&receiver), directory: config.store.directory.clone() };
    let services = [
        (grpc, "grpc", calls(Arc::clone(&receiver))),
        (http, "http", routed(receive::http::router(Arc::clone(&receiver)))),
        (query, "query", routed(own::router(own).merge(api::router(questions)))),
    ];
    for ((listener, address), name, service) in services {
        let guard = Guard::new(address, &config.hosts, config.token.as_deref());
        let open = receiver.counters.connections(name);
        let requests = Requests { tasks: receiver.tasks.clone(), cut: cut.clone() };
        let port = Port { listener, guard, service, limits: config.limits.clone(), open, requests };
        handle.ports.spawn(listen::run(port, stopped.clone()));
    }
    Ok(handle)
}

fn calls(receiver: Arc<Receiver>) -> Service {
    Arc::new(move |request| {
        let receiver = Arc::clone(&receiver);
        Box::pin(async move { receive::grpc::call(&receiver, request).await })
    })
}

fn routed(router: Router) -> Service {
    Arc::new(move |request| {
        let answer = router.clone().oneshot(request.map(axum::body::Body::new));
        Box::pin(async move { answer.await.into_response() })
    })
}

fn check_token(config: &ServerConfig) -> Result<(), ServeError> {
    match &config.token {
        None if !config.listen.is_loopback() => Err(ServeError::TokenNeeded(config.listen)),
        Some(token) if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err(ServeError::BadToken)
        }
        _ => Ok(()),
    }
}

async fn bind(
    listen: IpAddr,
    port: u16,
    purpose: &'static str,
) -> Result<(TcpListener, SocketAddr), ServeError> {
    let address = SocketAddr::new(listen, port);
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AddrInUse => ServeError::PortTaken { address, purpose },
        _ => ServeError::Bind { address, purpose, source },
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

impl Handle {
    /// What reads the store, from within the process.
    #[must_use]
    pub fn reader(&self) -> crate::read::Reader {
        self.receiver.store.reader()
    }

    /// How much is stored.
    #[must_use]
    pub fn stats(&self) -> crate::store::Stats {
        self.receiver.store.stats()
    }

    /// Ends the server: it accepts nothing more, answers what it has begun, and closes the store. Requests that are not
    /// answered within the time are cut off. Answers whether all came to its end.
    ///
    /// Nothing of the server runs any more then, but for reads that take longer than the time once more: nothing ends those.
    pub async fn shutdown(mut self, patience: Duration) -> bool {
        self.stop.send_replace(true);
        let all = async { while self.ports.join_next().await.is_some() {} };
        let drained = timeout(patience, all).await.is_ok();
        // Requests of HTTP/2 are tasks of their own, which outlive their connections.
        drop(self.cut);
        self.ports.shutdown().await;
        self.receiver.tasks.close();
        self.receiver.tasks.wait().await;
        self.questions.close();
        let answered = timeout(patience, self.questions.wait()).await.is_ok();
        // Closing writes sums, which may take the disk a moment.
        let receiver = self.receiver;
        let closed = tokio::task::spawn_blocking(move || drop(receiver)).await;
        drained && answered && closed.is_ok()
    }
}
