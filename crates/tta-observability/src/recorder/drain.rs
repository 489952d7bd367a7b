//! The thread that takes finished spans over and passes them on.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::assemble::Records;
use super::overhead::Overhead;
use super::sync::QUEUED_BATCHES;
use super::{Assembled, Core, Finished};
use crate::counts::{DropReason, SpanCounts};
use crate::export::{FlushError, SpanExporter};
use crate::logs::LogSink;
use crate::sampling::{TailConfig, TailSampler};
use tta_redact as redact;

/// How often batches that are not full are taken over.
const SWEEP_INTERVAL: Duration = Duration::from_millis(50);

/// How many spans of decided traces are handed over at once, if no trace is larger.
const RELEASED_SPANS: usize = 512;

/// Limits beyond this one are cut, so that a moment can be computed from them.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// The drain thread of a recorder.
#[derive(Debug)]
pub struct Drain {
    commands: Sender<Command>,
    thread: Mutex<Option<JoinHandle<()>>>,
    counts: Arc<SpanCounts>,
}

/// Where finished spans go from the drain thread.
#[derive(Default)]
pub struct Outlets {
    /// Who gets them.
    pub exporters: Vec<Box<dyn SpanExporter>>,
    /// Which traces they get: all unless it is set.
    pub tail: Option<TailConfig>,
    /// Who gets a line about the end of each step and run.
    pub logs: Option<LogSink>,
}

impl From<Vec<Box<dyn SpanExporter>>> for Outlets {
    fn from(exporters: Vec<Box<dyn SpanExporter>>) -> Self {
        Self { exporters, ..Self::default() }
    }
}

impl fmt::Debug for Outlets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlets").field("tail", &self.tail).finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum Command {
    Flush { timeout: Duration, reply: Sender<Result<(), FlushError>> },
    Stop { timeout: Duration, reply: Sender<Result<(), FlushError>> },
}

impl Drain {
    /// Starts the thread, which passes every span on to every exporter, or those that tail sampling keeps.
    ///
    /// # Errors
    /// If the operating system does not give a thread.
    pub fn start(
        finished: Finished,
        outlets: impl Into<Outlets>,
        counts: Arc<SpanCounts>,
    ) -> io::Result<Self> {
        let (commands, inbox) = channel();
        let Outlets { exporters, tail, logs } = outlets.into();
        let adaptive = [finished.sampler.adaptive(), tail.as_ref().and_then(|tail| tail.ratio.adaptive())];
        let overhead = Overhead::new(adaptive.into_iter().flatten().cloned().collect());
        let tail = tail.map(|tail| {
            let sampler = TailSampler::new(tail, &finished.sampler, Arc::clone(&counts));
            Tail { sampler, kept: Vec::new() }
        });
        let worker = Worker { finished, exporters, inbox, records: Records::default(), tail, logs, overhead };
        let thread = Builder::new().name("tta-drain".to_owned()).spawn(move || worker.run())?;
        Ok(Self { commands, thread: Mutex::new(Some(thread)), counts })
    }

    /// Passes everything on that has ended so far and waits until it was sent, at most for a time.
    ///
    /// # Errors
    /// If spans were left when the time was over, or could not be sent.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        if self.thread.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            return Ok(());
        }
        self.ask(timeout, |reply| Command::Flush { timeout, reply })
    }

    /// Flushes and ends the thread. Later calls do nothing.
    ///
    /// # Errors
    /// As for [`flush`](Self::flush).
    pub fn stop(&self, timeout: Duration) -> Result<(), FlushError> {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return Ok(()) };
        let result = self.ask(timeout, |reply| Command::Stop { timeout, reply });
        if thread.is_finished() || result.is_ok() {
            // A panic of an exporter has been reported by the panic hook, and costs only its spans.
            let _ = thread.join();
        }
        result
    }

    fn ask(
        &self,
        timeout: Duration,
        command: impl FnOnce(Sender<Result<(), FlushError>>) -> Command,
    ) -> Result<(), FlushError> {
        let (reply, answer) = channel();
        let failed = |reason: &str| FlushError { unsent: self.counts.unsettled(), reason: reason.to_owned() };
        if self.commands.send(command(reply)).is_err() {
            return Err(failed("the drain thread has ended"));
        }
        // The thread gives up at the timeout by itself; the grace is for what it does before and after.
        let grace = SWEEP_INTERVAL * 4;
        let answer = answer.recv_timeout(timeout.min(LONGEST) + grace);
        answer.unwrap_or_else(|_| Err(failed("the drain thread did not answer in time")))
    }
}

/// What runs on the thread.
struct Worker {
    finished: Finished,
    exporters: Vec<Box<dyn SpanExporter>>,
    inbox: Receiver<Command>,
    records: Records,
    tail: Option<Tail>,
    logs: Option<LogSink>,
    overhead: Overhead,
}

/// What stands between assembly and the exporters where whole traces are decided.
struct Tail {
    sampler: TailSampler,
    kept: Vec<Assembled>,
}

