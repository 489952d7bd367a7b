//! The message says what to do.
use tta_primitives::{Flow, gate};

struct Plain;

fn main() {
    let _: Flow<i64, i64> = gate(Plain);
}
