//! The parameters of Jaeger's query API, with its words for what is wrong with them.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use tta_model::TraceId;

use super::error::bad;
use super::spans::{ERROR_TAG, KIND_NAMES};
use crate::api::duration;
use crate::api::status::ApiError;
use crate::read::{SpanQuery, Times};

/// How many traces are answered with if the question does not say.
const DEFAULT_LIMIT: usize = 100;
/// How many may be asked for.
const MOST: usize = 10_000;
/// How many records are opened to look for a tag, before a search ends with what it has.
const MOST_RECORDS: usize = 1_000_000;
/// The time that dependencies are looked for in, in milliseconds.
const DEPENDENCIES: i64 = 24 * 60 * 60 * 1_000;

const MICRO: i64 = 1_000;
const MILLI: i64 = 1_000_000;

/// The query of an address.
#[derive(Clone, Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn of(query: Option<&str>) -> Self {
        Self(form_urlencoded::parse(query.unwrap_or("").as_bytes()).into_owned().collect())
    }

    /// The first value of a parameter; an empty one is none.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The value under the first name that has one, with that name.
    pub(super) fn either<'a>(&self, names: &[&'a str]) -> Option<(&'a str, &str)> {
        names.iter().find_map(|name| Some((*name, self.get(name)?)))
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn is_pretty(&self) -> bool {
        self.get("prettyPrint").is_some_and(|value| value != "false")
    }

    pub(super) fn check_bool(&self, name: &str) -> Result<(), ApiError> {
        self.get(name).and_then(not_a_flag).map_or(Ok(()), |why| Err(unparsed(name, &why)))
    }

    /// A time or a length of time, in nanoseconds.
    pub(super) fn nanos(&self, name: &str, unit: i64) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number: i64 = text.parse().map_err(|_| unparsed(name, &not_a_number(text)))?;
        Ok(Some(number.saturating_mul(unit)))
    }

    fn duration(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let parse = |text| duration::parse(text).map_err(|why| unparsed(name, &why));
        self.get(name).map(parse).transpose()
    }

    pub(super) fn check_float(&self, name: &str) -> Result<(), ApiError> {
        let text = self.get(name).unwrap_or("");
        let why = || unparsed(name, &format!("strconv.ParseFloat: parsing {text:?}: invalid syntax"));
        text.parse::<f64>().map(|_| ()).map_err(|_| why())
    }

    pub(super) fn check_metrics(&self) -> Result<(), ApiError> {
        if self.all("service").next().is_none() {
            return Err(unparsed("service", "please provide at least one service name"));
        }
        self.check_bool("groupByOperation")?;
        let is_kind = |kind: &str| kind == "unspecified" || KIND_NAMES[1..].contains(&kind);
        if let Some(kind) = self.all("spanKind").find(|kind| !is_kind(kind)) {
            return Err(unparsed("spanKind", &format!("unsupported span kind: '{kind}'")));
        }
        ["endTs", "lookback", "step", "ratePer"]
            .into_iter()
            .try_for_each(|name| self.nanos(name, MILLI).map(|_| ()))
    }

    pub(super) fn check_trace(&self) -> Result<(), ApiError> {
        self.nanos("start", MICRO)?;
        self.nanos("end", MICRO)?;
        self.check_bool("raw")
    }

    /// The time in which calls are wanted.
    pub(super) fn dependencies(&self) -> Result<Times, ApiError> {
        let end = self.nanos("endTs", MILLI)?.unwrap_or_else(now);
        let lookback = self.nanos("lookback", MILLI)?.unwrap_or(DEPENDENCIES * MILLI);
        Ok(end.saturating_sub(lookback)..=end)
    }

    /// The traces that are asked for by their ids.
    pub(super) fn trace_ids(&self) -> Result<Vec<(String, Option<TraceId>)>, ApiError> {
        let parse = |text: &str| {
            let number = hex(text).map_err(|why| bad(format!("cannot parse traceID param: {why}")))?;
            Ok((print(number), TraceId::new(number)))
        };
        self.all("traceID").map(parse).collect()
    }

    /// The spans of which the traces are searched for.
    pub(super) fn search(&self) -> Result<SpanQuery, ApiError> {
        let start = self.nanos("start", MICRO)?;
        let end = self.nanos("end", MICRO)?.unwrap_or_else(now);
        let tags = self.tags()?;
        let limit = self.limit()?;
        let least = self.duration("minDuration")?.unwrap_or(0);
        let most = self.duration("maxDuration")?.unwrap_or(0);
        // A lookback that no duration is, as in `custom`, belongs to the one who asks.
        let lookback = self.get("lookback").and_then(lookback);
        self.check_bool("raw")?;
        if least != 0 && most != 0 && most < least {
            return Err(bad("'maxDuration' should be greater than 'minDuration'"));
        }
        let start = start.or_else(|| Some(end.saturating_sub(lookback?))).unwrap_or(i64::MIN);
        let mut query = SpanQuery {
            service: self.get("service").map(str::to_owned),
            name: self.get("operation").map(str::to_owned),
            min_duration_nanos: least,
            max_duration_nanos: if most == 0 { i64::MAX } else { most },
            times: start..=end,
            limit,
            most_records: MOST_RECORDS,
            ..SpanQuery::default()
        };
        tags.into_iter().for_each(|tag| add_tag(&mut query, tag));
        Ok(query)
    }

    fn limit(&self) -> Result<usize, ApiError> {
        let Some(text) = self.get("limit") else { return Ok(DEFAULT_LIMIT) };
        let number: i32 = text.parse().map_err(|_| bad(not_a_number(text)))?;
        let limit = usize::try_from(number).ok().filter(|limit| (1..=MOST).contains(limit));
        limit.ok_or_else(|| bad(format!("search depth must be greater than 0 and not more than {MOST}")))
    }

    fn tags(&self) -> Result<BTreeMap<String, String>, ApiError> {
        let mut tags = BTreeMap::new();
        for tag in self.all("tag") {
            let Some((key, value)) = tag.split_once(':') else {
                return Err(bad(format!("malformed 'tag' parameter, expecting key:value, received: {tag}")));
            };
            tags.insert(key.to_owned(), value.to_owned());
        }
        for text in self.all("tags") {
            let found = if text.trim_start().starts_with('{') { None } else { logfmt(text) };
            let found = found.map_or_else(|| json(text), Ok)?;
            tags.extend(found);
        }
        Ok(tags)
    }
}

