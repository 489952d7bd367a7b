//! What a client's error means.

use std::error::Error as StdError;
use std::time::{Duration, SystemTime};

use genai::Error as GenaiError;
use genai::webc::{self, StreamTimeout};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value as Json;

use super::usage;
use crate::answer::Told;
use crate::error::{CallFailure, FailureClass};

/// The longest wait that is believed: what asks for more is not worth waiting for, or does not know its clock.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

const NOT_AS_PROMISED: &str = "the answer does not have the form that the provider promises";

/// Reads the failure out of a client's error, of which nothing else is kept: some hold the whole request.
pub(super) fn read(error: &GenaiError) -> CallFailure {
    match error {
        GenaiError::HttpError { status, body, headers, .. } => answered(*status, body, headers),
        GenaiError::WebModelCall { webc_error, .. } | GenaiError::WebAdapterCall { webc_error, .. } => {
            web(webc_error)
        }
        GenaiError::WebStream { error, .. } => broken(&**error),
        GenaiError::ChatResponse { body, .. } => told(body),
        GenaiError::StreamParse { .. } => malformed("a frame of the stream is not JSON"),
        GenaiError::ChatResponseGeneration { response_body, .. } => unreadable(response_body),
        GenaiError::NoChatResponse { .. }
        | GenaiError::InvalidJsonResponseElement { .. }
        | GenaiError::JsonValueExt(_)
        | GenaiError::SerdeJson(_) => malformed(NOT_AS_PROMISED),
        GenaiError::AdapterNotSupported { feature, .. } => {
            let message = format!("the provider has no {feature}");
            CallFailure::new(FailureClass::BadRequest, &message)
        }
        other => CallFailure::new(FailureClass::BadRequest, &other.to_string()),
    }
}

fn malformed(message: &str) -> CallFailure {
    CallFailure::new(FailureClass::Malformed, message)
}

fn web(error: &webc::Error) -> CallFailure {
    match error {
        webc::Error::ResponseFailedStatus { status, body, headers } => answered(*status, body, headers),
        webc::Error::ResponseFailedNotJson { content_type, .. } => malformed(&format!(
            "the answer is `{content_type}` and not JSON; is the base URL that of the interface?"
        )),
        webc::Error::ResponseFailedInvalidJson { .. } => malformed("the answer is not valid JSON"),
        webc::Error::Reqwest(error) => transport(error),
        webc::Error::JsonValueExt(_) => malformed(NOT_AS_PROMISED),
    }
}

