//! The only place that names the locks of what is also tested under every schedule of threads.
//!
//! A test that searches schedules includes such a file with a `sync` of its own, whose locks tell the
//! scheduler.

pub(crate) use std::sync::{Mutex, MutexGuard, PoisonError};
