//! What is written on the page.

use std::collections::BTreeSet;

use tta_model::name::attribute as names;
use tta_model::name::metric::{self, Metric, MetricKind};
use tta_observability::export::prometheus::{Format, encode};
use tta_observability::metrics::{Distribution, Labels, Point, Snapshot};

use super::{any_point, distribution, family, labels, large, lookups, resource, snapshot};

const BOTH: [Format; 2] = [Format::OpenMetrics, Format::Classic];

fn sample() -> Snapshot {
    let tricky = "a \"quoted\" \\ path\nof two lines # {x=\"y\"} 1 +Inf inf";
    snapshot(vec![
        family(
            &metric::LLM_COST_TOTAL,
            vec![
                (labels(&[(names::LLM_MODEL_NAME, "small")]), Point::Value(0.25)),
                (labels(&[(names::LLM_MODEL_NAME, tricky)]), Point::Value(1e-7)),
            ],
        ),
        family(&metric::CACHE_TOTAL, vec![(Labels::new(), Point::Count(9_007_199_254_740_993))]),
        family(&metric::AGENT_WORKFLOWS_ACTIVE, vec![(Labels::new(), Point::Count(-2))]),
        family(&metric::SLO_COMPLIANCE, vec![(labels(&[(names::SLO_NAME, "fast")]), Point::Value(0.995))]),
        family(
            &metric::GEN_AI_CLIENT_OPERATION_DURATION,
            vec![(
                labels(&[(names::GEN_AI_REQUEST_MODEL, "small")]),
                distribution(
                    &metric::GEN_AI_CLIENT_OPERATION_DURATION,
                    &[0.01, 0.5, 0.5, 90.0],
                    &[0.5, 0.01, 90.0],
                ),
            )],
        ),
    ])
}

const OPEN_METRICS: &str = include_str!("golden/openmetrics.txt");

const CLASSIC: &str = include_str!("golden/classic.txt");

#[test]
fn a_page_of_openmetrics() {
    assert_eq!(encode(sample(), &resource(), Format::OpenMetrics), OPEN_METRICS);
}

#[test]
fn a_page_of_the_classic_format() {
    assert_eq!(encode(sample(), &resource(), Format::Classic), CLASSIC);
}

/// The lines of a page that begin with these words, without them.
fn rest_of<'page>(page: &'page str, words: &str) -> Vec<&'page str> {
    page.lines().filter_map(|line| line.strip_prefix(words)).collect()
}

/// The names of the samples of a page but `target_info`.
fn sampled(page: &str) -> BTreeSet<&str> {
    let lines = page.lines().filter(|line| !line.starts_with(['#']));
    let names = lines.filter_map(|line| line.split(['{', ' ']).next());
    names.filter(|name| !name.starts_with("target")).collect()
}

#[test]
fn every_metric_has_its_standard_name() {
    for metric in metric::ALL {
        let name = metric.prometheus_name();
        let endings: &[&str] =
            if metric.kind == MetricKind::Histogram { &["_bucket", "_count", "_sum"] } else { &[""] };
        let expected: Vec<String> = endings.iter().map(|ending| format!("{name}{ending}")).collect();
        for format in BOTH {
            let page = encode(page_of(metric), &resource(), format);
            assert!(sampled(&page).iter().eq(expected.iter()), "{expected:?}\n{page}");
        }
    }
}

#[test]
fn every_metric_is_described() {
    for metric in metric::ALL {
        let name = metric.prometheus_name();
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Histogram => "histogram",
            MetricKind::Gauge | MetricKind::UpDownCounter => "gauge",
        };
        let classic = encode(page_of(metric), &resource(), Format::Classic);
        assert_eq!(rest_of(&classic, "# TYPE ")[1..], [format!("{name} {kind}")]);
        assert_eq!(rest_of(&classic, "# HELP ")[1..], [format!("{name} {}", metric.meaning)]);
        assert!(!metric.meaning.contains(['\\', '\n']), "{}", metric.meaning);

        let open = encode(page_of(metric), &resource(), Format::OpenMetrics);
        let family =
            if kind == "counter" { name.strip_suffix("_total").expect("a counter ends so") } else { &name };
        assert_eq!(rest_of(&open, "# TYPE ")[1..], [format!("{family} {kind}")]);
        assert_eq!(rest_of(&open, "# HELP ")[1..], [format!("{family} {}", metric.meaning)]);
        for unit in rest_of(&open, "# UNIT ") {
            let (described, unit) = unit.split_once(' ').expect("a name and a unit");
            assert!(described == family && family.ends_with(&format!("_{unit}")), "{family} {unit}");
        }
        let has_unit = ["ms", "s", "By"].contains(&metric.unit) || (metric.unit == "1" && kind == "gauge");
        assert_eq!(rest_of(&open, "# UNIT ").len(), usize::from(has_unit), "{name}");
    }
}

fn page_of(metric: &'static Metric) -> Snapshot {
    snapshot(vec![family(metric, vec![(Labels::new(), any_point(metric))])])
}

