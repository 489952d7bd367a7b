//! Keeps the caches and memories of workflows in Redis.
