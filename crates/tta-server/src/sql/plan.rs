//! Which conditions of a statement a table answers itself.
//!
//! SQLite asks with all conditions, and gives the values of those that were chosen when it scans. It looks at every row again, so a
//! condition that cannot be used is no harm.

use std::fmt::Write as _;

use rusqlite::Result;
use rusqlite::types::Value;
use rusqlite::vtab::{Filters, IndexConstraintOp, IndexInfo};

use super::table::{Condition, Op, Pushed, Scannable, Wanted};

/// How many rows a table has, as far as SQLite is told; only the relations matter.
const ROWS: f64 = 1e6;

/// Chooses conditions, and tells SQLite what is left to read.
pub(super) fn choose(table: &dyn Scannable, info: &mut IndexInfo) -> Result<()> {
    let (pushed, mut chosen) = (table.pushed(), Vec::new());
    let mut rows = ROWS;
    for (at, constraint) in info.constraints().enumerate() {
        let column = usize::try_from(constraint.column()).ok();
        let kind = column.and_then(|column| pushed.get(column)).copied().unwrap_or(Pushed::No);
        let (Some(column), Some(op)) = (column, op(&constraint.operator())) else { continue };
        // Equality of texts means the same here and there only if it is that of bytes.
        let is_plain = || info.collation(at).is_ok_and(|collation| collation == "BINARY");
        let less = match (kind, op) {
            (Pushed::Equal, Op::Equal) if is_plain() => 20.0,
            (Pushed::Trace, Op::Equal) if is_plain() => ROWS / 10.0,
            (Pushed::Range, Op::Equal) => 1_000.0,
            (Pushed::Range, _) => 4.0,
            _ => continue,
        };
        if constraint.is_usable() {
            rows /= less;
            chosen.push((at, column, op));
        }
    }
    let mut plan = String::new();
    for (argument, (at, column, op)) in (1..).zip(chosen) {
        info.constraint_usage(at).set_argv_index(argument);
        write!(plan, "{}{column};", letter(op))
            .map_err(|error| rusqlite::Error::ModuleError(error.to_string()))?;
    }
    info.set_idx_str(&plan);
    let rows = rows.max(1.0);
    info.set_estimated_rows(rows as i64);
    info.set_estimated_cost(rows + 10.0);
    let is_in_order = is_in_order(table, info);
    info.set_order_by_consumed(is_in_order);
    Ok(())
}

fn is_in_order(table: &dyn Scannable, info: &IndexInfo) -> bool {
    let names: Vec<&str> = table.about().columns.iter().map(|column| column.name).collect();
    let mut order = info.order_bys();
    let (Some(by), None) = (order.next(), order.next()) else { return false };
    let name = usize::try_from(by.column()).ok().and_then(|column| names.get(column).copied());
    by.is_order_by_desc() && name.is_some_and(|name| table.descending().contains(&name))
}

/// Reads what [`choose`] wrote, with the values that it chose.
pub(super) fn wanted(table: &dyn Scannable, plan: &str, values: &Filters<'_>) -> Result<Wanted> {
    let columns = table.about().columns;
    let mut conditions = Vec::new();
    for (at, written) in plan.split_terminator(';').enumerate() {
        let (letter, column) = written.split_at(1);
        let column = column.parse::<usize>().ok().and_then(|column| columns.get(column));
        let (Some(column), Some(op)) = (column, of_letter(letter)) else { continue };
        // A text that is not UTF-8 is left to SQLite.
        let Ok(value) = values.get::<Value>(at) else { continue };
        conditions.push(Condition { column: column.name, op, value });
    }
    Ok(Wanted(conditions))
}

fn op(constraint: &IndexConstraintOp) -> Option<Op> {
    match constraint {
        IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ => Some(Op::Equal),
        IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_GT => Some(Op::Greater),
        IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_GE => Some(Op::AtLeast),
        IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_LT => Some(Op::Less),
        IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_LE => Some(Op::AtMost),
        _ => None,
    }
}

const LETTERS: [(Op, char); 5] =
    [(Op::Equal, '='), (Op::Greater, '>'), (Op::AtLeast, 'g'), (Op::Less, '<'), (Op::AtMost, 'l')];

fn letter(op: Op) -> char {
    LETTERS.iter().find(|(of, _)| *of == op).map_or('=', |(_, letter)| *letter)
}

fn of_letter(letter: &str) -> Option<Op> {
    LETTERS.iter().find(|(_, of)| letter.starts_with(*of)).map(|(op, _)| *op)
}
