//! Each branch gets a clone of the input.
use tta_primitives::step;

struct Ticket;

fn main() {
    let left = step("left", |_: Ticket| async { Ok(1) });
    let right = step("right", |_: Ticket| async { Ok(2) });
    let _ = left | right;
}
