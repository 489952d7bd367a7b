//! Primitives that an author made, which call other flows.

use tta_primitives::testkit::Tape;
use tta_primitives::{Description, Flow, Primitive, Result, Role, WorkflowContext, step};

use super::add;

/// Calls a flow twice, and names it as a child or not.
struct Twice {
    inner: Flow<i64, i64>,
    is_named: bool,
}

impl Primitive for Twice {
    type In = i64;
    type Out = i64;

    async fn run(&self, input: i64, cx: &WorkflowContext) -> Result<i64> {
        let once = self.inner.run(input, cx).await?;
        self.inner.run(once, cx).await
    }

    fn describe(&self) -> Description {
        match self.is_named {
            true => Description::new("twice").child(Role::Inner, &self.inner),
            false => Description::new("twice"),
        }
    }
}

fn paths(tape: &Tape) -> Vec<(String, String)> {
    tape.spans().into_iter().map(|span| (span.name.to_string(), span.path.to_string())).collect()
}

#[tokio::test]
async fn named_or_not_a_child_has_its_span_and_its_address() {
    for is_named in [true, false] {
        let inner = add("x", 1) >> add("y", 2);
        let flow = add("a", 1) >> Flow::new(Twice { inner, is_named });
        let tape = Tape::new();
        assert_eq!(flow.run(0, &tape.context()).await.unwrap(), 7);
        tape.assert_tree(
            "
            workflow.sequential.execute
              primitive.sequential.execute
                primitive.sequential.step_0
                  primitive.a.execute
                primitive.sequential.step_1
                  primitive.twice.execute
                    primitive.sequential.execute
                      primitive.sequential.step_0
                        primitive.x.execute
                      primitive.sequential.step_1
                        primitive.y.execute
                    primitive.sequential.execute
                      primitive.sequential.step_0
                        primitive.x.execute
                      primitive.sequential.step_1
                        primitive.y.execute
            ",
        );
        let paths = paths(&tape);
        let of = |name: &str| paths.iter().find(|(span, _)| span == name).map(|(_, path)| path.as_str());
        assert_eq!(of("primitive.y.execute"), Some("sequential/twice/sequential/y"), "named: {is_named}");
    }
}

#[tokio::test]
async fn the_same_flow_at_two_places_has_two_addresses() {
    let same = add("same", 1);
    let flow = same.clone() >> same.clone() >> same;
    let tape = Tape::new();
    flow.run(0, &tape.context()).await.unwrap();
    let paths: Vec<_> =
        tape.named("primitive.same.execute").into_iter().map(|s| s.path.to_string()).collect();
    assert_eq!(paths, ["sequential/same", "sequential/same[1]", "sequential/same[2]"]);
}

#[tokio::test]
async fn an_error_says_where_it_arose() {
    let boom = step("boom", |_: i64| async move { Ok("x".parse::<i64>()?) });
    let flow = add("a", 1) >> Flow::new(Twice { inner: boom, is_named: false });
    let error = flow.run(0, &WorkflowContext::new()).await.unwrap_err();
    assert_eq!(error.path(), Some("sequential/twice/boom"));
    assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
}

/// A primitive written without `async fn`, which panics before it has made a future.
struct PanicsEarly;

impl Primitive for PanicsEarly {
    type In = i64;
    type Out = i64;

    fn run(&self, input: i64, _: &WorkflowContext) -> impl Future<Output = Result<i64>> + Send {
        assert!(input > 0, "too early");
        std::future::ready(Ok(input))
    }
}

#[tokio::test]
async fn a_panic_before_the_future_is_an_error_too() {
    let tape = Tape::new();
    let error = Flow::new(PanicsEarly).run(0, &tape.context()).await.unwrap_err();
    assert_eq!(error.to_string(), "the step panicked: too early (at panics_early)");
    tape.assert_tree("workflow.panics_early.execute [error]\n  primitive.panics_early.execute [error]");
}