/// A stream that broke.
fn broken(error: &(dyn StdError + 'static)) -> CallFailure {
    if let Some(error) = error.downcast_ref::<GenaiError>() {
        return read(error);
    }
    if let Some(error) = error.downcast_ref::<reqwest::Error>() {
        return transport(error);
    }
    if let Some(timeout) = error.downcast_ref::<StreamTimeout>() {
        let message = match timeout {
            StreamTimeout::Headers => "the stream did not begin within the provider's `timeout`",
            StreamTimeout::Read => "the stream said nothing for the provider's `idle_timeout`",
        };
        return CallFailure::new(FailureClass::Timeout, message);
    }
    malformed("the stream is not text")
}

fn transport(error: &reqwest::Error) -> CallFailure {
    let class = match error {
        error if error.is_timeout() => FailureClass::Timeout,
        error if error.is_decode() && !is_cut(error) => FailureClass::Malformed,
        error if error.is_builder() => FailureClass::BadRequest,
        _ => FailureClass::Network,
    };
    // The URL may hold a password; where the call went is on its span.
    let mut message = if error.is_connect() { "cannot connect" } else { "the connection failed" }.to_owned();
    let mut cause = error.source();
    while let Some(next) = cause {
        message = format!("{message}: {next}");
        cause = next.source();
    }
    CallFailure::new(class, &message)
}

/// Whether a body ended before it should, which the client takes for one that cannot be decoded.
fn is_cut(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(next) = cause {
        if next.downcast_ref::<std::io::Error>().is_some() || next.to_string().contains("end of file") {
            return true;
        }
        cause = next.source();
    }
    error.is_body()
}

/// An answer of status 200 that is none. It may tell what it cost all the same.
pub(super) fn unreadable(body: &Json) -> CallFailure {
    let mut tokens = Told::default();
    usage::read(body, &mut tokens);
    let is_error = body.get("error").is_some_and(|error| !error.is_null())
        || body.pointer("/promptFeedback/blockReason").is_some();
    let failure = if is_error { told(body) } else { malformed(NOT_AS_PROMISED) };
    failure.told((tokens.has_input || tokens.has_output).then_some(tokens))
}

/// An error that came in a body of status 200, or within a stream.
pub(super) fn told(body: &Json) -> CallFailure {
    let said = Said::read(body);
    if said.message.is_empty() && said.codes.trim().is_empty() && said.status.is_none() {
        return malformed(NOT_AS_PROMISED);
    }
    CallFailure::new(said.class(said.status), &said.message).retry_after(body_wait(body).map(believed))
}

/// An answer with the status of an error.
fn answered(status: StatusCode, body: &str, headers: &HeaderMap) -> CallFailure {
    let parsed = serde_json::from_str::<Json>(body).ok();
    let said = parsed.as_ref().map(Said::read).unwrap_or_default();
    let wait = header_wait(headers, SystemTime::now()).or_else(|| parsed.as_ref().and_then(body_wait));
    let failure = if status.is_redirection() {
        malformed("the provider answers that it is elsewhere; is the base URL that of the interface?")
    } else {
        let class = said.class(Some(status.as_u16()));
        CallFailure::new(class, if said.message.is_empty() { hint(class) } else { &said.message })
    };
    failure.status(status.as_u16()).retry_after(wait.map(believed))
}

fn believed(wait: Duration) -> Duration {
    wait.min(LONGEST_WAIT)
}

/// What to do where the provider says nothing.
fn hint(class: FailureClass) -> &'static str {
    match class {
        FailureClass::UnknownModel => "not found; check the name of the model and the base URL",
        FailureClass::Auth => "the key was refused",
        _ => "",
    }
}

/// What a body says about an error, by whichever provider.
#[derive(Default)]
struct Said {
    message: String,
    /// The type, code and status, all in one text.
    codes: String,
    /// The code, where it is one of HTTP.
    status: Option<u16>,
}

impl Said {
    fn read(body: &Json) -> Self {
        if let Some(reason) = body.pointer("/promptFeedback/blockReason").and_then(Json::as_str) {
            let message = format!("the prompt was blocked: {reason}");
            return Self { message, codes: "content_filter".to_owned(), status: None };
        }
        let error = body.get("error").unwrap_or(body);
        let word = |key: &str| error.get(key).and_then(Json::as_str).unwrap_or_default();
        let message = error.as_str().unwrap_or_else(|| word("message")).to_owned();
        let reason = error.pointer("/details/0/reason").and_then(Json::as_str).unwrap_or_default();
        let codes = [word("type"), word("code"), word("status"), reason].join(" ").to_lowercase();
        let status = error.get("code").and_then(Json::as_u64).and_then(|code| u16::try_from(code).ok());
        Self { message, codes, status: status.filter(|code| (400..600).contains(code)) }
    }

    fn class(&self, status: Option<u16>) -> FailureClass {
        let message = self.message.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| self.codes.contains(word));
        let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
        // In the order of how much a word tells: a code before a status, a status before a message.
        if has(&["insufficient_quota", "billing"]) || status == Some(402) || says(&["credit balance"]) {
            FailureClass::Quota
        } else if has(&["context_length", "string_above_max_length"])
            || status == Some(413)
            || says(&TOO_LONG)
        {
            FailureClass::ContextLength
        } else if has(&["content_filter", "content_policy", "safety"]) || says(&["content filtering policy"])
        {
            FailureClass::ContentFilter
        } else if has(&["overloaded", "unavailable"]) || matches!(status, Some(498 | 503 | 529)) {
            FailureClass::Overload
        } else if has(&["rate_limit", "resource_exhausted", "too_many_requests"]) || status == Some(429) {
            FailureClass::RateLimit
        } else if has(&[
            "authentication",
            "permission",
            "invalid_api_key",
            "api_key_invalid",
            "unauthenticated",
        ]) || matches!(status, Some(401 | 403))
        {
            FailureClass::Auth
        } else if has(&["model_not_found", "not_found"]) || status == Some(404) {
            FailureClass::UnknownModel
        } else if has(&["timeout", "deadline_exceeded"]) || matches!(status, Some(408 | 504)) {
            FailureClass::Timeout
        } else if matches!(status, Some(400..=499)) || has(&["invalid_request", "invalid_argument"]) {
            FailureClass::BadRequest
        } else {
            FailureClass::Server
        }
    }
}

