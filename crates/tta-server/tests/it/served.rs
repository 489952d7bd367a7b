//! A server in this process, on free ports, and plain ways to speak to it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use reqwest::blocking::{Client, Response};
use tta_server::{Handle, Limits, Options, ServerConfig, serve};

pub(crate) const PROTOBUF: &str = "application/x-protobuf";
pub(crate) const JSON: &str = "application/json";
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Served {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) handle: Handle,
    // Dropped last: what is above ends in it.
    pub(crate) runtime: tokio::runtime::Runtime,
}

impl Served {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn limited(limits: Limits) -> Self {
        Self::with(|config| config.limits = limits)
    }

    pub(crate) fn with(change: impl FnOnce(&mut ServerConfig)) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut config = ServerConfig::new(Options::new(directory.path())).any_ports();
        change(&mut config);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let handle = runtime.block_on(serve(config)).expect("it starts");
        Self { directory, handle, runtime }
    }

    pub(crate) fn post(&self, path: &str, media_type: &str, body: Vec<u8>) -> Response {
        let request = client().post(format!("http://{}{path}", self.handle.http));
        request.header("content-type", media_type).body(body).send().expect("it answers")
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let response = client().get(format!("http://{}{path}", self.handle.query)).send();
        let response = response.expect("it answers");
        (response.status().as_u16(), response.text().expect("it is text"))
    }

    /// How many spans of a trace there are.
    pub(crate) fn count(&self, trace: u128) -> usize {
        let reader = self.handle.reader();
        tta_server::read::trace(&reader, super::support::id(trace)).expect("it is read").spans.len()
    }
}

pub(crate) fn client() -> Client {
    Client::builder().timeout(PATIENCE).build().expect("a client")
}

/// Sends bytes as they are, and reads until the other side ends.
pub(crate) fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("it accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("it is set");
    stream.write_all(request).expect("it reads");
    let mut answer = Vec::new();
    // A connection that is cut off has said what it had to say.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).and_then(|()| encoder.finish()).expect("memory takes everything")
}
