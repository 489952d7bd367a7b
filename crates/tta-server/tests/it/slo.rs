//! How objectives stand, from the metrics that programs send of them.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point,
};
use prost::Message;
use tta_model::name::attribute as a;
use tta_model::name::metric as m;
use tta_model::slo::Urgency;
use tta_server::read::{SloHealth, SloQuery, SloStatus, SloSubject, slo};
use tta_server::{Metrics, Store};

use crate::support::{NOW, open, resource, text};

pub(crate) const SECOND: u64 = 1_000_000_000;
pub(crate) const MINUTE: u64 = 60 * SECOND;
pub(crate) const HOUR: u64 = 60 * MINUTE;

/// What a program tells of one objective at one time.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) service: &'static str,
    pub(crate) instance: &'static str,
    pub(crate) name: &'static str,
    pub(crate) time: u64,
    /// By window, its own last: the part that was good, if anything happened, and the burn rate.
    pub(crate) windows: Vec<(&'static str, Option<f64>, f64)>,
    pub(crate) budget: f64,
}

impl Told {
    fn point(&self, window: &str, value: f64) -> NumberDataPoint {
        let attributes = [
            (a::SLO_NAME.key, self.name),
            (a::SLO_TARGET.key, "0.99"),
            (a::WORKFLOW_NAME.key, "report"),
            (a::SLO_WINDOW.key, window),
        ];
        NumberDataPoint {
            time_unix_nano: self.time,
            attributes: attributes.map(|(key, value)| text(key, value)).to_vec(),
            value: Some(number_data_point::Value::AsDouble(value)),
            ..NumberDataPoint::default()
        }
    }

    /// The request of the program, as TTA's exporter writes it.
    pub(crate) fn request(&self) -> Vec<u8> {
        let own = self.windows.last().expect("it has one").0;
        let good = self.windows.iter().filter_map(|(label, good, _)| Some(self.point(label, (*good)?)));
        let burnt = self.windows.iter().map(|(label, _, rate)| self.point(label, *rate));
        let series = [
            (m::SLO_COMPLIANCE.name, good.collect()),
            (m::SLO_BURN_RATE.name, burnt.collect()),
            (m::SLO_ERROR_BUDGET_REMAINING.name, vec![self.point(own, self.budget)]),
        ];
        let metrics = series.map(|(name, data_points)| Metric {
            name: name.to_owned(),
            data: Some(Data::Gauge(Gauge { data_points })),
            ..Metric::default()
        });
        let mut resource = resource(self.service);
        let instance: KeyValue = text(a::SERVICE_INSTANCE_ID.key, self.instance);
        resource.attributes.push(instance);
        let scope_metrics = vec![ScopeMetrics { metrics: metrics.to_vec(), ..ScopeMetrics::default() }];
        let group = ResourceMetrics { resource: Some(resource), scope_metrics, ..ResourceMetrics::default() };
        ExportMetricsServiceRequest { resource_metrics: vec![group] }.encode_to_vec()
    }
}

/// An objective over 30 days, of which nothing is spent.
pub(crate) fn told(name: &'static str, time: u64) -> Told {
    let labels = ["5m", "30m", "1h", "6h", "1d", "3d", "30d"];
    let windows = labels.map(|label| (label, Some(1.0), 0.0)).to_vec();
    Told { service: "shop", instance: "one", name, time, windows, budget: 1.0 }
}

fn put(store: &Store, told: &Told) {
    let scanned = Metrics::scan(told.request().into()).expect("it is a request");
    assert!(scanned.rejected().reasons().next().is_none());
    store.submit(scanned.into()).expect("there is room").blocking_wait().expect("it is written");
}

fn query(now: u64) -> SloQuery {
    let now = std::time::UNIX_EPOCH + Duration::from_nanos(now);
    SloQuery::last_day(now)
}

fn ask(store: &Store, query: &SloQuery) -> Vec<SloStatus> {
    slo(&store.reader(), query).expect("it is read")
}

fn windows(of: &Told, rates: [f64; 7]) -> Told {
    let windows =
        of.windows.iter().zip(rates).map(|((label, ..), rate)| (*label, Some(1.0 - rate / 100.0), rate));
    Told { windows: windows.collect(), budget: 1.0 - rates[6], ..of.clone() }
}

#[test]
fn an_objective_stands_as_it_was_told_last() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    for minute in 0..90 {
        let rate = f64::from(minute as u32) / 100.0;
        put(&store, &windows(&told("quick", NOW + minute * MINUTE), [rate; 7]));
    }
    let last = Told {
        // Nothing happened in the last five minutes, so their compliance is not told.
        windows: vec![
            ("5m", None, 0.0),
            ("30m", Some(0.999), 0.1),
            ("1h", Some(0.998), 0.2),
            ("30d", Some(0.9975), 0.25),
        ],
        budget: 0.75,
        ..told("quick", NOW + 90 * MINUTE)
    };
    put(&store, &last);
    let [status] = &ask(&store, &query(NOW + 91 * MINUTE))[..] else { panic!("one objective") };
    assert_eq!((status.service.as_str(), status.name.as_str()), ("shop", "quick"));
    assert_eq!(status.instances, ["one"]);
    assert_eq!(status.subject, Some(SloSubject::Workflow(String::from("report"))));
    assert_eq!((status.target, status.window.as_str()), (Some(0.99), "30d"));
    assert_eq!(status.time_unix_nanos, (NOW + 90 * MINUTE) as i64);
    assert!(!status.is_stale);
    let windows: Vec<_> =
        status.windows.iter().map(|w| (w.label.as_str(), w.compliance, w.burn_rate)).collect();
    let expect =
        last.windows.iter().map(|(label, good, rate)| (*label, *good, Some(*rate))).collect::<Vec<_>>();
    assert_eq!(windows, expect);
    assert_eq!((status.compliance(), status.budget_remaining), (Some(0.9975), Some(0.75)));
    assert_eq!(status.health(), SloHealth::Healthy);
}

