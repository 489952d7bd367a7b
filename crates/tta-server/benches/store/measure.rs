//! Processor time, memory, and the figures that come of them.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The processor time that this process took so far.
pub(crate) fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The memory that the process has now, in MiB.
pub(crate) fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    status.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4 / 1024
}

/// What was measured of one store, in the order in which it was.
#[derive(Clone, Default)]
pub(crate) struct Figures(pub(crate) Vec<(&'static str, f64)>);

impl Figures {
    pub(crate) fn add(&mut self, what: &'static str, value: f64) {
        println!("  {what}: {value:.3}");
        self.0.push((what, value));
    }

    /// Adds the processor time of one of many executions, in milliseconds.
    pub(crate) fn time<T>(&mut self, what: &'static str, times: u32, mut run: impl FnMut() -> T) {
        run();
        let (before, wall) = (cpu(), Instant::now());
        for _ in 0..times {
            std::hint::black_box(run());
        }
        let (cpu, wall) = (millis((cpu() - before) / times), millis(wall.elapsed() / times));
        println!("  {what}: {cpu:.3} ms CPU, {wall:.3} ms");
        self.0.push((what, cpu));
    }

    pub(crate) fn get(&self, what: &str) -> Option<f64> {
        self.0.iter().find(|(name, _)| *name == what).map(|(_, value)| *value)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        self.0.iter().map(|(what, value)| ((*what).to_owned(), serde_json::Value::from(*value))).collect()
    }
}
