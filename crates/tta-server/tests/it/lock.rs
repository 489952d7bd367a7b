//! Who may open a directory, and with which schema.

use rusqlite::Connection;
use tta_server::{OpenError, Options, Store};

use super::support::{as_of_version_2, count, open, put, request, settle, span};

#[test]
fn one_process_at_a_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = open(directory.path());
    let refused = Store::open(Options::new(directory.path())).expect_err("it is taken");
    assert!(
        matches!(refused, OpenError::Locked { pid: Some(pid), .. } if pid == std::process::id()),
        "{refused:?}"
    );
    let message = refused.to_string();
    let expect = format!("in use by process {}; stop the other server", std::process::id());
    assert!(message.contains(&expect), "{message}");
    drop(first);
    open(directory.path());
}

/// The only file of a store with a span of trace 1.
fn one_file(directory: &std::path::Path) -> std::path::PathBuf {
    let store = open(directory);
    put(&store, request(vec![("shop", vec![span(1, 1)])]));
    drop(store);
    let files = std::fs::read_dir(directory).expect("it is there");
    let mut files = files.map(|file| file.expect("it is there").path());
    files.find(|path| path.extension().is_some_and(|ending| ending == "sqlite")).expect("one file")
}

#[test]
fn a_file_of_a_later_version_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = one_file(directory.path());
    Connection::open(&file).expect("it opens").pragma_update(None, "user_version", 99).expect("it is set");
    let before = std::fs::read(&file).expect("it is read");
    let refused = Store::open(Options::new(directory.path())).expect_err("it is newer");
    assert!(matches!(refused, OpenError::Newer { version: 99, .. }), "{refused:?}");
    assert!(refused.to_string().contains("use the later version"), "{refused}");
    assert_eq!(std::fs::read(&file).expect("it is read"), before);
}

#[test]
fn a_file_of_an_earlier_version_is_brought_up_to_date() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = one_file(directory.path());
    // As the first version left it: without logs and metrics.
    as_of_version_2(&file);
    let earlier = Connection::open(&file).expect("it opens");
    earlier.execute_batch("DROP TABLE log; DROP TABLE metric; PRAGMA user_version = 1").expect("it is done");
    drop(earlier);
    let store = open(directory.path());
    assert_eq!((count(&store, 1), store.damage()), (1, Vec::new()));
    put(&store, request(vec![("shop", vec![span(2, 1)])]));
    settle(&store);
    let ask = |query: &str| -> i64 {
        let file = Connection::open(&file).expect("it opens");
        file.query_row(query, [], |row| row.get(0)).expect("it is read")
    };
    assert_eq!((count(&store, 2), ask("PRAGMA user_version")), (1, 3));
    // What it had before is in the new sums as well.
    assert_eq!(ask("SELECT value FROM meta WHERE key = 'rolled unit'"), ask("SELECT max(id) FROM run"));
}
