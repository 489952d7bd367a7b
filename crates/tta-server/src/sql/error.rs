//! Why a statement has no answer.

use std::time::Duration;

use super::tables::tables;

/// Why a statement has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// There is none in the text.
    #[error("there is no statement")]
    Empty,
    /// There is more than one.
    #[error("there is more than one statement; run them one by one")]
    Several,
    /// It would do something else than read.
    #[error("{0} is refused: only statements that read are run, such as SELECT and WITH")]
    Refused(String),
    /// It cannot be run as it is.
    #[error("{0}")]
    Statement(String),
    /// It was told to stop.
    #[error("the statement was interrupted")]
    Interrupted,
    /// It took too long.
    #[error("the statement took longer than {}", humantime::format_duration(*.0))]
    TimedOut(Duration),
}

/// What SQLite says, and what there is where something was not found.
pub(super) fn told(error: &rusqlite::Error, statement: &str) -> SqlError {
    let message = match error {
        rusqlite::Error::MultipleStatement => return SqlError::Several,
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        error => error.to_string(),
    };
    let hint = if message.starts_with("no such table") {
        let names: Vec<&str> = tables().iter().map(|table| table.name).collect();
        format!("; there are {}", names.join(", "))
    } else if message.starts_with("no such column") {
        columns(statement)
    } else {
        String::new()
    };
    SqlError::Statement(format!("{message}{hint}"))
}

/// The columns of the tables that a statement mentions.
fn columns(statement: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words: Vec<String> = statement.split(|c| !is_word(c)).map(str::to_ascii_lowercase).collect();
    let mentioned = tables().into_iter().filter(|table| words.iter().any(|word| word == table.name));
    let of_table = |table: super::TableInfo| {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        format!("; {} has {}", table.name, names.join(", "))
    };
    mentioned.map(of_table).collect()
}