impl Worker {
    fn run(mut self) {
        redact::prepare();
        let mut next_sweep = Instant::now() + SWEEP_INTERVAL;
        loop {
            match self.inbox.try_recv() {
                Ok(Command::Flush { timeout, reply }) => {
                    let result = self.end(timeout, |exporter, timeout| exporter.flush(timeout));
                    let _ = reply.send(result);
                }
                Ok(Command::Stop { timeout, reply }) => {
                    let result = self.end(timeout, |exporter, timeout| exporter.shutdown(timeout));
                    let _ = reply.send(result);
                    return;
                }
                Err(_) => {}
            }
            let began = Instant::now();
            let received = self.finished.receiver.recv_timeout(next_sweep.saturating_duration_since(began));
            self.overhead.waited(began);
            match received {
                Ok(batch) => self.take(batch),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = Instant::now();
            if now >= next_sweep {
                self.sweep();
                // The moment before the sweep: a root that came with it has its whole linger before it.
                self.decide(|tail| tail.sampler.decide_due(now, &mut tail.kept));
                self.overhead.adjust(now, self.finished.core.buffers.counts().recorded());
                next_sweep = Instant::now() + SWEEP_INTERVAL;
            }
        }
    }

    fn take(&mut self, mut batch: super::Batch) {
        let core: &Core = &self.finished.core;
        self.records.clear();
        self.records.add(&mut batch, core, self.logs.as_ref());
        core.buffers.recycle(batch);
        if let Some(tail) = &mut self.tail {
            tail.hold(&mut self.records);
        }
        self.export();
    }

    /// Decides traces one after the other, as long as there are any to decide, and exports what is kept of them.
    fn decide(&mut self, one: impl Fn(&mut Tail) -> bool) {
        loop {
            let Some(tail) = &mut self.tail else { return };
            self.records.clear();
            while tail.kept.len() < RELEASED_SPANS && one(tail) {}
            if tail.kept.is_empty() {
                return;
            }
            tail.release(&mut self.records);
            self.export();
        }
    }

    fn export(&mut self) {
        let Records { spans, kinds, .. } = &self.records;
        if spans.is_empty() {
            return;
        }
        let core = &self.finished.core;
        core.buffers.counts().add_handed_over(spans.len());
        if !self.exporters.is_empty() {
            // Only now, so that whoever follows an example finds its trace.
            core.metrics.keep_examples(spans, kinds);
        }
        for exporter in &mut self.exporters {
            // The panic hook reports it; it costs these spans, and not those that come after.
            if catch_unwind(AssertUnwindSafe(|| exporter.export(spans))).is_err() {
                core.buffers.counts().add_dropped(DropReason::ExportFailed, spans.len());
            }
        }
    }

    /// Takes over what is queued, and then what threads have collected so far.
    fn sweep(&mut self) {
        let mut batches = Vec::new();
        self.finished.core.buffers.sweep(|batch| batches.push(batch));
        // No more than were queued by then: threads that never pause must not keep a flush waiting.
        for _ in 0..QUEUED_BATCHES {
            let Ok(batch) = self.finished.receiver.try_recv() else { break };
            self.take(batch);
        }
        batches.into_iter().for_each(|batch| self.take(batch));
    }

    fn end(
        &mut self,
        timeout: Duration,
        mut each: impl FnMut(&mut dyn SpanExporter, Duration) -> Result<(), FlushError>,
    ) -> Result<(), FlushError> {
        let deadline = Instant::now() + timeout.min(LONGEST);
        self.sweep();
        self.decide(|tail| tail.sampler.decide_oldest(&mut tail.kept));
        let mut result = Ok(());
        for exporter in &mut self.exporters {
            let left = deadline.saturating_duration_since(Instant::now());
            let ended = catch_unwind(AssertUnwindSafe(|| each(&mut **exporter, left)));
            result = result.and(ended.unwrap_or_else(|_| Err(panicked())));
        }
        if result.is_ok() {
            self.finished.core.buffers.counts().settle();
        }
        result
    }
}

impl Tail {
    /// Takes records over, and puts in their place what is kept of the traces that were decided for them.
    fn hold(&mut self, records: &mut Records) {
        let now = Instant::now();
        for (record, kind) in records.spans.drain(..).zip(records.kinds.drain(..)) {
            self.sampler.offer(Assembled { record, kind }, now, &mut self.kept);
        }
        self.release(records);
    }

    fn release(&mut self, records: &mut Records) {
        for Assembled { record, kind } in self.kept.drain(..) {
            records.spans.push(record);
            records.kinds.push(kind);
        }
        // A large trace comes seldom, and its room is not kept for the next.
        self.kept.shrink_to(RELEASED_SPANS);
    }
}

fn panicked() -> FlushError {
    FlushError { unsent: 0, reason: "an exporter panicked; its spans are lost".to_owned() }
}

impl Drop for Drain {
    fn drop(&mut self) {
        let _ = self.stop(Duration::ZERO);
    }
}
