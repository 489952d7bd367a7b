//! Prices from a file.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};
use tta_model::Text;

use super::{LongInput, Price, PriceTable, Rate, Rates};

/// The variable that names a file with prices of one's own.
pub const PRICES_VARIABLE: &str = "TTA_LLM_PRICES";

/// The fields that have a price; the first two must be there.
const RATES: [&str; 5] = ["input", "output", "cached_input", "cache_write", "cache_write_1h"];
/// The fields that have a text; the first two must be there.
const TEXTS: [&str; 6] = ["provider", "model", "since", "source", "read", "note"];

/// Why prices could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// The file could not be read.
    #[error(
        "the prices in {path} cannot be read: {why}; name a readable file in {PRICES_VARIABLE}, or unset it"
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The text is not TOML.
    #[error("prices are not TOML: {why}")]
    NotToml {
        /// What is wrong, and in which line.
        why: String,
    },
    /// An entry is wrong.
    #[error("price {entry}: `{field}` {problem}")]
    Entry {
        /// Which one: its place, and its names if it has them.
        entry: String,
        /// The field.
        field: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// What a file says is wrong, with the file.
    #[error("{path}: {error}")]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: Box<PriceError>,
    },
}

impl PriceTable {
    /// Reads prices from TOML: a list of `[[price]]` with `provider`, `model`, `input` and `output`, and if they are
    /// known `cached_input`, `cache_write`, `cache_write_1h`, `[price.above]`, `since`, `source`, `read` and `note`.
    ///
    /// Prices are texts, in US dollars for 1,000,000 tokens: a number with a point would be rounded before it is read.
    ///
    /// ```
    /// let prices = tta_llm::PriceTable::from_toml(
    ///     r#"
    ///     [[price]]
    ///     provider = "openai"
    ///     model = "gpt-4o"
    ///     input = "2.00"
    ///     output = "8.00"
    ///     source = "our contract"
    ///     "#,
    /// )?;
    /// assert_eq!(prices.len(), 1);
    /// # Ok::<(), tta_llm::PriceError>(())
    /// ```
    ///
    /// # Errors
    /// If the text is not TOML, or an entry lacks a field, has an unknown or a wrong one, or is there twice. The error
    /// names the entry and the field and says what to do.
    pub fn from_toml(text: &str) -> Result<Self, PriceError> {
        let file: Table = text.parse().map_err(|error| not_toml(text, &error))?;
        let mut table = Self::new();
        for (name, value) in &file {
            let Some(entries) = value.as_array().filter(|_| name == "price") else {
                return Err(wrong("list", name, "is not known here; write each price under [[price]]"));
            };
            for (index, entry) in entries.iter().enumerate() {
                let price = price(index, entry)?;
                let place = place(index, entry);
                if table.insert(price).is_some() {
                    return Err(wrong(&place, "model", "is there twice; remove one of the two"));
                }
            }
        }
        Ok(table)
    }

    /// Reads prices from a file, as [`from_toml`](Self::from_toml) does.
    ///
    /// # Errors
    /// If the file cannot be read, or for the reasons of `from_toml`.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, PriceError> {
        let path = path.as_ref();
        let text = fs::read_to_string(path)
            .map_err(|error| PriceError::File { path: path.to_owned(), why: error.to_string() })?;
        Self::from_toml(&text)
            .map_err(|error| PriceError::InFile { path: path.to_owned(), error: Box::new(error) })
    }

    /// The prices that come with the crate, with those of the file over them that the variable `TTA_LLM_PRICES` names.
    ///
    /// # Errors
    /// If there is such a variable and its file cannot be read, or for the reasons of [`from_toml`](Self::from_toml).
    pub fn from_env() -> Result<Self, PriceError> {
        let path = env::var_os(PRICES_VARIABLE).filter(|path| !path.is_empty());
        let own = path.map_or_else(|| Ok(Self::new()), Self::from_file)?;
        Ok(Self::builtin().clone().merged(own))
    }
}

