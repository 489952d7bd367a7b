//! Which traces are recorded and kept.

use std::time::Duration;

use super::read::{self, Reader};
use crate::sampling::{Adaptive, Environment, RateLimit, Ratio, Sampler, TailConfig, TailRatio};

/// The environment, the sampler and the tail: what is usual in the environment, unless it is set.
pub(super) fn read(reader: &mut Reader<'_>) -> (Option<Environment>, Sampler, Option<TailConfig>) {
    let environment = reader
        .parsed("TTA_ENVIRONMENT", |value| value.parse::<Environment>().map_err(|error| error.to_string()));
    let usual = environment.unwrap_or(Environment::Development);
    let sampler = sampler(reader).unwrap_or_else(|| usual.head());
    (environment, sampler, tail(reader, usual.tail()))
}

fn sampler(reader: &mut Reader<'_>) -> Option<Sampler> {
    let name = reader.text("OTEL_TRACES_SAMPLER").unwrap_or_default().to_ascii_lowercase();
    let argument = |reader: &mut Reader<'_>, expected: &str, make: &dyn Fn(f64) -> Option<Sampler>| {
        let read = |value: &str| value.parse().ok().and_then(make).ok_or_else(|| expected.to_owned());
        reader.parsed("OTEL_TRACES_SAMPLER_ARG", read)
    };
    const PART: &str = "expected a number from 0 to 1";
    let ratio = |ratio| Ratio::new(ratio).map(Sampler::Ratio);
    let (by_parent, root) = match name.strip_prefix("parentbased_") {
        Some(root) => (true, root),
        None => (false, name.as_str()),
    };
    let root = match root {
        "" => {
            // Checked although nobody uses it, since it was meant for something.
            argument(reader, PART, &ratio);
            return None;
        }
        "always_on" => Some(Sampler::AlwaysOn),
        "always_off" => Some(Sampler::AlwaysOff),
        "traceidratio" => Some(argument(reader, PART, &ratio).unwrap_or(Sampler::Ratio(Ratio::ALL))),
        "rate_limited" => {
            let limit = |rate| RateLimit::per_second(rate).map(Sampler::RateLimited);
            let limited = argument(reader, "expected a number of traces a second, above 0", &limit);
            limited.or_else(|| RateLimit::per_second(100.0).map(Sampler::RateLimited))
        }
        "adaptive" => {
            let adaptive = |most| Ratio::new(most).map(|most| Sampler::Adaptive(Adaptive::new(most)));
            Some(argument(reader, PART, &adaptive).unwrap_or(Sampler::Adaptive(Adaptive::new(Ratio::ALL))))
        }
        _ => {
            let expected = "expected always_on, always_off, traceidratio, rate_limited or adaptive, or one of \
                            them after parentbased_";
            reader.parsed::<()>("OTEL_TRACES_SAMPLER", |_| Err(expected.to_owned()));
            argument(reader, PART, &ratio);
            None
        }
    }?;
    if matches!(root, Sampler::AlwaysOn | Sampler::AlwaysOff) {
        argument(reader, PART, &ratio);
    }
    Some(if by_parent { Sampler::ParentBased(Box::new(root)) } else { root })
}

fn tail(reader: &mut Reader<'_>, usual: Option<TailConfig>) -> Option<TailConfig> {
    let ratio = reader.parsed("TTA_TAIL_RATIO", |value| {
        let ratio = value.parse().ok().and_then(Ratio::new);
        ratio.ok_or_else(|| "expected a number from 0 to 1, the part of ordinary traces to keep".to_owned())
    });
    let slow = reader.parsed("TTA_TAIL_SLOW", read::milliseconds);
    let errors = reader.parsed("TTA_TAIL_ERRORS", read::boolean);
    let spans = reader.parsed("TTA_TAIL_MAX_SPANS", read::count(1));
    let bytes = reader.parsed("TTA_TAIL_MAX_BYTES", read::count(1));
    let wait = reader.parsed("TTA_TAIL_MAX_WAIT", read::milliseconds);
    // The bounds alone turn nothing on.
    let is_asked = ratio.is_some() || slow.is_some() || errors.is_some();
    let mut tail = usual.or_else(|| is_asked.then(|| TailConfig::new(Ratio::ALL)))?;
    if let Some(ratio) = ratio {
        tail.ratio = TailRatio::Fixed(ratio);
    }
    tail.slow = slow.or(tail.slow);
    tail.keep_errors = errors.unwrap_or(tail.keep_errors);
    tail.max_spans = spans.unwrap_or(tail.max_spans);
    tail.max_bytes = bytes.unwrap_or(tail.max_bytes);
    tail.max_wait = wait.unwrap_or(tail.max_wait).max(Duration::from_millis(1));
    Some(tail)
}
