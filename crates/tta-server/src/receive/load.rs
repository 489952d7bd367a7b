//! How much is being received at this moment, and no more than may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::Refusal;

/// The bytes and requests that are in memory now.
#[derive(Debug)]
pub(crate) struct Load {
    max_bytes: usize,
    max_requests: usize,
    bytes: AtomicUsize,
    requests: AtomicUsize,
}

impl Load {
    pub(crate) fn new(max_bytes: usize, max_requests: usize) -> Self {
        Self { max_bytes, max_requests, bytes: AtomicUsize::new(0), requests: AtomicUsize::new(0) }
    }

    /// Lets a request in.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Lease, Refusal> {
        let lease = Lease { load: Arc::clone(self), bytes: 0 };
        if self.requests.fetch_add(1, Relaxed) >= self.max_requests {
            return Err(Refusal::overloaded("too many requests are being received"));
        }
        Ok(lease)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Relaxed)
    }
}

/// The part of the load that is one request's, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    load: Arc<Load>,
    bytes: usize,
}

impl Lease {
    /// Takes more bytes.
    pub(crate) fn grow(&mut self, by: usize) -> Result<(), Refusal> {
        let before = self.load.bytes.fetch_add(by, Relaxed);
        self.bytes += by;
        if before + by > self.load.max_bytes {
            return Err(Refusal::overloaded("too many bytes are being received"));
        }
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.load.bytes.fetch_sub(self.bytes, Relaxed);
        self.load.requests.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Load;

    #[test]
    fn what_is_let_in_is_bounded_and_given_back() {
        let load = Arc::new(Load::new(10, 1));
        let mut first = load.enter().expect("there is room");
        assert!(load.enter().is_err());
        assert!(first.grow(10).is_ok());
        assert!(first.grow(1).is_err());
        drop(first);
        assert_eq!((load.bytes(), load.requests()), (0, 0));
        assert!(load.enter().is_ok());
    }
}