fn price(index: usize, value: &Value) -> Result<Price, PriceError> {
    let place = place(index, value);
    let Value::Table(entry) = value else {
        return Err(wrong(&place, "price", "is not a table; write each price under [[price]]"));
    };
    let known = |name: &str| RATES.contains(&name) || TEXTS.contains(&name) || name == "above";
    check_names(&place, entry, known)?;
    let text = |name: &str| text(&place, entry, name);
    let names =
        (required(&place, "provider", text("provider")?)?, required(&place, "model", text("model")?)?);
    let above = match entry.get("above") {
        None => None,
        Some(Value::Table(above)) => Some(long_input(&place, above)?),
        Some(_) => return Err(wrong(&place, "above", "is not a table; write it as [price.above]")),
    };
    let (since, read) = (day(&place, "since", text("since")?)?, day(&place, "read", text("read")?)?);
    let (source, note) = (text("source")?, text("note")?);
    Ok(Price { above, since, source, read, note, ..Price::new(names.0, names.1, rates(&place, entry)?) })
}

fn long_input(place: &str, entry: &Table) -> Result<LongInput, PriceError> {
    let place = format!("{place}, above");
    check_names(&place, entry, |name| RATES.contains(&name) || name == "input_tokens")?;
    let tokens = entry.get("input_tokens").and_then(Value::as_integer);
    let tokens = tokens.and_then(|tokens| u64::try_from(tokens).ok());
    let problem = "is missing or not a whole number; write how many tokens of input the usual prices reach";
    let input_tokens = tokens.ok_or_else(|| wrong(&place, "input_tokens", problem))?;
    Ok(LongInput { input_tokens, rates: rates(&place, entry)? })
}

fn rates(place: &str, entry: &Table) -> Result<Rates, PriceError> {
    let rate = |name: &str| -> Result<Option<Rate>, PriceError> {
        let Some(text) = text(place, entry, name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|error| wrong(place, name, &format!("is wrong: {error}")))
    };
    Ok(Rates {
        input: required(place, "input", rate("input")?)?,
        output: required(place, "output", rate("output")?)?,
        cached_input: rate("cached_input")?,
        cache_write: rate("cache_write")?,
        cache_write_1h: rate("cache_write_1h")?,
    })
}

fn check_names(place: &str, entry: &Table, is_known: impl Fn(&str) -> bool) -> Result<(), PriceError> {
    match entry.keys().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => {
            let known: Vec<&str> = RATES.iter().chain(&TEXTS).copied().collect();
            let problem = format!("is not known; the fields are {}, and the table above", known.join(", "));
            Err(wrong(place, name, &problem))
        }
    }
}

/// A text that is not empty, if it is there.
fn text(place: &str, entry: &Table, name: &str) -> Result<Option<Text>, PriceError> {
    match entry.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => {
            Err(wrong(place, name, "is empty; write a value or remove the line"))
        }
        Some(Value::String(text)) => Ok(Some(Text::from(text.clone()))),
        Some(other) => {
            let problem =
                format!("is of type {} and not a text; put the value into quotes", other.type_str());
            Err(wrong(place, name, &problem))
        }
    }
}

fn required<T>(place: &str, name: &str, value: Option<T>) -> Result<T, PriceError> {
    value.ok_or_else(|| wrong(place, name, "is missing; add it"))
}

/// A day, whose form is checked so that days can be compared as texts.
fn day(place: &str, name: &str, text: Option<Text>) -> Result<Option<Text>, PriceError> {
    let is_day = |text: &Text| {
        let digits = text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        text.len() == 10 && digits
    };
    match text {
        Some(text) if !is_day(&text) => {
            Err(wrong(place, name, &format!("is `{text}` and not a day; write it as 2026-01-31")))
        }
        text => Ok(text),
    }
}

/// The place of an entry in the file, and its names if it has them.
fn place(index: usize, entry: &Value) -> String {
    let name = |name: &str| entry.get(name).and_then(Value::as_str);
    let names: Vec<&str> = [name("provider"), name("model")].into_iter().flatten().collect();
    match names.is_empty() {
        true => (index + 1).to_string(),
        false => format!("{} ({})", index + 1, names.join(" ")),
    }
}

fn wrong(entry: &str, field: &str, problem: &str) -> PriceError {
    PriceError::Entry { entry: entry.to_owned(), field: field.to_owned(), problem: problem.to_owned() }
}

