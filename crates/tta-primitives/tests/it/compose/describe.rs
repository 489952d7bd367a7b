//! Flows as text and as diagrams.

use std::future::ready;

use tta_primitives::{
    Decision, Flow, Route, Strategy, Validation, WorkflowContext, conditional, fan_out, gate, repeat, router,
    saga, switch, validate,
};

use super::add;

fn nested() -> Flow<i64, i64> {
    let validate = validate("amount", |_: &i64| Validation::new());
    let branches = (add("a", 1) | add("b", 2)).map("sum", |(a, b)| a + b);
    let choice = conditional(|n: &i64| *n > 0).then(branches).otherwise(add("c", 3));
    let booking =
        saga("booking").step(add("reserve", 1)).undo("release", |_| ready(Ok(()))).step(add("pay", 1));
    validate >> choice >> booking
}

#[test]
fn as_a_tree() {
    assert_eq!(
        nested().to_tree(),
        "\
sequential
├─ step 0: validate
├─ step 1: conditional
│  ├─ then: sequential
│  │  ├─ step 0: parallel
│  │  │  ├─ branch 0: a
│  │  │  └─ branch 1: b
│  │  └─ step 1: sum
│  └─ else: c
└─ step 2: booking (saga)
   ├─ forward: reserve
   ├─ compensate: release
   └─ forward: pay
"
    );
}

#[test]
fn as_mermaid() {
    let flow = add("a", 1) >> (add("b", 2).named("say \"b\"") | add("c", 3)).map("d", |(b, _)| b);
    assert_eq!(
        flow.to_mermaid(),
        "\
flowchart TD
    n0[\"sequential\"]
    n1[\"a\"]
    n0 -->|\"step 0\"| n1
    n2[\"parallel\"]
    n0 -->|\"step 1\"| n2
    n3[\"say #quot;b#quot; (b)\"]
    n2 -->|\"branch 0\"| n3
    n4[\"c\"]
    n2 -->|\"branch 1\"| n4
    n5[\"d\"]
    n0 -->|\"step 2\"| n5
"
    );
}

#[test]
fn as_dot() {
    let flow = conditional(|n: &i64| *n > 0).then(add("a", 1)).otherwise(add("b", 2)).named("sign");
    assert_eq!(
        flow.to_dot(),
        "\
digraph flow {
    node [shape=box];
    n0 [label=\"sign (conditional)\"];
    n1 [label=\"a\"];
    n0 -> n1 [label=\"then\"];
    n2 [label=\"b\"];
    n0 -> n2 [label=\"else\"];
}
"
    );
}

#[test]
fn every_primitive_says_what_it_calls() {
    let approve = gate(|_: &i64, _: &WorkflowContext| ready(Ok(Decision::approved("policy"))));
    let routes = router(Strategy::round_robin()).route(Route::new("left", add("a", 1))).build().unwrap();
    let cases = switch(|_: &i64| "x").case("x", routes).default(add("b", 2));
    let flow = fan_out(repeat(approve >> cases).until(|_: &i64| true).max(2));
    assert_eq!(
        flow.to_tree(),
        "\
map
└─ each: loop
   └─ iteration: sequential
      ├─ step 0: gate
      └─ step 1: switch
         ├─ case x: router
         │  └─ route left: a
         └─ case default: b
"
    );
}
