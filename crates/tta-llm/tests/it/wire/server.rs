//! A server that answers by a script, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// A request that was received.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The path with its query; the whole URL if the server is used as a proxy.
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Json,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "`{name}` was sent twice");
        value
    }
}

/// What is done while a body is sent.
#[derive(Clone)]
pub(crate) enum Step {
    /// Sends a chunk.
    Send(Vec<u8>),
    /// Sends nothing until it is told to go on.
    Hold(Arc<Notify>),
    /// Begins a chunk and closes the connection in the middle of it.
    Cut,
    /// Waits until the other side has closed the connection, and tells of it.
    Gone(Arc<Notify>),
}

impl Step {
    pub(crate) fn send(text: impl Into<String>) -> Self {
        Self::Send(text.into().into_bytes())
    }
}

#[derive(Clone)]
enum Body {
    Whole(Vec<u8>),
    Chunked(Vec<Step>),
    /// Promises more than it sends.
    Short(Vec<u8>),
    /// No answer, not even a status.
    Never,
}

/// An answer.
#[derive(Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
}

impl Reply {
    fn new(status: u16, mime: &str, body: Body) -> Self {
        Self { status, headers: vec![("content-type".into(), mime.into())], body }
    }

    pub(crate) fn json(status: u16, body: &Json) -> Self {
        Self::text(status, "application/json", body.to_string())
    }

    pub(crate) fn text(status: u16, mime: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status, mime, Body::Whole(body.into()))
    }

    pub(crate) fn steps(mime: &str, steps: Vec<Step>) -> Self {
        Self::new(200, mime, Body::Chunked(steps))
    }

    pub(crate) fn frames(mime: &str, frames: &[String]) -> Self {
        Self::steps(mime, frames.iter().cloned().map(Step::send).collect())
    }

    pub(crate) fn short(mime: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, mime, Body::Short(body.into()))
    }

    pub(crate) fn never() -> Self {
        Self::new(200, "text/plain", Body::Never)
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

struct Script {
    replies: VecDeque<Reply>,
    received: Vec<Request>,
    /// Told of each request.
    arrived: Arc<Notify>,
}

/// A server on a free port of this machine, until it is dropped.
pub(crate) struct Server {
    /// Its address, without a slash at the end.
    pub(crate) url: String,
    script: Arc<Mutex<Script>>,
    arrived: Arc<Notify>,
    acceptor: AbortHandle,
}

impl Server {
    /// Answers each request with the next reply, and all further ones with the last.
    pub(crate) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let arrived = Arc::new(Notify::new());
        let replies = replies.into_iter().collect();
        let script = Script { replies, received: Vec::new(), arrived: Arc::clone(&arrived) };
        let script = Arc::new(Mutex::new(script));
        let acceptor = tokio::spawn(accept(listener, Arc::clone(&script))).abort_handle();
        Self { url, script, arrived, acceptor }
    }

    /// Waits for a request.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// All requests so far.
    pub(crate) fn received(&self) -> Vec<Request> {
        self.script.lock().unwrap().received.clone()
    }

    /// The only request.
    pub(crate) fn only(&self) -> Request {
        let received = self.received();
        assert_eq!(received.len(), 1, "{received:#?}");
        received.into_iter().next().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

async fn accept(listener: TcpListener, script: Arc<Mutex<Script>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let script = Arc::clone(&script);
        // Who goes away in the middle of an answer is part of some tests.
        tokio::spawn(async move { drop(serve(stream, &script).await) });
    }
}

async fn serve(stream: TcpStream, script: &Mutex<Script>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let Some(request) = read_request(&mut stream).await? else { return Ok(()) };
    let reply = {
        let mut script = script.lock().unwrap();
        script.received.push(request);
        script.arrived.notify_one();
        let last = script.replies.pop_front().expect("there is a reply");
        if script.replies.is_empty() {
            script.replies.push_back(last.clone());
        }
        last
    };
    write_reply(&mut stream, reply).await
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut first = line.split_whitespace().map(str::to_owned);
    let (method, target) = (first.next().unwrap(), first.next().unwrap());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut request = Request { method, target, headers, body: Json::Null };
    let length: usize = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    request.body = serde_json::from_slice(&body).unwrap_or(Json::Null);
    Ok(Some(request))
}

async fn write_reply(stream: &mut BufReader<TcpStream>, reply: Reply) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Said\r\nconnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match reply.body {
        Body::Whole(body) => {
            head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body).await?;
        }
        Body::Short(body) => {
            head.push_str(&format!("content-length: {}\r\n\r\n", body.len() + 100));
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body).await?;
        }
        Body::Chunked(steps) => {
            head.push_str("transfer-encoding: chunked\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            if write_steps(stream, steps).await? {
                stream.write_all(b"0\r\n\r\n").await?;
            }
        }
        Body::Never => drop(stream.read_u8().await),
    }
    stream.flush().await
}

/// Returns whether the body is whole.
async fn write_steps(stream: &mut BufReader<TcpStream>, steps: Vec<Step>) -> std::io::Result<bool> {
    for step in steps {
        match step {
            Step::Send(bytes) => {
                stream.write_all(format!("{:x}\r\n", bytes.len()).as_bytes()).await?;
                stream.write_all(&bytes).await?;
                stream.write_all(b"\r\n").await?;
                stream.flush().await?;
            }
            Step::Hold(gate) => gate.notified().await,
            Step::Cut => {
                stream.write_all(b"40\r\ndata: {\"cut").await?;
                return Ok(false);
            }
            Step::Gone(gone) => {
                drop(stream.read_u8().await);
                gone.notify_one();
                return Ok(false);
            }
        }
    }
    Ok(true)
}
