//! Only what reads is run, and no longer than it may.

use std::ops::ControlFlow;
use std::time::Duration;

use tta_server::sql::{Sql, SqlError, functions, tables};

use super::answer;
use super::made::made;
use crate::support::open;

/// Never comes to an end.
const ENDLESS: &str =
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";

#[test]
fn what_does_not_read_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let sql = Sql::open(open(directory.path()).reader()).expect("it opens");
    let elsewhere = directory.path().join("other.db");
    let elsewhere = elsewhere.display();
    for statement in [
        "CREATE TABLE t (x)",
        "CREATE TEMP TABLE t (x)",
        "CREATE TEMP VIEW v AS SELECT 1",
        "CREATE VIRTUAL TABLE t USING fts5(x)",
        "DROP TABLE spans",
        "BEGIN",
        "COMMIT",
        "SAVEPOINT s",
        "PRAGMA journal_mode = wal",
        "PRAGMA writable_schema = 1",
        "PRAGMA database_list",
        "SELECT * FROM pragma_database_list",
        "ANALYZE",
        "SELECT load_extension('x')",
        "SELECT count(*) FROM spans WHERE load_extension('x', 'y')",
        &format!("ATTACH '{elsewhere}' AS other"),
        "DETACH main",
        "INSERT INTO sqlite_schema VALUES (1, 2, 3, 4, 5)",
    ] {
        let error = answer(&sql, statement).expect_err(statement);
        assert!(matches!(&error, SqlError::Refused(_)), "{statement}: {error}");
        assert!(error.to_string().contains("only statements that read"), "{error}");
    }
    for statement in [
        "INSERT INTO spans (name) VALUES ('x')",
        "UPDATE spans SET name = 'x'",
        "DELETE FROM spans",
        "VACUUM",
        &format!("VACUUM INTO '{elsewhere}'"),
    ] {
        let error = answer(&sql, statement).expect_err(statement);
        assert!(matches!(&error, SqlError::Refused(_) | SqlError::Statement(_)), "{statement}: {error}");
    }
    assert!(!directory.path().join("other.db").exists());
    assert_eq!(answer(&sql, "SELECT count(*) FROM spans").expect("it is read"), [["0"]]);
}

#[test]
fn what_only_tells_of_the_tables_is_run() {
    let directory = tempfile::tempdir().expect("a directory");
    let sql = Sql::open(open(directory.path()).reader()).expect("it opens");
    for table in tables() {
        let told = answer(&sql, &format!("SELECT name FROM pragma_table_info('{}')", table.name))
            .expect("it is read");
        let names: Vec<Vec<String>> =
            table.columns.iter().map(|column| vec![column.name.to_owned()]).collect();
        assert_eq!(told, names);
        assert!(!table.about.is_empty() && table.columns.iter().all(|column| !column.about.is_empty()));
        let star = sql.prepare(&format!("SELECT * FROM {}", table.name)).expect("it is a table");
        assert_eq!(star.columns(), names.concat());
        answer(&sql, &format!("SELECT * FROM {}", table.name)).expect("it is read");
    }
    let known = answer(&sql, "SELECT DISTINCT name FROM pragma_function_list").expect("it is read").concat();
    for function in functions() {
        let name = function.call.split('(').next().unwrap_or_default();
        assert!(known.iter().any(|known| known == name), "{name}");
    }
    answer(&sql, "EXPLAIN SELECT 1").expect("it is read");
}

#[test]
fn one_statement_is_run_and_not_two() {
    let directory = tempfile::tempdir().expect("a directory");
    let sql = Sql::open(open(directory.path()).reader()).expect("it opens");
    for statement in ["SELECT 1; SELECT 2", "SELECT 1; DROP TABLE spans"] {
        let error = answer(&sql, statement).expect_err(statement);
        assert!(matches!(error, SqlError::Several | SqlError::Refused(_)), "{statement}: {error}");
    }
    for statement in ["", "  ", ";", "-- nothing\n"] {
        assert!(matches!(answer(&sql, statement), Err(SqlError::Empty)), "{statement}");
    }
    assert_eq!(answer(&sql, "SELECT 1; -- and no more").expect("it is one"), [["1"]]);
}

