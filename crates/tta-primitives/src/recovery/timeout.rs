//! A limit on how long work may take.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::Stream;
use pin_project_lite::pin_project;
use tta_model::Text;
use tta_model::name::attribute;

use super::millis;
use crate::clock::{self, Instant};
use crate::context::WorkflowContext;
use crate::error::{Error, ErrorKind, Result};
use crate::flow::{Flow, Role};
use crate::observe::Event;
use crate::primitive::{Description, Primitive};

impl<I: Send + 'static, O: Send + 'static, S> Flow<I, O, S> {
    /// Limits how long the flow may take.
    ///
    /// When the limit passes, the work is dropped, its spans end as `cancelled`, and the error is of kind
    /// [`Timeout`](ErrorKind::Timeout) with an [`Elapsed`] inside. The limit is also a
    /// [deadline](WorkflowContext::deadline) for everything below, so that a step can pass on what is left.
    /// If the deadline from above has passed already, the work is not started.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use tta_primitives::{Elapsed, ErrorKind, WorkflowContext, step};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let stuck = step("stuck", |n: u8| async move { Ok(std::future::pending::<u8>().await + n) });
    /// let error = stuck.timeout(Duration::from_millis(1)).run(1, &WorkflowContext::new()).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Timeout);
    /// let elapsed = error.downcast_ref::<Elapsed>().expect("a limit passed");
    /// assert_eq!((elapsed.limit, elapsed.path.as_str()), (Duration::from_millis(1), "timeout"));
    /// # }
    /// ```
    ///
    /// # Cancellation
    /// Work that never suspends cannot be dropped: a step that blocks its thread holds its timeout up too, and what it
    /// returns in the end is returned, although late.
    #[must_use]
    pub fn timeout(self, limit: Duration) -> Flow<I, O> {
        Flow::new(Timeout { inner: Flow::of_node(self.node), limit })
    }
}

/// A time limit passed.
///
/// Found by [`Error::downcast_ref`]. The path says whose limit it was, so that a timeout is never taken for
/// one inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Elapsed {
    /// The limit; for a deadline from above, what was left of it, which is nothing.
    pub limit: Duration,
    /// The address of the primitive whose limit it was; empty for a stream.
    pub path: Text,
    /// Which limit it was.
    pub source: TimeoutSource,
}

/// Which limit passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeoutSource {
    /// The primitive's own.
    Own,
    /// A deadline from above, before the work had started.
    Deadline,
    /// The time between two items of a stream.
    Idle,
}

impl TimeoutSource {
    /// The word for this source in attributes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Deadline => "deadline",
            Self::Idle => "idle",
        }
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source {
            TimeoutSource::Own => write!(f, "not done within {:?}", self.limit),
            TimeoutSource::Deadline => f.write_str("not started, because the deadline had passed"),
            TimeoutSource::Idle => write!(f, "nothing came for {:?}", self.limit),
        }
    }
}

impl std::error::Error for Elapsed {}

impl Elapsed {
    /// Reports that a limit of the current node passed, and makes the error.
    pub(super) fn report(cx: &WorkflowContext, limit: Duration, source: TimeoutSource) -> Error {
        cx.emit(&Event::TimeoutElapsed { limit, source: source.as_str() });
        Error::with_source(ErrorKind::Timeout, Self { limit, path: cx.path(), source })
    }
}

struct Timeout<I, O> {
    inner: Flow<I, O>,
    limit: Duration,
}

impl<I: Send + 'static, O: Send + 'static> Primitive for Timeout<I, O> {
    type In = I;
    type Out = O;

    async fn run(&self, input: I, cx: &WorkflowContext) -> Result<O> {
        if cx.remaining().is_some_and(|left| left.is_zero()) {
            return Err(Elapsed::report(cx, Duration::ZERO, TimeoutSource::Deadline));
        }
        let Some(deadline) = clock::now().checked_add(self.limit) else {
            return self.inner.call(0, input, cx, &[]).await;
        };
        let limited = cx.with_deadline(deadline);
        match until(deadline, self.inner.call(0, input, &limited, &[])).await {
            Some(result) => result,
            None => Err(Elapsed::report(cx, self.limit, TimeoutSource::Own)),
        }
    }

    fn describe(&self) -> Description {
        Description::new("timeout")
            .attribute(attribute::TIMEOUT_LIMIT_MS.key(), millis(self.limit))
            .child(Role::Limited, &self.inner)
    }
}

/// Does work until a moment; none if the moment came first. The work is dropped by then. It is not started
/// if the moment has passed.
pub(super) async fn until<T>(moment: Instant, work: impl Future<Output = T>) -> Option<T> {
    if moment <= clock::now() {
        return None;
    }
    tokio::select! {
        biased;
        done = work => Some(done),
        () = clock::sleep_until(moment) => None,
    }
}

/// Ends a stream with an error when nothing has come for a while.
///
/// Only the time in which the stream is waited for counts, not the time in which its reader is busy. After
/// the error the stream is dropped, and there are no more items.
///
/// ```
/// # use std::time::Duration;
/// use futures::{StreamExt, stream};
/// use tta_primitives::{ErrorKind, idle_timeout};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let chunks = stream::iter([Ok("one")]).chain(stream::pending());
/// let mut chunks = idle_timeout(chunks, Duration::from_millis(1));
/// assert_eq!(chunks.next().await.unwrap().unwrap(), "one");
/// assert_eq!(chunks.next().await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
/// assert!(chunks.next().await.is_none());
/// # }
/// ```
pub fn idle_timeout<T, S: Stream<Item = Result<T>>>(stream: S, limit: Duration) -> IdleTimeout<S> {
    IdleTimeout { stream: Some(stream), limit, timer: None, waiting: false }
}

pin_project! {
    /// A stream that must not pause for too long; made by [`idle_timeout`].
    #[derive(Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct IdleTimeout<S> {
        #[pin]
        stream: Option<S>,
        limit: Duration,
        // Boxed so that the whole can be moved whenever the stream can.
        timer: Option<Pin<Box<tokio::time::Sleep>>>,
        // Whether the timer runs, because an item is waited for.
        waiting: bool,
    }
}

impl<T, S: Stream<Item = Result<T>>> Stream for IdleTimeout<S> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        let mut this = self.project();
        let Some(stream) = this.stream.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        if let Poll::Ready(item) = stream.poll_next(task) {
            *this.waiting = false;
            return Poll::Ready(item);
        }
        let Some(moment) = clock::now().checked_add(*this.limit) else { return Poll::Pending };
        let timer = this.timer.get_or_insert_with(|| Box::pin(clock::sleep_until(moment)));
        if !std::mem::replace(this.waiting, true) {
            timer.as_mut().reset(moment);
        }
        ready!(timer.as_mut().poll(task));
        this.stream.set(None);
        let elapsed = Elapsed { limit: *this.limit, path: Text::default(), source: TimeoutSource::Idle };
        Poll::Ready(Some(Err(Error::with_source(ErrorKind::Timeout, elapsed))))
    }
}
