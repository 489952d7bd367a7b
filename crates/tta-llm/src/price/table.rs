//! The prices that are known.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::{Price, version};

/// The prices that come with the crate.
static BUILTIN: LazyLock<PriceTable> = LazyLock::new(|| {
    let table = PriceTable::from_toml(include_str!("../../data/prices.toml"));
    table.expect("the prices that come with the crate can be read, as a test checks")
});

/// What models cost, by provider and name.
///
/// ```
/// use tta_llm::PriceTable;
///
/// let prices = PriceTable::builtin();
/// let price = prices.find("openai", "gpt-4o-2024-08-06").expect("gpt-4o is in the table");
/// assert_eq!(price.model, "gpt-4o");
/// // A model of another name is another model, whatever its name begins with.
/// assert!(prices.find("openai", "gpt-4o-imaginary").is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceTable {
    /// By provider and by model, both in lower case.
    prices: BTreeMap<String, BTreeMap<String, Price>>,
}

impl PriceTable {
    /// A table of no prices.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The prices that come with the crate: public list prices of the usual models, each with its source and its day.
    /// They are read once.
    ///
    /// Prices change and this table does not; what it says of a model can be outdated. A program that must be right puts
    /// its own prices [over](Self::merged) these.
    #[must_use]
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// The price by which a provider bills a model.
    ///
    /// A price bills the model of its name and the versions of it, such as `-2024-08-06`, `-latest`, `-preview-05-20` or
    /// `@20240229`; of several, the one with the longest name. Upper and lower case are the same, and so are names with
    /// and without a folder before them, such as `models/`. None if no price is known.
    #[must_use]
    pub fn find(&self, provider: &str, model: &str) -> Option<&Price> {
        let models = self.prices.get(&provider.trim().to_ascii_lowercase())?;
        let name = version::normal(model);
        let of_family =
            |(family, rest): (&str, &str)| models.get(family).filter(|_| version::is_version(rest));
        version::families(&name).find_map(of_family)
    }

    /// Puts a price into the table, in the place of one for the same name.
    #[must_use]
    pub fn with(mut self, price: Price) -> Self {
        self.insert(price);
        self
    }

    /// Puts all prices of another table into this one; the other's win.
    #[must_use]
    pub fn merged(mut self, other: Self) -> Self {
        other.prices.into_values().flat_map(BTreeMap::into_values).for_each(|price| drop(self.insert(price)));
        self
    }

    /// All prices, by provider and name.
    pub fn iter(&self) -> impl Iterator<Item = &Price> {
        self.prices.values().flat_map(BTreeMap::values)
    }

    /// How many prices there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.prices.values().map(BTreeMap::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.prices.is_empty()
    }

    /// Puts a price into the table, and gives the one back that had its place.
    pub(super) fn insert(&mut self, price: Price) -> Option<Price> {
        let provider = price.provider.trim().to_ascii_lowercase();
        self.prices.entry(provider).or_default().insert(version::normal(&price.model), price)
    }
}

