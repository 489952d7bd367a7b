//! Work that is remembered.
//!
//! A [`Cache`] stands before a flow and remembers its outputs by a key that it makes of the input. It
//! decides alone what is fresh, what is stale, who computes and who waits; a [`CacheStore`] only keeps
//! entries. So every store, in this process or elsewhere, behaves the same.

mod cached;
mod flight;
mod making;
mod memory;
mod settings;
mod stats;
mod store;

pub use memory::Memory;
pub use settings::Cache;
pub use stats::CacheStats;
pub use store::{CacheKey, CacheStore, Entry, Remembered, RememberedFailure};
