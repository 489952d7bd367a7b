//! Receivers that answer as the test tells them to, and note when each request came.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use opentelemetry_proto::tonic::collector::logs::v1 as logs;
use opentelemetry_proto::tonic::collector::metrics::v1 as metrics;
use tonic::transport::server::{Router, TcpIncoming};
use tonic::{Request, Response, Status};

/// What a receiver does with a request.
pub(super) enum Answer {
    /// It answers with a status, headers, and a message.
    Http(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// It closes the connection without a word.
    HangUp,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) at: Instant,
    pub(super) path: String,
    pub(super) body: Vec<u8>,
}

/// A receiver over HTTP; it serves until the process ends.
pub(super) struct HttpServer {
    pub(super) port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    answers: Mutex<VecDeque<Answer>>,
    arrivals: Mutex<Vec<Arrival>>,
}

impl HttpServer {
    /// After the last answer it accepts everything.
    pub(super) fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared { answers: Mutex::new(answers.into()), arrivals: Mutex::default() });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let shared = Arc::clone(&serving);
                // A client may leave at any time.
                std::thread::spawn(move || drop(serve(&connection.expect("a connection"), &shared)));
            }
        });
        Self { port, shared }
    }

    /// Answers the next request so.
    pub(super) fn answer_next(&self, answer: Answer) {
        self.shared.answers.lock().expect("not poisoned").push_back(answer);
    }

    pub(super) fn arrivals(&self) -> Vec<Arrival> {
        self.shared.arrivals.lock().expect("not poisoned").clone()
    }
}

fn serve(connection: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(connection), connection);
    while let Some((path, body)) = read(&mut reader)? {
        let arrival = Arrival { at: Instant::now(), path, body };
        shared.arrivals.lock().expect("not poisoned").push(arrival);
        let answer = shared.answers.lock().expect("not poisoned").pop_front();
        let (status, headers, body) = match answer {
            Some(Answer::HangUp) => return Ok(()),
            Some(Answer::Http(status, headers, body)) => (status, headers, body),
            None => (200, Vec::new(), Vec::new()),
        };
        let mut text = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n", body.len());
        headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
        writer.write_all(format!("{text}content-type: application/x-protobuf\r\n\r\n").as_bytes())?;
        writer.write_all(&body)?;
    }
    Ok(())
}

/// The path and the body of the next request; none at the end of the connection.
fn read(reader: &mut impl BufRead) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let path = first.split(' ').nth(1).expect("a path").to_owned();
    Ok(Some((path, body)))
}

/// A receiver over gRPC; it serves until the process ends.
pub(super) struct GrpcServer<Q, R> {
    pub(super) port: u16,
    script: Script<Q, R>,
}

/// The answers that are left, and the requests that came.
struct Script<Q, R>(Arc<Mutex<Played<Q, R>>>);

struct Played<Q, R> {
    answers: VecDeque<Result<R, Status>>,
    arrivals: Vec<(Instant, Q)>,
}

impl<Q, R> Clone for Script<Q, R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Q, R: Default> Script<Q, R> {
    fn answer(&self, request: Request<Q>) -> Result<Response<R>, Status> {
        let mut script = self.0.lock().expect("not poisoned");
        script.arrivals.push((Instant::now(), request.into_inner()));
        script.answers.pop_front().unwrap_or_else(|| Ok(R::default())).map(Response::new)
    }
}

#[tonic::async_trait]
impl metrics::metrics_service_server::MetricsService
    for Script<metrics::ExportMetricsServiceRequest, metrics::ExportMetricsServiceResponse>
{
    async fn export(
        &self,
        request: Request<metrics::ExportMetricsServiceRequest>,
    ) -> Result<Response<metrics::ExportMetricsServiceResponse>, Status> {
        self.answer(request)
    }
}

#[tonic::async_trait]
impl logs::logs_service_server::LogsService
    for Script<logs::ExportLogsServiceRequest, logs::ExportLogsServiceResponse>
{
    async fn export(
        &self,
        request: Request<logs::ExportLogsServiceRequest>,
    ) -> Result<Response<logs::ExportLogsServiceResponse>, Status> {
        self.answer(request)
    }
}

type MetricsServer = GrpcServer<metrics::ExportMetricsServiceRequest, metrics::ExportMetricsServiceResponse>;
type LogsServer = GrpcServer<logs::ExportLogsServiceRequest, logs::ExportLogsServiceResponse>;

/// Starts a receiver of metrics; after the last answer it accepts everything.
pub(super) fn grpc_metrics(
    answers: Vec<Result<metrics::ExportMetricsServiceResponse, Status>>,
) -> MetricsServer {
    GrpcServer::start(answers, |script, router| {
        router.add_service(metrics::metrics_service_server::MetricsServiceServer::new(script))
    })
}

/// Starts a receiver of log records; after the last answer it accepts everything.
pub(super) fn grpc_logs(answers: Vec<Result<logs::ExportLogsServiceResponse, Status>>) -> LogsServer {
    GrpcServer::start(answers, |script, router| {
        router.add_service(logs::logs_service_server::LogsServiceServer::new(script))
    })
}

impl<Q, R> GrpcServer<Q, R> {
    fn start(
        answers: Vec<Result<R, Status>>,
        add: impl FnOnce(Script<Q, R>, &mut tonic::transport::Server) -> Router,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let script = Script(Arc::new(Mutex::new(Played { answers: answers.into(), arrivals: Vec::new() })));
        let router = add(script.clone(), &mut tonic::transport::Server::builder());
        let entered = runtime.enter();
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let port = incoming.local_addr().expect("it is bound").port();
        drop(entered);
        std::thread::spawn(move || runtime.block_on(router.serve_with_incoming(incoming)));
        Self { port, script }
    }

    /// The requests that came, taken out.
    pub(super) fn arrivals(&self) -> Vec<(Instant, Q)> {
        std::mem::take(&mut self.script.0.lock().expect("not poisoned").arrivals)
    }
}
