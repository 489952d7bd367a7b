//! JSON that fits a schema.

use std::cell::Cell;

use serde_json::{Map, Value as Json, json};

/// How deep a value is before what need not be there is left out; a schema may refer to itself.
const DEEP: usize = 8;
/// How deep a value is before it ends in any case.
const DEEPEST: usize = 32;
/// How many values are made before what need not be there is left out; a schema may branch as it refers to itself.
const MANY: usize = 2_000;
/// How many items or letters a schema may ask for; what asks for more is given as many.
const MOST: u64 = 10_000;

/// Makes values that fit a schema, the same ones for the same schema.
///
/// It knows types, `const`, `enum`, `properties`, `required`, `items`, `prefixItems`, `minItems`, bounds and multiples of
/// numbers, lengths and common formats of strings, `anyOf`, `oneOf`, `allOf`, and `$ref` to places in the schema. It does
/// not know patterns, conditions, and what must not be.
pub(super) struct Filler<'a> {
    schema: &'a Json,
    /// The texts of strings, in turn.
    texts: &'a [String],
    next: Cell<usize>,
    /// How many values were made.
    made: Cell<usize>,
}

impl<'a> Filler<'a> {
    pub(super) fn new(schema: &'a Json, texts: &'a [String]) -> Self {
        Self { schema, texts, next: Cell::new(0), made: Cell::new(0) }
    }

    /// A value that fits.
    pub(super) fn instance(&self) -> Json {
        self.value(self.schema, 0)
    }

    fn value(&self, schema: &Json, depth: usize) -> Json {
        self.made.set(self.made.get() + 1);
        let is_endless = depth >= DEEPEST || self.made.get() > 10 * MANY;
        let Some(rules) = schema.as_object().filter(|_| !is_endless) else {
            // `true` allows everything, and what is not a schema says nothing.
            return Json::Null;
        };
        if let Some(value) = rules.get("const") {
            return value.clone();
        }
        if let Some(value) = rules.get("enum").and_then(Json::as_array).and_then(|values| values.first()) {
            return value.clone();
        }
        if let Some(target) = rules.get("$ref").and_then(Json::as_str).and_then(|path| self.target(path)) {
            return self.value(target, depth + 1);
        }
        for name in ["anyOf", "oneOf"] {
            if let Some(choices) = rules.get(name).and_then(Json::as_array) {
                // A choice that is nothing is the last resort; deep inside it is the first, or there is no end.
                let is_null = |choice: &&Json| kind(choice) == "null";
                let wanted = choices.iter().find(|choice| is_null(choice) == self.is_deep(depth));
                let chosen =
                    wanted.or(choices.first()).map_or(Json::Null, |choice| self.value(choice, depth + 1));
                return self.joined(rules, chosen, depth);
            }
        }
        if let Some(parts) = rules.get("allOf").and_then(Json::as_array) {
            let all = parts.iter().map(|part| self.value(part, depth + 1)).fold(Json::Null, merged);
            return self.joined(rules, all, depth);
        }
        self.of_kind(schema, rules, depth)
    }

    /// A value that was made of one keyword, with the fields that stand beside the keyword.
    fn joined(&self, rules: &Map<String, Json>, value: Json, depth: usize) -> Json {
        if rules.contains_key("properties") { merged(value, self.object(rules, depth)) } else { value }
    }

    fn of_kind(&self, schema: &Json, rules: &Map<String, Json>, depth: usize) -> Json {
        match kind(schema) {
            "object" => self.object(rules, depth),
            "array" => self.array(rules, depth),
            "string" => Json::String(self.string(rules)),
            "integer" => number(rules, true),
            "number" => number(rules, false),
            "boolean" => Json::Bool(true),
            _ => Json::Null,
        }
    }

    /// Whether what need not be there is left out from here on.
    fn is_deep(&self, depth: usize) -> bool {
        depth >= DEEP || self.made.get() >= MANY
    }

