//! The engine against an oracle that keeps every event and counts them again each time.

use std::time::Duration;

use proptest::prelude::*;

use super::burn::Urgency;
use super::engine::{SloEngine, Transition};
use super::history::{Events, History, width};
use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Every event that was ever seen: when, how many, and how many of them were good.
#[derive(Default)]
struct Oracle(Vec<(Duration, Events)>);

impl Oracle {
    /// What happened after a moment, or at it.
    fn since(&self, from: Option<Duration>) -> Events {
        let mut sum = Events::default();
        for (_, events) in self.0.iter().filter(|(at, _)| from.is_none_or(|from| *at >= from)) {
            sum.good += events.good;
            sum.total += events.total;
        }
        sum
    }

    fn last(&self, now: Duration, window: Duration) -> Events {
        self.since(now.checked_sub(window))
    }
}

/// One objective of 99.9 % over 30 days, and the time that passes for it.
struct World {
    engine: SloEngine,
    oracle: Oracle,
    now: Duration,
    totals: Events,
    seen: Vec<(Duration, Transition)>,
}

impl World {
    fn new(goal: f64, window: Duration) -> Self {
        let slo = Slo::new("api", Target::Workflow("report".into()), Objective::Availability, goal);
        let slo = slo.and_then(|slo| slo.over(window)).expect("it is right");
        Self {
            engine: SloEngine::new(&[slo]),
            oracle: Oracle::default(),
            now: Duration::ZERO,
            totals: Events::default(),
            seen: Vec::new(),
        }
    }

    /// Lets time pass in steps, in each of which so many of so many events are good.
    fn pass(&mut self, time: Duration, step: Duration, (good, total): (u64, u64)) {
        let end = self.now + time;
        while self.now < end {
            self.now += step;
            self.totals.good += good;
            self.totals.total += total;
            self.oracle.0.push((self.now, Events { good, total }));
            let transitions = self.engine.observe(self.now, &[self.totals]);
            self.seen.extend(transitions.into_iter().map(|transition| (self.now, transition)));
        }
    }

    fn status(&self) -> SloStatus {
        self.engine.status().remove(0)
    }

    fn window(&self, label: &str) -> WindowStatus {
        let status = self.status();
        status.windows.into_iter().find(|window| window.label == label).expect("it is shown")
    }

    /// When alerts with this long window began (true) and ended (false).
    fn changes(&self, long: Duration) -> Vec<(bool, Duration)> {
        let seen = self.seen.iter().filter(|(_, transition)| transition.alert.long == long);
        seen.map(|(at, transition)| (transition.has_begun, *at)).collect()
    }

    /// No window misses what lies in it, or holds more than one bucket too much.
    fn assert_within_a_bucket(&self, window: Duration, seen: Events) {
        let least = self.oracle.last(self.now, window);
        let most = self.oracle.last(self.now, window + width(window));
        for (least, seen, most) in [(least.good, seen.good, most.good), (least.total, seen.total, most.total)]
        {
            assert!((least..=most).contains(&seen), "{least} <= {seen} <= {most} over {window:?}");
        }
    }
}

