//! The time that is shown, and where in it a span lies.

use tta_model::SpanRecord;

use super::span_tree::Row;

/// The time that the bars share, in nanoseconds since 1970.
pub(super) struct Window {
    start: u64,
    end: u64,
}

impl Window {
    /// The time of the roots, or of the orphans when no root is there.
    pub(super) fn of(spans: &[SpanRecord], rows: &[Row]) -> Self {
        let top = || rows.iter().filter(|row| row.depth == 0);
        let has_root = top().any(|row| !row.is_orphan);
        let mut window = Self { start: u64::MAX, end: 0 };
        for row in top().filter(|row| !(has_root && row.is_orphan)) {
            window.start = window.start.min(spans[row.span].start_unix_nanos);
            window.end = window.end.max(spans[row.span].end_unix_nanos);
        }
        window
    }

    /// The bar of a span: a column that it touches is full, and one is always drawn.
    pub(super) fn bar(&self, span: &SpanRecord, columns: usize) -> String {
        let first = self.column(span.start_unix_nanos, columns, false).min(columns - 1);
        let last = self.column(span.end_unix_nanos, columns, true).clamp(first + 1, columns);
        let mut cells = vec![' '; columns];
        // Less than a column is a thin line, or every step of a long run would look alike.
        let is_thin =
            u128::from(span.duration_nanos()) * (columns as u128) < u128::from(self.length().max(1));
        cells[first..last].fill(if is_thin { '▏' } else { '█' });
        if is_thin {
            cells[first + 1..last].fill(' ');
        }
        if span.start_unix_nanos < self.start {
            cells[0] = '‹';
        }
        if span.end_unix_nanos > self.end {
            cells[columns - 1] = '›';
        }
        cells.into_iter().collect()
    }

    fn length(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// The column of a moment, and of one between two columns the later one if asked.
    fn column(&self, moment: u64, columns: usize, round_up: bool) -> usize {
        let length = u128::from(self.length().max(1));
        let offset = u128::from(moment.saturating_sub(self.start)).min(length) * columns as u128;
        let column = if round_up { offset.div_ceil(length) } else { offset / length };
        usize::try_from(column).expect("a column is at most the number of columns")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::span_tree::span_tree;
    use crate::render::waterfall::tests::span;

    #[test]
    fn a_bar_lies_where_its_span_does() {
        let spans = [span(1, None, "root", 100..200)];
        let window = Window::of(&spans, &span_tree(&spans));
        let check = |start: u64, end: u64, expect: &str| {
            assert_eq!(window.bar(&span(2, Some(1), "s", start..end), 10), expect, "{start}..{end}");
        };
        check(100, 200, "██████████");
        check(100, 110, "█         ");
        check(155, 175, "     ███  ");
        check(190, 200, "         █");
        // Less than a column, at the start, across two columns and at the very end.
        check(100, 101, "▏         ");
        check(118, 122, " ▏        ");
        check(200, 200, "         ▏");
        // Outside.
        check(50, 150, "‹████     ");
        check(150, 201, "     ████›");
        check(0, 10, "‹         ");
        check(300, 400, "         ›");
    }

    #[test]
    fn a_run_without_duration_has_bars() {
        let spans = [span(1, None, "root", 5..5)];
        assert_eq!(Window::of(&spans, &span_tree(&spans)).bar(&spans[0], 4), "▏   ");
    }

    #[test]
    fn several_roots_share_the_window_and_orphans_do_not_stretch_it() {
        let spans =
            [span(1, None, "a", 0..50), span(2, None, "b", 50..100), span(3, Some(9), "lost", 0..900)];
        let window = Window::of(&spans, &span_tree(&spans));
        assert_eq!(window.bar(&spans[1], 4), "  ██");
    }
}
