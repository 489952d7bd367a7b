//! The `tta` command.
fn main() {}
