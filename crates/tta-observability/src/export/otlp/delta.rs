//! What was counted since a receiver acknowledged a collection.
//!
//! Both ends are states of the same counters, so their difference is exact, and what a lost request carried is in the
//! next one: it counts from the same acknowledged state.

use std::collections::HashMap;

use tta_model::name::metric::MetricKind;

use crate::convert::proto::metrics::Collection;
use crate::metrics::{Distribution, ExponentialBuckets, Family, Labels, Point, Series, Snapshot};

/// What came since the acknowledged state; everything if there is none.
///
/// A series that did not change is left out. What may shrink is not a difference: it is as it is.
pub(super) fn since(now: &Snapshot, acknowledged: Option<&Snapshot>) -> Collection {
    // A clock that was set back must not make an interval that ends before it begins.
    let since_unix_nanos =
        acknowledged.map_or(now.start_unix_nanos, |then| then.time_unix_nanos.min(now.time_unix_nanos));
    let families = now.families.iter().map(|family| match (family.metric.kind, acknowledged) {
        (MetricKind::Counter | MetricKind::Histogram, Some(then)) => family_since(family, then),
        _ => family.clone(),
    });
    let snapshot = Snapshot { families: families.collect(), ..*now };
    Collection { snapshot, since_unix_nanos: Some(since_unix_nanos) }
}

fn family_since(family: &Family, then: &Snapshot) -> Family {
    let before = then.family(family.metric).into_iter().flat_map(|family| &family.series);
    let before: HashMap<&Labels, &Point> = before.map(|series| (&series.labels, &series.point)).collect();
    let series = family.series.iter().filter_map(|series| {
        let point = match before.get(&series.labels) {
            Some(before) => point_since(&series.point, before, then.time_unix_nanos)?,
            // A new series is told even if nothing was counted in it yet.
            None => series.point.clone(),
        };
        Some(Series { labels: series.labels.clone(), point })
    });
    Family { metric: family.metric, series: series.collect() }
}

/// The difference, if there is one. What is less than before was reset, and all of it is new.
fn point_since(now: &Point, before: &Point, time: u64) -> Option<Point> {
    match (now, before) {
        (Point::Count(now), Point::Count(before)) => {
            let difference = now.checked_sub(*before).filter(|difference| *difference >= 0).unwrap_or(*now);
            (difference != 0).then_some(Point::Count(difference))
        }
        (Point::Value(now), Point::Value(before)) => {
            let difference = if now < before { *now } else { now - before };
            (difference != 0.0).then_some(Point::Value(difference))
        }
        (Point::Distribution(now), Point::Distribution(before)) => {
            let difference = distribution_since(now, before, time).unwrap_or_else(|| (**now).clone());
            let is_empty = difference.count == 0 && exponential_count(&difference) == 0;
            (!is_empty).then(|| Point::Distribution(Box::new(difference)))
        }
        // A metric is always of one kind.
        _ => Some(now.clone()),
    }
}

fn exponential_count(distribution: &Distribution) -> u64 {
    distribution
        .exponential
        .as_ref()
        .map_or(0, |buckets| buckets.zero_count + buckets.counts.iter().sum::<u64>())
}

/// The difference of two states; none if the later one has less in a bucket.
fn distribution_since(now: &Distribution, before: &Distribution, time: u64) -> Option<Distribution> {
    if now.buckets.len() != before.buckets.len() {
        return None;
    }
    let buckets = now.buckets.iter().zip(&before.buckets).map(|(now, before)| now.checked_sub(*before));
    let exponential = match (&now.exponential, &before.exponential) {
        (Some(now), Some(before)) => Some(buckets_since(now, before)?),
        (now, _) => now.clone(),
    };
    Some(Distribution {
        count: now.count.checked_sub(before.count)?,
        sum: (now.sum - before.sum).max(0.0),
        buckets: buckets.collect::<Option<_>>()?,
        exponential,
        exemplars: now.exemplars.iter().filter(|exemplar| exemplar.time_unix_nanos > time).copied().collect(),
    })
}