#[test]
fn a_text_that_would_fill_the_memory_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let sql = Sql::open(open(directory.path()).reader()).expect("it opens");
    assert_eq!(answer(&sql, "SELECT length(zeroblob(1000000))").expect("it is short"), [["1000000"]]);
    let error = answer(&sql, "SELECT hex(randomblob(500000000))").expect_err("it is long");
    assert!(error.to_string().contains("too big"), "{error}");
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let sql = Sql::open(open(directory.path()).reader()).expect("it opens");
    let told = |statement: &str| answer(&sql, statement).expect_err(statement).to_string();
    assert_eq!(
        told("SELECT * FROM span"),
        "no such table: span; there are spans, traces, logs, metrics, red_1m, edges_1m, model_calls"
    );
    assert_eq!(
        told("SELECT duration FROM edges_1m"),
        "no such column: duration; edges_1m has caller_service, caller, callee_service, callee, minute_unix_ns, minute, \
         count, errors, mean_ms, p95_ms"
    );
    assert!(told("SELECT ?1").contains("parameters such as ?1 cannot be given"));
    assert!(told("SELEC 1").contains("syntax error"));
    assert!(told("SELECT attr('no json', 'x')").contains("attr() reads a JSON object"));
    assert!(told("SELECT attribute('x', 'y', 'z')").contains("`x` is not the id of a trace"));
    assert!(told("SELECT ago('yesterday')").contains("ago() takes a time such as 1h"));
    assert!(told("SELECT unix_ns('yesterday')").contains("and not `yesterday`"));
    assert!(told("SELECT percentile(1, 101)").contains("from 0 to 100"));
    assert!(told("SELECT percentile('x', 50)").contains("no number"));
}

#[test]
fn times_are_told_in_nanoseconds() {
    let directory = tempfile::tempdir().expect("a directory");
    let sql = Sql::open(open(directory.path()).reader()).expect("it opens");
    let told = |statement: &str| answer(&sql, statement).expect("it is read").concat().concat();
    assert_eq!(told("SELECT unix_ns('1970-01-02')"), "86400000000000");
    assert_eq!(told("SELECT unix_ns('1970-01-01T00:00:01.000000007Z')"), "1000000007");
    assert_eq!(told("SELECT ago('1h') - ago('2h')"), "3600000000000");
    let age = "abs(ago('0s') - strftime('%s', 'now') * 1000000000) < 60000000000";
    assert_eq!(told(&format!("SELECT {age}")), "1");
}

#[test]
fn a_statement_that_takes_too_long_is_stopped() {
    let made = made(21);
    let sql = Sql::open(made.store.reader()).expect("it opens");
    let run = |statement: &str| {
        let mut prepared = sql.prepare(statement).expect("it is SQL");
        prepared.run(Some(Duration::from_millis(20)), |_| Ok::<_, SqlError>(ControlFlow::Continue(())))
    };
    let across = "SELECT count(*) FROM spans a, spans b, spans c WHERE a.name || b.name || c.name = ''";
    for statement in [ENDLESS, across] {
        let error = run(statement).expect_err(statement);
        assert_eq!(error.to_string(), "the statement took longer than 20ms");
    }
    // The next one has its own time.
    assert_eq!(answer(&sql, "SELECT 1").expect("it is read"), [["1"]]);
}

#[test]
fn a_statement_is_interrupted_from_elsewhere() {
    let directory = tempfile::tempdir().expect("a directory");
    let sql = Sql::open(open(directory.path()).reader()).expect("it opens");
    let interrupt = sql.interrupt();
    interrupt.interrupt();
    assert_eq!(answer(&sql, "SELECT 1").expect("none ran then"), [["1"]]);
    let mut endless = sql
        .prepare("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n")
        .expect("SQL");
    let (begun, waits) = std::sync::mpsc::channel();
    let other = std::thread::spawn(move || {
        waits.recv().expect("it begins");
        interrupt.interrupt();
    });
    let ended = endless.run(None, |_| {
        // Who listened once is gone.
        _ = begun.send(());
        Ok::<_, SqlError>(ControlFlow::Continue(()))
    });
    assert!(matches!(ended, Err(SqlError::Interrupted)));
    other.join().expect("it ends");
}

#[test]
fn whoever_has_seen_enough_stops() {
    let directory = tempfile::tempdir().expect("a directory");
    let sql = Sql::open(open(directory.path()).reader()).expect("it opens");
    let mut endless = sql
        .prepare("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n")
        .expect("SQL");
    let mut seen = 0;
    for _ in 0..2 {
        endless
            .run(None, |_| {
                seen += 1;
                let enough = seen % 5 == 0;
                Ok::<_, SqlError>(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })
            .expect("it is stopped");
    }
    assert_eq!(seen, 10);
}
