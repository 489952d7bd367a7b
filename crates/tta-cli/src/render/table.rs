//! The summary of many runs, one row for each primitive.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use super::cell;

/// What the runs of one primitive came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SummaryRow {
    /// The address of the primitive in its workflow.
    pub(crate) path: String,
    /// How often it ran.
    pub(crate) runs: u64,
    /// How many of the runs succeeded.
    pub(crate) succeeded: u64,
    /// The durations; none where nothing ran.
    pub(crate) percentiles: Option<Percentiles>,
    /// How often it was answered from memory, if it is a cache.
    pub(crate) cache_hits: Option<u64>,
    /// How often it was tried again.
    pub(crate) retries: u64,
}

/// Percentiles of a duration, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Percentiles {
    /// The median.
    pub(crate) p50_ms: f64,
    /// 95 of 100 were no longer.
    pub(crate) p95_ms: f64,
    /// 99 of 100 were no longer.
    pub(crate) p99_ms: f64,
}

/// Rows are told apart by their height, and a line between each two only pushes them apart.
const RULE_BELOW_HEADER: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

const HEADER: [&str; 8] =
    ["primitive", "runs", "success %", "p50 ms", "p95 ms", "p99 ms", "cache hits", "retries"];

/// The rows as a table of plain text, as wide as its content, in the order given.
pub(crate) fn summary(rows: &[SummaryRow]) -> String {
    let mut table = Table::new();
    table.load_style(RULE_BELOW_HEADER).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(HEADER).add_rows(rows.iter().map(cells));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

fn cells(row: &SummaryRow) -> [String; 8] {
    let milliseconds = |of: fn(&Percentiles) -> f64| {
        row.percentiles
            .as_ref()
            .map_or_else(|| "-".to_owned(), |percentiles| format!("{:.3}", of(percentiles)))
    };
    [
        cell::clean(&row.path).into_owned(),
        row.runs.to_string(),
        success(row),
        milliseconds(|percentiles| percentiles.p50_ms),
        milliseconds(|percentiles| percentiles.p95_ms),
        milliseconds(|percentiles| percentiles.p99_ms),
        row.cache_hits.map_or_else(|| "-".to_owned(), |hits| hits.to_string()),
        row.retries.to_string(),
    ]
}

/// The share in per cent, rounded down: 100.0 means that no run failed.
fn success(row: &SummaryRow) -> String {
    if row.runs == 0 {
        return "-".to_owned();
    }
    let tenths = u128::from(row.succeeded) * 1000 / u128::from(row.runs);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(path: &str, runs: u64, succeeded: u64, percentiles: Option<[f64; 3]>) -> SummaryRow {
        let percentiles = percentiles.map(|[p50_ms, p95_ms, p99_ms]| Percentiles { p50_ms, p95_ms, p99_ms });
        let cache_hits = (runs > 1_000).then_some(7);
        SummaryRow {
            path: path.to_owned(),
            runs,
            succeeded,
            percentiles,
            cache_hits,
            retries: runs - succeeded,
        }
    }

    #[test]
    fn numbers_stand_under_each_other() {
        let table = summary(&[
            row("demo/validate", 40, 37, Some([0.05, 0.126, 1.5])),
            row("demo/summarise", 1_000_000, 999_999, Some([12.0, 80.25, 1203.5])),
            row("demo/größe", 0, 0, None),
        ]);
        let expect = "
 primitive           runs   success %   p50 ms   p95 ms     p99 ms   cache hits   retries
──────────────────────────────────────────────────────────────────────────────────────────
 demo/validate         40        92.5    0.050    0.126      1.500            -         3
 demo/summarise   1000000        99.9   12.000   80.250   1203.500            7         1
 demo/größe             0           -        -        -          -            -         0";
        assert_eq!(format!("\n{table}"), expect, "\n{table}");
    }

    #[test]
    fn a_share_is_never_rounded_up() {
        let check =
            |succeeded, runs, expect: &str| assert_eq!(success(&row("", runs, succeeded, None)), expect);
        check(3, 3, "100.0");
        check(9_999, 10_000, "99.9");
        check(2, 3, "66.6");
        check(0, 3, "0.0");
        check(0, 0, "-");
    }

    #[test]
    fn a_path_cannot_control_the_terminal() {
        assert!(!summary(&[row("\u{1b}[31mred", 1, 1, None)]).contains('\u{1b}'));
    }
}