    fn object(&self, rules: &Map<String, Json>, depth: usize) -> Json {
        let required = rules.get("required").and_then(Json::as_array);
        let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|known| known == name));
        let properties = rules.get("properties").and_then(Json::as_object);
        let mut properties: Vec<_> = properties.into_iter().flatten().collect();
        // A feature of the crate for JSON decides in which order fields are; texts are given out in this one.
        properties.sort_by_key(|(name, _)| *name);
        let wanted = properties.into_iter().filter(|(name, _)| !self.is_deep(depth) || is_required(name));
        wanted.map(|(name, schema)| (name.clone(), self.value(schema, depth + 1))).collect()
    }

    fn array(&self, rules: &Map<String, Json>, depth: usize) -> Json {
        let first = rules.get("prefixItems").and_then(Json::as_array);
        let mut items: Vec<Json> =
            first.into_iter().flatten().map(|schema| self.value(schema, depth + 1)).collect();
        let bound = |name: &str| rules.get(name).and_then(Json::as_u64).map(|bound| bound.min(MOST) as usize);
        let usual = usize::from(!self.is_deep(depth) && first.is_none());
        let wanted = bound("minItems").unwrap_or(0).max(usual).min(bound("maxItems").unwrap_or(usize::MAX));
        let rest = rules.get("items").unwrap_or(&Json::Null);
        while items.len() < wanted && !rest.is_null() {
            items.push(self.value(rest, depth + 1));
        }
        items.truncate(bound("maxItems").unwrap_or(usize::MAX));
        Json::Array(items)
    }

    fn string(&self, rules: &Map<String, Json>) -> String {
        if let Some(value) = rules.get("format").and_then(Json::as_str).and_then(of_format) {
            return value.to_owned();
        }
        let turn = self.next.get();
        self.next.set(turn + 1);
        let text = self.texts.get(turn % self.texts.len().max(1)).map_or("", String::as_str);
        let bound = |name: &str| rules.get(name).and_then(Json::as_u64);
        let longest = bound("maxLength").map_or(usize::MAX, |length| length.min(MOST) as usize);
        let shortest = bound("minLength").map_or(0, |length| length.min(MOST) as usize);
        let mut letters: String = text.chars().take(longest).collect();
        let missing = shortest.saturating_sub(letters.chars().count());
        letters.extend(std::iter::repeat_n('.', missing));
        letters
    }

    /// The place that a reference such as `#/$defs/node` names.
    fn target(&self, reference: &str) -> Option<&'a Json> {
        let path = reference.strip_prefix('#')?;
        if path.is_empty() { Some(self.schema) } else { self.schema.pointer(path) }
    }
}

/// The type of the values of a schema; of several the first that is something.
fn kind(schema: &Json) -> &str {
    match schema.get("type") {
        Some(Json::String(kind)) => kind,
        Some(Json::Array(kinds)) => {
            let mut kinds = kinds.iter().filter_map(Json::as_str);
            kinds.find(|kind| *kind != "null").unwrap_or("null")
        }
        _ if schema.get("properties").is_some() => "object",
        _ if schema.get("items").is_some() || schema.get("prefixItems").is_some() => "array",
        _ if schema.get("minimum").is_some() || schema.get("maximum").is_some() => "number",
        _ if schema.get("$ref").is_some()
            || schema.get("anyOf").is_some()
            || schema.get("enum").is_some() =>
        {
            "other"
        }
        _ => "string",
    }
}

/// The number nearest to zero that keeps to the bounds, from the lower one on.
fn number(rules: &Map<String, Json>, is_whole: bool) -> Json {
    let bound = |name: &str| rules.get(name).and_then(Json::as_f64);
    let multiple = bound("multipleOf").filter(|multiple| *multiple > 0.0);
    let step = multiple.unwrap_or(1.0);
    let above = bound("exclusiveMinimum").map(|bound| (libm::floor(bound / step) + 1.0) * step);
    let from = bound("minimum").map(|bound| match multiple.is_some() || is_whole {
        true => libm::ceil(bound / step) * step,
        false => bound,
    });
    let mut value = match (from, above) {
        (Some(from), Some(above)) => from.max(above),
        (from, above) => from.or(above).unwrap_or(0.0),
    };
    let below = bound("exclusiveMaximum").map(|bound| (libm::ceil(bound / step) - 1.0) * step);
    let most = bound("maximum").map(|bound| match multiple.is_some() || is_whole {
        true => libm::floor(bound / step) * step,
        false => bound,
    });
    let has_lower = from.is_some() || above.is_some();
    for upper in [below, most].into_iter().flatten() {
        if value > upper {
            // Without a whole step between the bounds, the middle of them is taken.
            let middle = (bound("exclusiveMinimum").or(bound("minimum")).unwrap_or(upper) + upper) / 2.0;
            value = if has_lower && !is_whole && multiple.is_none() { middle } else { upper };
        }
    }
    let is_exact = value.fract() == 0.0 && value.abs() < 9e15;
    if is_exact { json!(value as i64) } else { json!(value) }
}

/// A value of a format of strings.
fn of_format(format: &str) -> Option<&'static str> {
    Some(match format {
        "date-time" => "2026-01-31T12:00:00Z",
        "date" => "2026-01-31",
        "time" => "12:00:00Z",
        "duration" => "PT1H",
        "email" => "someone@example.com",
        "hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uri" | "url" => "https://example.com/",
        "uuid" => "00000000-0000-4000-8000-000000000000",
        _ => return None,
    })
}

