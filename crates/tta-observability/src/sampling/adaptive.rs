//! A ratio that follows what telemetry costs.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tta_model::w3c::MAX_ADJUSTED_COUNT;

use super::Ratio;

/// What recording one span costs the thread on which it ends: 200 ns. The drain thread's part is measured;
/// this one is too small to be, so it is counted.
pub const SPAN_COST: Duration = Duration::from_nanos(200);

/// Telemetry's share of the processor time of the process, by default.
const DEFAULT_TARGET: Ratio = Ratio::percent(1.0);

/// The part of one processor below which a process counts as idle: a tenth. Whoever uses less is measured as if
/// it used as much, or else the drain thread's own waking up would be most of what an idle process does.
const IDLE: f64 = 0.1;

/// How many levels of the ratio lie between one and its half.
const LEVELS_PER_HALF: f64 = 4.0;
/// How many levels the ratio rises at least, and at most, at once. One level is not worth a rise: together with the aim
/// this leaves the share room, by a tenth to either side however it was measured, in which nothing changes.
const RISE: RangeInclusive<u64> = 2..=4;
/// The lowest level, 24 halves below the maximum, whatever the minimum.
const LAST_LEVEL: u64 = 96;
/// What a change aims at, as a part of the target: below it, so that the ratio does not swing around it.
const AIM: f64 = 0.8;
/// The last digits of a threshold that stay zero, so that it is short in `tracestate`: 32 of 56 bits.
const COARSE: u64 = 1 << 32;

/// A ratio that falls when telemetry takes more than its share of the processor, and rises again when it takes
/// less, between a minimum and a maximum.
///
/// The share is measured about once a second: what the drain thread used, and [`SPAN_COST`] for each span that
/// was recorded, of what the process used. What the exporters' own threads use is not in it. The ratio falls at once
/// as far as it has to, and rises step by step. It has few levels, four for each half, so there are few thresholds.
///
/// A clone follows the same measurements; two are equal when their settings are.
///
/// # Cost
/// A decision reads one atomic number.
#[derive(Clone, Debug)]
pub struct Adaptive {
    maximum: Ratio,
    minimum: Ratio,
    target: Ratio,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    threshold: AtomicU64,
    /// How many levels the ratio is below its maximum.
    level: AtomicU64,
    /// Whether the last measurement changed the ratio. What comes next is then a mix of both, good enough to
    /// fall by but not to rise by.
    changed: AtomicBool,
}

/// What an interval of some time has cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// How long it was.
    pub interval: Duration,
    /// How much processor time the drain thread used.
    pub drain_cpu: Duration,
    /// How many spans were recorded.
    pub spans: u64,
    /// How much processor time the whole process used.
    pub process_cpu: Duration,
}

impl Measured {
    /// Telemetry's share of the processor time of the process: 0.01 is 1 %. A process that used less than a tenth
    /// of a processor is measured as if it had used that much.
    #[must_use]
    pub fn share(&self) -> f64 {
        let telemetry = self.drain_cpu.as_secs_f64() + SPAN_COST.as_secs_f64() * self.spans as f64;
        let process = self.process_cpu.as_secs_f64().max(self.interval.as_secs_f64() * IDLE);
        if telemetry > 0.0 { telemetry / process } else { 0.0 }
    }
}

impl Adaptive {
    /// Keeps at most a ratio, at least a thousandth of it, and aims at 1 % of the processor.
    #[must_use]
    pub fn new(maximum: Ratio) -> Self {
        let minimum = Ratio::new(maximum.get() / 1_000.0).unwrap_or(Ratio::NONE);
        Self { maximum, minimum, target: DEFAULT_TARGET, state: State::new(maximum) }
    }

    /// Keeps at least a ratio, whatever it costs; no more than the maximum.
    #[must_use]
    pub fn minimum(self, minimum: Ratio) -> Self {
        let minimum = if minimum > self.maximum { self.maximum } else { minimum };
        Self { minimum, state: State::new(self.maximum), ..self }
    }

    /// Sets telemetry's share of the processor time of the process, above which the ratio falls.
    #[must_use]
    pub fn target(self, target: Ratio) -> Self {
        Self { target, state: State::new(self.maximum), ..self }
    }

    /// The ratio at the moment.
    #[must_use]
    pub fn ratio(&self) -> Ratio {
        match self.threshold() {
            // As they were given: a threshold holds a little less than a number does.
            threshold if threshold == self.maximum.threshold() => self.maximum,
            threshold if threshold == self.minimum.threshold() => self.minimum,
            threshold => Ratio::of_threshold(threshold),
        }
    }

    pub(super) fn threshold(&self) -> u64 {
        self.state.threshold.load(Ordering::Relaxed)
    }