/// What providers say when a prompt is too long.
const TOO_LONG: [&str; 5] = [
    "maximum context length",
    "exceeds the context length",
    "prompt is too long",
    "context window",
    "exceeds the maximum number of tokens",
];

/// For how long the headers of an answer ask not to be called.
fn header_wait(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |name: &str| text(name)?.parse::<f64>().ok();
    let millis = number("retry-after-ms").map(|millis| millis / 1e3);
    if let Some(seconds) = millis.or_else(|| number("retry-after")) {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(text("retry-after")?).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// For how long the body of an answer asks not to be called, as Gemini's does.
fn body_wait(body: &Json) -> Option<Duration> {
    let details = body.pointer("/error/details").or_else(|| body.get("details"))?.as_array()?;
    let delay = details.iter().find_map(|detail| detail.get("retryDelay")?.as_str())?;
    Duration::try_from_secs_f64(delay.strip_suffix('s')?.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_provider_says_is_classified() {
        use FailureClass as Class;
        let check = |status: u16, error: Json, expect: Class| {
            let body = json!({ "error": error }).to_string();
            let failure = answered(StatusCode::from_u16(status).unwrap(), &body, &HeaderMap::new());
            assert_eq!(failure.class, expect, "{body}");
        };
        check(429, json!({"type": "requests", "code": "rate_limit_exceeded"}), Class::RateLimit);
        check(429, json!({"type": "insufficient_quota", "code": "insufficient_quota"}), Class::Quota);
        check(429, json!({"code": 429, "status": "RESOURCE_EXHAUSTED"}), Class::RateLimit);
        check(529, json!({"type": "overloaded_error"}), Class::Overload);
        check(503, json!({"code": 503, "status": "UNAVAILABLE"}), Class::Overload);
        check(401, json!({"type": "authentication_error"}), Class::Auth);
        check(403, json!({"code": 403, "status": "PERMISSION_DENIED"}), Class::Auth);
        let invalid =
            json!({"code": 400, "status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]});
        check(400, invalid, Class::Auth);
        check(400, json!({"code": "context_length_exceeded"}), Class::ContextLength);
        let long =
            json!({"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000"});
        check(400, long, Class::ContextLength);
        check(400, json!({"code": "content_policy_violation"}), Class::ContentFilter);
        check(404, json!({"type": "not_found_error"}), Class::UnknownModel);
        check(400, json!({"type": "invalid_request_error", "message": "no such field"}), Class::BadRequest);
        check(500, json!({"type": "api_error"}), Class::Server);
        check(504, json!({"status": "DEADLINE_EXCEEDED"}), Class::Timeout);
    }

    #[test]
    fn an_answer_that_is_not_json_is_classified_by_its_status() {
        let failure =
            answered(StatusCode::BAD_GATEWAY, "<html>sk-abcdefghijklmnop1234</html>", &HeaderMap::new());
        assert_eq!((failure.class, failure.status), (FailureClass::Server, Some(502)));
        assert!(!failure.to_string().contains("sk-abc"));
    }

    #[test]
    fn waits_are_read_from_headers_and_bodies() {
        let check = |name: &'static str, value: &'static str, expect: Option<Duration>| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            assert_eq!(header_wait(&headers, SystemTime::UNIX_EPOCH), expect, "{name}: {value}");
        };
        check("retry-after", "20", Some(Duration::from_secs(20)));
        check("retry-after", "0.5", Some(Duration::from_millis(500)));
        check("retry-after-ms", "1500", Some(Duration::from_millis(1_500)));
        check("retry-after", "Thu, 01 Jan 1970 00:00:30 GMT", Some(Duration::from_secs(30)));
        check("retry-after", "-1", None);
        check("retry-after", "soon", None);
        let body = json!({"error": {"details": [{"@type": "Help"}, {"retryDelay": "37.5s"}]}});
        assert_eq!(body_wait(&body), Some(Duration::from_millis(37_500)));
    }
}
