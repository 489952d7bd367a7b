//! Connections: accepted, bounded in number and time, and ended when the server ends.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use futures::StreamExt;
use http::Request;
use http::header::CONTENT_TYPE;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

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
const EVENTS: &str = "text/event-stream";

/// A port and what is behind it.
pub(super) struct Port {
    pub(super) listener: TcpListener,
    pub(super) guard: Guard,
    pub(super) service: Service,
    pub(super) limits: Limits,
    pub(super) open: Gauge,
    pub(super) requests: Requests,
}

/// The requests of HTTP/2, each a task of its own, so that they end with the server.
#[derive(Clone)]
pub(super) struct Requests {
    pub(super) tasks: TaskTracker,
    pub(super) cut: CancellationToken,
}

impl<F> Executor<F> for Requests
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, request: F) {
        let cut = self.cut.clone();
        self.tasks.spawn(async move { cut.run_until_cancelled_owned(request).await });
    }
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
        let connection = serve(stream, Arc::clone(&port), Arc::clone(&has_asked), stop.clone());
        let task = connections.spawn(port.requests.tasks.track_future(connection));
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
    let stopped = stop.clone();
    let service = service_fn(|request| {
        has_asked.store(true, Relaxed);
        answer(&port, request, stopped.clone())
    });
    let builder = builder(&port);
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
    stop: watch::Receiver<bool>,
) -> impl Future<Output = Result<Response, Infallible>> + Send + 'static {
    let answer = match port.guard.refusal(request.uri(), request.headers()) {
        Some(refusal) => Err(refusal),
        None => Ok((port.service)(request)),
    };
    async move {
        match answer {
            Ok(answer) => Ok(bounded(answer.await, stop)),
            Err(refusal) => Ok(refusal),
        }
    }
}

/// Events have no end of their own; theirs is that of the server.
fn bounded(response: Response, mut stop: watch::Receiver<bool>) -> Response {
    if response.headers().get(CONTENT_TYPE).is_none_or(|kind| kind != EVENTS) {
        return response;
    }
    let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
    response.map(|events| Body::from_stream(events.into_data_stream().take_until(Box::pin(stopped))))
}

/// HTTP/1 and HTTP/2 on every port, whichever the other side begins with.
fn builder(port: &Port) -> Builder<Requests> {
    let mut builder = Builder::new(port.requests.clone());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(port.limits.header_timeout);
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