    /// Follows a measurement. The drain thread calls it about once a second.
    pub fn adjust(&self, measured: &Measured) {
        let level = self.state.level.load(Ordering::Relaxed);
        let changed = self.state.changed.load(Ordering::Relaxed);
        let next = self.next_level(level, changed, measured.share());
        self.state.level.store(next, Ordering::Relaxed);
        self.state.threshold.store(self.threshold_of(next), Ordering::Relaxed);
        self.state.changed.store(next != level, Ordering::Relaxed);
    }

    /// Whether both follow the same measurements.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }

    /// Takes the share to grow as the ratio does. It grows less, because some of the cost is fixed; so one step
    /// falls or rises too little, and never too far.
    fn next_level(&self, level: u64, changed: bool, share: f64) -> u64 {
        // Infinite when nothing is spent, or nothing may be; casts of floats saturate.
        let levels = LEVELS_PER_HALF * (share / (self.target.get() * AIM)).log2();
        if share > self.target.get() {
            return level.saturating_add(levels.ceil() as u64).min(self.lowest_level());
        }
        let rise = (-levels).floor() as u64;
        if changed || rise < *RISE.start() { level } else { level.saturating_sub(rise.min(*RISE.end())) }
    }

    /// The level of the minimum.
    fn lowest_level(&self) -> u64 {
        if self.maximum == Ratio::NONE {
            return 0;
        }
        let halves = (self.maximum.get() / self.minimum.get()).log2();
        ((halves * LEVELS_PER_HALF).ceil() as u64).min(LAST_LEVEL)
    }

    fn threshold_of(&self, level: u64) -> u64 {
        if level == 0 {
            return self.maximum.threshold();
        }
        if level >= self.lowest_level() {
            return self.minimum.threshold();
        }
        let part = (-(level as f64) / LEVELS_PER_HALF).exp2();
        let kept = (self.maximum.get() * part * MAX_ADJUSTED_COUNT as f64) as u64;
        // Rounded down to few digits, but not below the minimum.
        (MAX_ADJUSTED_COUNT - kept / COARSE * COARSE).min(self.minimum.threshold())
    }
}

impl State {
    fn new(maximum: Ratio) -> Arc<Self> {
        let threshold = AtomicU64::new(maximum.threshold());
        Arc::new(Self { threshold, level: AtomicU64::new(0), changed: AtomicBool::new(false) })
    }
}

