//! A client that is not ours: plain sockets, so that it can also misbehave.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use flate2::read::GzDecoder;

/// Longer than anything that works takes.
pub(super) const ENOUGH: Duration = Duration::from_secs(60);

/// An answer of the page.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The head, in small letters.
    head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The values of a header, joined.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let values: Vec<&str> = lines.filter(|(key, _)| *key == name).map(|(_, value)| value).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("the page is UTF-8")
    }

    pub(super) fn unzipped(&self) -> String {
        let mut text = String::new();
        GzDecoder::new(&self.body[..]).read_to_string(&mut text).expect("it is gzip");
        text
    }
}

pub(super) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the page listens");
    stream.set_read_timeout(Some(ENOUGH)).expect("a time");
    stream
}

/// Sends a request as it is written here, and reads until the page closes the connection.
pub(super) fn send(address: SocketAddr, request: &str) -> Answer {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).expect("the page reads");
    read(stream)
}

pub(super) fn read(mut stream: TcpStream) -> Answer {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the page answers");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("the head ends");
    let head = String::from_utf8(answer[..end].to_vec()).expect("a head is text").to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head, body: answer[end + 4..].to_vec() }
}

/// Asks with headers, each with its line end.
pub(super) fn ask(address: SocketAddr, method: &str, path: &str, headers: &str) -> Answer {
    send(address, &format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n"))
}

/// Asks for the metrics.
pub(super) fn get(address: SocketAddr, headers: &str) -> Answer {
    ask(address, "GET", "/metrics", headers)
}
