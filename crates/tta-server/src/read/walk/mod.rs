//! Answers that are read piece by piece: all that fits, however much it is, without holding more of it than a little.
//!
//! A [`search`](super::search()) answers pages and looks at the runs of all earlier pages again for each. Whoever wants everything goes on
//! where it is instead, with each file as it was when it was first looked at. So that much of a file's log cannot be reused by
//! the writer until the walk ends.

mod copies;
mod logs;
mod metrics;
mod model_calls;
mod shapes;
mod spans;

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

pub(crate) use logs::{FoundLog, LogWalk};
pub(crate) use metrics::{FoundMetric, MetricQuery, MetricWalk};
pub(crate) use model_calls::{ModelCall, ModelCallWalk};
pub(crate) use spans::{FoundSpan, SpanWalk};

use super::snapshot::Snapshot;
use super::{ReadError, Reader};
use crate::store::segment::Segment;

/// How many rows of a file are read at once.
const PAGE: i64 = 1_024;

/// A file that a walk has come to.
#[derive(Clone)]
struct Place {
    snapshot: Rc<Snapshot<'static>>,
    segment: Arc<Segment>,
}

/// The files of a store, the newest first.
struct Files {
    reader: Reader,
    left: VecDeque<Arc<Segment>>,
    at: Option<Place>,
}

impl Files {
    fn new(reader: &Reader) -> Self {
        let left = reader.shared.segments().into_iter().rev().collect();
        Self { reader: reader.clone(), left, at: None }
    }

    /// Goes on to the next file. Answers whether there is one.
    fn advance(&mut self) -> Result<bool, ReadError> {
        self.at = None;
        while let Some(segment) = self.left.pop_front() {
            if let Some(snapshot) = self.reader.hold(&segment)? {
                self.at = Some(Place { snapshot: Rc::new(snapshot), segment });
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the next page of a file, or of the one behind it; nothing at the end. What is damaged ends its file.
    fn page<T>(
        &mut self,
        mut read: impl FnMut(&Place, bool) -> rusqlite::Result<Vec<T>>,
    ) -> Result<Vec<T>, ReadError> {
        loop {
            let is_new = self.at.is_none();
            if is_new && !self.advance()? {
                return Ok(Vec::new());
            }
            let Some(place) = &self.at else { return Ok(Vec::new()) };
            let page = self.reader.tolerate(&place.segment, read(place, is_new))?;
            if !page.is_empty() {
                return Ok(page);
            }
            self.at = None;
        }
    }
}
