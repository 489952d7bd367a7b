//! What happened in the last minute, five minutes and hour.
//!
//! A window is made of slices. At the end of each slice, what came since the one before is kept, as counts and bins, and
//! the oldest slice is forgotten. So a window holds its length, and up to one slice more; its [`Recent::covered`]
//! says how much it was.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::bins::Bins;
use super::cell::CellSum;

/// A stretch of time up to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// The last minute, and up to 10 seconds more.
    Minute,
    /// The last five minutes, and up to a minute more.
    FiveMinutes,
    /// The last hour, and up to ten minutes more.
    Hour,
    /// All the time since counting began.
    Start,
}

/// How many slices a window has.
const SLICES: usize = 6;

impl Window {
    /// The windows that slide.
    const SLIDING: [Self; 3] = [Self::Minute, Self::FiveMinutes, Self::Hour];

    fn slice(self) -> Duration {
        match self {
            Self::Minute => Duration::from_secs(10),
            Self::FiveMinutes => Duration::from_secs(60),
            _ => Duration::from_secs(600),
        }
    }

    /// How many whole slices it takes to cover the window.
    fn whole_slices(self) -> usize {
        if self == Self::FiveMinutes { 5 } else { SLICES }
    }
}

/// What the executions of a kind came to in a stretch of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) ended: [u64; 4],
    pub(super) bins: Bins,
}

impl Counts {
    fn of(sum: &CellSum) -> Self {
        Self { ended: sum.ended, bins: sum.bins.clone() }
    }

    fn since(&self, earlier: Option<&Self>) -> Self {
        let Some(earlier) = earlier else { return self.clone() };
        let mut ended = self.ended;
        ended.iter_mut().zip(earlier.ended).for_each(|(count, before)| *count = count.saturating_sub(before));
        Self { ended, bins: self.bins.since(&earlier.bins) }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.ended.iter_mut().zip(other.ended).for_each(|(sum, count)| *sum += count);
        self.bins.merge(&other.bins);
    }
}

/// What happened in a window, by the number of the kind.
#[derive(Debug, Default)]
pub(super) struct Recent {
    pub(super) counts: HashMap<usize, Counts>,
    /// How much time it covers.
    pub(super) covered: Duration,
}

/// All sliding windows. Time is what a monotonic clock says has passed since counting began.
#[derive(Debug)]
pub(super) struct Windows {
    sliding: [Slices; 3],
}

/// The slices of one window.
#[derive(Debug)]
struct Slices {
    window: Window,
    /// When the last slice ended.
    ended: Duration,
    /// What was counted by then.
    before: HashMap<usize, Counts>,
    /// What came in each slice, the latest last, with its length.
    slices: VecDeque<(Duration, HashMap<usize, Counts>)>,
}

impl Default for Windows {
    fn default() -> Self {
        let slices = |window| Slices {
            window,
            ended: Duration::ZERO,
            before: HashMap::new(),
            slices: VecDeque::new(),
        };
        Self { sliding: Window::SLIDING.map(slices) }
    }
}

impl Windows {
    /// Whether a slice has ended by now, so that [`turn`](Self::turn) has something to do.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.sliding.iter().any(|slices| slices.is_due(now))
    }

    /// Ends the slices that have passed.
    pub(super) fn turn(&mut self, now: Duration, sums: &[CellSum]) {
        self.sliding.iter_mut().filter(|slices| slices.is_due(now)).for_each(|slices| slices.turn(now, sums));
    }

    /// What happened in a window.
    pub(super) fn recent(&self, window: Window, now: Duration, sums: &[CellSum]) -> Recent {
        let sliding = self.sliding.iter().find(|slices| slices.window == window);
        sliding.map_or_else(|| since_start(now, sums), |slices| slices.recent(now, sums))
    }
}

fn since_start(now: Duration, sums: &[CellSum]) -> Recent {
    let counts = sums.iter().enumerate().filter(|(_, sum)| sum.executions() > 0);
    Recent { counts: counts.map(|(kind, sum)| (kind, Counts::of(sum))).collect(), covered: now }
}

impl Slices {
    fn is_due(&self, now: Duration) -> bool {
        now.saturating_sub(self.ended) >= self.window.slice()
    }

    fn turn(&mut self, now: Duration, sums: &[CellSum]) {
        let slice = self.since_last(sums);
        let length = now.saturating_sub(self.ended);
        // After a pause, as of a laptop that slept, what came before it is older than the window.
        let most = self.window.slice() * u32::try_from(self.window.whole_slices()).unwrap_or(u32::MAX);
        if length > most {
            self.slices.clear();
        }
        self.slices.push_back((length, slice));
        while self.slices.len() > self.window.whole_slices() {
            self.slices.pop_front();
        }
        self.ended = now;
        self.before = sums.iter().enumerate().map(|(kind, sum)| (kind, Counts::of(sum))).collect();
    }

