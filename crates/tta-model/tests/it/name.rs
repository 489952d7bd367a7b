//! Names are unique, follow one pattern, and fit the systems that read them.

use std::collections::{BTreeSet, HashSet};

use tta_model::name::attribute::{Attribute, Bound, ValueKind, label};
use tta_model::name::metric::{Metric, MetricKind};
use tta_model::name::{attribute, event, log, metric, span};

fn is_snake(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('_')
        && !text.contains("__")
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn is_dotted(text: &str) -> bool {
    text.split('.').all(is_snake)
}

#[track_caller]
fn assert_unique<'a>(names: impl IntoIterator<Item = &'a str>) {
    let mut seen = HashSet::new();
    for name in names {
        assert!(seen.insert(name), "{name} is there twice");
    }
}

/// The units in use, and nothing else: an annotation counts things, perhaps in a second.
fn is_ucum(unit: &str) -> bool {
    let unit = unit.strip_suffix("/s").unwrap_or(unit);
    let annotation = unit.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    ["1", "s", "ms", "By"].contains(&unit) || annotation.is_some_and(|text| text == "USD" || is_snake(text))
}

#[test]
fn attributes_are_unique_and_named_alike() {
    assert_unique(attribute::ALL.iter().map(|attribute| attribute.key));
    for Attribute { key, kind, unit, bound, meaning } in attribute::ALL.iter().copied() {
        assert!(is_dotted(key), "{key}");
        assert!(!meaning.is_empty() && !meaning.ends_with('.'), "{key}: {meaning}");
        assert!(unit.is_empty() || is_ucum(unit), "{key}: {unit}");
        assert!(
            unit.is_empty() || matches!(kind, ValueKind::Int | ValueKind::Float),
            "{key}: only numbers have units"
        );
        if let Bound::Enumerated(values) = bound {
            assert_unique(values.iter().copied());
            assert!(!values.is_empty(), "{key}");
        }
        if *kind == ValueKind::Bool {
            assert_eq!(*bound, Bound::Enumerated(&["true", "false"]), "{key}");
        }
    }
    assert_unique(label::ALL.iter().map(|label| label.key));
    assert!(label::ALL.iter().all(|label| is_snake(label.key) && label.bound.is_label()));
}

#[test]
fn identifiers_and_content_are_never_labels() {
    for attribute in attribute::ALL {
        let key = attribute.key;
        let is_identifier = key.ends_with(".id") || key.ends_with("_id") || key.ends_with("message");
        assert!(!is_identifier || !attribute.bound.is_label(), "{key}");
    }
    assert!(!attribute::CACHE_KEY.bound.is_label());
}

#[test]
fn an_attribute_gives_a_key() {
    assert_eq!(attribute::PRIMITIVE_NAME.key(), "primitive.name");
    assert_eq!(attribute::tag("team"), "tag.team");
    assert_eq!(attribute::baggage("tier"), "baggage.tier");
}

#[test]
fn statuses_are_the_words_of_the_model() {
    use tta_model::ExecutionStatus::*;
    const WORDS: &[&str] = &[Success.as_str(), Error.as_str(), Timeout.as_str(), Cancelled.as_str()];
    for attribute in [attribute::EXECUTION_STATUS, label::STATUS] {
        assert_eq!(attribute.bound, Bound::Enumerated(WORDS));
    }
}

#[test]
fn span_names_have_three_parts() {
    assert_unique(span::ALL.iter().map(|(name, _)| *name));
    for (name, meaning) in span::ALL {
        assert!(is_dotted(name) && name.split('.').count() == 3, "{name}");
        assert!(!meaning.is_empty(), "{name}");
    }
    assert!(span::PATTERNS.iter().all(|pattern| pattern.split('.').count() == 3));
}

