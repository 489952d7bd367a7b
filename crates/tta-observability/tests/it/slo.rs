//! Objectives, from the runs that count for them to what is shown of them.

use std::sync::Arc;
use std::time::Duration;

use tta_model::name::metric;
use tta_observability::config::Config;
use tta_observability::sampling::Sampler;
use tta_observability::slo::{Objective, Slo, Target};
use tta_observability::{Guard, InitError, Telemetry};
use tta_primitives::observe::Observer;
use tta_primitives::{Error, ErrorKind, Flow, WorkflowContext, step};

const HOUR: Duration = Duration::from_secs(3_600);

fn available(name: &'static str, target: Target, goal: f64) -> Slo {
    Slo::new(name, target, Objective::Availability, goal).expect("it is right")
}

fn fast(name: &'static str, target: Target, within: Duration) -> Slo {
    Slo::new(name, target, Objective::Latency { within }, 0.99).expect("it is right")
}

fn following(slos: Vec<Slo>) -> (Arc<dyn Observer>, Guard) {
    // What is not sampled counts all the same.
    let telemetry = Telemetry::new().sampler(Sampler::AlwaysOff);
    let (observer, guard) =
        slos.into_iter().fold(telemetry, Telemetry::slo).build().expect("nothing to set up");
    (observer.expect("not disabled"), guard)
}

/// Succeeds, fails, times out or hangs, as the input says.
fn work() -> Flow<char, char> {
    step("work", |what: char| async move {
        match what {
            'e' => Err(Error::new(ErrorKind::Unavailable, "it is down")),
            't' => Err(Error::new(ErrorKind::Timeout, "it took too long")),
            'h' => std::future::pending().await,
            other => Ok(other),
        }
    })
}

async fn run(workflow: &'static str, observer: &Arc<dyn Observer>, inputs: &str) {
    let builder = WorkflowContext::builder().workflow_name(workflow).observer(Arc::clone(observer));
    let cx = builder.build();
    for what in inputs.chars() {
        if what == 'h' {
            let flow = work();
            let mut run = std::pin::pin!(flow.run(what, &cx));
            assert!(futures_poll(run.as_mut()), "it hangs, and is dropped");
            continue;
        }
        // What comes of it is counted.
        let _ = work().run(what, &cx).await;
    }
}

/// Polls once; says whether it is pending.
fn futures_poll(future: std::pin::Pin<&mut impl Future>) -> bool {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending()
}

#[tokio::test]
async fn every_run_and_execution_counts_exactly() {
    let report = Target::Workflow("report".into());
    let (observer, guard) = following(vec![
        available("report", report.clone(), 0.9),
        available("work", Target::Primitive("work".into()), 0.9),
        fast("report within an hour", report.clone(), HOUR),
        fast("report within a nanosecond", report, Duration::from_nanos(1)),
        fast("work within an hour", Target::Primitive("work".into()), HOUR),
        available("nobody", Target::Workflow("work".into()), 0.9),
    ]);
    run("report", &observer, "ssssshhhett").await;
    run("other", &observer, "sse").await;
    // A kind of agent of its own is another kind of run of the same workflow.
    let builder = WorkflowContext::builder().workflow_name("report").agent_type("planner");
    work().run('s', &builder.observer(observer).build()).await.expect("it succeeds");

    let seen: Vec<_> = guard
        .slos()
        .status()
        .into_iter()
        .map(|slo| (slo.slo.name().to_string(), slo.good, slo.total))
        .collect();
    let expected = [
        ("report", 6, 9),
        ("work", 8, 12),
        ("report within an hour", 6, 9),
        ("report within a nanosecond", 0, 9),
        ("work within an hour", 8, 12),
        ("nobody", 0, 0),
    ];
    assert_eq!(seen, expected.map(|(name, good, total)| (name.to_owned(), good, total)));
    let report = &guard.slos().status()[0];
    // 3 of 9 were bad, and a tenth may be.
    assert!((report.budget_remaining - (1.0 - 3.0 / 0.9)).abs() < 1e-9, "{report:?}");
    assert_eq!(report.windows[0].compliance, Some(6.0 / 9.0));
}

#[tokio::test]
async fn the_metrics_show_how_objectives_stand() {
    let slo = available("api", Target::Workflow("report".into()), 0.75);
    let work = fast("quick", Target::Primitive("work".into()), HOUR);
    let (observer, guard) = following(vec![slo.over(6 * HOUR).expect("it is right"), work]);
    run("report", &observer, "ssse").await;
    let _up_to_date = guard.slos();
    let snapshot = guard.metrics().snapshot();
    let value = |metric, slo: (&str, &str), of: (&str, &str), window: &str| {
        let labels = [
            (metric::SLO_COMPLIANCE.labels[0].key, slo.0),
            (metric::SLO_COMPLIANCE.labels[1].key, slo.1),
            of,
            (metric::SLO_COMPLIANCE.labels[4].key, window),
        ];
        snapshot.series(metric, &labels).map(|series| series.point.total())
    };
    let (api, report) = (("api", "0.75"), (metric::SLO_COMPLIANCE.labels[3].key, "report"));
    for window in ["5m", "30m", "1h", "6h", "1d", "3d"] {
        assert_eq!(value(&metric::SLO_COMPLIANCE, api, report, window), Some(0.75), "{window}");
        assert_eq!(value(&metric::SLO_BURN_RATE, api, report, window), Some(1.0), "{window}");
    }
    assert_eq!(value(&metric::SLO_ERROR_BUDGET_REMAINING, api, report, "6h"), Some(0.0));
    assert_eq!(value(&metric::SLO_ERROR_BUDGET_REMAINING, api, report, "1d"), None);
    let (quick, work) = (("quick", "0.99"), (metric::SLO_COMPLIANCE.labels[2].key, "work"));
    assert_eq!(value(&metric::SLO_COMPLIANCE, quick, work, "30d"), Some(0.75));
}

#[test]
fn objectives_of_the_same_name_are_refused_at_the_start() {
    let slo = available("api", Target::Workflow("report".into()), 0.9);
    let error = Telemetry::new().slo(slo.clone()).slo(slo).build().map(drop);
    let error = error.expect_err("they have the same name");
    assert!(matches!(error, InitError::Slo(_)), "{error}");
}

#[test]
fn a_process_that_records_nothing_has_objectives_without_events() {
    let slo = available("api", Target::Workflow("report".into()), 0.9);
    let config = Config { disabled: true, ..Config::default() };
    let (observer, guard) = Telemetry::with_config(config).slo(slo).build().expect("nothing to set up");
    assert!(observer.is_none());
    assert_eq!(guard.slos().status()[0].budget_remaining, 1.0);
}