impl PartialEq for Adaptive {
    fn eq(&self, other: &Self) -> bool {
        (self.maximum, self.minimum, self.target) == (other.maximum, other.minimum, other.target)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ratio(ratio: f64) -> Ratio {
        Ratio::new(ratio).expect("from 0 to 1")
    }

    /// A process whose telemetry costs something by itself, and something for each trace that is kept.
    struct Plant {
        /// Processor seconds a second for telemetry that keeps everything.
        full: f64,
        fixed: f64,
        process: f64,
        /// How far measurements err, as a part of them.
        noise: f64,
        /// Whether half of the cost is that of the traces that were kept a second ago.
        lags: bool,
        before: f64,
        generator: StdRng,
    }

    impl Plant {
        fn new(full: f64) -> Self {
            let generator = StdRng::seed_from_u64(11);
            Self { full, fixed: 0.0, process: 1.0, noise: 0.0, lags: false, before: 0.0, generator }
        }

        /// Lets a second pass; returns the share that was really used.
        fn second(&mut self, adaptive: &Adaptive) -> f64 {
            let now = adaptive.ratio().get();
            let kept = if self.lags { f64::midpoint(now, self.before) } else { now };
            self.before = now;
            let share = (self.fixed + self.full * kept) / self.process;
            let noise = 1.0 + self.noise * self.generator.random_range(-1.0..=1.0);
            adaptive.adjust(&Measured {
                interval: SECOND,
                drain_cpu: Duration::from_secs_f64(share * self.process * noise),
                spans: 0,
                process_cpu: Duration::from_secs_f64(self.process),
            });
            share
        }

        fn seconds(&mut self, adaptive: &Adaptive, seconds: usize) -> f64 {
            (0..seconds).map(|_| self.second(adaptive)).last().unwrap_or(0.0)
        }

        /// How often the ratio turns round within some seconds.
        fn turns(&mut self, adaptive: &Adaptive, seconds: usize) -> usize {
            let ratios: Vec<f64> = (0..seconds)
                .map(|_| {
                    self.second(adaptive);
                    adaptive.ratio().get()
                })
                .collect();
            let moves = ratios.windows(2).map(|pair| pair[1] - pair[0]).filter(|change| *change != 0.0);
            moves.collect::<Vec<_>>().windows(2).filter(|pair| pair[0] * pair[1] < 0.0).count()
        }
    }

    #[test]
    fn follows_a_load_up_and_down() {
        for (fixed, noise, lags) in
            [(0.0, 0.0, false), (0.004, 0.0, false), (0.0, 0.1, false), (0.0, 0.0, true), (0.002, 0.1, true)]
        {
            let case = format!("fixed {fixed}, noise {noise}, lag {lags}");
            let adaptive = Adaptive::new(ratio(0.05));
            // 0.75 % of the processor at the maximum.
            let mut plant = Plant { fixed, noise, lags, ..Plant::new(0.05) };
            plant.seconds(&adaptive, 20);
            assert_eq!(adaptive.ratio(), ratio(0.05), "{case}: it costs little");
            plant.full *= 100.0;
            let share = plant.seconds(&adaptive, 30);
            assert!((0.0055..=0.012).contains(&share), "{case}: {share}");
            assert!(plant.turns(&adaptive, 100) <= 2, "{case}: it swings");
            let share = plant.second(&adaptive);
            assert!((0.0055..=0.012).contains(&share), "{case}: {share}");
            plant.full /= 100.0;
            plant.seconds(&adaptive, 20);
            // One level is not worth a rise.
            assert!(adaptive.ratio() > ratio(0.042), "{case}: it recovers");
            assert_eq!(plant.turns(&adaptive, 100), 0, "{case}: and stays");
        }
    }

    #[test]
    fn falls_within_a_second() {
        let adaptive = Adaptive::new(Ratio::ALL);
        let mut plant = Plant::new(0.5);
        assert_eq!(plant.second(&adaptive), 0.5);
        let share = plant.second(&adaptive);
        assert!((0.0065..=0.01).contains(&share), "{share}");
    }

    #[test]
    fn stays_between_minimum_and_maximum_with_few_thresholds() {
        let mut generator = StdRng::seed_from_u64(3);
        for (maximum, minimum) in
            [(1.0, 0.0), (0.05, 0.001), (0.2, 0.2), (0.01, 0.5), (0.0, 0.0), (1e-9, 0.0)]
        {
            let adaptive = Adaptive::new(ratio(maximum)).minimum(ratio(minimum));
            let minimum = minimum.min(maximum);
            let mut thresholds = BTreeSet::new();
            for _ in 0..5_000 {
                let share: f64 = 10f64.powf(generator.random_range(-6.0..2.0));
                adaptive.adjust(&Measured {
                    interval: SECOND,
                    drain_cpu: Duration::from_secs_f64(share),
                    spans: 0,
                    process_cpu: SECOND,
                });
                let now = adaptive.ratio();
                assert!((minimum..=maximum).contains(&now.get()), "{minimum} <= {now:?} <= {maximum}");
                thresholds.insert(adaptive.threshold());
            }
            assert!(thresholds.len() <= 97, "{}", thresholds.len());
        }
    }

    #[test]
    fn returns_from_zero() {
        let adaptive = Adaptive::new(Ratio::ALL).minimum(Ratio::NONE);
        adaptive.adjust(&measured(1e9, 1.0));
        assert_eq!(adaptive.ratio(), Ratio::NONE);
        (0..60).for_each(|_| adaptive.adjust(&measured(0.0, 1.0)));
        assert_eq!(adaptive.ratio(), Ratio::ALL);
    }

    fn measured(drain: f64, process: f64) -> Measured {
        Measured {
            interval: SECOND,
            drain_cpu: Duration::from_secs_f64(drain),
            spans: 0,
            process_cpu: Duration::from_secs_f64(process),
        }
    }

    #[test]
    fn an_idle_process_keeps_its_ratio() {
        // Most of what it does is that its drain thread wakes up.
        assert!(measured(0.000_5, 0.001).share() < 0.01);
        assert!((measured(0.02, 1.0).share() - 0.02).abs() < 1e-12);
        assert_eq!(Measured { interval: Duration::ZERO, ..measured(0.0, 0.0) }.share(), 0.0);
        let spans = Measured { spans: 50_000, ..measured(0.0, 1.0) };
        assert!((spans.share() - 0.01).abs() < 1e-12, "50,000 spans of 200 ns are 1 % of a second");
    }

    #[test]
    fn clones_share_what_was_measured_and_equal_ones_do_not() {
        let (one, other) = (Adaptive::new(ratio(0.5)), Adaptive::new(ratio(0.5)));
        let same = one.clone();
        one.adjust(&measured(1.0, 1.0));
        assert!(same.ratio() < ratio(0.5) && other.ratio() == ratio(0.5));
        assert_eq!(one, other);
        assert!(one.is(&same) && !one.is(&other));
        assert_ne!(one, other.target(ratio(0.02)));
    }
}
