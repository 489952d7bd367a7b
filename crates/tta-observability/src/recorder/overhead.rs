//! Measures what telemetry costs, for the samplers that follow it.

use std::time::{Duration, Instant};

use crate::sampling::{Adaptive, Measured};

/// How long one measurement takes at least.
const INTERVAL: Duration = Duration::from_secs(1);

/// Measures on the drain thread, and tells those that follow.
#[derive(Debug)]
pub(super) struct Overhead {
    followers: Vec<Adaptive>,
    /// How the last measurement ended; none before the first.
    last: Option<Reading>,
    /// How long the thread had nothing to do since then.
    idle: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Instant,
    recorded: u64,
    cpu: Option<Cpu>,
}

/// Processor time used so far, by this thread and by the process.
type Cpu = (Duration, Duration);

impl Overhead {
    pub(super) fn new(followers: Vec<Adaptive>) -> Self {
        let mut different: Vec<Adaptive> = Vec::new();
        for follower in followers {
            // Head and tail may share one, which must not be told twice.
            if !different.iter().any(|known| known.is(&follower)) {
                different.push(follower);
            }
        }
        Self { followers: different, last: None, idle: Duration::ZERO }
    }

    /// The thread has waited since a moment.
    pub(super) fn waited(&mut self, since: Instant) {
        if !self.followers.is_empty() {
            self.idle += since.elapsed();
        }
    }

    /// Ends a measurement if it took long enough, and begins the next. Called on the drain thread, whose time it is.
    pub(super) fn adjust(&mut self, now: Instant, recorded: u64) {
        let took = |last: &Reading| now.saturating_duration_since(last.at);
        if self.followers.is_empty() || self.last.as_ref().is_some_and(|last| took(last) < INTERVAL) {
            return;
        }
        let reading = Reading { at: now, recorded, cpu: cpu() };
        if let Some(last) = self.last.replace(reading) {
            let measured = measured(&last, &reading, self.idle);
            self.followers.iter().for_each(|follower| follower.adjust(&measured));
        }
        self.idle = Duration::ZERO;
    }
}

fn measured(last: &Reading, now: &Reading, idle: Duration) -> Measured {
    let interval = now.at.saturating_duration_since(last.at);
    let (drain_cpu, process_cpu) = match (last.cpu, now.cpu) {
        (Some(last), Some(now)) => (now.0.saturating_sub(last.0), now.1.saturating_sub(last.1)),
        // Without clocks for it the thread's work is taken for processor time, and the process to keep one
        // processor busy.
        _ => (interval.saturating_sub(idle), interval),
    };
    Measured { interval, drain_cpu, spans: now.recorded.saturating_sub(last.recorded), process_cpu }
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_vendor = "apple"))]
fn cpu() -> Option<Cpu> {
    use rustix::time::{ClockId, clock_gettime};

    let read = |clock| Duration::try_from(clock_gettime(clock)).ok();
    Some((read(ClockId::ThreadCPUTime)?, read(ClockId::ProcessCPUTime)?))
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_vendor = "apple")))]
fn cpu() -> Option<Cpu> {
    None
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;
    use crate::sampling::Ratio;

    fn reading(at: Instant, recorded: u64, cpu: Option<(u64, u64)>) -> Reading {
        let millis = Duration::from_millis;
        let cpu = cpu.map(|(thread, process)| (millis(thread), millis(process)));
        Reading { at, recorded, cpu }
    }

    #[test]
    fn measures_what_was_used_since_the_last_time() {
        let (start, end) = (Instant::now(), Instant::now() + INTERVAL);
        let interval = end - start;
        let idle = Duration::from_millis(900);
        let check = |before, after, drain, process| {
            let measured = measured(&reading(start, 10, before), &reading(end, 30, after), idle);
            assert_eq!((measured.interval, measured.spans), (interval, 20));
            assert_eq!((measured.drain_cpu, measured.process_cpu), (drain, process));
        };
        let millis = Duration::from_millis;
        check(Some((5, 100)), Some((25, 700)), millis(20), millis(600));
        check(None, None, interval - idle, interval);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_clocks_count_work() {
        let read = || cpu().expect("Linux has them");
        let (before, began) = (read(), Instant::now());
        while read().0 - before.0 < Duration::from_millis(5) {
            black_box((0..1_000u64).sum::<u64>());
        }
        assert!(read().1 - before.1 >= Duration::from_millis(4), "what a thread uses, the process does");
        assert!(
            began.elapsed() >= Duration::from_millis(4),
            "a thread uses no more than the time that passes"
        );
    }

    #[test]
    fn tells_each_follower_once_a_second() {
        let shared = Adaptive::new(Ratio::ALL).target(Ratio::NONE);
        let own = Adaptive::new(Ratio::ALL).target(Ratio::NONE);
        let mut overhead = Overhead::new(vec![shared.clone(), shared.clone(), own.clone()]);
        assert_eq!(overhead.followers.len(), 2);
        let start = Instant::now();
        overhead.adjust(start, 0);
        overhead.adjust(start + INTERVAL / 2, 1_000);
        assert_eq!(shared.ratio(), Ratio::ALL, "there is nothing to compare with yet");
        overhead.adjust(start + INTERVAL, 1_000);
        assert!(shared.ratio() < Ratio::ALL && own.ratio() < Ratio::ALL);
    }
}
