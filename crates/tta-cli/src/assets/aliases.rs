//! Recording rules for the short names of metrics.
//!
//! Prometheus appends units and `_total` to OpenTelemetry's names. Queries that were written without these endings find
//! their series all the same, under a second name that the rules record.

use serde::Serialize;
use tta_model::name::metric::{self, Metric, MetricKind, prometheus_label};

/// The series of a histogram.
const HISTOGRAM: &[&str] = &["_bucket", "_sum", "_count"];
/// What a metric of the conventions for generative AI begins with: everyone knows these by their standard names.
const GEN_AI: &str = "gen_ai_";

/// A file of rules.
#[derive(Debug, Serialize)]
pub(super) struct RuleFile {
    groups: Vec<Group>,
}

#[derive(Debug, Serialize)]
struct Group {
    name: &'static str,
    rules: Vec<Recording>,
}

/// One series under another name.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Recording {
    record: String,
    expr: String,
}

/// A rule for each series whose name is longer than the metric's own.
pub(super) fn rules() -> RuleFile {
    let rules = metric::ALL.iter().flat_map(|metric| aliases(metric)).collect();
    RuleFile { groups: vec![Group { name: "tta-aliases", rules }] }
}

fn aliases(metric: &Metric) -> Vec<Recording> {
    let (short, shown) = (prometheus_label(metric.name), metric.prometheus_name());
    if short == shown || short.starts_with(GEN_AI) {
        return Vec::new();
    }
    let series = if metric.kind == MetricKind::Histogram { HISTOGRAM } else { &[""] };
    series
        .iter()
        .map(|series| Recording { record: format!("{short}{series}"), expr: format!("{shown}{series}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(metric: &Metric, expected: &[(&str, &str)]) {
        let made = aliases(metric);
        let made: Vec<_> = made.iter().map(|rule| (rule.record.as_str(), rule.expr.as_str())).collect();
        assert_eq!(made, expected);
    }

    #[test]
    fn endings_are_left_out() {
        check(&metric::CACHE_HITS, &[("cache_hits", "cache_hits_total")]);
        check(&metric::SLO_BURN_RATE, &[("slo_burn_rate", "slo_burn_rate_ratio")]);
        let shown = "primitive_execution_duration_milliseconds";
        check(
            &metric::PRIMITIVE_EXECUTION_DURATION,
            &[
                ("primitive_execution_duration_bucket", &format!("{shown}_bucket")),
                ("primitive_execution_duration_sum", &format!("{shown}_sum")),
                ("primitive_execution_duration_count", &format!("{shown}_count")),
            ],
        );
    }

    #[test]
    fn names_that_are_short_already_need_no_rule() {
        check(&metric::CACHE_TOTAL, &[]);
        check(&metric::AGENT_WORKFLOWS_ACTIVE, &[]);
        check(&metric::TTA_REQUESTS_TOTAL, &[]);
        check(&metric::GEN_AI_CLIENT_OPERATION_DURATION, &[]);
    }

    #[test]
    fn no_rule_hides_a_metric() {
        let RuleFile { groups } = rules();
        let shown: Vec<String> = metric::ALL.iter().map(|metric| metric.prometheus_name()).collect();
        let mut recorded: Vec<&str> = groups[0].rules.iter().map(|rule| rule.record.as_str()).collect();
        assert!(recorded.iter().all(|name| shown.iter().all(|metric| metric != name)), "{recorded:?}");
        let count = recorded.len();
        recorded.sort_unstable();
        recorded.dedup();
        assert_eq!(recorded.len(), count, "each name once");
    }
}
