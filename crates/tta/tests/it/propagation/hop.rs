//! The example service between a sender that may break every rule and a receiver that remembers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tta::export::memory::MemoryExporter;
use tta::model::{SpanRecord, w3c};
use tta::propagation::AllowedHosts;
use tta::{Guard, Telemetry, WorkflowContext};

use super::propagation_service;

/// What stands between two processes.
pub struct Hop {
    service: u16,
    receiver: u16,
    received: Arc<Mutex<Vec<HeaderMap>>>,
    memory: MemoryExporter,
    guard: Guard,
}

/// What one outgoing request says of its trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub trace: String,
    pub parent: String,
    pub flags: String,
    pub state: Option<String>,
    pub baggage: Option<String>,
}

impl Hop {
    /// Starts the service, which sends baggage to these hosts, and the receiver.
    pub async fn start(hosts: AllowedHosts) -> Self {
        let memory = MemoryExporter::new();
        let (observer, guard) = Telemetry::new().exporter(memory.clone()).build().unwrap();
        let observer = observer.unwrap();
        let contexts = move || WorkflowContext::builder().observer(observer.clone());
        let service = serve(propagation_service::router(hosts, contexts).unwrap()).await;
        let received = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&received);
        let receiver =
            serve(Router::new().fallback(async move |headers: HeaderMap| list.lock().unwrap().push(headers)));
        Self { service, receiver: receiver.await, received, memory, guard }
    }

    /// Sends a request with these lines of headers, and returns what the service sends on in so many calls.
    pub async fn send(&self, headers: impl AsRef<[u8]>, host: &str, calls: usize) -> Vec<Sent> {
        let call = serde_json::json!({ "url": format!("http://{host}:{}/", self.receiver), "arguments": [] });
        let body = serde_json::Value::Array(vec![call; calls]).to_string();
        let mut request = b"POST /test HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n".to_vec();
        for line in headers.as_ref().split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            request.extend_from_slice(line);
            request.extend_from_slice(b"\r\n");
        }
        let rest = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        request.extend_from_slice(rest.as_bytes());
        let mut connection = TcpStream::connect(("127.0.0.1", self.service)).await.unwrap();
        connection.write_all(&request).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        std::mem::take(&mut *self.received.lock().unwrap()).iter().map(Sent::of).collect()
    }

    /// The spans that the service has recorded.
    pub fn spans(&self) -> Vec<SpanRecord> {
        self.guard.flush(Duration::from_secs(5)).unwrap();
        self.memory.spans()
    }
}

impl Sent {
    /// Reads an outgoing request more strictly than a receiver would: every header once, and nothing around it.
    fn of(headers: &HeaderMap) -> Self {
        let one = |name: &str| {
            let values: Vec<_> = headers.get_all(name).iter().collect();
            assert!(values.len() <= 1, "{name} once: {values:?}");
            values.first().map(|value| value.to_str().unwrap().to_owned())
        };
        let parent = one(w3c::TRACEPARENT).expect("every call says where it comes from");
        let fields: Vec<_> = parent.split('-').collect();
        let [version, trace, parent, flags] = fields[..] else { panic!("four fields: {parent}") };
        assert_eq!((version, trace.len(), parent.len(), flags.len()), ("00", 32, 16, 2));
        let is_id = |text: &str| {
            text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
                && text.bytes().any(|byte| byte != b'0')
        };
        assert!(is_id(trace) && is_id(parent), "{trace} {parent}");
        let [trace, parent, flags] = [trace, parent, flags].map(str::to_owned);
        Self { trace, parent, flags, state: one(w3c::TRACESTATE), baggage: one(w3c::BAGGAGE) }
    }
}

/// Serves on a free port of this machine, and returns the port.
async fn serve(router: Router) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}
