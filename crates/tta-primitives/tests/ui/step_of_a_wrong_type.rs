//! The error is one, and at the step that does not fit.
use tta_primitives::step;

fn main() {
    let parse = step("parse", |text: String| async move { Ok(text.len()) });
    let shout = step("shout", |text: String| async move { Ok(text.to_uppercase()) });
    let double = step("double", |n: usize| async move { Ok(n * 2) });
    let _ = parse >> double >> shout;
}