    fn recent(&self, now: Duration, sums: &[CellSum]) -> Recent {
        let mut counts = self.since_last(sums);
        for (_, slice) in &self.slices {
            slice.iter().for_each(|(kind, more)| counts.entry(*kind).or_default().merge(more));
        }
        let whole: Duration = self.slices.iter().map(|(length, _)| *length).sum();
        Recent { counts, covered: whole + now.saturating_sub(self.ended) }
    }

    fn since_last(&self, sums: &[CellSum]) -> HashMap<usize, Counts> {
        let since = |(kind, sum): (usize, &CellSum)| {
            let before = self.before.get(&kind);
            let known: u64 = before.map_or(0, |before| before.ended.iter().sum());
            (sum.executions() > known).then(|| (kind, Counts::of(sum).since(before)))
        };
        sums.iter().enumerate().filter_map(since).collect()
    }
}

#[cfg(test)]
mod tests {
    use tta_model::ExecutionStatus;

    use super::super::cell::Cell;
    use super::*;

    /// A process in which time passes as the test says.
    struct Process {
        cell: Cell,
        windows: Windows,
        now: Duration,
    }

    impl Process {
        fn new() -> Self {
            Self { cell: Cell::new(&[]), windows: Windows::default(), now: Duration::ZERO }
        }

        fn execute(&self, times: u64, millis: u64) {
            (0..times).for_each(|_| self.cell.end(millis * 1_000_000, ExecutionStatus::Success));
        }

        fn sums(&self) -> Vec<CellSum> {
            let mut sum = CellSum::default();
            self.cell.add_to(&mut sum);
            vec![sum]
        }

        /// Lets time pass, with a look at the clock each second.
        fn pass(&mut self, seconds: u64) {
            for _ in 0..seconds {
                self.now += Duration::from_secs(1);
                if self.windows.is_due(self.now) {
                    self.windows.turn(self.now, &self.sums());
                }
            }
        }

        fn count(&self, window: Window) -> u64 {
            let recent = self.windows.recent(window, self.now, &self.sums());
            recent.counts.get(&0).map_or(0, |counts| counts.ended.iter().sum())
        }
    }

    #[test]
    fn what_is_older_than_a_window_leaves_it() {
        let mut process = Process::new();
        process.execute(10, 5);
        let check = |process: &Process, expected: [u64; 4]| {
            let windows = [Window::Minute, Window::FiveMinutes, Window::Hour, Window::Start];
            assert_eq!(windows.map(|window| process.count(window)), expected, "after {:?}", process.now);
        };
        check(&process, [10; 4]);
        process.pass(59);
        process.execute(1, 5);
        check(&process, [11; 4]);
        process.pass(12);
        check(&process, [1, 11, 11, 11]);
        process.pass(60);
        check(&process, [0, 11, 11, 11]);
        process.pass(300);
        check(&process, [0, 0, 11, 11]);
        process.pass(4_300);
        check(&process, [0, 0, 0, 11]);
    }

    #[test]
    fn a_window_says_how_much_time_it_covers() {
        let mut process = Process::new();
        process.pass(25);
        let covered = |process: &Process, window| {
            process.windows.recent(window, process.now, &process.sums()).covered.as_secs()
        };
        assert_eq!(covered(&process, Window::Minute), 25);
        process.pass(1_000);
        for (window, least, most) in [(Window::Minute, 60, 70), (Window::FiveMinutes, 300, 360)] {
            assert!((least..most).contains(&covered(&process, window)), "{window:?}");
        }
        assert_eq!(covered(&process, Window::Start), 1_025);
    }

    #[test]
    fn percentiles_are_those_of_the_window() {
        let mut process = Process::new();
        process.execute(1_000, 5);
        process.pass(100);
        process.execute(100, 50);
        let recent = process.windows.recent(Window::Minute, process.now, &process.sums());
        let median = recent.counts[&0].bins.quantile(0.5).expect("there are executions");
        assert!((median / 50e6 - 1.0).abs() < super::super::RELATIVE_ERROR, "{median}");
    }

    #[test]
    fn after_a_pause_the_past_is_past() {
        let mut process = Process::new();
        process.execute(10, 5);
        process.pass(11);
        process.now += Duration::from_secs(7_200);
        process.pass(1);
        process.pass(11);
        process.execute(1, 5);
        assert_eq!(process.count(Window::Minute), 1);
    }
}
