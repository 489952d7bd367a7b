//! Attributes of spans, events and resources, and the labels of metrics.
//!
//! A label multiplies the series of its metric by the number of its values, so each attribute says
//! what [bounds](Bound) them. An unbounded one, like a trace id, stays on spans.

use std::fmt;

use crate::value::{Key, Text};

pub mod label;
mod table;

pub use table::*;

/// One attribute: its key, and what its values are.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// The key, as it is written.
    pub key: &'static str,
    /// The type of the value.
    pub kind: ValueKind,
    /// The unit of the value in UCUM; empty if it has none.
    pub unit: &'static str,
    /// What bounds the number of different values.
    pub bound: Bound,
    /// What the value says.
    pub meaning: &'static str,
}

impl Attribute {
    /// The key of the attribute, free to clone.
    ///
    /// # Examples
    ///
    /// ```
    /// use tta_model::name::attribute::STEP_INDEX;
    /// assert_eq!(STEP_INDEX.key(), "step.index");
    /// ```
    #[must_use]
    pub const fn key(&self) -> Key {
        Key::Static(self.key)
    }
}

impl PartialEq for Attribute {
    /// Two attributes of the same key are the same.
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Attribute {}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.key)
    }
}

/// The type of an attribute's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// True or false.
    Bool,
    /// An integer.
    Int,
    /// A float.
    Float,
    /// A string.
    Text,
    /// A list of strings.
    List,
}

/// What bounds the number of different values of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// It has only these values.
    Enumerated(&'static [&'static str]),
    /// The program's code: the names and types that its author wrote.
    ByCode,
    /// The configuration of the program: its models, hosts and objectives.
    ByConfiguration,
    /// Nothing; it is never a label of a metric.
    Unbounded,
}

impl Bound {
    /// Whether the attribute may be a label of a metric.
    #[must_use]
    pub const fn is_label(self) -> bool {
        !matches!(self, Self::Unbounded)
    }
}

/// What the key of a tag of the run begins with.
pub const TAG_PREFIX: &str = "tag.";

/// What the key of a member of the baggage begins with; only allowed members become attributes.
pub const BAGGAGE_PREFIX: &str = "baggage.";

/// What the key of an attribute of the GenAI conventions begins with.
pub const GEN_AI_PREFIX: &str = "gen_ai.";

/// What `gen_ai.operation.name` says of an agent that is called.
pub const INVOKE_AGENT: &str = "invoke_agent";

/// What `gen_ai.operation.name` says of work that is no call of a model. What such a span tells of tokens are those of the calls
/// below it, summed up.
pub const NO_MODEL_CALLS: &[&str] = &[INVOKE_AGENT, "create_agent", "execute_tool", "invoke_workflow"];

/// The key of a tag of the run.
#[must_use]
pub fn tag(name: &str) -> Key {
    format!("{TAG_PREFIX}{name}").into()
}

/// The key of a member of the baggage.
#[must_use]
pub fn baggage(name: &str) -> Key {
    format!("{BAGGAGE_PREFIX}{name}").into()
}

/// Makes a documented constant of each line, and `ALL` of them.
macro_rules! attributes {
    ($($name:ident = $key:literal: $kind:ident, $unit:literal, $bound:expr, $meaning:literal;)*) => {
        $(
            #[doc = concat!("`", $key, "`: ", $meaning, ".")]
            pub const $name: Attribute =
                Attribute { key: $key, kind: ValueKind::$kind, unit: $unit, bound: $bound, meaning: $meaning };
        )*

        /// Every attribute of this module.
        pub const ALL: &[&Attribute] = &[$(&$name),*];
    };
}
use attributes;
/// The word of the OpenTelemetry GenAI conventions for a provider, where it is another than ours.
///
/// # Examples
///
/// ```
/// use tta_model::Text;
/// use tta_model::name::attribute::gen_ai_provider;
/// assert_eq!(gen_ai_provider(&Text::Static("gemini")), "gcp.gemini");
/// assert_eq!(gen_ai_provider(&Text::Static("openai")), "openai");
/// ```
#[must_use]
pub fn gen_ai_provider(provider: &Text) -> Text {
    match provider.as_str() {
        "gemini" => Text::Static("gcp.gemini"),
        "mistral" => Text::Static("mistral_ai"),
        "xai" => Text::Static("x_ai"),
        _ => provider.clone(),
    }
}
