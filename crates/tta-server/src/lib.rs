//! The memory of TTA: takes telemetry in by OTLP, keeps it in one directory, and answers questions about it.
//!
//! [`Store`] keeps; [`read`] answers, and [`sql`] what nobody thought of; [`serve()`] does all of it for other programs. All of it knows
//! only OTLP, so any program that speaks it can write here.

pub mod analysis;
pub mod api;
pub mod read;
mod receive;
mod serve;
pub mod sql;
mod store;
mod varint;
mod wire;

pub use read::Reader;
pub use receive::{JsonError, Limits, Signal, json_to_protobuf};
pub use serve::{Handle, ServeError, ServerConfig, serve};
pub use store::{Batch, Clock, Damage, OpenError, Options, RELATIVE_ERROR, Stats, Store, Ticket, WriteError};
pub use wire::{Logs, Malformed, Metrics, Rejected, Rejection, Traces};
