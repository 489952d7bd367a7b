//! What calls of models cost.
//!
//! Providers bill tokens by classes, and publish what a million of each class costs. The [table](PriceTable) has those
//! prices with their sources; a program may put its own over them. A model that the table does not have has no price
//! here, and no cost is made up for it: its calls count as unpriced.
//!
//! Money is counted in whole numbers, from the text of a price to the sum of a run.

mod rate;
mod read;
mod table;
mod version;

use serde::Serialize;
use tta_model::Text;
use tta_primitives::MicroUsd;

use crate::usage::Usage;

pub use rate::{Rate, RateError};
pub use read::{PRICES_VARIABLE, PriceError};
pub use table::PriceTable;

/// Pico-dollars in a micro-dollar.
const PICO_PER_MICRO: i128 = 1_000_000;

/// What the calls of a model cost, and who says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Price {
    /// Who bills, such as `openai`.
    pub provider: Text,
    /// The name of the family: it bills this model and its versions.
    pub model: Text,
    /// The prices.
    #[serde(flatten)]
    pub rates: Rates,
    /// The prices of calls with a long input, if those cost more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above: Option<LongInput>,
    /// A day from which it is known to hold, such as `2025-08-07`.
    pub since: Option<Text>,
    /// The public price list from which it is.
    pub source: Option<Text>,
    /// The day on which that was read.
    pub read: Option<Text>,
    /// What the numbers do not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Text>,
}

/// The prices of the classes of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rates {
    /// Of input.
    pub input: Rate,
    /// Of input that the provider had in its cache; without it, that of input.
    pub cached_input: Option<Rate>,
    /// Of input that it put there for some minutes; without it, that of input.
    pub cache_write: Option<Rate>,
    /// Of input that it put there for an hour; without it, that of other writes.
    pub cache_write_1h: Option<Rate>,
    /// Of output.
    pub output: Rate,
}

/// The prices of calls with a long input, which hold for all of their tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LongInput {
    /// They hold for calls with more tokens of input than this.
    pub input_tokens: u64,
    /// The prices.
    #[serde(flatten)]
    pub rates: Rates,
}

impl Price {
    /// The price of a model that costs the same for every call, without a source.
    #[must_use]
    pub fn new(provider: impl Into<Text>, model: impl Into<Text>, rates: Rates) -> Self {
        let (provider, model) = (provider.into(), model.into());
        Self { provider, model, rates, above: None, since: None, source: None, read: None, note: None }
    }

    /// What a call costs.
    ///
    /// Input from the cache and input written to it are parts of the input and are billed at their own prices, the rest
    /// of the input at the price of input. Parts that are more than the whole, as a provider may report them by mistake,
    /// are billed as they are; nothing is ever negative, and what is too much for the number is its greatest one.
    ///
    /// # Rounding
    ///
    /// The sum of the classes is exact, and rounded once: to the next millionth of a dollar, and up from the middle. Of
    /// 3 tokens at $0.15 for a million, each costs 150,000 pico-dollars: 450,000 together, which is $0.000000. Of 4 it is
    /// 600,000, which is $0.000001. Rounded token by token, both would be nothing.
    ///
    /// ```
    /// use tta_llm::{PriceTable, Usage};
    /// use tta_primitives::MicroUsd;
    ///
    /// let price = PriceTable::builtin().find("openai", "gpt-4o-mini").expect("it is in the table");
    /// assert_eq!(price.cost(&Usage { input_tokens: 3, ..Usage::default() }), MicroUsd(0));
    /// assert_eq!(price.cost(&Usage { input_tokens: 4, ..Usage::default() }), MicroUsd(1));
    /// ```
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> MicroUsd {
        let rates = self.rates_for(usage.input_tokens);
        let written_1h = usage.cache_write_1h_tokens;
        let written_5m = usage.cache_write_tokens.saturating_sub(written_1h);
        let parts = usage.cache_read_tokens.saturating_add(written_5m).saturating_add(written_1h);
        let cache_write = rates.cache_write.unwrap_or(rates.input);
        let classes = [
            rates.input.of(usage.input_tokens.saturating_sub(parts)),
            rates.cached_input.unwrap_or(rates.input).of(usage.cache_read_tokens),
            cache_write.of(written_5m),
            rates.cache_write_1h.unwrap_or(cache_write).of(written_1h),
            rates.output.of(usage.output_tokens),
        ];
        let pico = classes.into_iter().fold(0_i128, i128::saturating_add);
        let micro = pico.saturating_add(PICO_PER_MICRO / 2) / PICO_PER_MICRO;
        MicroUsd(i64::try_from(micro).unwrap_or(i64::MAX))
    }

    /// What a call costs at most that has so much input and may answer with so much, to set that aside beforehand.
    ///
    /// It takes the cache to be empty and not written to, so a call that writes to it can cost a little more.
    #[must_use]
    pub fn estimate(&self, input_tokens: u64, max_output_tokens: u64) -> MicroUsd {
        self.cost(&Usage::estimated(input_tokens, max_output_tokens))
    }

