//! SQL answers what the other questions answer, and does nothing but read.

mod guard;
mod made;
mod minutes;
mod pushed;
mod signals;
mod spans;

use std::ops::ControlFlow;

use tta_server::Reader;
use tta_server::sql::{Sql, SqlError, Value};

/// The rows of a statement, each value as it is printed.
pub(crate) fn rows(reader: &Reader, statement: &str) -> Vec<Vec<String>> {
    match answer(&Sql::open(reader.clone()).expect("it opens"), statement) {
        Ok(rows) => rows,
        Err(error) => panic!("{statement}: {error}"),
    }
}

/// The only value of a statement.
pub(crate) fn one(reader: &Reader, statement: &str) -> String {
    let rows = rows(reader, statement);
    assert!(rows.len() == 1 && rows[0].len() == 1, "{statement}: {rows:?}");
    rows[0][0].clone()
}

pub(crate) fn answer(sql: &Sql, statement: &str) -> Result<Vec<Vec<String>>, SqlError> {
    let mut found = Vec::new();
    sql.prepare(statement)?.run(None, |row| {
        found.push(row.iter().map(printed).collect());
        Ok::<_, SqlError>(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

fn printed(value: &Value<'_>) -> String {
    match value {
        Value::Null => String::from("null"),
        Value::Integer(int) => int.to_string(),
        Value::Real(real) => format!("{real:?}"),
        Value::Text(text) => text.to_string(),
        Value::Blob(bytes) => format!("{bytes:?}"),
    }
}
