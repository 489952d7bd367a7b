//! Connections: accepted, bounded in number and time, and ended when the server ends.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::guard::Guard;
use crate::receive::Limits;

/// Answers a request that was let in.
pub(super) type Service =
    Arc<dyn Fn(Request<Incoming>) -> Pin<Box<dyn Future<Output = Response> + Send>> + Send + Sync>;

/// How long is waited when the system has no room for another connection.
const OUT_OF_ROOM: Duration = Duration::from_millis(50);
/// How often a silent HTTP/2 connection is asked whether somebody is there, and how long the answer may take.
const PING: Duration = Duration::from_secs(20);
const PONG: Duration = Duration::from_secs(10);
/// HTTP/2: how many requests one connection may have at once, and how many bytes may be on the way.
const STREAMS: u32 = 128;
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
const HEADER_BYTES: u32 = 16 << 10;

/// A port and what is behind it.
pub(super) struct Port {
    pub(super) listener: TcpListener,
    pub(super) guard: Guard,
    pub(super) service: Service,
    pub(super) limits: Limits,
    pub(super) open: Gauge,
}

/// A connection that may have to make room.
struct Guest {
    task: AbortHandle,
    has_asked: Arc<AtomicBool>,
}

/// Accepts connections until it is told to stop, then lets those that are there come to their end.
pub(super) async fn run(port: Port, mut stop: watch::Receiver<bool>) {
    let most = port.limits.max_connections.max(1);
    let port = Arc::new(port);
    let mut connections = JoinSet::new();
    let mut guests: VecDeque<Guest> = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
            accepted = port.listener.accept(), if connections.len() < most => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Without room for more there is nothing to do but to let some end.
            make_room(&mut guests);
            tokio::time::sleep(OUT_OF_ROOM).await;
            continue;
        };
        let has_asked = Arc::new(AtomicBool::new(false));
        let task = connections.spawn(serve(stream, Arc::clone(&port), Arc::clone(&has_asked), stop.clone()));
        guests.push_back(Guest { task, has_asked });
        if connections.len() >= most {
            make_room(&mut guests);
        }
        if guests.len() > 2 * most {
            guests.retain(|guest| !guest.task.is_finished());
        }
    }
    while connections.join_next().await.is_some() {}
}

/// Ends the oldest connection that never asked for anything.
fn make_room(guests: &mut VecDeque<Guest>) {
    guests.retain(|guest| !guest.task.is_finished());
    if let Some(at) = guests.iter().position(|guest| !guest.has_asked.load(Relaxed)) {
        guests.remove(at).into_iter().for_each(|guest| guest.task.abort());
    }
}

/// Counts a connection while it is open.
struct Open(Gauge);

impl Open {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

async fn serve(
    stream: TcpStream,
    port: Arc<Port>,
    has_asked: Arc<AtomicBool>,
    mut stop: watch::Receiver<bool>,
) {
    let _open = Open::new(&port.open);
    // Answers are small; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        has_asked.store(true, Relaxed);
        answer(&port, request)
    });
    let builder = builder(&port.limits);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut patience = pin!(tokio::time::sleep(port.limits.first_request_timeout));
    let (mut waits, mut stopping) = (true, false);
    loop {
        tokio::select! {
            // A sender that goes away is no event.
            _ = connection.as_mut() => return,
            () = patience.as_mut(), if waits => {
                if !has_asked.load(Relaxed) {
                    return;
                }
                waits = false;
            }
            _ = stop.wait_for(|stop| *stop), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Answers a request, if it may go on.
fn answer(
    port: &Port,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response, Infallible>> + Send + 'static {
    let answer = match port.guard.refusal(request.uri(), request.headers()) {
        Some(refusal) => Err(refusal),
        None => Ok((port.service)(request)),
    };
    async move {
        match answer {
            Ok(answer) => Ok(answer.await),
            Err(refusal) => Ok(refusal),
        }
    }
}

/// HTTP/1 and HTTP/2 on every port, whichever the other side begins with.
fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_BYTES)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG);
    builder
}
