//! What came out, and the bars.

use std::sync::atomic::Ordering;

use serde::Serialize;
use tta::DropReason;

use crate::bars::{self, Bar, median};
use crate::memory::mebibytes;
use crate::world::{Ending, World};
use crate::{CONTROL, END_WITHIN, RECOVERY};

/// How much slower the host may be, as a part.
const SLOWER: f64 = 0.01;
/// How much the resident set may grow once the queues are full, in bytes.
const GROWTH: u64 = 32 << 20;
/// What a receiver may have answered when nobody waited any more: one request.
const ON_THEIR_WAY: u64 = 512;

/// A world in trouble, and how it did.
pub(crate) struct Trouble {
    pub(crate) world: World,
    /// For each pair of turns, the throughput beside that with the good receiver.
    pub(crate) ratios: Vec<f64>,
    pub(crate) nanos: Vec<(f64, f64)>,
    pub(crate) recovery: Option<std::time::Duration>,
}

#[derive(Debug, Serialize)]
struct Figure {
    receiver: &'static str,
    /// Executions for each second of the host's CPU time.
    executions_per_core_second: f64,
    good_executions_per_core_second: f64,
    /// The median of the pairs.
    throughput_ratio: f64,
    /// Between these the median lies with a certainty of 95 %, as far as the noise of the pairs is chance.
    ratio_from: f64,
    ratio_to: f64,
    most_spans_waiting: u64,
    most_lines_waiting: u64,
    exported: u64,
    dropped_queue_full: u64,
    dropped_export_failed: u64,
    dropped_recorder_full: u64,
    requests: u64,
    refusals: u64,
}

impl Trouble {
    pub(crate) fn new(world: World) -> Self {
        Self { world, ratios: Vec::new(), nanos: Vec::new(), recovery: None }
    }

    pub(crate) fn add(&mut self, good: f64, bad: f64) {
        self.ratios.push(good / bad);
        self.nanos.push((good, bad));
    }

    fn figure(&self) -> Figure {
        let mut ratios = self.ratios.clone();
        ratios.sort_by(f64::total_cmp);
        let notes = self.world.notes();
        let of = |which: fn(&crate::receiver::Notes) -> u64| notes.as_deref().map_or(0, which);
        let (middle, spread) = (ratios.len() / 2, (ratios.len() as f64).sqrt() as usize);
        Figure {
            receiver: self.world.name,
            executions_per_core_second: 1e9 / median(self.nanos.iter().map(|(_, bad)| *bad).collect()),
            good_executions_per_core_second: 1e9 / median(self.nanos.iter().map(|(good, _)| *good).collect()),
            throughput_ratio: ratios[middle],
            ratio_from: ratios[middle.saturating_sub(spread)],
            ratio_to: ratios[(middle + spread).min(ratios.len() - 1)],
            most_spans_waiting: self.world.seen.most_spans,
            most_lines_waiting: self.world.seen.most_lines,
            exported: self.world.exported(),
            dropped_queue_full: self.world.dropped(DropReason::QueueFull),
            dropped_export_failed: self.world.dropped(DropReason::ExportFailed),
            dropped_recorder_full: self.world.dropped(DropReason::RecorderFull),
            requests: of(|notes| notes.requests.load(Ordering::SeqCst)),
            refusals: of(|notes| notes.refusals.load(Ordering::SeqCst)),
        }
    }
}

/// Prints and writes everything, and ends all worlds.
pub(crate) fn tell<const N: usize>(
    good: World,
    troubles: [Trouble; N],
    rounds: usize,
    (before, after): (u64, u64),
) {
    let figures: Vec<Figure> = troubles.iter().map(Trouble::figure).collect();
    println!("{rounds} rounds; with the good receiver {} spans were exported", good.exported());
    print_table(&figures);
    let in_trouble = figures.iter().filter(|figure| figure.receiver != CONTROL);
    let mut bars: Vec<Bar> = in_trouble.map(throughput).collect();
    let growth = after.saturating_sub(before);
    bars.push(Bar::new(
        format!("memory: the resident set grows by at most {:.0} MiB", mebibytes(GROWTH)),
        format!("{:.1} MiB, from {:.1} to {:.1}", mebibytes(growth), mebibytes(before), mebibytes(after)),
        growth <= GROWTH,
    ));
    bars.extend(troubles.iter().flat_map(of_receiver));
    for world in std::iter::once(good).chain(troubles.into_iter().map(|trouble| trouble.world)) {
        bars.extend(of_queues(&world));
        bars.extend(of_ending(world));
    }
    bars::print(&bars);
    bars::write_json("export_trouble", &(figures, bars));
}

