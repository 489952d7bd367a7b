//! Sends batches as fast as the server takes them, each on a connection that stays open.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;

use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;

/// How many connections send at once.
const SENDERS: usize = 8;

pub(crate) type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// How batches travel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Http,
    HttpGzip,
    Grpc,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Http, Self::HttpGzip, Self::Grpc];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::HttpGzip => "http_gzip",
            Self::Grpc => "grpc",
        }
    }

    /// The body as it travels.
    pub(crate) fn pack(self, batch: Vec<u8>) -> Result<Vec<u8>, std::io::Error> {
        if self != Self::HttpGzip {
            return Ok(batch);
        }
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&batch)?;
        encoder.finish()
    }
}

/// The connections of a sender, opened once.
pub(crate) enum Senders {
    Http(SocketAddr, &'static str, Vec<TcpStream>),
    Grpc(Channel, tokio::runtime::Runtime),
}

impl Senders {
    pub(crate) fn connect(way: Way, http: SocketAddr, grpc: SocketAddr) -> Result<Self, Box<dyn Error>> {
        if way == Way::Grpc {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let endpoint = Channel::from_shared(format!("http://{grpc}"))?;
            // The windows that OpenTelemetry's exporters have by default.
            return Ok(Self::Grpc(runtime.block_on(endpoint.connect())?, runtime));
        }
        let encoding = if way == Way::HttpGzip { "Content-Encoding: gzip\r\n" } else { "" };
        let streams: Result<Vec<_>, _> = (0..SENDERS).map(|_| TcpStream::connect(http)).collect();
        Ok(Self::Http(http, encoding, streams?))
    }

    /// Sends batches, and returns when all are acknowledged.
    pub(crate) fn send(&mut self, batches: Vec<Vec<u8>>) -> Outcome {
        let rest = Mutex::new(batches);
        let next = || rest.lock().ok()?.pop();
        match self {
            Self::Http(address, encoding, streams) => std::thread::scope(|scope| {
                let start = |stream| scope.spawn(|| post_all(stream, *address, encoding, &next));
                let threads: Vec<_> = streams.iter_mut().map(start).collect();
                threads
                    .into_iter()
                    .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("a sender panicked".into())))
            }),
            Self::Grpc(channel, runtime) => runtime.block_on(async {
                let senders = (0..SENDERS).map(|_| call_all(channel.clone(), &next));
                futures::future::try_join_all(senders).await.map(drop)
            }),
        }
    }
}

fn post_all(
    stream: &mut TcpStream,
    address: SocketAddr,
    encoding: &str,
    next: &(dyn Fn() -> Option<Vec<u8>> + Sync),
) -> Outcome {
    while let Some(batch) = next() {
        let head = format!(
            "POST /v1/traces HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-protobuf\r\n{encoding}Content-Length: {}\r\n\r\n",
            batch.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(&batch)?;
        let mut answer = BufReader::new(&*stream);
        let mut status = String::new();
        answer.read_line(&mut status)?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            answer.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        answer.take(length).read_to_end(&mut Vec::new())?;
        if !status.starts_with("HTTP/1.1 200") {
            return Err(format!("the server answers {status}").into());
        }
    }
    Ok(())
}

async fn call_all(channel: Channel, next: &(dyn Fn() -> Option<Vec<u8>> + Sync)) -> Outcome {
    let mut client = tonic::client::Grpc::new(channel);
    let path =
        http::uri::PathAndQuery::from_static("/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    while let Some(batch) = next() {
        client.ready().await?;
        client.unary(tonic::Request::new(batch), path.clone(), Bytes).await?;
    }
    Ok(())
}

/// Messages as the bytes that they are.
#[derive(Clone, Copy)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(out, &item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, input: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        let length = bytes::Buf::remaining(input);
        bytes::Buf::advance(input, length);
        Ok(Some(()))
    }
}
