//! Which failures are tried again, and after which pause.

use std::error::Error as _;
use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tta_primitives::random;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A receiver that asks for a longer pause than this one is not believed.
const LONGEST_ASKED: Duration = Duration::from_secs(600);

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// Nothing: it would fail again.
    Never,
    /// Another attempt, after a pause of our own choice.
    Soon,
    /// Another attempt, not before the receiver allows it.
    After(Duration),
}

impl Retry {
    /// What OTLP asks for after an answer over HTTP.
    pub(super) fn of_http(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Self {
        match status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                asked.and_then(|value| after(value, now)).map_or(Self::Soon, Self::asked)
            }
            _ => Self::Never,
        }
    }

    /// What OTLP asks for after an answer over gRPC.
    pub(super) fn of_grpc(status: &Status) -> Self {
        let asked = || status.get_details_retry_info().and_then(|info| info.retry_delay);
        match status.code() {
            // Only a receiver that names a pause believes that it will have room again.
            Code::ResourceExhausted => asked().map_or(Self::Never, Self::asked),
            Code::Unavailable => asked().map_or(Self::Soon, Self::asked),
            Code::Aborted | Code::Cancelled | Code::DeadlineExceeded | Code::OutOfRange | Code::DataLoss => {
                Self::Soon
            }
            // No server said so: the connection broke.
            Code::Unknown | Code::Internal if status.source().is_some() => Self::Soon,
            _ => Self::Never,
        }
    }

    fn asked(pause: Duration) -> Self {
        if pause.is_zero() { Self::Soon } else { Self::After(pause.min(LONGEST_ASKED)) }
    }
}

/// A pause in seconds, or until a date.
fn after(value: &str, now: SystemTime) -> Option<Duration> {
    match value.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default()),
    }
}

/// Pauses that double, each up to a fifth shorter or longer, so that many senders do not come back at once.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next: FIRST_PAUSE }
    }

    /// The pause before the next attempt.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST_PAUSE);
        pause.mul_f64(0.8 + 0.4 * random::unit()).min(LONGEST_PAUSE)
    }
}

/// A pause that the receiver asked for, and up to 0.2 s more.
pub(super) fn at_least(asked: Duration) -> Duration {
    asked + FIRST_PAUSE.mul_f64(random::unit())
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn http_answers() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let check = |status: u16, asked: Option<&str>, expect| {
            let mut headers = HeaderMap::new();
            asked.map(|asked| headers.insert(RETRY_AFTER, asked.parse().expect("a header")));
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(Retry::of_http(status, &headers, now), expect, "{status} {asked:?}");
        };
        for status in [429, 502, 503, 504] {
            check(status, None, Retry::Soon);
            check(status, Some("3"), Retry::After(Duration::from_secs(3)));
        }
        // 1,700,000,000 s is 22:13:20 on that day.
        check(503, Some("Tue, 14 Nov 2023 22:13:27 GMT"), Retry::After(Duration::from_secs(7)));
        check(503, Some("Tue, 14 Nov 2023 22:13:00 GMT"), Retry::Soon);
        check(503, Some("soon"), Retry::Soon);
        check(503, Some("0"), Retry::Soon);
        check(503, Some("86400"), Retry::After(LONGEST_ASKED));
        for status in [301, 400, 401, 404, 413, 500, 501] {
            check(status, Some("3"), Retry::Never);
        }
    }

    #[test]
    fn grpc_answers() {
        let asked = |code, delay| {
            let details = ErrorDetails::with_retry_info(Some(delay));
            Retry::of_grpc(&Status::with_error_details(code, "no", details))
        };
        let plain = |code| Retry::of_grpc(&Status::new(code, "no"));
        let second = Duration::from_secs(1);
        assert_eq!(asked(Code::Unavailable, second), Retry::After(second));
        assert_eq!(asked(Code::ResourceExhausted, second), Retry::After(second));
        assert_eq!(asked(Code::ResourceExhausted, Duration::ZERO), Retry::Soon);
        assert_eq!(asked(Code::InvalidArgument, second), Retry::Never);
        assert_eq!(plain(Code::ResourceExhausted), Retry::Never);
        for code in [
            Code::Unavailable,
            Code::Aborted,
            Code::Cancelled,
            Code::DeadlineExceeded,
            Code::OutOfRange,
            Code::DataLoss,
        ] {
            assert_eq!(plain(code), Retry::Soon, "{code:?}");
        }
        for code in [Code::Unknown, Code::Internal, Code::Unauthenticated, Code::Unimplemented] {
            assert_eq!(plain(code), Retry::Never, "{code:?}");
        }
        let mut broken = Status::unknown("transport error");
        broken.set_source(std::sync::Arc::new(std::io::Error::other("broken pipe")));
        assert_eq!(Retry::of_grpc(&broken), Retry::Soon);
    }

    #[test]
    fn pauses_grow_up_to_five_seconds() {
        let mut backoff = Backoff::new();
        let mut expected = FIRST_PAUSE;
        for _ in 0..10 {
            let pause = backoff.pause();
            assert!(pause >= expected.mul_f64(0.8) && pause <= expected.mul_f64(1.2), "{pause:?}");
            assert!(pause <= LONGEST_PAUSE);
            expected = (expected * 2).min(LONGEST_PAUSE);
        }
        assert!(at_least(LONGEST_ASKED) >= LONGEST_ASKED);
    }
}
