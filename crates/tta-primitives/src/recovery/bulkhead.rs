//! A limit on how many calls are under way.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tta_model::Text;
use tta_model::name::attribute;

use super::timeout::until;
use crate::clock;
use crate::context::WorkflowContext;
use crate::error::{Error, ErrorKind, Result};
use crate::flow::{Flow, Role};
use crate::observe::Event;
use crate::primitive::{Description, Primitive};

/// How many calls several flows may have under way together, and how many may wait.
///
/// A call that finds neither a permit nor room in the queue fails at once with kind
/// [`BulkheadFull`](ErrorKind::BulkheadFull), and so does one that has waited for too long. Permits go to
/// those who wait in the order in which they came. Clones are the same bulkhead.
///
/// ```
/// use tta_primitives::{Bulkhead, step};
///
/// let database = Bulkhead::builder("database", 8).queue(16).build();
/// let query = step("query", |id: u64| async move { Ok(id) }).bulkhead(&database);
/// assert_eq!(database.available(), 8);
/// # let _ = query;
/// ```
#[derive(Clone)]
pub struct Bulkhead {
    shared: Arc<Shared>,
}

struct Shared {
    rules: BulkheadBuilder,
    permits: Semaphore,
    waiting: AtomicUsize,
}

/// Sets the limits of a [`Bulkhead`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct BulkheadBuilder {
    name: Text,
    limit: usize,
    queue: usize,
    max_wait: Option<Duration>,
}

impl Bulkhead {
    /// Begins a bulkhead with a name and with how many calls may be under way, at least one.
    pub fn builder(name: impl Into<Text>, limit: usize) -> BulkheadBuilder {
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        BulkheadBuilder { name: name.into(), limit, queue: 0, max_wait: None }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &Text {
        &self.shared.rules.name
    }

    /// How many more calls could be under way now.
    #[must_use]
    pub fn available(&self) -> usize {
        self.shared.permits.available_permits()
    }

    /// How many calls wait now.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.shared.waiting.load(Ordering::Acquire)
    }

    /// Takes a permit, perhaps after a wait.
    async fn acquire(&self) -> Result<SemaphorePermit<'_>> {
        let Shared { rules, permits, .. } = &*self.shared;
        // Permits that come back go to those who wait first, so this overtakes nobody.
        if let Ok(permit) = permits.try_acquire() {
            return Ok(permit);
        }
        let _place = self.queue_up()?;
        let moment = rules.max_wait.and_then(|wait| clock::now().checked_add(wait));
        let acquired = match moment {
            Some(moment) => until(moment, permits.acquire()).await,
            None => Some(permits.acquire().await),
        };
        match acquired {
            Some(permit) => Ok(permit.expect("the semaphore of a bulkhead is never closed")),
            None => Err(self.full("had no permit in time")),
        }
    }

    fn queue_up(&self) -> Result<Place<'_>> {
        let Shared { rules, waiting, .. } = &*self.shared;
        let one_more = |queued| (queued < rules.queue).then_some(queued + 1);
        match waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more) {
            Ok(_) => Ok(Place { waiting }),
            Err(_) => Err(self.full("is full")),
        }
    }

    fn full(&self, why: &str) -> Error {
        let BulkheadBuilder { name, limit, queue, .. } = &self.shared.rules;
        let message = format!("bulkhead {name} {why}: {limit} calls are under way, {queue} may wait");
        Error::new(ErrorKind::BulkheadFull, message)
    }
}

impl fmt::Debug for Bulkhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bulkhead({}: {} of {} free)", self.name(), self.available(), self.shared.rules.limit)
    }
}

/// A place in the queue, which is given back when the wait ends in whatever way.
struct Place<'a> {
    waiting: &'a AtomicUsize,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

impl BulkheadBuilder {
    /// Lets so many calls wait; none unless set.
    pub fn queue(mut self, calls: usize) -> Self {
        self.queue = calls;
        self
    }

    /// Lets a call wait no longer than this.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = Some(wait);
        self
    }

    /// Makes the bulkhead.
    #[must_use]
    pub fn build(self) -> Bulkhead {
        let permits = Semaphore::new(self.limit);
        Bulkhead { shared: Arc::new(Shared { rules: self, permits, waiting: AtomicUsize::new(0) }) }
    }
}

impl<I: Send + 'static, O: Send + 'static, S> Flow<I, O, S> {
    /// Runs the flow only while a bulkhead has a permit for it.
    ///
    /// # Cancellation
    /// A run that is dropped gives its permit, or its place in the queue, back.
    #[must_use]
    pub fn bulkhead(self, bulkhead: &Bulkhead) -> Flow<I, O> {
        Flow::new(Bulkheaded { inner: Flow::of_node(self.node), bulkhead: bulkhead.clone() })
    }
}

struct Bulkheaded<I, O> {
    inner: Flow<I, O>,
    bulkhead: Bulkhead,
}

impl<I: Send + 'static, O: Send + 'static> Primitive for Bulkheaded<I, O> {
    type In = I;
    type Out = O;

    async fn run(&self, input: I, cx: &WorkflowContext) -> Result<O> {
        let queued = self.bulkhead.queued();
        let permit = self.bulkhead.acquire().await;
        cx.emit(&Event::BulkheadChecked {
            bulkhead: self.bulkhead.name(),
            limit: self.bulkhead.shared.rules.limit,
            queued,
            admitted: permit.is_ok(),
        });
        cx.set_attribute(attribute::BULKHEAD_QUEUED.key(), queued);
        let _permit = permit?;
        self.inner.call(0, input, cx, &[]).await
    }

    fn describe(&self) -> Description {
        Description::new("bulkhead")
            .attribute(attribute::BULKHEAD_NAME.key(), self.bulkhead.name().clone())
            .attribute(attribute::BULKHEAD_LIMIT.key(), self.bulkhead.shared.rules.limit)
            .child(Role::Inner, &self.inner)
    }
}
