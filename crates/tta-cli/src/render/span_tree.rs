//! The order in which the spans of a trace are shown.

use std::collections::HashMap;

use tta_model::{SpanId, SpanRecord};

/// The place of one span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its index in the given spans.
    pub(super) span: usize,
    /// How many ancestors it has.
    pub(super) depth: usize,
    /// Whether no sibling follows.
    pub(super) is_last: bool,
    /// Whether it names a parent of this process below which it is not: one that is missing, or one
    /// that is its own descendant. A parent in another process is expected to be elsewhere.
    pub(super) is_orphan: bool,
}

/// Every span once, parents before their children, siblings by their start and then as given.
///
/// Nothing is recursive: a trace from outside may be as deep as it has spans.
pub(super) fn span_tree(spans: &[SpanRecord]) -> Vec<Row> {
    let mut by_id: HashMap<SpanId, usize> = HashMap::with_capacity(spans.len());
    for (index, span) in spans.iter().enumerate() {
        // Of two with one id the first is the parent; both are shown.
        by_id.entry(span.span_id).or_insert(index);
    }
    let mut by_start: Vec<usize> = (0..spans.len()).collect();
    by_start.sort_by_key(|&index| spans[index].start_unix_nanos);

    let mut tops = Vec::new();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
    for &index in &by_start {
        match spans[index].parent_span_id.and_then(|parent| by_id.get(&parent)) {
            Some(&parent) => children[parent].push(index),
            None => tops.push(index),
        }
    }
    let mut walk = Walk { spans, children, seen: vec![false; spans.len()], rows: Vec::new() };
    for index in tops.into_iter().chain(by_start) {
        // What is not below any top is in a circle, and is entered at its first span.
        walk.visit_from(index);
    }
    walk.rows
}

struct Walk<'a> {
    spans: &'a [SpanRecord],
    children: Vec<Vec<usize>>,
    seen: Vec<bool>,
    rows: Vec<Row>,
}

impl Walk<'_> {
    fn visit_from(&mut self, top: usize) {
        if self.seen[top] {
            return;
        }
        self.seen[top] = true;
        let is_orphan = self.spans[top].parent_span_id.is_some() && !self.spans[top].parent_is_remote;
        let mut open = vec![Row { span: top, depth: 0, is_last: true, is_orphan }];
        while let Some(row) = open.pop() {
            self.rows.push(row);
            let mut is_last = true;
            // The last child goes on the stack first, and comes off it last.
            for &child in self.children[row.span].iter().rev() {
                if !std::mem::replace(&mut self.seen[child], true) {
                    open.push(Row { span: child, depth: row.depth + 1, is_last, is_orphan: false });
                    is_last = false;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::waterfall::tests::span;

    /// The rows as indented ids, with `?` for an orphan and `.` after the last of siblings.
    fn check(spans: &[SpanRecord], expect: &[&str]) {
        let shown: Vec<String> = span_tree(spans)
            .iter()
            .map(|row| {
                let indent = " ".repeat(row.depth);
                let orphan = if row.is_orphan { "?" } else { "" };
                let last = if row.is_last { "." } else { "" };
                format!("{indent}{orphan}{}{last}", spans[row.span].name)
            })
            .collect();
        assert_eq!(shown, expect);
    }

    #[test]
    fn children_stand_below_their_parent_by_start() {
        check(
            &[
                span(4, Some(2), "leaf", 20..30),
                span(3, Some(1), "second", 50..60),
                span(2, Some(1), "first", 10..40),
                span(5, Some(1), "also second", 50..60),
                span(1, None, "root", 0..100),
            ],
            &["root.", " first", "  leaf.", " second", " also second."],
        );
    }

    #[test]
    fn a_missing_parent_makes_an_orphan_unless_it_is_remote() {
        let mut remote = span(3, Some(77), "served", 0..9);
        remote.parent_is_remote = true;
        check(
            &[span(1, None, "root", 0..9), span(2, Some(9), "lost", 5..6), remote],
            &["root.", "served.", "?lost."],
        );
    }

    #[test]
    fn a_circle_is_shown_once() {
        check(
            &[
                span(1, Some(2), "a", 0..9),
                span(2, Some(1), "b", 1..8),
                span(3, Some(3), "self", 2..3),
                span(4, Some(2), "below", 3..4),
            ],
            &["?a.", " b.", "  below.", "?self."],
        );
    }

    #[test]
    fn a_span_that_came_twice_is_shown_twice() {
        check(
            &[
                span(1, None, "root", 0..9),
                span(1, None, "root again", 0..9),
                span(2, Some(1), "child", 1..2),
            ],
            &["root.", " child.", "root again."],
        );
    }

    #[test]
    fn nothing_gives_nothing() {
        check(&[], &[]);
    }
}
