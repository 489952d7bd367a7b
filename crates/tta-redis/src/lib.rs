//! Keeps the caches and memories of workflows in Redis.
//!
//! A [`Redis`] is a server at a URL, and a [`RedisStore`] is a part of it for values of one type and version. The
//! same store serves a [`Cache`](tta_primitives::Cache) and a
//! [`ConversationMemory`](tta_primitives::ConversationMemory):
//!
//! ```
//! use std::time::Duration;
//! use tta_primitives::{Cache, ConversationMemory};
//! use tta_redis::Redis;
//!
//! # fn main() -> tta_primitives::Result<()> {
//! let redis = Redis::open("redis://127.0.0.1/")?;
//! let answers = Cache::<String, String>::new("answers", |question: &String| question.to_lowercase())
//!     .ttl(Duration::from_secs(600))
//!     .store(redis.store("answers/v1"));
//! let chat = ConversationMemory::<String>::new("chat").ttl(Duration::from_secs(3600)).store(redis.store("chat/v1"));
//! # let _ = (answers, chat);
//! # Ok(()) }
//! ```
//!
//! # Trouble
//! A Redis that is down, slow or full of garbage never fails a run, makes it wait long, or gives it a wrong value: the
//! cache misses, the memory is empty, and each failure is counted and told. Every operation has a deadline, and after
//! one that found no server the next ones fail at once for a while, so that not every run waits for it.
//!
//! # Secrets
//! Keys are hashed with SHA-256, and neither keys nor values are ever on spans or in errors. Values lie in Redis
//! as they are: whoever may read the server may read them, and may find out a key that can be guessed.

mod cache;
mod envelope;
mod health;
mod link;
mod memory;
mod redis;
mod stats;
mod store;

pub use crate::redis::Redis;
pub use stats::RedisStats;
pub use store::RedisStore;
