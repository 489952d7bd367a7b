//! Questions to the store, each a function of a [`Reader`].
//!
//! An answer is as of the last commit in each file. Nothing is cut without saying so. What cannot be read because the disk damaged it
//! is left out, and [told](crate::Store::damage).

mod arrived;
mod cost;
mod facts;
mod logs;
pub(crate) mod map;
mod metrics;
mod names;
mod news;
mod otlp;
mod outline;
mod plain;
mod red;
mod search;
mod slo;
mod snapshot;
mod span;
mod spans;
mod summary;
pub(crate) mod sums;
mod tags;
mod trace;
mod traces;
mod verify;
mod walk;
mod zones;

use std::ops::RangeInclusive;
use std::sync::Arc;

pub use arrived::{Arrival, Arrivals, Arrived, arrived_logs, arrived_metrics};
pub use cost::{CostBy, CostQuery, CostRow, cost};
pub use facts::{SpanFacts, SpanUsage, facts};
pub use logs::{LogCursor, LogPage, LogQuery, StoredLog, logs, trace_logs};
pub use map::{Call, MapBy, calls, places};
pub use metrics::{MetricName, StoredMetric, metric_names, metrics};
pub use names::{Operation, PrimitiveName, operations, primitives, senders, services};
pub(crate) use news::news_between;
pub use news::{NewTrace, News, Seen, news, seen};
pub(crate) use otlp::resource_spans;
pub use otlp::{logs_json, metrics_json, otlp_json};
pub use outline::{Outline, OutlineSpan, outline};
pub(crate) use plain::{number, plain};
pub use red::{HeatCell, RedBy, RedPoint, RedQuery, RedSeries, heatmap, red};
pub use search::search;
pub use slo::{SloAlert, SloHealth, SloQuery, SloStatus, SloSubject, SloWindow, slo};
pub use span::{is_stored, span};
pub use spans::{Cursor, Mark, SpanHit, SpanPage, SpanQuery};
pub use summary::{ServiceShare, TraceSummary, summaries, summary};
pub use trace::{Origin, StoredSpan, StoredTrace, trace};
pub use traces::{TraceCursor, TracePage, traces};
pub use verify::verify;
pub(crate) use walk::{
    FoundLog, FoundMetric, FoundSpan, LogWalk, MetricQuery, MetricWalk, ModelCall, ModelCallWalk, SpanWalk,
};

use crate::store::segment::{self, Segment};
use crate::store::{Damage, OpenError, Shared, Stats};
use rusqlite::Connection;
use snapshot::{Held, Snapshot};
use tokio::sync::watch;

/// Reads a store, while it is written to. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Reader {
    shared: Arc<Shared>,
}

/// Why a question has no answer: the system does not let the files be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the store: {0}")]
pub struct ReadError(String);

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.to_string())
    }
}

/// A span of time in nanoseconds since 1970, both ends included.
pub type Times = RangeInclusive<i64>;

/// All of time.
pub const ALWAYS: Times = i64::MIN..=i64::MAX;

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// What was found damaged so far, so that whoever shows answers can say what is missing from them.
    #[must_use]
    pub fn damage(&self) -> Vec<Damage> {
        self.shared.damage()
    }

    /// Tells of commits: the number of those since the store was opened, so that whoever shows what is new knows when to ask.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.shared.commits()
    }

    /// How much there is.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Asks every file, oldest first. Where one is damaged, what was found until then counts.
    fn each(&self, ask: impl FnMut(&Snapshot<'_>) -> rusqlite::Result<()>) -> Result<(), ReadError> {
        self.each_of(&ALWAYS, ask)
    }

    /// Asks every file that has spans which start in a time.
    fn each_of(
        &self,
        times: &Times,
        ask: impl FnMut(&Snapshot<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), ReadError> {
        self.ask(self.shared.segments().into_iter().filter(|segment| segment.may_have(times)), ask)
    }

    /// Asks every file, newest first.
    fn each_latest_first(
        &self,
        ask: impl FnMut(&Snapshot<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), ReadError> {
        self.ask(self.shared.segments().into_iter().rev(), ask)
    }

    fn ask(
        &self,
        segments: impl IntoIterator<Item = Arc<Segment>>,
        mut ask: impl FnMut(&Snapshot<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), ReadError> {
        for segment in segments {
            let Some(snapshot) = self.snapshot(&segment)? else { continue };
            let answer = ask(&snapshot);
            self.tolerate(&segment, answer)?;
        }
        Ok(())
    }

    /// Opens a file as it is now; none if it is gone or damaged beyond that.
    fn snapshot<'a>(&'a self, segment: &'a Segment) -> Result<Option<Snapshot<'a>>, ReadError> {
        let of = |file| Snapshot::new(Held::Borrowed(&*self.shared), Held::Borrowed(segment), file);
        Ok(self.open_file(segment)?.map(of))
    }

    /// As [`snapshot`](Self::snapshot), for answers that are read piece by piece.
    fn hold(&self, segment: &Arc<Segment>) -> Result<Option<Snapshot<'static>>, ReadError> {
        let (shared, held) = (Arc::clone(&self.shared), Arc::clone(segment));
        let of = |file| Snapshot::new(Held::Shared(shared), Held::Shared(held), file);
        Ok(self.open_file(segment)?.map(of))
    }

    fn open_file(&self, segment: &Segment) -> Result<Option<Connection>, ReadError> {
        let opened = self.shared.connection(segment).and_then(|file| {
            file.execute_batch("BEGIN")?;
            Ok(file)
        });
        match opened {
            Ok(file) => Ok(Some(file)),
            // Given up since the files were listed.
            Err(_) if !segment.path.exists() => Ok(None),
            Err(OpenError::Sqlite(error)) => self.tolerate(segment, Err::<Option<Connection>, _>(error)),
            Err(error) => Err(ReadError(error.to_string())),
        }
    }

    /// Turns damage into a report, and hands on every other error.
    fn tolerate<T: Default>(&self, segment: &Segment, answer: rusqlite::Result<T>) -> Result<T, ReadError> {
        match answer {
            Err(error) if segment::is_damage(&error) => {
                self.shared.report(segment, &error.to_string());
                Ok(T::default())
            }
            answer => Ok(answer?),
        }
    }
}