impl FromIterator<Price> for PriceTable {
    fn from_iter<I: IntoIterator<Item = Price>>(prices: I) -> Self {
        prices.into_iter().fold(Self::new(), Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::price::Rates;

    #[test]
    fn a_name_is_billed_by_its_family() {
        let check = |provider: &str, model: &str, expect: Option<&str>| {
            let found = PriceTable::builtin().find(provider, model);
            assert_eq!(found.map(|price| price.model.as_str()), expect, "{provider} {model}");
        };
        check("openai", "gpt-4o", Some("gpt-4o"));
        check("openai", "gpt-4o-2024-08-06", Some("gpt-4o"));
        check("openai", "gpt-4o-2024-05-13", Some("gpt-4o-2024-05-13"));
        check("openai", "gpt-4o-mini-2024-07-18", Some("gpt-4o-mini"));
        check("openai", "gpt-4o-audio-preview", None);
        check("openai", "gpt-4.1-2025-04-14", Some("gpt-4.1"));
        check("openai", "gpt-4-0613", Some("gpt-4"));
        check("openai", "gpt-4-1106-preview", Some("gpt-4-1106-preview"));
        check("openai", "gpt-4-turbo-preview", Some("gpt-4-turbo"));
        check("openai", "o3-mini-2025-01-31", Some("o3-mini"));
        check("openai", "o3-2025-04-16", Some("o3"));
        check("openai", "gpt-5-nano-2025-08-07", Some("gpt-5-nano"));
        check("openai", "gpt-5.1-codex-max", Some("gpt-5.1-codex-max"));
        check("openai", "gpt-6", None);
        check("openai", "ft:gpt-4o-2024-08-06:us::1", None);
        check("OpenAI", "openai/GPT-4o", Some("gpt-4o"));
        check("anthropic", "claude-sonnet-4-20250514", Some("claude-sonnet-4"));
        check("anthropic", "claude-sonnet-4-5-20250929", Some("claude-sonnet-4-5"));
        check("anthropic", "claude-3-5-sonnet-v2@20241022", Some("claude-3-5-sonnet"));
        check("anthropic", "claude-3-5-haiku-latest", Some("claude-3-5-haiku"));
        check("anthropic", "claude-opus-4-9", None);
        check("gemini", "models/gemini-2.5-pro-preview-05-06", Some("gemini-2.5-pro"));
        check("gemini", "gemini-1.5-flash-002", Some("gemini-1.5-flash"));
        check("gemini", "gemini-1.5-flash-8b-001", Some("gemini-1.5-flash-8b"));
        check("gemini", "gemini-2.5-flash-preview-09-2025", Some("gemini-2.5-flash"));
        check("gemini", "gemini-2.5-flash-image", None);
        check("groq", "meta-llama/llama-4-scout-17b-16e-instruct", Some("llama-4-scout-17b-16e-instruct"));
        check("groq", "openai/gpt-oss-20b", Some("gpt-oss-20b"));
        check("mistral", "codestral-latest", Some("codestral"));
        check("mistral", "mistral-large-2411", Some("mistral-large-2411"));
        check("xai", "grok-4-0709", Some("grok-4"));
        check("xai", "grok-4-fast", Some("grok-4-fast"));
        check("local", "local/textrank", Some("textrank"));
        check("nobody", "gpt-4o", None);
        check("openai", "", None);
    }

    #[test]
    fn every_price_has_a_source_and_its_days() {
        assert!(PriceTable::builtin().len() > 100);
        for price in PriceTable::builtin().iter() {
            let is_day = |day: &Option<tta_model::Text>| {
                day.as_ref().is_some_and(|day| day.len() == 10 && day.starts_with("20"))
            };
            assert!(is_day(&price.since) && is_day(&price.read), "{price:?}");
            assert!(price.source.as_ref().is_some_and(|source| !source.trim().is_empty()), "{price:?}");
            assert!(price.since <= price.read, "{price:?}");
        }
    }

    #[test]
    fn prices_of_classes_are_in_the_usual_order() {
        for price in PriceTable::builtin().iter() {
            let tiers = [Some(price.rates), price.above.map(|above| above.rates)];
            for rates in tiers.into_iter().flatten() {
                assert!(rates.cached_input.unwrap_or_default() <= rates.input, "{price:?}");
                assert!(rates.cache_write.unwrap_or(rates.input) >= rates.input, "{price:?}");
                assert!(
                    rates.cache_write_1h >= rates.cache_write || rates.cache_write_1h.is_none(),
                    "{price:?}"
                );
            }
            let dearer = price.above.is_none_or(|above| above.rates.input > price.rates.input);
            assert!(dearer, "{price:?}");
        }
    }

    #[test]
    fn no_price_bills_the_model_of_another() {
        let prices = PriceTable::builtin();
        for price in prices.iter() {
            let dated = |version: &str| prices.find(&price.provider, &format!("{}{version}", price.model));
            assert_eq!(dated(""), Some(price));
            assert_eq!(dated("-2031-01-30"), Some(price));
            assert_eq!(dated("@20310130"), Some(price));
            assert_eq!(dated("-latest"), Some(price));
            assert_eq!(dated("-unheard-of"), None);
            let alone: PriceTable = prices.iter().filter(|other| *other != price).cloned().collect();
            // Older versions that kept their price are the one case in which a family would bill an entry's name.
            let family = alone.find(&price.provider, &price.model);
            assert!(family.is_none_or(|family| {
                version::is_version(&price.model[family.model.len()..]) && family.provider == price.provider
            }));
        }
    }

    #[test]
    fn an_override_wins() {
        let input = "1.00".parse().unwrap();
        let mine = Price::new("OpenAI", "gpt-4o", Rates { input, ..Rates::default() });
        let prices = PriceTable::builtin().clone().merged(PriceTable::new().with(mine.clone()));
        assert_eq!(prices.find("openai", "gpt-4o-2024-08-06"), Some(&mine));
        assert_eq!(prices.find("openai", "gpt-4o-mini"), PriceTable::builtin().find("openai", "gpt-4o-mini"));
        assert_eq!(prices.len(), PriceTable::builtin().len());
    }
}
