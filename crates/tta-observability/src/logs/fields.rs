//! The fields of a line, as values of ours and without secrets.

use std::fmt::{self, Write as _};

use tracing::Event;
use tracing::field::{Field, Visit};
use tta_model::{Attributes, Key, Text, Value};

use tta_redact::{self as redact, MAX_CHAIN_BYTES};

/// How many fields of a line are kept.
const MAX_FIELDS: usize = 128;

/// What a line says.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) message: String,
    pub(super) attributes: Attributes,
}

impl Fields {
    pub(super) fn of(event: &Event<'_>) -> Self {
        let mut fields = Self::default();
        event.record(&mut fields);
        fields
    }

    /// The text of a field.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.as_text())
    }

    /// Takes a field out.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.attributes.iter().position(|(key, _)| key == name)?;
        Some(self.attributes.remove(at).1)
    }

    fn add(&mut self, field: &Field, value: Value) {
        if self.attributes.len() < MAX_FIELDS {
            self.attributes.push((Key::Static(field.name()), value));
        }
    }

    fn add_text(&mut self, field: &Field, text: &str) {
        let text = redact::field(field.name(), text, MAX_CHAIN_BYTES);
        if field.name() == "message" {
            self.message = text;
        } else {
            self.add(field, Value::Text(Text::from(text)));
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.add(field, value.into()),
            Err(_) => self.add_text(field, &value.to_string()),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add_text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut next = value.source();
        while let Some(cause) = next {
            // Writing to a string cannot fail.
            let _ = write!(text, ": {cause}");
            next = cause.source();
        }
        self.add_text(field, &text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add_text(field, &format!("{value:?}"));
    }
}
