//! Which tables, columns and functions there are.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tta::server::sql::{ColumnInfo, functions, tables};

use super::Format;

/// All of them: JSON where that is the format, or else a text.
pub(super) fn all(format: Format) -> String {
    if matches!(format, Format::Json | Format::Jsonl) {
        return format!("{:#}\n", json());
    }
    let width = |lengths: Vec<usize>| lengths.into_iter().max().unwrap_or(0);
    let mut text = String::new();
    for table in tables() {
        let widest = width(table.columns.iter().map(|column| column.name.len()).collect());
        // Writing to a text does not fail.
        _ = writeln!(text, "{}: {}", table.name, table.about);
        for ColumnInfo { name, kind, about } in table.columns {
            _ = writeln!(text, "  {name:widest$}  {:7}  {about}", kind.name());
        }
        text.push('\n');
    }
    text.push_str("Functions beside those of SQLite:\n");
    let widest = width(functions().iter().map(|function| function.call.len()).collect());
    for function in functions() {
        _ = writeln!(text, "  {:widest$}  {}", function.call, function.about);
    }
    text
}

fn json() -> Value {
    let column = |column: &ColumnInfo| json!({ "name": column.name, "type": column.kind.name(), "about": column.about });
    let tables: Vec<Value> = tables()
        .iter()
        .map(|table| {
            let columns: Vec<Value> = table.columns.iter().map(column).collect();
            json!({ "name": table.name, "about": table.about, "columns": columns })
        })
        .collect();
    let functions: Vec<Value> = functions()
        .iter()
        .map(|function| json!({ "call": function.call, "about": function.about }))
        .collect();
    json!({ "tables": tables, "functions": functions })
}
