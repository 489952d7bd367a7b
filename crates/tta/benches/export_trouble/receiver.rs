//! Receivers of OTLP over HTTP that behave as badly as they are told to, and note what came.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How often a connection or the listener looks whether it must close.
const LOOK: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    /// Answers 200 at once.
    Good,
    /// Answers 200 after a while.
    Slow(Duration),
    /// Refuses connections for a while, every other while.
    Flapping(Duration),
    /// Answers 503, and asks for that many seconds of peace.
    Refusing(u64),
}

/// It serves until the process ends.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    pub(crate) notes: Arc<Notes>,
}

/// What came, and when.
#[derive(Default)]
pub(crate) struct Notes {
    /// Spans that were answered with 200.
    pub(crate) spans: AtomicU64,
    /// Log records that were answered with 200.
    pub(crate) lines: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) refusals: AtomicU64,
    by_path: Mutex<BTreeMap<String, Moments>>,
    /// Connections are refused at this moment.
    is_down: AtomicBool,
    /// A flapping receiver goes down no more.
    stays_up: AtomicBool,
    up_since: Mutex<Option<Instant>>,
}

/// The moments of one signal.
#[derive(Clone, Copy, Default)]
struct Moments {
    refused: Option<Instant>,
    /// The shortest time between a refusal and the request after it.
    shortest_peace: Option<Duration>,
    /// The first request that was answered with 200 since the receiver is up.
    accepted: Option<Instant>,
}

impl Receiver {
    /// Starts at an address; with port 0 at a free one.
    pub(crate) fn start(address: SocketAddr, manner: Manner) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let notes = Arc::new(Notes::default());
        let serving = Arc::clone(&notes);
        serving.goes_up();
        thread::spawn(move || match manner {
            Manner::Flapping(phase) => flap(listener, phase, &serving),
            _ => listener.incoming().for_each(|connection| accept(connection.unwrap(), manner, &serving)),
        });
        Self { address, notes }
    }
}

impl Notes {
    /// Whether a flapping receiver refuses connections at this moment.
    pub(crate) fn is_down(&self) -> bool {
        self.is_down.load(Ordering::SeqCst)
    }

    /// A flapping receiver comes up after this and stays so.
    pub(crate) fn stay_up(&self) {
        self.stays_up.store(true, Ordering::SeqCst);
    }

    /// How long after it came up a receiver has accepted something of a signal.
    pub(crate) fn recovery(&self, path: &str) -> Option<Duration> {
        let up = (*self.up_since.lock().unwrap())?;
        let moments = self.by_path.lock().unwrap().get(path).copied()?;
        Some(moments.accepted?.duration_since(up))
    }

    /// The shortest time between a refusal and the next request of the same signal, for each.
    pub(crate) fn shortest_peace(&self) -> Vec<(String, Duration)> {
        let by_path = self.by_path.lock().unwrap();
        by_path.iter().filter_map(|(path, moments)| Some((path.clone(), moments.shortest_peace?))).collect()
    }

    fn goes_up(&self) {
        self.by_path.lock().unwrap().values_mut().for_each(|moments| moments.accepted = None);
        *self.up_since.lock().unwrap() = Some(Instant::now());
        self.is_down.store(false, Ordering::SeqCst);
    }

    fn came(&self, path: &str, at: Instant) {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let mut by_path = self.by_path.lock().unwrap();
        let moments = by_path.entry(path.to_owned()).or_default();
        if let Some(refused) = moments.refused.take() {
            let peace = at.duration_since(refused);
            moments.shortest_peace = Some(moments.shortest_peace.map_or(peace, |known| known.min(peace)));
        }
    }

    fn refuses(&self, path: &str) {
        self.refusals.fetch_add(1, Ordering::SeqCst);
        self.by_path.lock().unwrap().entry(path.to_owned()).or_default().refused = Some(Instant::now());
    }

