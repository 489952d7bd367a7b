//! `tta traces`, `tta trace`, `tta services`, `tta slo` and `tta cost report`: what a server has stored; `tta tail`: what it stores now.
//!
//! All of them ask the API of the server, whether it runs somewhere or is made here over a folder; so a folder and a server give the
//! same answers. Only a server that runs can be followed.

pub(crate) mod cost;
pub(crate) mod services;
pub(crate) mod slo;
mod source;
mod spans;
pub(crate) mod tail;
pub(crate) mod trace;
pub(crate) mod traces;

use std::error::Error;
use std::io::{self, IsTerminal, Write};

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use serde_json::Value;

use crate::render::prices::name;

const RULE_BELOW_HEADER: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// The names of the parameters that a question has, and their values.
type Parameters<'a> = Vec<(&'a str, String)>;

/// Adds a parameter if it is given.
fn push<'a, T: ToString>(parameters: &mut Parameters<'a>, name: &'a str, value: Option<T>) {
    parameters.extend(value.map(|value| (name, value.to_string())));
}

/// A table as wide as its content; columns from `numbers` on are aligned to the right.
fn table(header: &[&str], rows: Vec<Vec<String>>, numbers: usize) -> String {
    let mut table = Table::new();
    table.load_style(RULE_BELOW_HEADER).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header).add_rows(rows);
    for column in table.column_iter_mut().skip(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{}\n", table.trim_fmt())
}

/// A text of an answer, safe to be shown.
fn text(value: &Value) -> String {
    name(value.as_str().unwrap_or("")).into_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn print(text: &str) -> Result<(), Box<dyn Error>> {
    Ok(io::stdout().write_all(text.as_bytes())?)
}

fn print_json(value: &Value) -> Result<(), Box<dyn Error>> {
    Ok(writeln!(io::stdout(), "{}", serde_json::to_string_pretty(value)?)?)
}

fn is_coloured() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