#[test]
fn span_names_are_made_of_safe_parts() {
    let check = |text: &str, expected: &str| assert_eq!(span::part(text), expected, "{text}");
    check("sequential", "sequential");
    check("step_0", "step_0");
    check("SequentialPrimitive", "sequential_primitive");
    check("HTTPServer", "http_server");
    check("gpt-4.1 Mini", "gpt_4_1_mini");
    check("  a..b--c__d  ", "a_b_c_d");
    check("v2Parser", "v2_parser");
    check("Zürich", "zürich");
    check("", "unnamed");
    check("...", "unnamed");
    check(&"x".repeat(100), &"x".repeat(64));
    check(&"aB".repeat(100), &span::part(&"aB".repeat(100)));

    assert_eq!(span::primitive("mock", "execute"), "primitive.mock.execute");
    assert_eq!(span::primitive("sequential", "execute"), span::SEQUENTIAL);
    assert_eq!(span::sequential_step(0), "primitive.sequential.step_0");
    assert_eq!(span::parallel_branch(12), "primitive.parallel.branch_12");
    assert_eq!(span::cache("memory", "lookup"), "cache.memory.lookup");
    assert_eq!(span::memory("redis", "read"), "memory.redis.read");
    assert_eq!(span::llm("openai", "stream"), "llm.openai.stream");
    assert_eq!(span::agent("Coordinator"), "agent.coordinator.execute");
    assert_eq!(span::workflow("order intake"), "workflow.order_intake.execute");
}

#[test]
fn events_are_unique_and_carry_known_attributes() {
    assert_unique(event::ALL.iter().map(|event| event.name));
    for event in event::ALL {
        assert!(is_dotted(event.name), "{}", event.name);
        assert_unique(event.attributes.iter().map(|attribute| attribute.key));
        assert!(
            event.attributes.iter().all(|attribute| attribute::ALL.contains(attribute)),
            "{}",
            event.name
        );
    }
    assert_unique(log::ALL.iter().map(|event| event.name));
    for event in log::ALL {
        assert!(is_snake(event.name) && !event.meaning.is_empty(), "{}", event.name);
        assert!(!event.name.ends_with("_failed") || event.severity >= log::Severity::Warn, "{}", event.name);
    }
}

#[test]
fn metrics_have_bounded_labels_and_a_unit() {
    assert_unique(metric::ALL.iter().chain(metric::server::ALL).map(|metric| metric.name));
    for Metric { name, kind, unit, labels, buckets, .. } in
        metric::ALL.iter().chain(metric::server::ALL).copied()
    {
        assert!(is_dotted(name), "{name}");
        assert!(is_ucum(unit), "{name}: {unit}");
        assert_eq!(buckets.is_some(), *kind == MetricKind::Histogram, "{name}");
        assert!(buckets.unwrap_or_default().is_sorted_by(|low, high| low < high), "{name}");
        assert_unique(labels.iter().map(|label| label.key));
        for label in *labels {
            assert!(label.bound.is_label(), "{name} has the unbounded label {label}");
            assert!(attribute::ALL.contains(label) || label::ALL.contains(label), "{name}: {label}");
        }
    }
    let scaled: Vec<f64> = metric::BUCKETS_MS.iter().map(|bound| bound / 1000.0).collect();
    assert_eq!(metric::BUCKETS_S, scaled);
}

#[test]
fn metrics_fit_prometheus() {
    let mut series = BTreeSet::new();
    for metric in metric::ALL.iter().chain(metric::server::ALL) {
        let name = metric.prometheus_name();
        assert!(is_snake(&name), "{name}");
        assert_eq!(name.ends_with("_total"), metric.kind == MetricKind::Counter, "{name}");
        let suffixes: &[&str] = match metric.kind {
            MetricKind::Histogram => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        for suffix in suffixes {
            assert!(series.insert(format!("{name}{suffix}")), "{name}{suffix} is there twice");
        }
        let labels: BTreeSet<String> =
            metric.labels.iter().map(|label| metric::prometheus_label(label.key)).collect();
        assert_eq!(labels.len(), metric.labels.len(), "{name}: two labels become one");
        assert!(!labels.contains("le") && !labels.contains("job") && !labels.contains("instance"), "{name}");
    }
    let check = |metric: Metric, expected: &str| assert_eq!(metric.prometheus_name(), expected);
    check(metric::PRIMITIVE_EXECUTION_COUNT, "primitive_execution_count_total");
    check(metric::LLM_TOKENS_TOTAL, "llm_tokens_total");
    check(metric::CACHE_HITS, "cache_hits_total");
    check(metric::AGENT_WORKFLOWS_ACTIVE, "agent_workflows_active");
    check(metric::SLO_COMPLIANCE, "slo_compliance_ratio");
    check(metric::GEN_AI_CLIENT_OPERATION_DURATION, "gen_ai_client_operation_duration_seconds");
    for metric in metric::ALL.iter().filter(|metric| metric.name.starts_with("tta_")) {
        assert_eq!(metric.prometheus_name(), metric.name, "the name is that of the query already");
    }
}
