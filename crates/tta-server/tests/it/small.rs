//! Few spans at a time: they are found as quickly as many, and as right.

use rusqlite::Connection;
use tta_server::read::{self, ALWAYS, RedBy, RedQuery, SpanQuery};
use tta_server::{Reader, Store};

use super::support::{open, put, request, settle, span};

const COMMITS: u64 = 400;
/// After how many commits everything is summed up.
const OFTEN: u64 = 20;
/// Spans of each service in a commit.
const FEW: u64 = 5;

fn commit(store: &Store, number: u64) {
    let spans = |shift: u64| (0..FEW).map(move |n| span(u128::from(number) + 1, number * 10 + shift + n + 1));
    put(store, request(vec![("shop", spans(0).collect()), ("bank", spans(FEW).collect())]));
}

/// How many runs there are, and how many spans the largest has.
fn runs(directory: &std::path::Path) -> (i64, i64) {
    let mut files =
        std::fs::read_dir(directory).expect("it is there").map(|entry| entry.expect("it is").path());
    let path = files.find(|path| path.extension().is_some_and(|is| is == "sqlite")).expect("there is one");
    let file = Connection::open(path).expect("it opens");
    file.query_row("SELECT count(*), max(count) FROM run", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("it reads")
}

fn check(reader: &Reader, commits: u64) {
    let all = RedQuery { times: ALWAYS, by: RedBy::Total, ..RedQuery::default() };
    let series = read::red(reader, &all).expect("it is read");
    assert_eq!(series[0].points[0].count, commits * FEW * 2);
    let query = SpanQuery { limit: 1_000_000, ..SpanQuery::default() };
    let hits = read::search(reader, &query).expect("it is read").hits;
    assert_eq!(hits.len() as u64, commits * FEW * 2);
    assert!(hits.is_sorted_by_key(|hit| std::cmp::Reverse(hit.start_unix_nanos)));
    for number in [1, commits / 3, commits * 10] {
        let attributes = vec![(String::from("key"), format!("value {number}"))];
        let found =
            read::search(reader, &SpanQuery { attributes, ..SpanQuery::default() }).expect("it is read").hits;
        assert_eq!(found.iter().map(|hit| hit.span_id.get()).collect::<Vec<_>>(), [number]);
    }
}

#[test]
fn runs_of_a_few_spans_are_put_together_and_everything_is_found() {
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    for number in 0..COMMITS {
        commit(&store, number);
        if (number + 1) % OFTEN == 0 {
            settle(&store);
        }
        if number == COMMITS / 2 {
            check(&store.reader(), number + 1);
        }
    }
    check(&store.reader(), COMMITS);
    let (count, largest) = runs(directory.path());
    assert!(count < 250, "of {} runs there are {count}", COMMITS * 2);
    assert_eq!(largest, 500);
    drop(store);
    let store = open(directory.path());
    check(&store.reader(), COMMITS);
    assert_eq!((store.stats().spans, store.damage()), (COMMITS * FEW * 2, Vec::new()));
    assert_eq!(read::verify(&store.reader()).expect("it is read"), Vec::new());
}

#[test]
fn who_follows_what_comes_is_told_of_each_trace_once() {
    let directory = tempfile::tempdir().expect("there is room");
    let store = open(directory.path());
    let reader = store.reader();
    let news = |seen: &read::Seen| {
        let news = read::news(&reader, seen).expect("it is read");
        (news.traces.iter().map(|new| new.trace_id.get()).collect::<Vec<_>>(), news.seen)
    };
    let mut seen = read::seen(&reader).expect("it is read");
    let mut kept = Vec::new();
    for number in 0..COMMITS / 2 {
        kept.push(seen.clone());
        commit(&store, number);
        let traces;
        (traces, seen) = news(&seen);
        assert_eq!(traces, [u128::from(number) + 1]);
        if (number + 1) % OFTEN == 0 {
            settle(&store);
        }
    }
    // Also who comes back after the runs before and behind the mark are one.
    for (number, seen) in kept.iter().enumerate() {
        let traces: Vec<u128> = (number as u128 + 1..=u128::from(COMMITS / 2)).collect();
        assert_eq!(news(seen).0, traces);
    }
    let (_, largest) = runs(directory.path());
    assert!(largest > 400, "{largest}");
}