    fn rates_for(&self, input_tokens: u64) -> &Rates {
        match &self.above {
            Some(above) if input_tokens > above.input_tokens => &above.rates,
            _ => &self.rates,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    fn claude() -> Price {
        let rates = |input, cached, write, hour, output| Rates {
            input: rate(input),
            cached_input: Some(rate(cached)),
            cache_write: Some(rate(write)),
            cache_write_1h: Some(rate(hour)),
            output: rate(output),
        };
        let long = rates("6.00", "0.60", "7.50", "12.00", "22.50");
        let above = Some(LongInput { input_tokens: 200_000, rates: long });
        let short = rates("3.00", "0.30", "3.75", "6.00", "15.00");
        Price { above, ..Price::new("anthropic", "claude", short) }
    }

    fn check(price: &Price, usage: Usage, expect: i64) {
        assert_eq!(price.cost(&usage), MicroUsd(expect), "{usage:?}");
    }

    #[test]
    fn each_class_has_its_price() {
        let usage = Usage {
            input_tokens: 10_000,
            output_tokens: 1_000,
            cache_read_tokens: 4_000,
            cache_write_tokens: 3_000,
            cache_write_1h_tokens: 1_000,
            ..Usage::default()
        };
        // 3,000 at 3.00, 4,000 at 0.30, 2,000 at 3.75, 1,000 at 6.00, 1,000 at 15.00.
        check(&claude(), usage, 9_000 + 1_200 + 7_500 + 6_000 + 15_000);
    }

    #[test]
    fn classes_without_a_price_are_billed_as_input() {
        let price =
            Price::new("p", "m", Rates { input: rate("2.00"), output: rate("8.00"), ..Rates::default() });
        let usage = Usage {
            input_tokens: 1_000,
            cache_read_tokens: 400,
            cache_write_tokens: 300,
            ..Usage::default()
        };
        check(&price, usage, 2_000);
        let rates = Rates { cache_write: Some(rate("4.00")), ..price.rates };
        check(&Price { rates, ..price }, Usage { cache_write_1h_tokens: 300, ..usage }, 700 * 2 + 300 * 4);
    }

    #[test]
    fn a_long_input_changes_the_price_of_every_token() {
        let usage = |input_tokens| Usage { input_tokens, output_tokens: 1_000, ..Usage::default() };
        check(&claude(), usage(200_000), 600_000 + 15_000);
        check(&claude(), usage(200_001), 1_200_006 + 22_500);
    }

    #[test]
    fn the_sum_is_rounded_once_and_up_from_the_middle() {
        let price =
            Price::new("p", "m", Rates { input: rate("0.15"), output: rate("0.05"), ..Rates::default() });
        let usage = |input_tokens, output_tokens| Usage { input_tokens, output_tokens, ..Usage::default() };
        check(&price, usage(3, 0), 0);
        check(&price, usage(3, 1), 1);
        check(&price, usage(4, 0), 1);
        check(&price, usage(9, 2), 1);
        check(&price, usage(9, 3), 2);
        check(&price, usage(0, 0), 0);
    }

    #[test]
    fn parts_beyond_the_whole_and_huge_numbers_do_no_harm() {
        let usage = Usage { input_tokens: 10, cache_read_tokens: 1_000, ..Usage::default() };
        check(&claude(), usage, 300);
        check(&claude(), Usage { cache_write_1h_tokens: 1_000, ..Usage::default() }, 6_000);
        let huge = Usage {
            input_tokens: u64::MAX,
            output_tokens: u64::MAX,
            cache_read_tokens: u64::MAX,
            cache_write_tokens: u64::MAX,
            cache_write_1h_tokens: u64::MAX,
            ..Usage::default()
        };
        check(&claude(), huge, i64::MAX);
    }

    #[test]
    fn an_estimate_is_what_such_a_call_costs() {
        assert_eq!(claude().estimate(1_000, 500), MicroUsd(3_000 + 7_500));
        assert_eq!(claude().estimate(300_000, 0), MicroUsd(1_800_000));
    }

    proptest! {
        /// Checked against the same sum in cents for a million tokens, rounded in the same way.
        #[test]
        fn costs_are_exact(input in 0..1_000_000_u64, read in 0..1_000_u64, write in 0..1_000_u64, output in 0..1_000_000_u64) {
            let usage = Usage {
                input_tokens: input + read + write,
                output_tokens: output,
                cache_read_tokens: read,
                cache_write_tokens: write,
                ..Usage::default()
            };
            let price = Price { above: None, ..claude() };
            let hundredths = input * 300 + read * 30 + write * 375 + output * 1500;
            prop_assert_eq!(price.cost(&usage), MicroUsd(((hundredths + 50) / 100) as i64));
        }

        #[test]
        fn a_cost_is_never_negative(numbers in prop::array::uniform5(any::<u64>())) {
            let [input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens] = numbers;
            let usage = Usage {
                input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, ..Usage::default()
            };
            prop_assert!(claude().cost(&usage).0 >= 0);
        }
    }
}
