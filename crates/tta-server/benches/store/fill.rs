//! Fills a store with spans.

use std::error::Error;
use std::time::{Duration, Instant};

use tta_server::{Store, Traces};

use crate::made::Maker;
use crate::measure::{Figures, cpu};

/// How spans come.
#[derive(Clone, Copy)]
pub(crate) struct Flow {
    /// How many in all.
    pub(crate) spans: usize,
    /// How many in a batch.
    pub(crate) batch: usize,
    /// How many batches wait at once, and so may be written in one commit.
    pub(crate) waiting: usize,
}

/// Stores spans, and tells what it cost.
pub(crate) fn fill(store: &Store, maker: &mut Maker, flow: Flow) -> Result<Figures, Box<dyn Error>> {
    let (mut bytes, mut count, mut scanning, mut all) = (0, 0, Duration::ZERO, Duration::ZERO);
    let started = Instant::now();
    while count < flow.spans {
        let bodies: Vec<bytes::Bytes> = (0..flow.waiting).map(|_| maker.batch(flow.batch).into()).collect();
        bytes += bodies.iter().map(bytes::Bytes::len).sum::<usize>();
        let before = cpu();
        let mut batches = Vec::new();
        for body in bodies {
            let traces = Traces::scan(body)?;
            count += traces.len();
            batches.push(traces);
        }
        scanning += cpu() - before;
        let tickets: Result<Vec<_>, _> =
            batches.into_iter().map(|traces| store.submit(traces.into())).collect();
        for ticket in tickets? {
            ticket.blocking_wait()?;
        }
        all += cpu() - before;
    }
    store.sum_up()?.blocking_wait()?;
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / count as f64;
    println!("{count} spans of {} B; {:.0} s in all", bytes / count, started.elapsed().as_secs_f64());
    let mut figures = Figures::default();
    figures.add("spans a second of CPU", (count as f64 / all.as_secs_f64()).round());
    figures.add("us CPU a span", micros(all));
    figures.add("us CPU a span, to scan", micros(scanning));
    Ok(figures)
}