fn print_table(figures: &[Figure]) {
    println!(
        "{:<10} {:>14} {:>14} {:>7} {:>15} {:>9} {:>9} {:>9} {:>10} {:>9}",
        "receiver",
        "exec/core-s",
        "good beside",
        "ratio",
        "95 % within",
        "spans",
        "lines",
        "exported",
        "queue full",
        "requests"
    );
    for figure in figures {
        println!(
            "{:<10} {:>14.0} {:>14.0} {:>7.4} {:>7.4}-{:<7.4} {:>9} {:>9} {:>9} {:>10} {:>9}",
            figure.receiver,
            figure.executions_per_core_second,
            figure.good_executions_per_core_second,
            figure.throughput_ratio,
            figure.ratio_from,
            figure.ratio_to,
            figure.most_spans_waiting,
            figure.most_lines_waiting,
            figure.exported,
            figure.dropped_queue_full,
            figure.requests
        );
    }
}

fn throughput(figure: &Figure) -> Bar {
    Bar::new(
        format!(
            "{}: throughput of the host at least {:.2} of that with a good receiver",
            figure.receiver,
            1.0 - SLOWER
        ),
        format!(
            "{:.4}, with 95 % certainty {:.4} to {:.4}",
            figure.throughput_ratio, figure.ratio_from, figure.ratio_to
        ),
        figure.throughput_ratio >= 1.0 - SLOWER,
    )
}

/// What a receiver itself saw of the exporters' manners.
fn of_receiver(trouble: &Trouble) -> Vec<Bar> {
    let mut bars = Vec::new();
    let name = trouble.world.name;
    if name == "refusing" {
        let peace = trouble.world.notes().map(|notes| notes.shortest_peace()).unwrap_or_default();
        // Each of the three signals was refused.
        let is_obeyed = peace.len() == 3 && peace.iter().all(|(_, peace)| peace.as_secs_f64() >= 1.0);
        bars.push(Bar::new(
            format!("{name}: no request of a signal earlier than 1 s after its 503 with Retry-After: 1"),
            format!("the shortest pauses were {peace:.3?}"),
            is_obeyed,
        ));
    }
    if ["dead", "flapping"].contains(&name) {
        let is_soon = trouble.recovery.is_some_and(|recovery| recovery <= RECOVERY);
        bars.push(Bar::new(
            format!("{name}: spans and log records arrive within {RECOVERY:?} once it can be reached"),
            format!("{:.3?}", trouble.recovery),
            is_soon,
        ));
    }
    bars
}

fn of_queues(world: &World) -> [Bar; 2] {
    let seen = &world.seen;
    [
        Bar::new(
            format!("{}: no queue is ever longer than its bound", world.name),
            format!(
                "at most {} spans, drain thread's included, and {} lines",
                seen.most_spans, seen.most_lines
            ),
            seen.bound_held,
        ),
        Bar::new(
            format!("{}: recorded = exported + dropped + waiting, after every turn", world.name),
            if seen.counts_exact { "exact" } else { "it differed" },
            seen.counts_exact,
        ),
    ]
}

/// Ends a world, and compares with what its receiver has.
fn of_ending(world: World) -> [Bar; 2] {
    let (name, hangs_up) = (world.name, world.name == "slow");
    let Ending { recorded, dropped, received, lines_recorded, lines_dropped, lines_received } =
        world.end(END_WITHIN);
    // Only a receiver that takes longer than the end answers when nobody waits any more.
    let more = if hangs_up { ON_THEIR_WAY } else { 0 };
    let adds_up = |recorded: u64, sum: u64| recorded <= sum && sum <= recorded + more;
    [
        Bar::new(
            format!("{name}: spans recorded = received + dropped, at the end"),
            format!("{recorded} = {received} + {dropped}"),
            adds_up(recorded, received + dropped),
        ),
        Bar::new(
            format!("{name}: lines recorded = received + dropped, at the end"),
            format!("{lines_recorded} = {lines_received} + {lines_dropped}"),
            adds_up(lines_recorded, lines_received + lines_dropped),
        ),
    ]
}
