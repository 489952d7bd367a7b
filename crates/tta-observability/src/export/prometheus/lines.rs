//! Adds to the library's lines what it does not know: exemplars, the words for infinity, and the classic format.
//!
//! A line feed within a label is escaped, so lines are lines; and no line carries a time yet, so the value is what
//! follows the last space, whatever the labels contain.

use std::fmt::Write as _;

use super::encode::fits;
use crate::metrics::{Distribution, Exemplar, Point, Snapshot};

const HELP: &str = "# HELP ";
const TYPE: &str = "# TYPE ";

/// Completes OpenMetrics. The lines are those of the snapshot, after the one of `target_info`.
pub(super) fn open_metrics(written: &str, snapshot: &Snapshot) -> String {
    let mut page = String::with_capacity(written.len() + written.len() / 8);
    let mut exemplars = std::iter::once(None).chain(exemplars(snapshot));
    for line in written.lines() {
        if line.starts_with('#') {
            page.push_str(line);
        } else {
            push_sample(&mut page, line);
            if let Some(exemplar) = exemplars.next().flatten() {
                push_exemplar(&mut page, exemplar);
            }
        }
        page.push('\n');
    }
    page
}

/// Turns OpenMetrics into the classic format: it names the type by the whole name, and has neither units
/// nor an end.
pub(super) fn classic(written: &str) -> String {
    let mut page = String::with_capacity(written.len());
    let mut help = "";
    for line in written.lines() {
        if let Some(text) = line.strip_prefix(HELP) {
            // Its name depends on the type, which comes next.
            help = text.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some((name, kind)) = line.strip_prefix(TYPE).and_then(|rest| rest.split_once(' ')) {
            let (ending, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                _ => ("", kind),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(page, "{HELP}{name}{ending} {help}\n{TYPE}{name}{ending} {kind}");
        } else if !line.starts_with('#') {
            push_sample(&mut page, line);
            page.push('\n');
        }
    }
    page
}

/// Infinity is spelled with its sign, as everything that reads either format knows it.
fn push_sample(page: &mut String, line: &str) {
    let (series, value) = line.rsplit_once(' ').unwrap_or((line, ""));
    let value = match value {
        "inf" => "+Inf",
        "-inf" => "-Inf",
        value => value,
    };
    page.extend([series, " ", value]);
}

/// The exemplar of each line of samples, in the order in which the library writes them.
fn exemplars(snapshot: &Snapshot) -> impl Iterator<Item = Option<&Exemplar>> {
    snapshot.families.iter().flat_map(|family| {
        let metric = family.metric;
        let fitting = family.series.iter().filter(move |series| fits(metric.kind, &series.point));
        fitting.flat_map(move |series| match &series.point {
            Point::Distribution(distribution) => {
                of_distribution(distribution, metric.buckets.unwrap_or_default())
            }
            Point::Count(_) | Point::Value(_) => vec![None],
        })
    })
}

/// The lines of a histogram: the sum, the count, and each bucket.
fn of_distribution<'snapshot>(
    distribution: &'snapshot Distribution,
    bounds: &[f64],
) -> Vec<Option<&'snapshot Exemplar>> {
    let mut lines = vec![None; 2 + bounds.len() + 1];
    for exemplar in distribution.exemplars.iter().filter(|exemplar| !exemplar.value.is_nan()) {
        let bucket = bounds.partition_point(|bound| *bound < exemplar.value);
        lines[2 + bucket] = Some(exemplar);
    }
    lines
}

/// The time has milliseconds: Prometheus keeps no more.
fn push_exemplar(page: &mut String, exemplar: &Exemplar) {
    let Exemplar { value, time_unix_nanos, trace_id, span_id } = exemplar;
    let (seconds, millis) = (time_unix_nanos / 1_000_000_000, time_unix_nanos / 1_000_000 % 1_000);
    // Writing to a string cannot fail.
    let _ = write!(page, " # {{trace_id=\"{trace_id}\",span_id=\"{span_id}\"}} ");
    let _ = if value.is_infinite() {
        page.write_str(if *value > 0.0 { "+Inf" } else { "-Inf" })
    } else {
        write!(page, "{value:?}")
    };
    let _ = write!(page, " {seconds}.{millis:03}");
}
