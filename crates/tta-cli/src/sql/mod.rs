//! `tta sql`: one statement over all that is stored.

mod describe;
mod write;

use std::error::Error;
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tta::server::Reader;
use tta::server::sql::Sql;

use crate::export::wanted::check_store;
use crate::serve::data_directory;
use crate::stop;

/// What `tta sql` can be told.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The statement; by default it is read from the standard input.
    statement: Option<String>,
    /// Read the telemetry in this directory; by default in the user's own for data.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How the rows are written.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "table")]
    format: Format,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Stop the statement if it takes longer than this, such as 30s.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
    /// Print which tables, columns and functions there are.
    #[arg(long, conflicts_with_all = ["statement", "timeout"])]
    tables: bool,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people, of at most 1,000 rows.
    Table,
    /// Lines of values between commas, below the names of the columns.
    Csv,
    /// One array of objects.
    Json,
    /// An object a line.
    Jsonl,
}

/// Runs the statement, or tells what can be asked.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let format = if arguments.json { Format::Json } else { arguments.format };
    let Some(statement) = statement(arguments)? else {
        return Ok(io::stdout().write_all(describe::all(format).as_bytes())?);
    };
    let directory = match &arguments.data {
        Some(directory) => directory.clone(),
        None => data_directory().ok_or("no directory for data is known; name one with --data")?,
    };
    check_store(&directory)?;
    let reader = Reader::open(&directory)?;
    let sql = Sql::open(reader.clone())?;
    let mut prepared = sql.prepare(&statement)?;
    let mut writer = write::Writer::new(format, prepared.columns(), io::stdout().lock())?;
    // Ctrl-C ends the statement rather than the process, so that what was found so far is written whole.
    let interrupt = sql.interrupt();
    stop::first_time(move || interrupt.interrupt())?;
    let ran: Result<(), Box<dyn Error>> = prepared.run(arguments.timeout, |row| writer.row(row));
    // What was found until it was stopped is made whole, unless it cannot be written.
    let is_open = ran.as_ref().err().is_none_or(|error| writer.has_rows() && !error.is::<io::Error>());
    if is_open {
        writer.finish()?;
    }
    ran?;
    match &reader.damage()[..] {
        [] => Ok(()),
        [first, ..] => Err(format!(
            "what is damaged in the store was left out: {} in {}; the rest was read",
            first.what, first.file
        )
        .into()),
    }
}

/// The statement that is given; none if what can be asked is to be told.
fn statement(arguments: &Arguments) -> io::Result<Option<String>> {
    let is_given = arguments.statement.is_some();
    if arguments.tables || !is_given && io::stdin().is_terminal() {
        return Ok(None);
    }
    match &arguments.statement {
        Some(statement) => Ok(Some(statement.clone())),
        None => {
            let mut statement = String::new();
            io::stdin().read_to_string(&mut statement)?;
            Ok(Some(statement))
        }
    }
}
