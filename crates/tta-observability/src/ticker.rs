//! The thread that lets time pass for what slides: windows of metrics, and objectives.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How often it ticks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Does something once a second until it is dropped.
#[derive(Debug)]
pub(crate) struct Ticker {
    /// Nothing is sent; the thread ends when it is gone.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the operating system does not give a thread.
    pub(crate) fn start(tick: impl Fn() + Send + 'static) -> io::Result<Self> {
        Self::every(INTERVAL, tick)
    }

    fn every(interval: Duration, tick: impl Fn() + Send + 'static) -> io::Result<Self> {
        let (stop, stopped) = channel::<()>();
        let run = move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                // A subscriber that panics when it is told of an alert is reported by the panic hook; time goes on.
                let _ = catch_unwind(AssertUnwindSafe(&tick));
            }
        };
        let thread = Builder::new().name("tta-ticker".to_owned()).spawn(run)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Ticker {
    /// Waits for a tick that is under way, which takes milliseconds.
    fn drop(&mut self) {
        self.stop.take();
        let Some(thread) = self.thread.take() else { return };
        // A subscriber may end recording from within a tick; it cannot wait for itself.
        if thread.thread().id() != std::thread::current().id() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Instant;

    use super::*;

    #[test]
    fn it_ticks_until_it_is_dropped_also_when_a_tick_panics() {
        let (tell, told) = channel();
        let ticker = Ticker::every(Duration::from_millis(1), move || {
            // The other end is gone when the test has failed.
            let _ = tell.send(());
            panic!("a subscriber that panics");
        });
        let ticker = ticker.expect("a thread");
        (0..3).for_each(|_| told.recv().expect("it goes on"));
        drop(ticker);
        // What was sent before it ended is still there; after that the other end is gone.
        while told.recv().is_ok() {}
    }

    #[test]
    fn it_ends_at_once_and_not_at_the_next_tick() {
        let ticker = Ticker::every(Duration::from_secs(3_600), || {}).expect("a thread");
        let start = Instant::now();
        drop(ticker);
        assert!(start.elapsed() < Duration::from_secs(60));
    }
}
