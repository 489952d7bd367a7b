use tta_primitives::testkit::Tape;
use tta_primitives::{ErrorKind, Validation, WorkflowContext, validate};

#[tokio::test]
async fn a_valid_value_passes_and_its_warnings_are_recorded() {
    let flow = validate("amount", |n: &i64| {
        Validation::new().error_if(*n < 0, "negative").warning_if(*n > 9, "large").against("order-v2")
    });
    let tape = Tape::new();
    assert_eq!(flow.run(10, &tape.context()).await.unwrap(), 10);
    let keys = [
        "validation.passed",
        "validation.rule",
        "validation.schema",
        "validation.errors",
        "validation.warnings",
    ];
    assert_eq!(
        tape.tree_with(&keys),
        "\
workflow.validate.execute
  primitive.validate.execute validation.passed=true validation.rule=amount validation.schema=order-v2 validation.errors=0 validation.warnings=1
"
    );
    let event = r#"ValidationFinished { rule: "amount", errors: [], warnings: ["large"] }"#;
    assert_eq!(tape.named("primitive.validate.execute")[0].events, [event]);
}

#[tokio::test]
async fn an_invalid_value_is_an_error_that_lists_what_is_wrong() {
    let flow = validate("name", |name: &String| {
        Validation::new().error_if(name.is_empty(), "empty").error_if(!name.is_ascii(), "not ascii")
    });
    let error = flow.run(String::new(), &WorkflowContext::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Invalid, false));
    assert_eq!(error.message(), "rule `name` does not hold: empty");
}

#[tokio::test]
async fn a_rule_may_return_a_bool_or_a_result() {
    let cx = WorkflowContext::new();
    assert!(validate("even", |n: &i64| n % 2 == 0).run(1, &cx).await.is_err());
    let result = validate("even", |n: &i64| if n % 2 == 0 { Ok(()) } else { Err(format!("{n} is odd")) });
    assert_eq!(result.run(2, &cx).await.unwrap(), 2);
    assert_eq!(result.run(1, &cx).await.unwrap_err().message(), "rule `even` does not hold: 1 is odd");
}