fn not_toml(text: &str, error: &toml::de::Error) -> PriceError {
    let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    PriceError::NotToml { why: format!("line {line}: {}", error.message()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "[[price]]\nprovider = \"p\"\nmodel = \"m\"\ninput = \"1.00\"\noutput = \"2.00\"\n";

    fn fails(text: &str, expect: &str) {
        assert_eq!(PriceTable::from_toml(text).unwrap_err().to_string(), expect);
    }

    #[test]
    fn an_entry_needs_little() {
        let table = PriceTable::from_toml(ENTRY).unwrap();
        let rates = Rates { input: "1".parse().unwrap(), output: "2".parse().unwrap(), ..Rates::default() };
        assert_eq!(table.find("p", "m"), Some(&Price::new("p", "m", rates)));
        assert!(PriceTable::from_toml("").unwrap().is_empty());
    }

    #[test]
    fn all_fields_are_read() {
        let text = format!(
            "{ENTRY}cached_input = \"0.5\"\ncache_write = \"1.5\"\ncache_write_1h = \"3\"\nsince = \"2026-01-31\"\n\
             source = \"a list\"\nread = \"2026-02-01\"\nnote = \"n\"\n\
             [price.above]\ninput_tokens = 100\ninput = \"7\"\noutput = \"8\"\n"
        );
        let table = PriceTable::from_toml(&text).unwrap();
        let price = table.find("p", "m").unwrap();
        let shown = |rate: Option<Rate>| rate.unwrap().to_string();
        assert_eq!(shown(price.rates.cached_input), "0.50");
        assert_eq!(shown(price.rates.cache_write), "1.50");
        assert_eq!(shown(price.rates.cache_write_1h), "3.00");
        assert_eq!(price.above.unwrap().input_tokens, 100);
        assert_eq!(price.above.unwrap().rates.output.to_string(), "8.00");
        assert_eq!(price.source.as_ref().unwrap(), "a list");
    }

    #[test]
    fn errors_name_the_entry_and_the_field_and_say_what_to_do() {
        fails("x =", "prices are not TOML: line 1: string values must be quoted, expected literal string");
        fails("[prices]", "price list: `prices` is not known here; write each price under [[price]]");
        fails("[[price]]\n", "price 1: `provider` is missing; add it");
        fails("[[price]]\nprovider = \"p\"", "price 1 (p): `model` is missing; add it");
        fails(&ENTRY.replace("output = \"2.00\"\n", ""), "price 1 (p m): `output` is missing; add it");
        fails(
            &ENTRY.replace("\"1.00\"", "1.0"),
            "price 1 (p m): `input` is of type float and not a text; put the value into quotes",
        );
        fails(
            &ENTRY.replace("1.00", "-1"),
            "price 1 (p m): `input` is wrong: `-1` is not a price; write US dollars for 1,000,000 tokens with at most \
             six decimals, such as 2.50",
        );
        fails(&format!("{ENTRY}{ENTRY}"), "price 2 (p m): `model` is there twice; remove one of the two");
        fails(
            &format!("{ENTRY}{}", ENTRY.replace("\"m\"", "\"P/M\"")),
            "price 2 (p P/M): `model` is there twice; remove one of the two",
        );
        fails(
            &format!("{ENTRY}cached = \"1\""),
            "price 1 (p m): `cached` is not known; the fields are input, output, cached_input, cache_write, \
             cache_write_1h, provider, model, since, source, read, note, and the table above",
        );
        fails(
            &format!("{ENTRY}since = \"last year\""),
            "price 1 (p m): `since` is `last year` and not a day; write it as 2026-01-31",
        );
        fails(
            &format!("{ENTRY}note = \"\""),
            "price 1 (p m): `note` is empty; write a value or remove the line",
        );
        fails(
            &format!("{ENTRY}[price.above]\ninput = \"1\""),
            "price 1 (p m), above: `input_tokens` is missing or not a whole number; write how many tokens of input \
             the usual prices reach",
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let error = PriceTable::from_file("no/such/prices.toml").unwrap_err().to_string();
        assert!(error.starts_with("the prices in no/such/prices.toml cannot be read: "), "{error}");
        assert!(error.ends_with("; name a readable file in TTA_LLM_PRICES, or unset it"), "{error}");
    }
}
