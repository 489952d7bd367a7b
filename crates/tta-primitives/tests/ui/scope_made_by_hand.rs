//! A step is called through its observed node, with a scope that nobody else makes.
use tta_primitives::{Primitive, Result, WorkflowContext, step};

struct Outer;

impl Primitive for Outer {
    type In = i64;
    type Out = i64;

    async fn run(&self, input: i64, cx: &WorkflowContext) -> Result<i64> {
        let inner = step("inner", |n: i64| async move { Ok(n) });
        let mut stolen = WorkflowContext::new();
        stolen.scope = cx.scope.clone();
        let _ = inner.node;
        inner.call(0, input, cx, &[]).await
    }
}

fn main() {}
