//! The rule of the application, of which a process has one.

use std::borrow::Cow;

use tta_redact::{RuleIsSet, add_rule, bounded, field, secrets};

#[test]
fn the_rule_of_the_application_comes_after_the_shapes_and_is_set_once() {
    let rule = |text: &str| match text {
        _ if text.contains("rule-of-test-panics") => panic!("the rule is broken"),
        _ => text.replace("rule-of-test-", "[id] "),
    };
    assert_eq!(add_rule(move |text| Cow::Owned(rule(text))), Ok(()));
    assert_eq!(secrets("for rule-of-test-77, password=hunter22"), "for [id] 77, password=[redacted]");
    assert_eq!(bounded("for rule-of-test-77", 100), "for [id] 77");
    assert_eq!(field("who", "rule-of-test-77", 100), "[id] 77");
    assert_eq!(secrets("rule-of-test-panics"), "[redacted]", "what is not known to be safe is not shown");
    assert_eq!(add_rule(|text| text.into()), Err(RuleIsSet));
    assert!(RuleIsSet.to_string().contains("call `add_rule` once"));
}
