//! What only the application knows to be a secret.

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use crate::REDACTED;

type Rule = dyn for<'a> Fn(&'a str) -> Cow<'a, str> + Send + Sync;

static RULE: OnceLock<Box<Rule>> = OnceLock::new();

/// There is a rule already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleIsSet;

impl fmt::Display for RuleIsSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the process has a rule for secrets already; call `add_rule` once, with all that is to be replaced")
    }
}

impl std::error::Error for RuleIsSet {}

/// Has every text that leaves the process go through a function of the application too, after the shapes that are known
/// here: customer numbers, names of people, keys of its own making.
///
/// The rule is one for the whole process and stays until it ends. Set it before the first run: what was told before
/// is not called back. It gets whole texts, those of fields and labels included, and returns what may be shown.
///
/// It runs wherever something is told, mostly on the thread that drains spans, so it should be quick and must not block.
/// If it panics, the whole text is replaced.
///
/// # Errors
/// If there is a rule already.
///
/// # Examples
/// ```
/// tta_redact::add_rule(|text| {
///     if text.contains("customer-") { "[redacted]".into() } else { text.into() }
/// })?;
/// assert_eq!(tta_redact::secrets("who: customer-77"), "[redacted]");
/// assert_eq!(tta_redact::secrets("who: nobody"), "who: nobody");
/// # Ok::<(), tta_redact::RuleIsSet>(())
/// ```
pub fn add_rule<R>(rule: R) -> Result<(), RuleIsSet>
where
    R: for<'a> Fn(&'a str) -> Cow<'a, str> + Send + Sync + 'static,
{
    RULE.set(Box::new(rule)).map_err(|_| RuleIsSet)
}

/// What the rule leaves of a text; all of it if there is no rule.
pub(crate) fn apply(text: Cow<'_, str>) -> Cow<'_, str> {
    let Some(rule) = RULE.get() else { return text };
    match text {
        Cow::Borrowed(text) => guarded(&**rule, text),
        Cow::Owned(text) => Cow::Owned(guarded(&**rule, &text).into_owned()),
    }
}

fn guarded<'a>(rule: &Rule, text: &'a str) -> Cow<'a, str> {
    catch_unwind(AssertUnwindSafe(|| rule(text))).unwrap_or(Cow::Borrowed(REDACTED))
}
