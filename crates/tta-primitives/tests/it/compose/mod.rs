//! Each promise of each composing primitive.

mod author;
mod choose;
mod delegate;
mod describe;
mod fan_out;
mod gate;
mod parallel;
mod repeat;
mod router;
mod validate;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tta_primitives::{Error, Flow, step};

/// Adds a number.
pub(crate) fn add(name: &'static str, n: i64) -> Flow<i64, i64> {
    step(name, move |x: i64| async move { Ok(x + n) })
}

/// Fails with its name as the message.
pub(crate) fn fail(name: &'static str) -> Flow<i64, i64> {
    step(name, move |_: i64| async move { Err(Error::failed(name)) })
}

/// Succeeds after a time.
pub(crate) fn slow(name: &'static str, millis: u64, n: i64) -> Flow<i64, i64> {
    step(name, move |_: i64| async move {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        Ok(n)
    })
}

/// Fails after a time.
pub(crate) fn fail_after(name: &'static str, millis: u64) -> Flow<i64, i64> {
    step(name, move |_: i64| async move {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        Err(Error::failed(name))
    })
}

/// Counts what is alive.
#[derive(Clone, Default)]
pub(crate) struct Alive(Arc<AtomicUsize>);

pub(crate) struct Life(Arc<AtomicUsize>);

impl Alive {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn enter(&self) -> Life {
        self.0.fetch_add(1, Ordering::SeqCst);
        Life(Arc::clone(&self.0))
    }

    /// Never ends, and is alive until it is dropped.
    pub(crate) fn forever(&self, name: &'static str) -> Flow<i64, i64> {
        let alive = self.clone();
        step(name, move |x: i64| -> Pin<Box<dyn Future<Output = _> + Send>> {
            let life = alive.enter();
            Box::pin(async move {
                std::future::pending::<()>().await;
                drop(life);
                Ok(x)
            })
        })
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
