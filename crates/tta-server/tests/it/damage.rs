//! A disk that flips bits, or loses the end of a file, costs what it hit.

use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tta_model::SpanId;
use tta_server::read::{self, ALWAYS, CostBy, CostQuery, LogQuery, MapBy, RedBy, RedQuery, SpanQuery};
use tta_server::{Options, Store};

use super::served::{PROTOBUF, Served};
use super::support::{count, id, open, put, request, settle, span, text};

const TRACES: u128 = 300;

/// Stores traces of three spans.
fn fill(directory: &Path) -> PathBuf {
    let store = open(directory);
    for batch in 0..TRACES / 10 {
        let spans = (batch * 10..batch * 10 + 10).flat_map(|trace| (1..=3).map(move |n| large(trace + 1, n)));
        put(&store, request(vec![("shop", spans.collect())]));
    }
    drop(store);
    let files = std::fs::read_dir(directory).expect("it is there");
    let mut files = files.map(|file| file.expect("it is there").path());
    files.find(|path| path.extension().is_some_and(|ending| ending == "sqlite")).expect("one file")
}

fn large(trace: u128, n: u64) -> opentelemetry_proto::tonic::trace::v1::Span {
    let mut span = span(trace, n);
    let mut random = StdRng::seed_from_u64(trace as u64 * 10 + n);
    let noise: String = (0..400).map(|_| char::from(random.random_range(b'!'..b'~'))).collect();
    span.attributes.push(text("noise", noise));
    span
}

/// How many spans there are, all of them as they were sent.
fn whole(store: &Store) -> usize {
    let reader = store.reader();
    let mut found = 0;
    for trace in 1..=TRACES {
        for stored in read::trace(&reader, id(trace)).expect("damage is no error").spans {
            let n = u64::from_be_bytes(stored.span.span_id[..].try_into().expect("8 bytes"));
            assert_eq!(stored.span, large(trace, n), "a span is whole or not there");
            found += 1;
        }
    }
    found
}

/// Asks everything else: nothing fails, however little is left.
fn ask_all(store: &Store) {
    let reader = store.reader();
    let red = RedQuery { step_minutes: 1, by: RedBy::Operation, ..RedQuery::default() };
    read::red(&reader, &red).expect("damage is no error");
    for by in [RedBy::Primitive, RedBy::Workflow] {
        read::red(&reader, &RedQuery { by, ..red.clone() }).expect("damage is no error");
    }
    read::calls(&reader, &ALWAYS, MapBy::Primitive).expect("damage is no error");
    read::places(&reader, &ALWAYS).expect("damage is no error");
    let ids: Vec<_> = (1..=TRACES).map(id).collect();
    for summary in read::summaries(&reader, &ids).expect("damage is no error") {
        let spans = read::trace(&reader, summary.trace_id).expect("damage is no error").spans;
        assert_eq!(summary.spans, spans.len(), "the same is left out");
        for stored in spans {
            let one = SpanId::from_bytes(stored.span.span_id[..].try_into().expect("8 bytes"));
            let found = read::span(&reader, summary.trace_id, one.expect("not zero"));
            assert!(found.expect("damage is no error").is_none_or(|found| found == stored));
        }
    }
    read::cost(&reader, &CostQuery { times: ALWAYS, by: CostBy::Agent }).expect("damage is no error");
    read::logs(&reader, &LogQuery::default()).expect("damage is no error");
    read::services(&reader).expect("damage is no error");
    read::primitives(&reader).expect("damage is no error");
    let text = SpanQuery { text: Some(String::from("VALUE")), limit: 2_000, ..SpanQuery::default() };
    let page = read::search(&reader, &text).expect("damage is no error");
    assert!(page.hits.len() <= TRACES as usize * 3);
    for table in tta_server::sql::tables() {
        let rows = super::sql::rows(&reader, &format!("SELECT * FROM {}", table.name));
        assert!(rows.len() <= TRACES as usize * 3, "{}", table.name);
    }
}

