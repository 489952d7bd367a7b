//! Sends batches, and keeps count of what became of them.

use std::error::Error;
use std::time::{Duration, SystemTime};

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;

use super::batch::{Part, request};
use super::signal::Signal;
use crate::address;

/// How long to wait if the server does not say.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause that is kept.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often the same request is put off until the server counts as out of order.
const MOST_PAUSES: u32 = 30;
/// How long an answer may take: it comes when the records are on disk.
const PATIENCE: Duration = Duration::from_secs(120);
/// How many problems are told, of the many that a file may have.
const TOLD: usize = 10;

/// What became of what was sent.
#[derive(Default)]
pub(super) struct Outcome {
    /// Records that are on the server's disk, by their signal.
    pub(super) accepted: [u64; Signal::ALL.len()],
    /// Records that the server did not take, by their signal.
    pub(super) rejected: [u64; Signal::ALL.len()],
    /// Lines that were not sent, since no request begins in them.
    pub(super) invalid_lines: u64,
    /// Requests that were answered.
    pub(super) requests: u64,
    /// How often the server asked to wait.
    pub(super) pauses: u64,
    /// The first problems.
    pub(super) problems: Vec<String>,
}

impl Outcome {
    pub(super) fn problem(&mut self, what: String) {
        if self.problems.len() < TOLD {
            self.problems.push(what);
        }
    }
}

pub(super) struct Sender {
    client: Client,
    /// Where each signal goes.
    urls: [Url; Signal::ALL.len()],
    token: Option<String>,
    pub(super) outcome: Outcome,
}

/// What the server says to a request that was not put off.
enum Answer {
    Taken(Partial),
    /// Never will be taken: smaller ones may.
    Refused(String),
}

#[derive(Default, Deserialize)]
struct Taken {
    #[serde(rename = "partialSuccess", default)]
    partial_success: Option<Partial>,
}

#[derive(Default, Deserialize)]
struct Partial {
    #[serde(rename = "rejectedSpans", alias = "rejectedLogRecords", alias = "rejectedDataPoints", default)]
    rejected: Option<Count>,
    #[serde(rename = "errorMessage", default)]
    error_message: String,
}

/// Numbers of 64 bits are texts, of which not every server knows.
#[derive(Deserialize)]
#[serde(untagged)]
enum Count {
    Number(u64),
    Text(String),
}

impl Partial {
    fn rejected(&self) -> u64 {
        match &self.rejected {
            Some(Count::Number(number)) => *number,
            Some(Count::Text(text)) => text.parse().unwrap_or(0),
            None => 0,
        }
    }
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    message: String,
}

impl Sender {
    pub(super) fn new(url: &str, token: Option<String>) -> Result<Self, Box<dyn Error>> {
        let parsed = address::parse(url, "http://127.0.0.1:4318")?;
        let folder = parsed.path().trim_end_matches('/');
        let urls = Signal::ALL.map(|signal| {
            let mut url = parsed.clone();
            url.set_path(&format!("{folder}/{}", signal.path()));
            url
        });
        let client = address::client(&parsed).timeout(PATIENCE).build()?;
        Ok(Self { client, urls, token, outcome: Outcome::default() })
    }

    /// Sends records of some lines, all of one signal. A request that is refused is sent again in halves, so that one bad line costs itself alone.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached, is none of OTLP, wants a token, or puts off for too long.
    pub(super) async fn send(&mut self, signal: Signal, parts: Vec<Part>) -> Result<(), String> {
        let mut waiting: Vec<&[Part]> = vec![&parts];
        while let Some(parts) = waiting.pop() {
            let records: u64 = parts.iter().map(|part| part.records).sum();
            let Some(first) = parts.first() else { continue };
            match self.post(signal, request(signal, parts)).await? {
                Answer::Taken(partial) => {
                    let rejected = partial.rejected().min(records);
                    self.outcome.accepted[signal as usize] += records - rejected;
                    self.outcome.rejected[signal as usize] += rejected;
                    if rejected > 0 || !partial.error_message.is_empty() {
                        let place = place(parts, first);
                        self.outcome.problem(format!("{place}: {}", partial.error_message));
                    }
                }
                Answer::Refused(_) if parts.len() > 1 => {
                    let (front, back) = parts.split_at(parts.len() / 2);
                    waiting.extend([back, front]);
                }
                Answer::Refused(why) => {
                    self.outcome.rejected[signal as usize] += records;
                    self.outcome.problem(format!("line {}: {why}", first.line));
                }
            }
        }
        Ok(())
    }

    /// Sends a request until it is taken or refused.
    async fn post(&mut self, signal: Signal, body: String) -> Result<Answer, String> {
        let body = bytes::Bytes::from(body);
        let url = self.urls[signal as usize].clone();
        let mut pauses = 0;
        loop {
            let mut request = self.client.post(url.clone()).header(CONTENT_TYPE, "application/json");
            if let Some(token) = &self.token {
                request = request.bearer_auth(token);
            }
            let response =
                request.body(body.clone()).send().await.map_err(|error| unreachable(&url, &error))?;
            let (status, pause) = (response.status(), pause(response.headers()));
            let said = response.bytes().await.map_err(|error| unreachable(&url, &error))?;
            self.outcome.requests += 1;
            if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
                return judge(&url, status, &said);
            }
            if pauses == MOST_PAUSES {
                let message = message(status, &said);
                return Err(format!("{url} puts off again and again: {message}"));
            }
            pauses += 1;
            self.outcome.pauses += 1;
            tokio::time::sleep(pause).await;
        }
    }
}

/// What an answer comes to that does not put off.
fn judge(url: &Url, status: StatusCode, said: &[u8]) -> Result<Answer, String> {
    let message = message(status, said);
    match status {
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => Ok(Answer::Refused(message)),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(format!(
            "{url} does not let us in: {message}; name the variable that holds its token with --token-env"
        )),
        _ if status.is_success() => {
            let taken: Taken = serde_json::from_slice(said).map_err(|error| {
                format!("the answer of {url} is not of OTLP: {error}; look at the address")
            })?;
            Ok(Answer::Taken(taken.partial_success.unwrap_or_default()))
        }
        _ => Err(format!("{url} refuses: {message}; does it receive OTLP over HTTP there?")),
    }
}

fn unreachable(url: &Url, error: &reqwest::Error) -> String {
    if error.is_connect() {
        return format!("nobody listens at {url}; start `tta serve`, or name a server with --url");
    }
    format!("the request to {url} failed: {}", address::cause(error))
}

/// What the server says is wrong.
fn message(status: StatusCode, said: &[u8]) -> String {
    let message = serde_json::from_slice::<Status>(said).unwrap_or_default().message;
    if message.is_empty() { format!("status {status}") } else { message }
}

fn place(parts: &[Part], first: &Part) -> String {
    match parts.last() {
        Some(last) if last.line != first.line => format!("lines {} to {}", first.line, last.line),
        _ => format!("line {}", first.line),
    }
}

/// How long the server asks to wait: in seconds, or until a time.
fn pause(headers: &HeaderMap) -> Duration {
    let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let asked = asked.and_then(|text| match text.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let until = httpdate::parse_http_date(text.trim()).ok()?;
            Some(until.duration_since(SystemTime::now()).unwrap_or_default())
        }
    });
    asked.unwrap_or(PAUSE).min(LONGEST_PAUSE)
}
