//! Log lines: those about runs, and the ids of the run on every line that is written inside one.
//!
//! What happens in runs is told through `tracing`, at targets that begin with `tta::`, so whoever listens to
//! `tracing` hears of it. [`lines`] is a layer that writes lines as text or JSON, with the ids of the run; [`export`] is
//! one that hands them to OTLP. [`init`](crate::init) sets both up, unless the program has set a subscriber of its own
//! before; then the program adds the layers that it wants:
//!
//! ```
//! use tracing_subscriber::layer::SubscriberExt;
//! use tta_observability::logs::{self, LogFormat};
//!
//! let subscriber = tracing_subscriber::registry().with(logs::lines(LogFormat::Json)).with(logs::export());
//! // tracing::subscriber::set_global_default(subscriber)?;
//! # let _ = subscriber;
//! ```
//!
//! # Cost
//! A line that nobody wants costs a few nanoseconds: its filter is asked before anything is put together.

mod export;
mod fields;
mod fold;
mod ids;
mod line;
mod lines;
mod subscriber;
mod tell;
mod trouble;

pub use export::{ExportLayer, LogSink, export};
pub use lines::{Lines, LogFormat, lines};
pub use subscriber::{DEFAULT_FILTER, LogConfig};

pub(crate) use export::set_sink;
pub(crate) use fold::{Ended, line};
pub(crate) use ids::with_ids;
pub(crate) use subscriber::install;
pub(crate) use tell::{event, node_finished, node_started};
pub(crate) use trouble::Troubles;