fn json(text: &str) -> Result<BTreeMap<String, String>, ApiError> {
    serde_json::from_str(text)
        .map_err(|error| bad(format!("malformed 'tags' parameter, cannot unmarshal JSON: {error}")))
}

/// Reads `key=value other="a value"`; none if it is not of this form.
pub(super) fn logfmt(text: &str) -> Option<BTreeMap<String, String>> {
    let mut tags = BTreeMap::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=')?;
        if key.is_empty() || key.contains(|c: char| c.is_whitespace() || c == '"') {
            return None;
        }
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted_value(quoted)?,
            None => {
                let end = after.find(char::is_whitespace).unwrap_or(after.len());
                (after[..end].to_owned(), &after[end..])
            }
        };
        tags.insert(key.to_owned(), value);
        rest = after.trim_start();
    }
    Some(tags)
}

/// What stands before the closing quote, and what after it.
fn quoted_value(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(letters.next()?.1),
            letter => value.push(letter),
        }
    }
    None
}

/// Asks for a tag, of the index where it has a field for it.
pub(super) fn add_tag(query: &mut SpanQuery, (key, value): (String, String)) {
    use tta_model::name::attribute as a;
    let is_error = match (key.as_str(), value.as_str()) {
        (ERROR_TAG, "true") => Some(true),
        (ERROR_TAG, "false") => Some(false),
        (key, "ERROR") if key == a::OTEL_STATUS_CODE.key => Some(true),
        _ => None,
    };
    if is_error.is_some() && query.is_error.is_none() {
        query.is_error = is_error;
    } else if key == a::SPAN_KIND.key && query.kind.is_none() {
        let name = value.to_ascii_lowercase();
        let name = if name == "unspecified" { "" } else { &name };
        let kind = KIND_NAMES.iter().position(|kind| *kind == name);
        query.kind = Some(kind.map_or(u8::MAX, |kind| kind as u8));
    } else {
        query.tags.push((key, value));
    }
}

/// As in `1h`, and also `2d`, which Jaeger's UI offers.
fn lookback(text: &str) -> Option<i64> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<i64>().ok());
    days.map(|days| days.saturating_mul(24 * 3_600 * 1_000_000_000)).or_else(|| duration::parse(text).ok())
}