#[test]
fn an_outage_pages_at_once_and_the_page_ends_soon_after_it() {
    let mut world = World::new(0.999, LONGEST_WINDOW);
    world.pass(HOUR * 7, SECOND, (100, 100));
    let outage = world.now;
    world.pass(MINUTE * 10, SECOND, (0, 100));
    let end = world.now;
    assert_eq!(world.status().alerts.len(), 3);
    world.pass(HOUR * 8, SECOND, (100, 100));
    // All requests fail, so the burn rate over the hour is above 14.4 once 1.44 % of the hour has failed: after 52 s.
    let [(true, begun), (false, ended)] = world.changes(HOUR)[..] else {
        panic!("{:?}", world.changes(HOUR))
    };
    let delay = (begun - outage).as_secs();
    assert!((52..=53).contains(&delay), "it paged after {delay} s");
    // The short window has forgotten the outage but for 1.44 % of it: after 5 minutes, and a bucket.
    let tail = (ended - end).as_secs();
    assert!((290..=310).contains(&tail), "it ended after {tail} s");
    // Over six hours 0.6 % must have failed: after 130 s.
    let [(true, begun), (false, ended)] = world.changes(HOUR * 6)[..] else { panic!("once each") };
    assert!((129..=132).contains(&(begun - outage).as_secs()), "{:?}", begun - outage);
    assert!((ended - end).as_secs() <= 30 * 60 + 10, "{:?}", ended - end);
    assert_eq!(world.status().alerts, []);
    // Ten minutes of the fifteen hours were bad, and one in a thousand may be.
    let expected = 1.0 - (10.0 / (15.0 * 60.0 + 10.0)) / 0.001;
    let remaining = world.status().budget_remaining;
    assert!((remaining - expected).abs() < 1e-9, "{remaining} is left and not {expected}");
}

#[test]
fn a_slow_burn_is_a_ticket_and_no_page() {
    let mut world = World::new(0.999, LONGEST_WINDOW);
    world.pass(DAY * 3, MINUTE, (2_000, 2_000));
    let begin = world.now;
    world.pass(DAY * 3, MINUTE, (1_997, 2_000));
    // At 1.5 times what is allowed, three days are above 1 once two of them have burned.
    let [(true, begun)] = world.changes(DAY * 3)[..] else { panic!("{:?}", world.seen) };
    let delay = begun - begin;
    assert!(delay >= DAY * 2 && delay <= DAY * 2 + HOUR, "{delay:?}");
    assert_eq!(world.seen.len(), 1, "and nothing else: {:?}", world.seen);
    let status = world.status();
    let [alert] = status.alerts[..] else { panic!("one alert: {status:?}") };
    assert_eq!((alert.urgency, alert.threshold), (Urgency::Ticket, 1.0));
    assert!((world.window("3d").burn_rate - 1.5).abs() < 0.02, "{:?}", world.window("3d"));
}

#[test]
fn what_the_objective_allows_alerts_nobody() {
    // The allowance of 0.9 is rounded down, that of 0.999 up.
    for (goal, good) in [(0.999, 1_998), (0.9, 1_800), (0.95, 1_900)] {
        let mut world = World::new(goal, LONGEST_WINDOW);
        world.pass(DAY * 4, MINUTE, (good, 2_000));
        assert_eq!(world.seen, []);
        assert!((world.status().budget_remaining).abs() < 1e-9, "all of it is spent, and no more");
    }
}

#[test]
fn without_traffic_nothing_is_known_and_nothing_is_spent() {
    let mut world = World::new(0.999, LONGEST_WINDOW);
    world.pass(HOUR, SECOND, (0, 0));
    let status = world.status();
    assert_eq!((status.good, status.total, status.budget_remaining), (0, 0, 1.0));
    assert!(status.windows.iter().all(|window| window.compliance.is_none() && window.burn_rate == 0.0));
    world.pass(HOUR, SECOND, (10, 10));
    // A blackout: nobody asks, so nobody is failed.
    world.pass(HOUR * 2, SECOND, (0, 0));
    assert_eq!(world.window("1h").compliance, None);
    assert_eq!(world.window("6h").compliance, Some(1.0));
    assert_eq!(world.status().budget_remaining, 1.0);
    assert_eq!(world.seen, []);
}

#[test]
fn an_alert_ends_when_the_traffic_does() {
    let mut world = World::new(0.999, LONGEST_WINDOW);
    world.pass(MINUTE * 10, SECOND, (0, 1));
    assert_eq!(world.status().alerts.len(), 3);
    world.pass(HOUR * 7, SECOND, (0, 0));
    assert_eq!(world.status().alerts, []);
    assert_eq!(world.seen.len(), 6, "each began once and ended once");
}