#[test]
fn no_two_metrics_share_a_name_or_a_label_twice() {
    let mut names = BTreeSet::new();
    for metric in metric::ALL {
        let name = metric.prometheus_name();
        let endings: &[&str] =
            if metric.kind == MetricKind::Histogram { &["", "_bucket", "_count", "_sum"] } else { &[""] };
        for ending in endings {
            assert!(names.insert(format!("{name}{ending}")), "{name}{ending}");
        }
        let labels: BTreeSet<String> =
            metric.labels.iter().map(|label| metric::prometheus_label(label.key)).collect();
        assert_eq!(labels.len(), metric.labels.len(), "{name}");
        assert!(!labels.contains("le"), "{name}");
    }
}

#[test]
fn floats_that_are_no_numbers_are_spelled_as_prometheus_does() {
    let check = |value: f64, expected: &str| {
        for format in BOTH {
            for metric in [&metric::SLO_BURN_RATE, &metric::LLM_COST_TOTAL] {
                let page = encode(
                    snapshot(vec![family(metric, vec![(Labels::new(), Point::Value(value))])]),
                    &resource(),
                    format,
                );
                assert!(page.contains(&format!("\n{} {expected}\n", metric.prometheus_name())), "{page}");
            }
        }
    };
    check(f64::NAN, "NaN");
    check(f64::INFINITY, "+Inf");
    check(f64::NEG_INFINITY, "-Inf");
    check(0.1, "0.1");
    check(-0.0, "-0.0");
    check(1e300, "1e300");
}

#[test]
fn exemplars_of_extreme_values_are_in_their_buckets() {
    let metric = &metric::TTA_EXECUTION_DURATION_SECONDS;
    let point = distribution(metric, &[0.0, f64::INFINITY], &[f64::INFINITY, 0.0, f64::NAN]);
    let page = encode(
        snapshot(vec![family(metric, vec![(Labels::new(), point)])]),
        &resource(),
        Format::OpenMetrics,
    );
    let examples: Vec<&str> = page.lines().filter(|line| line.contains(" # {")).collect();
    assert_eq!(examples.len(), 2, "{page}");
    assert!(
        examples[0].contains("{le=\"0.00005\"} 1 # {") && examples[0].contains("\"} 0.0 1700000000.045"),
        "{page}"
    );
    assert!(
        examples[1].contains("{le=\"+Inf\"} 2 # {") && examples[1].contains("\"} +Inf 1700000000.045"),
        "{page}"
    );
    assert!(page.contains("_sum +Inf\n"), "{page}");
}

#[test]
fn the_last_bucket_is_the_count_even_where_buckets_are_missing() {
    let check = |buckets: Vec<u64>| {
        let metric = &metric::TTA_WORKFLOW_DURATION_SECONDS;
        let point = Point::Distribution(Box::new(Distribution {
            count: 5,
            sum: 1.0,
            buckets,
            ..Distribution::default()
        }));
        let page = encode(
            snapshot(vec![family(metric, vec![(Labels::new(), point)])]),
            &resource(),
            Format::Classic,
        );
        let buckets = rest_of(&page, "tta_workflow_duration_seconds_bucket");
        assert_eq!(buckets.len(), metric.buckets.unwrap().len() + 1);
        assert_eq!(buckets.last(), Some(&"{le=\"+Inf\"} 5"));
    };
    check(vec![]);
    check(vec![1, 2]);
    check(vec![9; 40]);
}

#[test]
fn a_measurement_of_another_kind_is_left_out() {
    let wrong = distribution(&metric::TTA_WORKFLOW_DURATION_SECONDS, &[1.0], &[1.0]);
    let right = any_point(&metric::TTA_EXECUTION_DURATION_SECONDS);
    let mixed = snapshot(vec![
        family(&metric::CACHE_HITS, vec![(Labels::new(), wrong), (Labels::new(), Point::Count(1))]),
        family(
            &metric::TTA_EXECUTION_DURATION_SECONDS,
            vec![(Labels::new(), Point::Count(1)), (Labels::new(), right)],
        ),
    ]);
    let page = encode(mixed, &resource(), Format::OpenMetrics);
    assert!(page.contains("\ncache_hits_total 1\n# HELP"), "{page}");
    assert!(page.contains("_bucket{le=\"1.0\"} 1 # {"), "{page}");
}

#[test]
fn nothing_measured_is_a_page_too() {
    let page = encode(Snapshot::default(), &resource(), Format::OpenMetrics);
    assert!(page.starts_with("# HELP target ") && page.ends_with("\n# EOF\n"), "{page}");
    assert!(encode(lookups(0), &resource(), Format::Classic).ends_with("\ncache_total 0\n"));
}

#[test]
fn many_series_are_written() {
    for format in BOTH {
        let page = encode(large(), &resource(), format);
        let counts =
            page.lines().filter(|line| line.starts_with("primitive_execution_duration_milliseconds_count"));
        assert!(counts.clone().count() == 2_000 && counts.clone().all(|line| line.ends_with(" 2")));
        assert_eq!(page.matches("_bucket{").count(), 2_000 * 20);
        let examples = if format == Format::OpenMetrics { 2_000 } else { 0 };
        assert_eq!(page.matches("le=\"100.0\",").count(), 2_000);
        let examples_there =
            page.lines().filter(|line| line.contains("le=\"100.0\"") && line.contains(" 2 # {trace_id"));
        assert_eq!(examples_there.count(), examples);
    }
}
