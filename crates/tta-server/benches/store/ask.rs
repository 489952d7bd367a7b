//! Asks a store what people ask.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use tta_model::TraceId;
use tta_server::read::{self, CostBy, CostQuery, MapBy, RedBy, RedQuery, SpanQuery};
use tta_server::{Options, Store};

use crate::measure::{Figures, cpu, memory, millis};

const HOUR: i64 = 3_600_000_000_000;

/// The time of each question, and the size.
pub(crate) fn ask(store: &Store, trace: TraceId) -> Result<Figures, Box<dyn Error>> {
    let mut figures = Figures::default();
    traces(store, trace, &mut figures)?;
    sums(store, &mut figures)?;
    let stats = store.stats();
    figures.add("bytes a span", stats.bytes as f64 / stats.spans as f64);
    figures.add("files", stats.files as f64);
    figures.add("MiB of memory after the questions", memory() as f64);
    Ok(figures)
}

fn traces(store: &Store, trace: TraceId, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let reader = store.reader();
    println!("  the trace has {} spans", read::trace(&reader, trace)?.spans.len());
    figures.time("trace by id", 200, || read::trace(&reader, trace));
    let slow = SpanQuery {
        service: Some(String::from("service-3")),
        status: Some(2),
        min_duration_nanos: 400_000_000,
        limit: 20,
        ..SpanQuery::default()
    };
    println!("  {} found", read::search(&reader, &slow)?.hits.len());
    figures.time("search: service, error, slow", 50, || read::search(&reader, &slow));
    let none = SpanQuery { min_duration_nanos: HOUR, ..slow.clone() };
    figures.time("search: nothing fits in the service", 50, || read::search(&reader, &none));
    let latest = SpanQuery { limit: 20, ..SpanQuery::default() };
    figures.time("search: latest 20", 50, || read::search(&reader, &latest));
    let text = SpanQuery { attributes: vec![(String::from("request.id"), String::from("none"))], ..slow };
    figures
        .time("search: service, error, slow, attribute that no span has", 3, || read::search(&reader, &text));
    let everywhere = SpanQuery { limit: 20, attributes: text.attributes, ..SpanQuery::default() };
    figures.time("search: attribute that no span has, everywhere", 1, || read::search(&reader, &everywhere));
    let newest = store.stats().newest_unix_nanos.unwrap_or(0);
    let recent = SpanQuery { times: newest - HOUR..=newest, ..everywhere };
    figures.time("search: attribute that no span has, last hour", 1, || read::search(&reader, &recent));
    Ok(())
}

fn sums(store: &Store, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let reader = store.reader();
    let newest = store.stats().newest_unix_nanos.unwrap_or(0);
    let times = newest - HOUR..=newest;
    let hour = RedQuery { times, by: RedBy::Operation, ..RedQuery::default() };
    println!("  {} series", read::red(&reader, &hour)?.len());
    figures.time("p95 by operation over the last hour", 20, || read::red(&reader, &hour));
    let primitives = RedQuery { by: RedBy::Primitive, ..hour.clone() };
    figures.time("p95 by primitive over the last hour", 20, || read::red(&reader, &primitives));
    figures.time("heat map of the last hour by minute", 20, || {
        read::heatmap(&reader, &RedQuery { step_minutes: 1, ..hour.clone() })
    });
    figures
        .time("map of services of the last hour", 20, || read::calls(&reader, &hour.times, MapBy::Service));
    let by_model = CostQuery { times: hour.times.clone(), by: CostBy::Model };
    figures.time("cost by model of the last hour", 5, || read::cost(&reader, &by_model));
    Ok(())
}

/// What it takes to open a store that nobody asks anything.
pub(crate) fn open(directory: &Path) -> Result<(Store, Figures), Box<dyn Error>> {
    let (before, wall) = (cpu(), Instant::now());
    let store = Store::open(Options::new(directory))?;
    let mut figures = Figures::default();
    figures.add("ms to open", millis(wall.elapsed()));
    figures.add("ms CPU to open", millis(cpu() - before));
    if let Some(damage) = store.damage().first() {
        return Err(format!("{}: {}", damage.file, damage.what).into());
    }
    Ok((store, figures))
}