fn check(original: &[u8], damaged: &[u8], name: &std::ffi::OsStr) -> usize {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join(name), damaged).expect("it is written");
    let store = Store::open(Options::new(directory.path())).expect("damage is no reason not to open");
    let found = whole(&store);
    ask_all(&store);
    let told = read::verify(&store.reader()).expect("damage is no error");
    assert!(original != damaged || told.is_empty(), "{told:?}");
    if found < TRACES as usize * 3 && original.len() == damaged.len() {
        assert_ne!(store.damage(), [], "what is lost is told");
    }
    // What comes next is stored, whatever was damaged.
    for again in 0.. {
        let ticket = store.submit(super::support::scan(request(vec![("shop", vec![span(1_000, 1)])])).into());
        if ticket.expect("there is room").blocking_wait().is_ok() {
            break;
        }
        assert!(again < 3, "a damaged file is left after the first failure");
    }
    assert_eq!(count(&store, 1_000), 1);
    found
}

#[test]
fn flipped_bits_cost_what_they_hit() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = fill(directory.path());
    let original = std::fs::read(&file).expect("it is read");
    let name = file.file_name().expect("it has a name");
    assert_eq!(check(&original, &original, name), TRACES as usize * 3);
    let mut random = StdRng::seed_from_u64(9);
    let mut left = Vec::new();
    for _ in 0..16 {
        let mut damaged = original.clone();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(100..damaged.len());
            damaged[at] ^= 1 << random.random_range(0..8);
        }
        left.push(check(&original, &damaged, name));
    }
    left.sort_unstable();
    assert!(left[left.len() / 2] > TRACES as usize * 2, "most of it is left: {left:?}");
}

#[test]
fn a_file_that_lost_its_end_is_read_as_far_as_it_goes() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = fill(directory.path());
    let original = std::fs::read(&file).expect("it is read");
    let name = file.file_name().expect("it has a name");
    for part in [0.95, 0.5, 0.1] {
        check(&original, &original[..(original.len() as f64 * part) as usize], name);
    }
}

#[test]
fn a_file_that_is_something_else_is_set_aside() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = fill(directory.path());
    std::fs::write(&file, b"no database, but long enough to be looked at as one".repeat(100))
        .expect("it is written");
    let store = open(directory.path());
    put(&store, request(vec![("shop", vec![span(1, 1)])]));
    assert_eq!(count(&store, 1), 1);
    let aside = directory.path().join("damaged").join(file.file_name().expect("it has a name"));
    assert!(aside.exists() && store.damage()[0].what.contains("not a database"), "{:?}", store.damage());
}

#[test]
fn a_table_that_is_not_there_is_damage() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = fill(directory.path());
    let store = Store::open(Options::new(directory.path())).expect("it opens");
    settle(&store);
    let other = rusqlite::Connection::open(&file).expect("it opens");
    other.execute_batch("DROP TABLE unit_red; DROP TABLE log").expect("it is done");
    ask_all(&store);
    let told: Vec<String> = store.damage().into_iter().map(|damage| damage.what).collect();
    assert!(told.iter().any(|what| what.contains("unit_red")), "{told:?}");
    assert_eq!(whole(&store), TRACES as usize * 3, "the rest is still read");
}

#[test]
fn a_server_starts_beside_damage_and_tells_of_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = fill(directory.path());
    let length = std::fs::metadata(&file).expect("it is there").len();
    std::fs::OpenOptions::new()
        .write(true)
        .open(&file)
        .and_then(|file| file.set_len(length / 2))
        .expect("it is cut");
    let path = directory.path().to_owned();
    let server = Served::with(|config| config.store = Options::new(path));
    assert_eq!(server.get("/healthz").0, 200);
    let left: usize = (1..=TRACES).map(|trace| server.count(trace)).sum();
    assert!(left < TRACES as usize * 3, "{left}");
    let (status, stats) = server.get("/api/tta/v1/stats");
    let stats: serde_json::Value = serde_json::from_str(&stats).expect("it is JSON");
    let name = file.file_name().and_then(|name| name.to_str()).expect("it has a name");
    assert!(status == 200 && stats["damage"][0]["file"] == name, "{stats}");
    let (_, page) = server.get("/metrics");
    assert!(!page.contains("tta_server_store_damage 0"), "{page}");
    let batch = request(vec![("shop", vec![span(5_000, 1)])]);
    assert_eq!(server.post("/v1/traces", PROTOBUF, batch).status(), 200);
    assert_eq!(server.count(5_000), 1);
}
