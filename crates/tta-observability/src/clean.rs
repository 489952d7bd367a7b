//! Takes secrets out of names and values on their way out of the process.
//!
//! Each function gives nothing back where there is nothing to take out, which is nearly always.

use std::borrow::Cow;

use tta_model::{Attributes, EventRecord, Key, SpanStatus, Text, Value};
use tta_redact::{REDACTED, is_secret, secrets};

/// A text without secrets, if it has any.
pub(crate) fn text(text: &str) -> Option<Text> {
    if is_generated(text) {
        return None;
    }
    match secrets(text) {
        Cow::Borrowed(_) => None,
        Cow::Owned(shown) => (shown != text).then(|| shown.into()),
    }
}

/// A text as it may be shown.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    if is_generated(text) { Cow::Borrowed(text) } else { secrets(text) }
}

/// A text that is kept, as it may be shown.
pub(crate) fn kept(kept: &Text) -> Text {
    text(kept).unwrap_or_else(|| kept.clone())
}

/// A value without secrets, if it has any or is one by the name of its attribute.
pub(crate) fn value(key: &str, content: &Value) -> Option<Value> {
    let redacted = |is_redacted: bool| is_redacted.then_some(Value::Text(Text::Static(REDACTED)));
    match content {
        Value::Bool(_) => None,
        Value::Text(content) if content.is_empty() => None,
        Value::Text(content) => redacted(is_secret(key, content) && *content != REDACTED)
            .or_else(|| text(content).map(Value::Text)),
        // A number of tokens is no token; a password of digits is a password.
        Value::Int(_) | Value::Float(_) | Value::Bytes(_) => redacted(is_secret(key, "")),
        Value::List(values) => {
            redacted(is_secret(key, "")).or_else(|| any(values, |item| value(key, item)).map(Value::List))
        }
        Value::Map(values) => redacted(is_secret(key, ""))
            .or_else(|| any(values, |(name, item)| Some((name.clone(), value(name, item)?))).map(Value::Map)),
    }
}

/// Attributes without secrets, if they have any.
pub(crate) fn attributes(attributes: &Attributes) -> Option<Attributes> {
    any(attributes, |(key, content)| attribute(key, content))
}

/// Takes secrets out of attributes.
pub(crate) fn clean(attributes: &mut [(Key, Value)]) {
    for (key, content) in attributes {
        if let Some(cleaned) = attribute(key, content) {
            (*key, *content) = cleaned;
        }
    }
}

/// An attribute without secrets, if it has any.
pub(crate) fn attribute(key: &Key, content: &Value) -> Option<(Key, Value)> {
    // The names in the source of a program are not data.
    let name = if let Text::Shared(name) = key { text(name) } else { None };
    match (name, value(key, content)) {
        (None, None) => None,
        (name, cleaned) => {
            Some((name.unwrap_or_else(|| key.clone()), cleaned.unwrap_or_else(|| content.clone())))
        }
    }
}

/// Takes secrets out of an event.
pub(crate) fn event(event: &mut EventRecord) {
    event.name = kept(&event.name);
    clean(&mut event.attributes);
}

/// A status without secrets.
pub(crate) fn status(status: SpanStatus) -> SpanStatus {
    match status {
        SpanStatus::Error(said) => SpanStatus::Error(kept(&said)),
        other => other,
    }
}

/// All items, if one of them is changed.
fn any<T: Clone, C: FromIterator<T>>(items: &[T], changed: impl Fn(&T) -> Option<T>) -> Option<C> {
    let first = items.iter().position(|item| changed(item).is_some())?;
    let rest = items[first..].iter().map(|item| changed(item).unwrap_or_else(|| item.clone()));
    Some(items[..first].iter().cloned().chain(rest).collect())
}

/// Whether a text is an identifier of the kind that is generated for runs: it holds no secret.
fn is_generated(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_digit = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    match bytes.len() {
        36 => bytes.iter().enumerate().all(is_digit),
        32 => bytes.iter().all(u8::is_ascii_hexdigit),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tta_model::name::attribute as names;

    use super::*;

    const KEY: &str = "sk-a1B2c3D4e5F6g7H8";

    #[test]
    fn values_lose_their_secrets_and_keep_their_types() {
        let check = |key: &str, content: Value, expect: Option<Value>| {
            assert_eq!(value(key, &content), expect, "{key}: {content:?}");
        };
        let redacted = || Some(Value::from(REDACTED));
        check("prompt", "plain words".into(), None);
        check("prompt", KEY.into(), redacted());
        check("prompt", format!("use {KEY} now").into(), Some("use [redacted] now".into()));
        check("db.password", "open sesame".into(), redacted());
        check("db.password", REDACTED.into(), None);
        check("db.password", 12_345_678.into(), redacted());
        check("prompt_tokens", 12_345_678.into(), None);
        check("token", 5.into(), None);
        check("list", vec!["a", KEY].into(), Some(vec!["a", REDACTED].into()));
        check("password", vec!["a", "b"].into(), redacted());
        let map = |content: &str| Value::Map(Arc::from([(Key::from("pwd"), content.to_owned().into())]));
        check("map", map("hunter2"), Some(map(REDACTED)));
        check("id", "550e8400-e29b-41d4-a716-446655440000".into(), None);
    }

    #[test]
    fn none_of_our_own_names_says_that_its_value_is_a_secret() {
        for name in names::ALL {
            assert!(!is_secret(name.key, "a1B2c3D4"), "{}", name.key);
        }
    }

    #[test]
    fn attributes_are_copied_only_where_something_is_taken_out() {
        let plain: Attributes = vec![(Key::from("a"), "b".into()), (Key::from("c"), 1.into())];
        assert_eq!(attributes(&plain), None);
        let mut planted = plain;
        planted.push((format!("tag.{KEY}").into(), "x".into()));
        let cleaned = attributes(&planted).unwrap();
        assert_eq!(cleaned[2], (Key::from("tag.[redacted]"), "x".into()));
        clean(&mut planted);
        assert_eq!(planted, cleaned);
    }
}
