//! The undo gets a clone of what its step gave.
use tta_primitives::{saga, step};

struct Ticket;

fn main() {
    let _ = saga("order").step(step("buy", |_: i64| async { Ok(Ticket) })).undo("return", |_| async { Ok(()) });
}
