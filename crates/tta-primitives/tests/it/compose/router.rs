use std::collections::HashMap;
use std::time::Duration;

use tta_primitives::testkit::{Tape, seed};
use tta_primitives::{
    ErrorKind, Flow, MicroUsd, ModelTier, Route, Router, RouterError, Strategy, WorkflowContext, router, step,
};

use super::{add, slow};

fn names(strategy: Strategy<i64>) -> Router<i64, &'static str> {
    ["a", "b", "c"].into_iter().fold(router(strategy), |router, name| {
        let weight = if name == "b" { 0 } else { 1 };
        router.route(Route::new(name, step(name, move |_: i64| async move { Ok(name) })).weight(weight))
    })
}

async fn run(flow: &Flow<i64, &'static str>, input: i64) -> &'static str {
    flow.run(input, &WorkflowContext::new()).await.unwrap()
}

#[tokio::test]
async fn by_a_function() {
    let strategy = Strategy::function(|n: &i64, _| if *n < 0 { "a" } else { "elsewhere" });
    let flow = names(strategy.clone()).default("c").build().unwrap();
    assert_eq!((run(&flow, -1).await, run(&flow, 1).await), ("a", "c"));
    let error = names(strategy).build().unwrap().run(1, &WorkflowContext::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoRoute);
    assert_eq!(error.message(), "no route for `elsewhere` and no default; the routes are `a`, `b`, `c`");
}

#[tokio::test]
async fn the_decision_and_its_reason_are_recorded() {
    let flow = names(Strategy::function(|_, _| "b")).build().unwrap();
    let tape = Tape::new();
    flow.run(1, &tape.context()).await.unwrap();
    assert_eq!(
        tape.tree_with(&["router.route", "router.reason", "router.strategy"]),
        "\
workflow.router.execute
  primitive.router.execute router.route=b router.reason=function router.strategy=function
    primitive.router.route_decision router.route=b router.reason=function
      primitive.b.execute
"
    );
    let event =
        r#"RouteDecided { route: "b", reason: "function", strategy: "function", saved_micro_usd: 0 }"#;
    assert_eq!(tape.named("primitive.router.execute")[0].events, [event]);
}

#[tokio::test]
async fn by_the_tier_of_the_context() {
    let flow = router(Strategy::tier())
        .route(Route::new("small", add("small", 1)).tier(ModelTier::Fast))
        .route(Route::new("large", add("large", 2)).tier(ModelTier::Quality))
        .default("small")
        .build()
        .unwrap();
    let with = |tier| WorkflowContext::builder().llm_model_tier(tier).build();
    assert_eq!(flow.run(0, &with(ModelTier::Quality)).await.unwrap(), 2);
    assert_eq!(flow.run(0, &with(ModelTier::Balanced)).await.unwrap(), 1, "no route for it");
    assert_eq!(flow.run(0, &WorkflowContext::new()).await.unwrap(), 1, "no tier");
}

#[tokio::test]
async fn by_cost() {
    let flow = router(Strategy::cost())
        .route(Route::new("dear", add("dear", 1)).cost(MicroUsd(900)))
        .route(Route::new("cheap", add("cheap", 2)).cost(MicroUsd(30)))
        .build()
        .unwrap();
    assert_eq!(flow.run(0, &WorkflowContext::new()).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn by_latency_the_unobserved_first() {
    let flow = router(Strategy::latency())
        .route(Route::new("slow", slow("slow", 50, 1)))
        .route(Route::new("quick", slow("quick", 5, 2)))
        .build()
        .unwrap();
    let mut taken = Vec::new();
    for _ in 0..4 {
        taken.push(flow.run(0, &WorkflowContext::new()).await.unwrap());
    }
    assert_eq!(taken, [1, 2, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_has_become_slow_is_left() {
    let started = tokio::time::Instant::now();
    let ageing = step("ageing", move |_: i64| async move {
        let slow = started.elapsed() > Duration::from_millis(60);
        tokio::time::sleep(Duration::from_millis(if slow { 900 } else { 5 })).await;
        Ok(1)
    });
    let flow = router(Strategy::latency())
        .route(Route::new("ageing", ageing))
        .route(Route::new("steady", slow("steady", 50, 2)))
        .build()
        .unwrap();
    let mut taken = Vec::new();
    for _ in 0..8 {
        taken.push(flow.run(0, &WorkflowContext::new()).await.unwrap());
    }
    assert_eq!((taken[0], taken[1], taken[2], taken[7]), (1, 2, 1, 2));
}

#[tokio::test]
async fn by_weight_at_random() {
    seed(11);
    let flow = names(Strategy::weighted()).build().unwrap();
    let mut taken: HashMap<&str, u32> = HashMap::new();
    for _ in 0..1_000 {
        *taken.entry(run(&flow, 0).await).or_default() += 1;
    }
    assert_eq!(taken.get("b"), None, "its weight is zero");
    assert!((400..600).contains(&taken["a"]), "{taken:?}");
}

#[tokio::test]
async fn in_turn() {
    let flow = names(Strategy::round_robin()).build().unwrap();
    let mut taken = Vec::new();
    for _ in 0..5 {
        taken.push(run(&flow.clone(), 0).await);
    }
    assert_eq!(taken, ["a", "b", "c", "a", "b"]);
}

#[test]
fn what_could_not_route_is_found_out_when_it_is_made() {
    let none = router::<i64, i64>(Strategy::round_robin()).build();
    assert_eq!(none.unwrap_err(), RouterError::NoRoutes);
    let unknown = names(Strategy::round_robin()).default("d").build();
    assert_eq!(unknown.unwrap_err().to_string(), "the default `d` is not a route");
    let twice =
        names(Strategy::round_robin()).route(Route::new("a", step("a", |_| async { Ok("") }))).build();
    assert_eq!(twice.unwrap_err(), RouterError::DuplicateRoute("a".into()));
    let no_cost = names(Strategy::cost()).build();
    assert_eq!(no_cost.unwrap_err().to_string(), "route `a` has no cost, which the strategy needs");
    let no_tier = names(Strategy::tier()).build();
    assert_eq!(no_tier.unwrap_err(), RouterError::Incomplete { route: "a".into(), lacks: "tier" });
    let weightless = router(Strategy::weighted()).route(Route::new("a", add("a", 1)).weight(0)).build();
    assert_eq!(weightless.unwrap_err(), RouterError::NoWeight);
}
