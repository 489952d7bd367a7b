//! What the receiver of telemetry does is none of the host's business: throughput, memory and counts under trouble.
//!
//! Two threads run flows through recorders that send traces, metrics and log records by OTLP: one to a receiver that
//! answers at once, and others to receivers that are dead, slow, up and down, or busy. Each trouble takes its turn
//! right beside a turn of the good receiver, in rounds, with its exporters at work all the time; the queues were
//! filled before. A turn's figure is the CPU time of the two threads for one execution, so that of the exporters does
//! not count, and a ratio compares two turns that are neighbours. One of the troubles is none, but a second good receiver:
//! what its ratio differs from one is the noise of the machine. In the end the receiver that was up and down stays up,
//! and the dead one starts. The result is printed and written to `target/bench/export_trouble.json`.
//!
//! `--seconds N` sets how long all of it takes, 60 by default.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "real threads pace real traffic, and time passes as it does")]

#[path = "../support/bars.rs"]
mod bars;
#[path = "../support/memory.rs"]
mod memory;
mod receiver;
mod report;
#[path = "../support/run.rs"]
mod run;
mod workers;
mod world;

use std::thread;
use std::time::{Duration, Instant};

use receiver::{Manner, Receiver};
use report::Trouble;
use workers::Workers;
use world::World;

/// How long a turn is; with the rest after it no part of what goes up and down, so that turns meet all of that.
const TURN: Duration = Duration::from_millis(230);
/// What the end takes: the recovery, and the time to end.
const ENDING: Duration = Duration::from_secs(12);
/// How long what goes up and down does each.
const PHASE: Duration = Duration::from_secs(2);
/// The name of the second good receiver.
pub(crate) const CONTROL: &str = "control";
/// How soon something must arrive once the receiver can be reached: the longest pause, and a fifth.
pub(crate) const RECOVERY: Duration = Duration::from_secs(6);
/// How long the end of recording may take.
pub(crate) const END_WITHIN: Duration = Duration::from_secs(2);

fn main() {
    let began = Instant::now();
    let rounds_end = began + duration().saturating_sub(ENDING);
    let mut good = World::new("good", Some(Manner::Good));
    let mut troubles = [
        Trouble::new(World::new(CONTROL, Some(Manner::Good))),
        Trouble::new(World::new("dead", None)),
        Trouble::new(World::new("slow", Some(Manner::Slow(Duration::from_secs(5))))),
        Trouble::new(World::new("flapping", Some(Manner::Flapping(PHASE)))),
        Trouble::new(World::new("refusing", Some(Manner::Refusing(1)))),
    ];
    good.fill();
    troubles.iter_mut().for_each(|trouble| trouble.world.fill());
    let workers = Workers::start();
    // The first round warms up.
    round(&mut good, &mut troubles, &workers, true);
    troubles.iter_mut().for_each(|trouble| trouble.ratios.clear());
    let before = memory::resident();
    let mut rounds = 0;
    while Instant::now() < rounds_end || rounds == 0 {
        round(&mut good, &mut troubles, &workers, rounds % 2 == 0);
        rounds += 1;
    }
    let after = memory::resident();
    recover(&mut troubles);
    report::tell(good, troubles, rounds, (before, after));
}

/// The time for all of it, from the command line.
fn duration() -> Duration {
    let words: Vec<String> = std::env::args().collect();
    let seconds = words.iter().position(|word| word == "--seconds").map(|at| {
        let word = words.get(at + 1).map_or("", String::as_str);
        word.parse().unwrap_or_else(|_| panic!("--seconds takes a number of seconds, not {word:?}"))
    });
    Duration::from_secs(seconds.unwrap_or(60))
}

/// Every trouble has its turn beside one of the good receiver, now before and now after it.
fn round(good: &mut World, troubles: &mut [Trouble], workers: &Workers, good_first: bool) {
    for trouble in troubles {
        let (good, bad) = if good_first {
            let good = good.work(workers, TURN);
            (good, trouble.world.work(workers, TURN))
        } else {
            let bad = trouble.world.work(workers, TURN);
            (good.work(workers, TURN), bad)
        };
        trouble.add(good.nanos_of_execution(), bad.nanos_of_execution());
    }
}

/// Ends what can end of the troubles, and waits for what arrives then.
fn recover(troubles: &mut [Trouble]) {
    for trouble in &mut *troubles {
        match trouble.world.name {
            "flapping" => {
                let notes = trouble.world.notes().unwrap();
                wait_until(PHASE * 2, || notes.is_down());
                notes.stay_up();
                // Something to send when it comes up.
                trouble.world.run(1_000);
                wait_until(PHASE * 2, || !notes.is_down());
            }
            "dead" => {
                trouble.world.receiver = Some(Receiver::start(trouble.world.address, Manner::Good));
            }
            _ => continue,
        }
        let notes = trouble.world.notes().unwrap();
        let recovery = || Some(notes.recovery("/v1/traces")?.max(notes.recovery("/v1/logs")?));
        wait_until(RECOVERY * 2, || recovery().is_some());
        trouble.recovery = recovery();
    }
}

fn wait_until(limit: Duration, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
}