#[test]
fn a_pause_longer_than_the_windows_leaves_nothing_behind() {
    let mut world = World::new(0.999, DAY);
    world.pass(MINUTE * 5, SECOND, (0, 1));
    world.now += DAY * 2;
    world.pass(SECOND, SECOND, (1, 1));
    let status = world.status();
    assert_eq!((status.good, status.total, status.budget_remaining), (1, 1, 1.0));
    assert_eq!(world.window("3d").compliance, Some(1.0 / 301.0));
    assert_eq!(status.alerts, [], "the ticket does not apply to a window of a day");
}

#[test]
fn an_alert_whose_window_is_longer_than_the_objective_does_not_apply() {
    let mut world = World::new(0.99, HOUR);
    world.pass(HOUR, SECOND, (0, 1));
    let alerts = world.status().alerts;
    assert_eq!(alerts.iter().map(|alert| alert.long).collect::<Vec<_>>(), [HOUR]);
    let mut world = World::new(0.99, MINUTE * 5);
    world.pass(HOUR, SECOND, (0, 1));
    assert_eq!(world.status().alerts, []);
}

#[test]
fn the_own_window_is_shown_once_and_in_order() {
    let labels = |window: Duration| -> Vec<String> {
        let windows = World::new(0.99, window).status().windows;
        windows.iter().map(|window| window.label.to_string()).collect()
    };
    assert_eq!(labels(LONGEST_WINDOW), ["5m", "30m", "1h", "6h", "1d", "3d", "30d"]);
    assert_eq!(labels(HOUR * 36), ["5m", "30m", "1h", "6h", "1d", "36h", "3d"]);
    assert_eq!(labels(DAY), ["5m", "30m", "1h", "6h", "1d", "3d"]);
}

/// Steps of a process: how long until the next look, and what came by then.
fn steps() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
    let wait =
        prop_oneof![8 => 1..5_u64, 4 => 5..900_u64, 2 => 900..100_000_u64, 1 => 100_000..4_000_000_u64];
    let step = (wait, 0..50_u64, 0..50_u64).prop_map(|(wait, good, bad)| (wait, good, good + bad));
    prop::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn every_window_agrees_with_the_oracle_within_a_bucket(
        steps in steps(),
        own in SHORTEST_WINDOW.as_secs()..=LONGEST_WINDOW.as_secs(),
    ) {
        let mut world = World::new(0.99, Duration::from_secs(own));
        let mut history = History::default();
        for (wait, good, total) in steps {
            let wait = SECOND * u32::try_from(wait).expect("it is short");
            world.pass(wait, wait, (good, total));
            history.observe(world.now, world.totals);
            for window in world.status().windows {
                let events = history.last(window.window);
                world.assert_within_a_bucket(window.window, events);
                let bad = (events.total - events.good) as f64;
                let rate = if events.total == 0 { 0.0 } else { bad / events.total as f64 / (1.0 - 0.99) };
                prop_assert!((window.burn_rate - rate).abs() < 1e-9);
                let good = (events.total > 0).then(|| 1.0 - bad / events.total as f64);
                prop_assert_eq!(good.is_some(), window.compliance.is_some());
                prop_assert!((good.unwrap_or(0.0) - window.compliance.unwrap_or(0.0)).abs() < 1e-9);
            }
            let status = world.status();
            let own = history.last(Duration::from_secs(own));
            prop_assert_eq!((status.good, status.total), (own.good, own.total));
            prop_assert!(status.budget_remaining.is_finite() && status.budget_remaining <= 1.0);
        }
        // Each alert begins and ends in turn.
        for long in [HOUR, HOUR * 6, DAY * 3] {
            let changes = world.changes(long);
            prop_assert!(changes.iter().enumerate().all(|(at, (begun, _))| *begun == (at % 2 == 0)));
        }
    }
}
