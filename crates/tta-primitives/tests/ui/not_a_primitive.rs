//! The message says what to do.
use tta_primitives::Flow;

struct Plain;

fn main() {
    let _ = Flow::new(Plain);
}