fn unparsed(name: &str, why: &str) -> ApiError {
    bad(format!("unable to parse param '{name}': {why}"))
}

/// What is wrong with a word for yes or no; none if nothing is.
pub(super) fn not_a_flag(text: &str) -> Option<String> {
    const WORDS: [&str; 12] =
        ["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"];
    (!WORDS.contains(&text)).then(|| format!("strconv.ParseBool: parsing {text:?}: invalid syntax"))
}

fn not_a_number(text: &str) -> String {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let why = if is_number { "value out of range" } else { "invalid syntax" };
    format!("strconv.ParseInt: parsing {text:?}: {why}")
}

pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Reads the id of a trace in an address: in hexadecimal, also a short one, or in base64.
pub(super) fn trace_id(text: &str) -> Result<(String, Option<TraceId>), ApiError> {
    let number = hex(text).or_else(|why| base64_id(text).ok_or(why)).map_err(bad)?;
    Ok((print(number), TraceId::new(number)))
}

fn hex(text: &str) -> Result<u128, String> {
    if text.len() > 32 {
        return Err(format!("TraceID cannot be longer than 32 hex characters: {text}"));
    }
    // Jaeger reads the two halves one after the other, and names the one that is wrong.
    let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let middle = text.len().saturating_sub(16);
    let halves = text.split_at_checked(middle).unwrap_or(("", text));
    let wrong = [halves.0, halves.1].into_iter().find(|half| !is_hex(half) && (middle > 0 || *half == text));
    match wrong {
        Some(half) => Err(format!("strconv.ParseUint: parsing {half:?}: invalid syntax")),
        None => u128::from_str_radix(text, 16).map_err(|error| error.to_string()),
    }
}

fn base64_id(text: &str) -> Option<u128> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [alphabet::STANDARD, alphabet::URL_SAFE].iter().find_map(|alphabet| {
        let bytes = GeneralPurpose::new(alphabet, config).decode(text).ok().filter(|_| text.len() <= 24)?;
        Some(u128::from_be_bytes(bytes.try_into().ok()?))
    })
}

/// As Jaeger prints an id: in 16 digits, or in 32 if they are needed.
pub(super) fn print(id: u128) -> String {
    if id >> 64 == 0 { format!("{id:016x}") } else { format!("{id:032x}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_logfmt(text: &str, expect: Option<&[(&str, &str)]>) {
        let found = logfmt(text);
        let expect = expect
            .map(|tags| tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect());
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn logfmt_has_words_and_quotes() {
        check_logfmt("a=1 b=two", Some(&[("a", "1"), ("b", "two")]));
        check_logfmt(
            r#"a="x \"y\" z" http.status_code=200"#,
            Some(&[("a", "x \"y\" z"), ("http.status_code", "200")]),
        );
        check_logfmt("a=", Some(&[("a", "")]));
        check_logfmt("", Some(&[]));
        check_logfmt("a", None);
        check_logfmt("a b=c", None);
        check_logfmt("a=\"open", None);
    }

    fn check_id(text: &str, expect: Result<u128, &str>) {
        let found = trace_id(text).map(|(_, id)| id.map_or(0, TraceId::get));
        assert_eq!(found, expect.map_err(bad), "{text}");
    }

    #[test]
    fn ids_are_short_or_long() {
        check_id("1f00", Ok(0x1f00));
        check_id("1F00", Ok(0x1f00));
        check_id("0", Ok(0));
        check_id("83a9efd15c1c98a977e0711cc93ee28b", Ok(0x83a9_efd1_5c1c_98a9_77e0_711c_c93e_e28b));
        check_id("AAAAAAAAAAAAAAAAAAAAAQ==", Ok(1));
        check_id("AAAAAAAAAAAAAAAAAAAAAQ", Ok(1));
        check_id("x200", Err("strconv.ParseUint: parsing \"x200\": invalid syntax"));
        check_id("x83a9efd15c1c98a9", Err("strconv.ParseUint: parsing \"x\": invalid syntax"));
        check_id(
            "083a9efd15c1c98a977e0711cc93ee28b",
            Err("TraceID cannot be longer than 32 hex characters: 083a9efd15c1c98a977e0711cc93ee28b"),
        );
        check_id("ü", Err("strconv.ParseUint: parsing \"ü\": invalid syntax"));
    }
}
