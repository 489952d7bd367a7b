//! A store with three files, in which some spans came again, and changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tta_model::name::attribute as a;
use tta_server::{Clock, Options, Store};

use crate::support::{NOW, any, put, request, text};

const DAY: u64 = 24 * 60 * 60;
pub(super) const SERVICES: [&str; 3] = ["shop", "bank", "depot"];

pub(super) struct Made {
    pub(super) store: Store,
    _directory: tempfile::TempDir,
}

/// Some 700 spans of 60 traces, on three days, in an order that is not that of time.
pub(super) fn made(seed: u64) -> Made {
    let directory = tempfile::tempdir().expect("a directory");
    let now = Arc::new(AtomicU64::new(NOW / 1_000_000_000));
    let seconds = Arc::clone(&now);
    let mut options = Options::new(directory.path());
    options.clock = Clock::new(move || UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::Relaxed)));
    let store = Store::open(options).expect("it opens");
    let mut random = StdRng::seed_from_u64(seed);
    let mut sent: Vec<(usize, Span)> = Vec::new();
    for batch in 0..30_u64 {
        let at = NOW + batch * 40_000_000_000;
        let mut groups: Vec<(&str, Vec<Span>)> = SERVICES.iter().map(|name| (*name, Vec::new())).collect();
        for _ in 0..20 {
            let service = random.random_range(0..SERVICES.len());
            let span = span(&mut random, at);
            groups[service].1.push(span.clone());
            sent.push((service, span));
        }
        for _ in 0..4 {
            let (service, mut again) = sent[random.random_range(0..sent.len())].clone();
            again.end_time_unix_nano += random.random_range(0..5_000_000);
            again.name = format!("{} again", again.name);
            groups[service].1.push(again);
        }
        put(&store, request(groups));
        if batch % 10 == 9 {
            now.fetch_add(DAY, Ordering::Relaxed);
        }
    }
    Made { store, _directory: directory }
}

/// A span of one of 60 traces, which may have any of what a column shows.
fn span(random: &mut StdRng, at: u64) -> Span {
    let start = at + random.random_range(0..120_000_000_000);
    let parent: u64 = if random.random_bool(0.3) { 0 } else { random.random_range(1..500) };
    let status = random.random_range(0..4);
    Span {
        trace_id: random.random_range(1..=60_u128).to_be_bytes().to_vec(),
        span_id: random.random_range(1..=u64::MAX).to_be_bytes().to_vec(),
        parent_span_id: if parent == 0 { Vec::new() } else { parent.to_be_bytes().to_vec() },
        name: format!("operation {}", random.random_range(0..4)),
        kind: random.random_range(0..6),
        start_time_unix_nano: start,
        end_time_unix_nano: start + random.random_range(0..3_000_000_000),
        attributes: attributes(random),
        events: vec![Event {
            time_unix_nano: start,
            name: String::from("happened"),
            attributes: vec![any("n", Value::IntValue(random.random_range(-9..9)))],
            dropped_attributes_count: 0,
        }],
        status: (status > 0).then(|| Status { code: status - 1, message: format!("message {status}") }),
        ..Span::default()
    }
}

fn attributes(random: &mut StdRng) -> Vec<KeyValue> {
    let words = [
        (a::PRIMITIVE_NAME.key, "primitive"),
        (a::PRIMITIVE_TYPE.key, "type"),
        (a::WORKFLOW_NAME.key, "workflow"),
        (a::AGENT_ID.key, "agent"),
        (a::AGENT_TYPE.key, "kind of agent"),
        (a::SESSION_ID.key, "session"),
        (a::LLM_PROVIDER.key, "provider"),
        (a::LLM_MODEL_NAME.key, "model"),
    ];
    let mut attributes = vec![any("number", Value::IntValue(random.random_range(0..5)))];
    for (key, what) in words {
        if random.random_bool(0.6) {
            attributes.push(text(key, format!("{what} {}", random.random_range(0..3))));
        }
    }
    if random.random_bool(0.3) {
        attributes.push(any(a::LLM_PROMPT_TOKENS.key, Value::IntValue(random.random_range(1..100))));
        attributes.push(any(a::LLM_COMPLETION_TOKENS.key, Value::IntValue(random.random_range(1..100))));
        // In eighths, of which every sum is exact.
        let cost = f64::from(random.random_range(1..100_u8)) / 8.0;
        attributes.push(any(a::LLM_COST_USD.key, Value::DoubleValue(cost)));
    }
    attributes
}
