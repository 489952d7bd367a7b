//! One trace as a tree of bars.
//!
//! The reader asks three things: what ran inside what, where the time went, and what failed. The tree
//! answers the first, a bar for each span against the time of the root the second, a mark the third.

use std::fmt::Write as _;

use anstyle::Style;
use tta_model::SpanRecord;

use super::cell;
use super::duration::duration;
use super::facts::{Facts, Outcome};
use super::span_tree::{Row, span_tree};
use super::window::Window;

/// How deep the tree is drawn; deeper spans say how many levels below they are.
const MAX_INDENT: usize = 12;
/// The columns of a duration: `999.5ms` and a little more.
const DURATION_COLUMNS: usize = 8;
/// The narrowest bars that still show something.
const MIN_BAR_COLUMNS: usize = 10;

/// How a waterfall is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaterfallOptions {
    /// The columns of a line. Below about 40 the lines are longer than asked.
    pub(crate) width: usize,
    /// Whether the colours of the terminal are used.
    pub(crate) colour: bool,
}

/// Draws the spans of one trace, a line for each, children by their start.
///
/// The bars share the time of the root, or of all roots when there are several; `‹` and `›` mark a bar
/// that goes on outside of it. A span whose parent is missing stands at the top level with a `?`, and
/// the last line counts these and everything that did not succeed.
///
/// # Cost
///
/// The order takes `n * log(n)` for n spans, whatever their shape; spans that are their own ancestors
/// are shown once.
pub(crate) fn waterfall(spans: &[SpanRecord], options: &WaterfallOptions) -> String {
    let rows = span_tree(spans);
    let window = Window::of(spans, &rows);
    let facts: Vec<Facts> = spans.iter().map(Facts::of).collect();
    let labels = labels(spans, &rows, &facts);

    let widest = labels.iter().map(Label::width).max().unwrap_or(0);
    // The mark before the label, a space around the bar, and the duration.
    let free = options.width.saturating_sub(2 + 2 + DURATION_COLUMNS);
    let label_columns = widest.min((free * 3 / 5).max(free.saturating_sub(60)));
    let bar_columns = free.saturating_sub(label_columns).max(MIN_BAR_COLUMNS);

    let mut out = String::new();
    for (row, label) in rows.iter().zip(&labels) {
        let span = &spans[row.span];
        let outcome = facts[row.span].outcome;
        let style = if options.colour { outcome.style() } else { Style::new() };
        let label = label.fit(label_columns);
        let bar = window.bar(span, bar_columns);
        let time = duration(span.duration_nanos());
        let mark = outcome.mark();
        // A string holds every write.
        let _ =
            writeln!(out, "{style}{mark}{style:#} {label} {style}{bar}{style:#} {time:>DURATION_COLUMNS$}");
    }
    out.push_str(&legend(&rows, &facts));
    out
}

/// What stands left of a bar.
struct Label {
    /// The lines of the tree and the name.
    name: String,
    /// What a reader wants to know beside the name.
    remarks: String,
}

impl Label {
    fn width(&self) -> usize {
        cell::width(&self.name) + cell::width(&self.remarks)
    }

    /// The label in exactly `columns` columns. It is the name that is cut: `#2` says more than its end.
    fn fit(&self, columns: usize) -> String {
        let name_columns = columns.saturating_sub(cell::width(&self.remarks));
        if cell::width(&self.name) > name_columns {
            return cell::fit(&(cell::fit(&self.name, name_columns) + &self.remarks), columns);
        }
        cell::fit(&format!("{}{}", self.name, self.remarks), columns)
    }
}

/// The label of every row.
fn labels(spans: &[SpanRecord], rows: &[Row], facts: &[Facts]) -> Vec<Label> {
    // Whether each ancestor of the row, by depth, was the last of its siblings.
    let mut last_by_depth: Vec<bool> = Vec::new();
    rows.iter()
        .map(|row| {
            last_by_depth.truncate(row.depth);
            let mut name = branch(&last_by_depth, row);
            last_by_depth.push(row.is_last);
            if row.is_orphan {
                name.push_str("? ");
            }
            name.push_str(&cell::clean(&spans[row.span].name));
            Label { name, remarks: remarks(&facts[row.span]) }
        })
        .collect()
}

