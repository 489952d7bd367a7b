//! What is asked for, and whether it can be had.

use std::collections::HashSet;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tta::server::Reader;
use tta::server::read::{ALWAYS, SpanQuery, Times, search, senders};
use tta_model::TraceId;

use super::Arguments;

/// How many spans are asked for at once.
const PAGE: usize = 10_000;

/// A server locks the directory that it made, so one without a lock was never a store's.
pub(crate) fn check_store(directory: &Path) -> Result<(), String> {
    let shown = directory.display();
    if !directory.exists() {
        return Err(format!("there is no folder {shown}; name the one of `tta serve` with --data"));
    }
    if !directory.join("lock").is_file() {
        return Err(format!("{shown} is not a store of `tta serve`; name its folder with --data"));
    }
    Ok(())
}

/// Refuses a service that nothing came from, as a name is easily mistyped.
pub(super) fn check_service(reader: &Reader, service: Option<&str>) -> Result<(), Box<dyn Error>> {
    let Some(name) = service else { return Ok(()) };
    let known = senders(reader)?;
    if known.iter().any(|known| known == name) {
        return Ok(());
    }
    let known = if known.is_empty() { String::from("none") } else { known.join(", ") };
    Err(format!("nothing of the service `{name}` is stored; there are: {known}").into())
}

/// Says what could not be read, and so is not in what was written.
pub(super) fn check_damage(reader: &Reader) -> Result<(), String> {
    match &reader.damage()[..] {
        [] => Ok(()),
        [first, ..] => Err(format!(
            "what is damaged in the store was left out: {} in {}; the rest was written",
            first.what, first.file
        )),
    }
}

/// The traces that are asked for, by the start of what was found of them. After each page it is told how many were found so far.
pub(super) fn traces(
    reader: &Reader,
    arguments: &Arguments,
    go_on: impl Fn(usize) -> Result<(), Box<dyn Error>>,
) -> Result<Vec<TraceId>, Box<dyn Error>> {
    let mut query = SpanQuery {
        service: arguments.service.clone(),
        times: times(arguments.since),
        limit: PAGE,
        ..SpanQuery::default()
    };
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    loop {
        let page = search(reader, &query)?;
        found.extend(page.hits.iter().map(|hit| hit.trace_id).filter(|id| seen.insert(*id)));
        go_on(found.len())?;
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    found.reverse();
    Ok(found)
}

/// From so long ago until ever.
pub(super) fn times(since: Option<Duration>) -> Times {
    let Some(since) = since else { return ALWAYS };
    let from = SystemTime::now().checked_sub(since).and_then(|from| from.duration_since(UNIX_EPOCH).ok());
    let from = from.and_then(|from| i64::try_from(from.as_nanos()).ok());
    from.unwrap_or(i64::MIN)..=i64::MAX
}