/// Two values as one: the fields of both, or the one that is something.
fn merged(left: Json, right: Json) -> Json {
    match (left, right) {
        (Json::Object(mut left), Json::Object(right)) => {
            left.extend(right);
            Json::Object(left)
        }
        (left, Json::Null) => left,
        (_, right) => right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: Json, expect: Json) {
        let texts = ["One.".to_owned(), "Two, longer.".to_owned()];
        assert_eq!(Filler::new(&schema, &texts).instance(), expect, "{schema}");
    }

    #[test]
    fn each_type_has_a_value() {
        check(json!({ "type": "string" }), json!("One."));
        check(json!({ "type": "integer" }), json!(0));
        check(json!({ "type": "number" }), json!(0));
        check(json!({ "type": "boolean" }), json!(true));
        check(json!({ "type": "null" }), json!(null));
        check(json!({ "type": ["null", "string"] }), json!("One."));
        check(json!({ "type": "array", "items": { "type": "string" } }), json!(["One."]));
        check(json!({ "type": "array" }), json!([]));
        check(json!({ "type": "object" }), json!({}));
        check(json!({}), json!("One."));
        check(json!(true), json!(null));
    }

    #[test]
    fn required_and_optional_fields_are_there_and_texts_take_turns() {
        let string = json!({ "type": "string" });
        check(
            json!({ "properties": { "a": string, "b": string, "c": string }, "required": ["a"] }),
            json!({ "a": "One.", "b": "Two, longer.", "c": "One." }),
        );
    }

    #[test]
    fn given_values_are_taken() {
        check(json!({ "enum": ["low", "high"] }), json!("low"));
        check(json!({ "const": 7 }), json!(7));
        check(json!({ "anyOf": [{ "type": "null" }, { "type": "integer", "minimum": 2 }] }), json!(2));
        check(json!({ "oneOf": [{ "const": "a" }, { "const": "b" }] }), json!("a"));
        check(
            json!({ "allOf": [{ "properties": { "a": { "const": 1 } } }], "properties": { "b": { "const": 2 } } }),
            json!({ "a": 1, "b": 2 }),
        );
    }

    #[test]
    fn numbers_keep_to_their_bounds() {
        check(json!({ "type": "integer", "minimum": 3, "maximum": 9 }), json!(3));
        check(json!({ "type": "integer", "minimum": 2.5 }), json!(3));
        check(json!({ "type": "integer", "exclusiveMinimum": 3 }), json!(4));
        check(json!({ "type": "integer", "maximum": -4 }), json!(-4));
        check(json!({ "type": "integer", "exclusiveMaximum": 0 }), json!(-1));
        check(json!({ "type": "integer", "minimum": 4, "multipleOf": 5 }), json!(5));
        check(json!({ "type": "number", "minimum": 0.5 }), json!(0.5));
        check(json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1 }), json!(1));
        check(json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 0.5 }), json!(0.25));
        check(json!({ "minimum": 2 }), json!(2));
    }

    #[test]
    fn strings_and_lists_keep_to_their_lengths() {
        check(json!({ "type": "string", "maxLength": 2 }), json!("On"));
        check(json!({ "type": "string", "minLength": 6 }), json!("One..."));
        check(json!({ "type": "string", "format": "date" }), json!("2026-01-31"));
        check(json!({ "type": "array", "items": { "const": 1 }, "minItems": 3 }), json!([1, 1, 1]));
        check(json!({ "type": "array", "items": { "const": 1 }, "maxItems": 0 }), json!([]));
        check(
            json!({ "type": "array", "prefixItems": [{ "const": 1 }, { "type": "string" }] }),
            json!([1, "One."]),
        );
    }

    #[test]
    fn a_schema_that_refers_to_itself_comes_to_an_end() {
        let node = json!({
            "type": "object",
            "properties": { "name": { "const": "n" }, "next": { "$ref": "#/$defs/node" }, "list": { "type": "array", "items": { "$ref": "#" } } },
            "required": ["name"],
        });
        let schema = json!({ "$ref": "#/$defs/node", "$defs": { "node": node } });
        let value = Filler::new(&schema, &[]).instance();
        assert_eq!(value["next"]["next"]["name"], "n");
        let many: Map<String, Json> = (0..20).map(|n| (n.to_string(), json!({ "$ref": "#" }))).collect();
        let bushy = json!({ "type": "object", "properties": many });
        assert!(Filler::new(&bushy, &[]).instance().to_string().len() < 100_000);
        let endless = json!({ "$ref": "#" });
        assert_eq!(Filler::new(&endless, &[]).instance(), json!(null));
        check(json!({ "$ref": "#/nowhere", "type": "integer" }), json!(0));
    }

    #[test]
    fn without_texts_strings_are_empty() {
        assert_eq!(Filler::new(&json!({ "type": "string" }), &[]).instance(), json!(""));
    }
}
