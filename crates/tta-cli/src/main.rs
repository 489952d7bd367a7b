//! The `tta` command.

// In a test build the tests are the users, and nothing is dead.
#[cfg_attr(not(test), expect(dead_code, unused_imports, reason = "wired by the demo command"))]
mod demo;
#[cfg_attr(not(test), expect(dead_code, reason = "wired by the demo command"))]
mod render;

fn main() {}