#[test]
fn it_is_judged_by_two_windows_and_the_budget() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    // The burn rates over 5m, 30m, 1h, 6h, 1d, 3d and 30d.
    let cases = [
        ("a", [14.4, 14.4, 14.4, 6.0, 1.0, 1.0, 0.1], SloHealth::Healthy, None),
        ("b", [14.5, 0.0, 14.5, 5.0, 0.9, 0.5, 0.1], SloHealth::AtRisk, Some((Urgency::Page, 14.5))),
        ("c", [14.3, 0.0, 90.0, 5.0, 0.9, 0.5, 0.1], SloHealth::Healthy, None),
        ("d", [0.0, 6.1, 6.1, 6.1, 2.0, 0.5, 0.1], SloHealth::AtRisk, Some((Urgency::Page, 6.1))),
        ("e", [0.0, 0.0, 0.0, 1.1, 1.1, 1.1, 0.1], SloHealth::AtRisk, Some((Urgency::Ticket, 1.1))),
        ("f", [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0], SloHealth::Healthy, None),
        ("g", [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.001], SloHealth::Breached, None),
    ];
    for (name, rates, ..) in cases {
        put(&store, &windows(&told(name, NOW), rates));
    }
    let statuses = ask(&store, &query(NOW + SECOND));
    assert_eq!(statuses.len(), cases.len());
    for (status, (name, _, health, alert)) in statuses.iter().zip(cases) {
        assert_eq!((status.name.as_str(), status.health()), (name, health));
        let first = status.alerts().first().map(|alert| (alert.urgency(), alert.burn_rate));
        assert_eq!(first, alert, "{name}");
    }
}

#[test]
fn a_shorter_window_has_lower_thresholds() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let day = Told {
        windows: vec![("5m", Some(0.98), 2.0), ("1h", Some(0.98), 2.0), ("1d", Some(0.995), 0.5)],
        budget: 0.5,
        ..told("day", NOW)
    };
    put(&store, &day);
    let alerts = ask(&store, &query(NOW))[0].alerts();
    assert_eq!((alerts.len(), alerts[0].threshold), (1, 1.0));
}

#[test]
fn instances_have_rows_unless_they_tell_the_same() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let idle = told("quick", NOW);
    put(&store, &idle);
    put(&store, &Told { instance: "two", time: NOW + 3 * SECOND, ..idle.clone() });
    put(&store, &Told { instance: "three", ..windows(&idle, [2.0; 7]) });
    put(&store, &Told { service: "bank", ..idle });
    let rows = ask(&store, &query(NOW + MINUTE));
    let told: Vec<_> =
        rows.iter().map(|row| (row.service.as_str(), row.instances.join(" "), row.health())).collect();
    assert_eq!(
        told,
        [
            ("bank", String::from("one"), SloHealth::Healthy),
            ("shop", String::from("one two"), SloHealth::Healthy),
            ("shop", String::from("three"), SloHealth::Breached),
        ]
    );
    assert_eq!(rows[1].time_unix_nanos, (NOW + 3 * SECOND) as i64);
    let bank = SloQuery { service: Some(String::from("bank")), ..query(NOW + MINUTE) };
    assert_eq!(ask(&store, &bank), rows[..1]);
    let nobody = SloQuery { name: Some(String::from("slow")), ..query(NOW + MINUTE) };
    assert_eq!(ask(&store, &nobody), []);
}

#[test]
fn what_is_told_no_more_is_stale_or_gone() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    put(&store, &told("quick", NOW));
    put(&store, &Told { instance: "two", ..windows(&told("quick", NOW + MINUTE), [0.5; 7]) });
    put(&store, &Told { instance: "two", ..told("dropped", NOW + MINUTE) });
    let names = |now: u64| -> Vec<(String, bool)> {
        let rows = ask(&store, &query(now));
        rows.into_iter().map(|row| (format!("{} {}", row.name, row.instances[0]), row.is_stale)).collect()
    };
    let all = ["dropped two", "quick one", "quick two"];
    let with = |stale: [bool; 3]| all.map(String::from).into_iter().zip(stale).collect::<Vec<_>>();
    assert_eq!(names(NOW + 5 * MINUTE), with([false; 3]));
    assert_eq!(names(NOW + 5 * MINUTE + SECOND), with([false, true, false]));
    // Nobody of the service tells anything any more, so what it told last stays.
    assert_eq!(names(NOW + 20 * HOUR), with([true; 3]));
    assert_eq!(names(NOW + 25 * HOUR), []);
    // A new process takes the place of the old ones.
    put(&store, &Told { instance: "three", ..told("quick", NOW + HOUR) });
    assert_eq!(names(NOW + HOUR), [(String::from("quick three"), false)]);
    let patient = SloQuery { stale_after: Duration::from_secs(7_200), ..query(NOW + HOUR) };
    let rows = ask(&store, &patient);
    assert_eq!(
        rows.iter().map(|row| row.instances.join(" ")).collect::<Vec<_>>(),
        ["two", "one three", "two"]
    );
    // Whose clock is ahead hides nobody.
    put(&store, &Told { instance: "four", ..windows(&told("quick", NOW + 3 * HOUR), [0.7; 7]) });
    assert_eq!(ask(&store, &query(NOW + HOUR)).len(), 2);
}