/// The difference of two states of the same scale.
fn buckets_since(now: &ExponentialBuckets, before: &ExponentialBuckets) -> Option<ExponentialBuckets> {
    if now.scale != before.scale {
        return None;
    }
    let mut counts = now.counts.clone();
    for (index, count) in (before.offset..).zip(&before.counts).filter(|(_, count)| **count > 0) {
        let place = usize::try_from(index.checked_sub(now.offset)?).ok()?;
        let left = counts.get_mut(place)?;
        *left = left.checked_sub(*count)?;
    }
    // Buckets that are empty at both ends would cost the resolution of those between them.
    let first = counts.iter().position(|count| *count > 0).unwrap_or(counts.len());
    let last = counts.iter().rposition(|count| *count > 0).map_or(first, |last| last + 1);
    Some(ExponentialBuckets {
        scale: now.scale,
        zero_count: now.zero_count.checked_sub(before.zero_count)?,
        offset: now.offset.saturating_add(i32::try_from(first).ok()?),
        counts: counts[first..last].to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use tta_model::name::metric;
    use tta_model::{SpanId, TraceId};

    use super::*;
    use crate::metrics::Exemplar;

    fn snapshot(time: u64, metric: &'static metric::Metric, points: &[(&'static str, Point)]) -> Snapshot {
        let series = points.iter().map(|(label, point)| Series {
            labels: vec![("label".into(), (*label).into())],
            point: point.clone(),
        });
        let families = vec![Family { metric, series: series.collect() }];
        Snapshot { start_unix_nanos: 10, time_unix_nanos: time, families }
    }

    fn points(collection: &Collection) -> Vec<(&str, &Point)> {
        let series = &collection.snapshot.families[0].series;
        series.iter().map(|series| (series.labels[0].1.as_str(), &series.point)).collect()
    }

    #[test]
    fn counters_are_subtracted_and_what_shrinks_is_not() {
        let counter = &metric::TTA_LLM_TOKENS_TOTAL;
        let then = [("a", Point::Count(5)), ("same", Point::Count(7)), ("reset", Point::Count(9))];
        let now = [
            ("a", Point::Count(8)),
            ("new", Point::Count(0)),
            ("reset", Point::Count(2)),
            ("same", Point::Count(7)),
        ];
        let (then, now) = (snapshot(20, counter, &then), snapshot(30, counter, &now));
        let first = since(&then, None);
        assert_eq!((first.since_unix_nanos, &first.snapshot), (Some(10), &then));
        let next = since(&now, Some(&then));
        assert_eq!(next.since_unix_nanos, Some(20));
        let expect = [("a", &Point::Count(3)), ("new", &Point::Count(0)), ("reset", &Point::Count(2))];
        assert_eq!(points(&next), expect);
        for metric in [&metric::AGENT_WORKFLOWS_ACTIVE, &metric::TTA_ACTIVE_REQUESTS] {
            let (then, now) = (
                snapshot(20, metric, &[("a", Point::Count(5))]),
                snapshot(30, metric, &[("a", Point::Count(3))]),
            );
            assert_eq!(points(&since(&now, Some(&then))), [("a", &Point::Count(3))]);
        }
        let money = |value| snapshot(20, &metric::LLM_COST_TOTAL, &[("a", Point::Value(value))]);
        assert_eq!(points(&since(&money(2.5), Some(&money(1.0)))), [("a", &Point::Value(1.5))]);
        assert_eq!(points(&since(&money(2.5), Some(&money(2.5)))), []);
    }

    fn distribution(buckets: &[u64], exponential: (i32, &[u64]), exemplar_times: &[u64]) -> Point {
        let exemplar = |time: &u64| Exemplar {
            value: 1.0,
            time_unix_nanos: *time,
            trace_id: TraceId::new(1).expect("not zero"),
            span_id: SpanId::new(1).expect("not zero"),
        };
        let (offset, counts) = (exponential.0, exponential.1.to_vec());
        let count = buckets.iter().sum();
        Point::Distribution(Box::new(Distribution {
            count,
            sum: count as f64 * 2.0,
            buckets: buckets.to_vec(),
            exponential: Some(ExponentialBuckets { scale: 5, zero_count: count, offset, counts }),
            exemplars: exemplar_times.iter().map(exemplar).collect(),
        }))
    }

    #[test]
    fn distributions_are_subtracted_bucket_by_bucket() {
        let check = |then: Point, now: Point, expect: Option<Point>| {
            let metric = &metric::PRIMITIVE_EXECUTION_DURATION;
            let (then, now) = (snapshot(20, metric, &[("a", then)]), snapshot(30, metric, &[("a", now)]));
            assert_eq!(points(&since(&now, Some(&then))).first().map(|(_, point)| (*point).clone()), expect);
        };
        let then = || distribution(&[1, 2], (3, &[1, 0, 2]), &[15]);
        check(then(), then(), None);
        check(
            then(),
            distribution(&[1, 5], (1, &[4, 0, 1, 0, 3, 1, 0]), &[15, 25]),
            Some(distribution(&[0, 3], (1, &[4, 0, 0, 0, 1, 1]), &[25])),
        );
        let reset = distribution(&[0, 4], (3, &[4]), &[]);
        check(then(), reset.clone(), Some(reset));
    }
}