    fn accepts(&self, path: &str, body: &[u8]) {
        // Requests, resources, scopes: spans and log records lie at the same depth, under the same numbers.
        let records = count_fields(body, &[1, 2, 2]);
        match path {
            "/v1/traces" => self.spans.fetch_add(records, Ordering::SeqCst),
            "/v1/logs" => self.lines.fetch_add(records, Ordering::SeqCst),
            _ => 0,
        };
        let mut by_path = self.by_path.lock().unwrap();
        by_path.entry(path.to_owned()).or_default().accepted.get_or_insert_with(Instant::now);
    }
}

fn accept(connection: TcpStream, manner: Manner, notes: &Arc<Notes>) {
    let notes = Arc::clone(notes);
    // A client may leave at any time.
    thread::spawn(move || drop(serve(&connection, manner, &notes)));
}

/// Listens for a phase, and refuses connections for another.
fn flap(mut listener: TcpListener, phase: Duration, notes: &Arc<Notes>) {
    let address = listener.local_addr().unwrap();
    loop {
        listener.set_nonblocking(true).unwrap();
        let end = Instant::now() + phase;
        while Instant::now() < end || notes.stays_up.load(Ordering::SeqCst) {
            match listener.accept() {
                Ok((connection, _)) => {
                    connection.set_nonblocking(false).unwrap();
                    accept(connection, Manner::Good, notes);
                }
                Err(_) => thread::sleep(LOOK),
            }
        }
        notes.is_down.store(true, Ordering::SeqCst);
        drop(listener);
        thread::sleep(phase);
        listener = TcpListener::bind(address).unwrap();
        notes.goes_up();
    }
}

fn serve(connection: &TcpStream, manner: Manner, notes: &Notes) -> Result<()> {
    let (mut reader, mut writer) = (BufReader::new(connection), connection);
    connection.set_nodelay(true)?;
    while wait(connection, &mut reader, notes)? {
        let at = Instant::now();
        let (path, body) = read(&mut reader)?;
        if notes.is_down() {
            return Ok(());
        }
        notes.came(&path, at);
        match manner {
            Manner::Refusing(seconds) => {
                notes.refuses(&path);
                let answer = format!(
                    "HTTP/1.1 503 busy\r\nretry-after: {seconds}\r\ncontent-type: text/plain\r\ncontent-length: 0\r\n\r\n"
                );
                writer.write_all(answer.as_bytes())?;
                continue;
            }
            Manner::Slow(delay) => thread::sleep(delay),
            Manner::Good | Manner::Flapping(_) => {}
        }
        writer.write_all(
            b"HTTP/1.1 200 fine\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
        )?;
        notes.accepts(&path, &body);
    }
    Ok(())
}

/// Waits for the next request; false if there is none, since either side closes.
fn wait(connection: &TcpStream, reader: &mut BufReader<&TcpStream>, notes: &Notes) -> Result<bool> {
    connection.set_read_timeout(Some(LOOK))?;
    loop {
        match reader.fill_buf() {
            Ok([]) => return Ok(false),
            Ok(_) => break,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if notes.is_down() {
                    return Ok(false);
                }
            }
            Err(error) => return Err(error),
        }
    }
    connection.set_read_timeout(None)?;
    Ok(true)
}

/// The path and the body of a request.
fn read(reader: &mut impl BufRead) -> Result<(String, Vec<u8>)> {
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((first.split(' ').nth(1).unwrap_or_default().to_owned(), body))
}

/// How many fields there are under these numbers in a message of protobuf. What lies deeper is not looked at, so it costs
/// next to nothing.
fn count_fields(mut message: &[u8], path: &[u64]) -> u64 {
    let mut count = 0;
    while !message.is_empty() {
        let tag = varint(&mut message);
        let length = match tag & 7 {
            0 => {
                varint(&mut message);
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)).unwrap(),
            _ => 4,
        };
        let (field, rest) = message.split_at(length);
        message = rest;
        if tag >> 3 == path[0] && tag & 7 == 2 {
            count += if path.len() == 1 { 1 } else { count_fields(field, &path[1..]) };
        }
    }
    count
}

fn varint(message: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first().unwrap();
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}
