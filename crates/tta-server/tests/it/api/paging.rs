//! Pages: nothing is lost and nothing comes twice, also while more is written.

use std::collections::BTreeSet;

use opentelemetry_proto::tonic::trace::v1::Span;
use tta_server::Store;

use super::{get, put};
use crate::support::{NOW, open, request, span};

/// A trace of a few spans that lie between those of other traces.
fn spans(trace: u128) -> Vec<Span> {
    let span = |at: u64| Span {
        start_time_unix_nano: NOW + trace as u64 * 1_000 + at * 7_300,
        ..span(trace, trace as u64 * 10 + at)
    };
    (1..=4).map(span).collect()
}

/// All traces that the pages of a question have, with something done between them.
async fn walk(store: &Store, question: &str, mut between: impl FnMut(usize)) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    for page in 0.. {
        let answer = get(store, &format!("/api/tta/v1/traces?limit=7&{question}{cursor}")).await;
        let traces = answer["traces"].as_array().expect("a list").iter();
        found.extend(traces.map(|trace| trace["trace_id"].as_str().expect("a text").to_owned()));
        let Some(next) = answer["next"].as_str() else { return found };
        cursor = format!("&cursor={next}");
        between(page);
    }
    found
}

fn check(found: &[String], expect: impl Iterator<Item = u128>) {
    let each: BTreeSet<&String> = found.iter().collect();
    assert_eq!(each.len(), found.len(), "a trace came twice");
    let expect: BTreeSet<String> = expect.map(|trace| format!("{trace:032x}")).collect();
    assert_eq!(each, expect.iter().collect());
}

#[tokio::test]
async fn pages_are_as_of_the_first_one() {
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    for trace in 1..=60 {
        // In two batches, as from two processes.
        let (early, late): (Vec<_>, Vec<_>) =
            spans(trace).into_iter().partition(|span| span.span_id[7] % 2 == 0);
        put(&store, request(vec![("one", early)]));
        put(&store, request(vec![("other", late)]));
    }
    let found = walk(&store, "", |page| {
        // New traces between the old ones, and new spans of old traces: earlier and later ones, and some once more.
        let new = spans(100 + page as u128);
        let again = spans(5 * page as u128 + 1);
        let later =
            Span { start_time_unix_nano: NOW + 900_000, ..span(5 * page as u128 + 3, 9_000 + page as u64) };
        let earlier = Span { start_time_unix_nano: NOW, ..span(60 - page as u128, 8_000 + page as u64) };
        put(&store, request(vec![("one", new), ("other", again), ("one", vec![later, earlier])]));
    })
    .await;
    check(&found, 1..=60);
    let found = walk(&store, "service=other&min_duration=1us", |_| ()).await;
    check(&found, 1..=60);
}

#[tokio::test]
async fn a_long_trace_comes_once() {
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    let long = (1..=2_000).map(|at| span(999, 100_000 + at * 50)).collect();
    put(&store, request(vec![("one", long)]));
    for trace in 1..=40 {
        put(&store, request(vec![("one", vec![span(trace, 101_000 + trace as u64 * 2_000)])]));
    }
    check(&walk(&store, "", |_| ()).await, (1..=40).chain([999]));
    check(&walk(&store, "q=value", |_| ()).await, (1..=40).chain([999]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_at_the_same_time_changes_nothing() {
    let directory = tempfile::tempdir().expect("there is room");
    let store = std::sync::Arc::new(open(directory.path()));
    for trace in 1..=80 {
        put(&store, request(vec![("one", spans(trace))]));
    }
    let writer = std::sync::Arc::clone(&store);
    let writing = tokio::task::spawn_blocking(move || {
        for round in 0..150_u64 {
            let old = 1 + u128::from(round % 80);
            let more = Span { start_time_unix_nano: NOW + round * 911, ..span(old, 50_000 + round) };
            put(&writer, request(vec![("one", vec![more]), ("two", spans(1_000 + u128::from(round)))]));
        }
    });
    // Those of the new traces that were there at the first page are not to be told from here; the old ones are.
    let found = walk(&store, "service=one", |_| ()).await;
    check(&found, 1..=80);
    writing.await.expect("it writes");
}