/// The lines that lead to a row. At the top level there is nothing to lead from.
fn branch(last_by_depth: &[bool], row: &Row) -> String {
    let Some(ancestors) = last_by_depth.get(1..) else {
        return String::new();
    };
    let drawn = ancestors.len().min(MAX_INDENT - 1);
    let mut lines: String = ancestors[..drawn].iter().map(|&last| if last { "  " } else { "│ " }).collect();
    lines.push_str(if row.is_last { "└ " } else { "├ " });
    if ancestors.len() > drawn {
        let _ = write!(lines, "+{} ", ancestors.len() - drawn);
    }
    lines
}

/// The number of an attempt, and what a cache answered.
fn remarks(facts: &Facts) -> String {
    let attempt = facts.attempt.map(|number| format!(" #{number}"));
    let cache = facts.cache_hit.map(|hit| if hit { " hit" } else { " miss" });
    attempt.unwrap_or_default() + cache.unwrap_or_default()
}

/// What the marks mean, and how often each occurs; empty when all is well.
fn legend(rows: &[Row], facts: &[Facts]) -> String {
    let mut parts: Vec<String> = Outcome::NOT_SUCCESSFUL
        .into_iter()
        .map(|status| (status, facts.iter().filter(|facts| facts.outcome == Outcome::Known(status)).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(status, count)| format!("{} {count} {status}", Outcome::Known(status).mark()))
        .collect();
    let orphans = rows.iter().filter(|row| row.is_orphan).count();
    if orphans > 0 {
        parts.push(format!("? {orphans} without their parent"));
    }
    if parts.is_empty() { String::new() } else { format!("{}\n", parts.join("   ")) }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::ops::Range;

    use tta_model::{ExecutionStatus, SpanId, SpanKind, SpanStatus, TraceFlags, TraceId};

    use super::*;
    use crate::render::facts::tests::{attempt, ended, lookup};

    /// A span with its start and end in microseconds.
    pub(crate) fn span(id: u64, parent: Option<u64>, name: &str, micros: Range<u64>) -> SpanRecord {
        SpanRecord {
            trace_id: TraceId::new(1).expect("not zero"),
            span_id: SpanId::new(id).expect("not zero"),
            parent_span_id: parent.and_then(SpanId::new),
            parent_is_remote: false,
            flags: TraceFlags::SAMPLED,
            state: Default::default(),
            name: name.to_owned().into(),
            kind: SpanKind::Internal,
            start_unix_nanos: 1_700_000_000_000_000_000 + micros.start * 1_000,
            end_unix_nanos: 1_700_000_000_000_000_000 + micros.end * 1_000,
            attributes: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
            status: SpanStatus::Ok,
            dropped_attributes: 0,
            dropped_events: 0,
        }
    }

    fn check(spans: &[SpanRecord], width: usize, expect: &str) {
        let drawn = waterfall(spans, &WaterfallOptions { width, colour: false });
        // Spaces at the end are part of a bar, but no editor keeps them.
        let lines: Vec<&str> = drawn.lines().map(str::trim_end).collect();
        assert_eq!(lines.join("\n"), expect.trim_matches('\n'), "\n{drawn}");
    }

    #[test]
    fn a_run_is_a_tree_of_bars() {
        let spans = [
            span(1, None, "checkout", 0..10_000),
            span(2, Some(1), "reserve the stock", 0..1_000),
            lookup(span(3, Some(2), "look up the price", 10..11), false),
            span(4, Some(1), "charge the card", 1_000..10_000),
            ended(attempt(span(5, Some(4), "attempt", 1_000..4_000), 1), ExecutionStatus::Timeout),
            ended(attempt(span(6, Some(4), "attempt", 6_000..10_000), 2), ExecutionStatus::Success),
        ];
        check(
            &spans,
            80,
            "
✓ checkout                   ██████████████████████████████████████████   10.0ms
✓ ├ reserve the stock        █████                                        1.00ms
✓ │ └ look up the price miss ▏                                            1.00µs
✓ └ charge the card              ██████████████████████████████████████   9.00ms
◔   ├ attempt #1                 █████████████                            3.00ms
✓   └ attempt #2                                      █████████████████   4.00ms
◔ 1 timeout
",
        );
    }

    #[test]
    fn what_went_wrong_is_counted() {
        let mut failed = span(2, Some(1), "failed", 0..50);
        failed.status = SpanStatus::Error("no".into());
        let mut unset = span(3, Some(1), "foreign", 50..100);
        unset.status = SpanStatus::Unset;
        let spans = [
            span(1, None, "root", 0..100),
            failed,
            unset,
            ended(span(4, Some(1), "stopped", 90..100), ExecutionStatus::Cancelled),
            span(5, Some(99), "lost", 50..200),
            span(6, Some(99), "early", 0..10),
        ];
        check(
            &spans,
            40,
            "
✓ root      ███████████████████    100µs
✗ ├ failed  ██████████            50.0µs
· ├ foreign          ██████████   50.0µs
⊘ └ stopped                  ██   10.0µs
✓ ? early   ██                    10.0µs
✓ ? lost             █████████›    150µs
✗ 1 error   ⊘ 1 cancelled   ? 2 without their parent
",
        );
    }

    #[test]
    fn deep_trees_stay_narrow() {
        let spans: Vec<SpanRecord> =
            (1..=15).map(|id| span(id, Some(id - 1).filter(|&parent| parent > 0), "level", 0..10)).collect();
        check(
            &spans,
            80,
            "
✓ level                            ████████████████████████████████████   10.0µs
✓ └ level                          ████████████████████████████████████   10.0µs
✓   └ level                        ████████████████████████████████████   10.0µs
✓     └ level                      ████████████████████████████████████   10.0µs
✓       └ level                    ████████████████████████████████████   10.0µs
✓         └ level                  ████████████████████████████████████   10.0µs
✓           └ level                ████████████████████████████████████   10.0µs
✓             └ level              ████████████████████████████████████   10.0µs
✓               └ level            ████████████████████████████████████   10.0µs
✓                 └ level          ████████████████████████████████████   10.0µs
✓                   └ level        ████████████████████████████████████   10.0µs
✓                     └ level      ████████████████████████████████████   10.0µs
✓                       └ level    ████████████████████████████████████   10.0µs
✓                       └ +1 level ████████████████████████████████████   10.0µs
✓                       └ +2 level ████████████████████████████████████   10.0µs
",
        );
    }

    #[test]
    fn long_and_dangerous_names_fit() {
        let spans = [
            attempt(span(1, None, "a name that is far too long for the line that it is on", 0..5), 12),
            span(2, Some(1), "\u{1b}[2J日本", 5..5),
        ];
        check(
            &spans,
            50,
            "
✓ a name that is fa… #12 ████████████████   5.00µs
✓ └ �[2J日本                            ▏      0ns
",
        );
    }

    #[test]
    fn lines_have_the_asked_width() {
        for width in [40, 80, 200] {
            let drawn = waterfall(
                &[span(1, None, &"x".repeat(300), 0..9)],
                &WaterfallOptions { width, colour: false },
            );
            assert_eq!(cell::width(drawn.trim_end_matches('\n')), width);
        }
    }

    #[test]
    fn colours_are_only_there_when_asked_for() {
        let spans = [span(1, None, "root", 0..9)];
        let plain = waterfall(&spans, &WaterfallOptions { width: 60, colour: false });
        let coloured = waterfall(&spans, &WaterfallOptions { width: 60, colour: true });
        assert!(!plain.contains('\u{1b}'));
        assert!(coloured.starts_with("\u{1b}[32m✓\u{1b}[0m root"), "{coloured:?}");
        let stripped = coloured.replace("\u{1b}[32m", "").replace("\u{1b}[0m", "");
        assert_eq!(stripped, plain);
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        check(&[], 80, "");
    }

    #[test]
    fn huge_traces_of_any_shape_are_drawn() {
        let count = 50_000;
        let draw = |parent: fn(u64) -> Option<u64>| {
            let spans: Vec<SpanRecord> =
                (1..=count).rev().map(|id| span(id, parent(id), "s", id..count)).collect();
            waterfall(&spans, &WaterfallOptions { width: 80, colour: false }).lines().count() as u64
        };
        assert_eq!(draw(|id| (id > 1).then_some(1)), count);
        assert_eq!(draw(|id| Some(id - 1).filter(|&parent| parent > 0)), count);
        assert_eq!(draw(|id| Some(id + 1_000_000)), count + 1);
    }
}
