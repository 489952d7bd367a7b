//! The state of a breaker under schedules of threads that are searched, not hoped for.

use std::time::Duration;

use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicU32, Ordering};
use shuttle::thread;

mod sync {
    pub(crate) use shuttle::sync::{Mutex, MutexGuard};
    pub(crate) use std::sync::PoisonError;
}
#[allow(dead_code, unreachable_pub, reason = "the crate uses more of it than this test")]
#[path = "../../../src/recovery/circuit_breaker/state.rs"]
mod state;
#[allow(dead_code, reason = "the crate uses more of it than this test")]
#[path = "../../../src/recovery/circuit_breaker/window.rs"]
mod window;

use state::{Answer, Circuit, CircuitState, Outcome, Rules};
use window::WindowSize;

const SUCCESS: Outcome = Outcome::Counted { failed: false, slow: false };
const FAILURE: Outcome = Outcome::Counted { failed: true, slow: false };
const OPEN_FOR: Duration = Duration::from_secs(1);

/// A breaker that has just become able to let probes pass, and the time.
fn half_open(probes: u32) -> (Arc<Circuit>, Duration) {
    let circuit = Circuit::new(Rules {
        consecutive_failures: Some(1),
        failure_rate: None,
        slow_call_rate: None,
        window: WindowSize::Calls(10),
        minimum_calls: 1,
        open_for: OPEN_FOR,
        open_growth: 1.0,
        max_open_for: OPEN_FOR,
        probes,
        successes_to_close: probes,
    });
    fail_one(&circuit, Duration::ZERO);
    (Arc::new(circuit), OPEN_FOR)
}

fn fail_one(circuit: &Circuit, now: Duration) {
    let Answer::Admitted(admission) = circuit.check(now).answer else { panic!("it is closed") };
    circuit.settle(admission, FAILURE, now);
}

fn search(test: impl Fn() + Send + Sync + Copy + 'static) {
    shuttle::check_random(test, 2_000);
    shuttle::check_pct(test, 2_000, 3);
}

#[test]
fn exactly_so_many_probes_are_admitted_at_once() {
    search(|| {
        let (circuit, now) = half_open(2);
        let admitted = Arc::new(AtomicU32::new(0));
        let callers: Vec<_> = (0..5)
            .map(|_| {
                let (circuit, admitted) = (Arc::clone(&circuit), Arc::clone(&admitted));
                thread::spawn(move || match circuit.check(now).answer {
                    Answer::Admitted(admission) => {
                        admitted.fetch_add(1, Ordering::SeqCst);
                        Some(admission)
                    }
                    Answer::Rejected(_) => None,
                })
            })
            .collect();
        // Nothing is settled before every caller has asked.
        let admissions: Vec<_> = callers.into_iter().filter_map(|caller| caller.join().unwrap()).collect();
        assert_eq!((admitted.load(Ordering::SeqCst), admissions.len()), (2, 2));
        for admission in admissions {
            circuit.settle(admission, SUCCESS, now);
        }
        assert_eq!(circuit.state(now), CircuitState::Closed);
    });
}

#[test]
fn no_more_than_so_many_are_admitted_however_soon_they_end() {
    search(|| {
        let (circuit, now) = half_open(2);
        let (before_close, closed) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let callers: Vec<_> = (0..4)
            .map(|_| {
                let (circuit, before_close) = (Arc::clone(&circuit), Arc::clone(&before_close));
                let closed = Arc::clone(&closed);
                thread::spawn(move || {
                    let checked = circuit.check(now);
                    let Answer::Admitted(admission) = checked.answer else { return };
                    if checked.state == CircuitState::HalfOpen {
                        before_close.fetch_add(1, Ordering::SeqCst);
                    }
                    if circuit.settle(admission, SUCCESS, now).is_some() {
                        closed.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        let admitted = before_close.load(Ordering::SeqCst);
        assert_eq!(admitted, 2, "two probes, and then it was closed");
        assert_eq!(closed.load(Ordering::SeqCst), 1, "it closed once");
    });
}

#[test]
fn probes_that_are_dropped_leave_their_places_to_others() {
    search(|| {
        let (circuit, now) = half_open(2);
        let in_flight = Arc::new(AtomicU32::new(0));
        let callers: Vec<_> = (0..4)
            .map(|_| {
                let (circuit, in_flight) = (Arc::clone(&circuit), Arc::clone(&in_flight));
                thread::spawn(move || {
                    let Answer::Admitted(admission) = circuit.check(now).answer else { return };
                    assert!(in_flight.fetch_add(1, Ordering::SeqCst) < 2);
                    in_flight.fetch_sub(1, Ordering::SeqCst);
                    circuit.settle(admission, Outcome::Ignored, now);
                })
            })
            .collect();
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        let again: Vec<_> = (0..3).map(|_| circuit.check(now).answer).collect();
        assert!(matches!(again[..], [Answer::Admitted(_), Answer::Admitted(_), Answer::Rejected(_)]));
    });
}

#[test]
fn one_failed_probe_opens_it_once_whatever_the_others_do() {
    search(|| {
        let (circuit, now) = half_open(3);
        let opened = Arc::new(AtomicU32::new(0));
        let callers: Vec<_> = [SUCCESS, FAILURE, FAILURE]
            .into_iter()
            .map(|outcome| {
                let (circuit, opened) = (Arc::clone(&circuit), Arc::clone(&opened));
                thread::spawn(move || {
                    let Answer::Admitted(admission) = circuit.check(now).answer else { return };
                    let change = circuit.settle(admission, outcome, now);
                    if change.is_some_and(|change| change.to == CircuitState::Open) {
                        opened.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        assert_eq!(opened.load(Ordering::SeqCst), 1);
        assert_eq!(circuit.state(now), CircuitState::Open);
        assert_eq!(circuit.state(now + OPEN_FOR), CircuitState::HalfOpen);
    });
}
