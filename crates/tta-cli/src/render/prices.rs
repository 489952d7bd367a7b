//! Prices of models as a table, with their sources below.

use std::borrow::Cow;

use anstyle::Style;
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use tta::llm::{Price, Rate, Rates};

use super::cell;

const RULE_BELOW_HEADER: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

const HEADER: [&str; 9] =
    ["provider", "model", "input", "cached", "write", "write 1h", "output", "since", "source"];

/// Which columns have numbers.
const NUMBERS: std::ops::Range<usize> = 2..7;

/// A name of somebody else, safe to be shown.
pub(crate) fn name(text: &str) -> Cow<'_, str> {
    cell::clean(text)
}

/// The prices in the order given, in dollars for a million tokens, as wide as they are. A price for long inputs has a row
/// of its own. Sources and notes are below, each once.
pub(crate) fn table(prices: &[&Price], is_coloured: bool) -> String {
    if prices.is_empty() {
        return String::new();
    }
    let mut below = Below::default();
    let mut table = Table::new();
    table.load_style(RULE_BELOW_HEADER).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(HEADER);
    for price in prices {
        let source = below.mark(price);
        table.add_row(cells(name(&price.provider), name(&price.model), &price.rates, price, source));
        if let Some(above) = &price.above {
            let above_tokens = format!("  above {} tokens", grouped(above.input_tokens));
            table.add_row(cells("".into(), above_tokens.into(), &above.rates, price, String::new()));
        }
    }
    for column in table.column_iter_mut().skip(NUMBERS.start).take(NUMBERS.len()) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let (bold, dim) =
        if is_coloured { (Style::new().bold(), Style::new().dimmed()) } else { Default::default() };
    let table = table.trim_fmt();
    let (header, rows) = table.split_once('\n').unwrap_or((&table, ""));
    let below: String = below.lines().map(|line| format!("{dim}{line}{dim:#}\n")).collect();
    format!("{bold}{header}{bold:#}\n{rows}\n\nUS dollars for 1,000,000 tokens.\n{below}")
}

fn cells(
    provider: Cow<'_, str>,
    model: Cow<'_, str>,
    rates: &Rates,
    price: &Price,
    source: String,
) -> [String; 9] {
    let shown = |rate: Option<Rate>| rate.map_or_else(|| "-".to_owned(), |rate| rate.to_string());
    // What follows from the row above it is not said again.
    let since = price.since.as_deref().filter(|_| !provider.is_empty()).unwrap_or_default();
    [
        provider.into_owned(),
        model.into_owned(),
        rates.input.to_string(),
        shown(rates.cached_input),
        shown(rates.cache_write),
        shown(rates.cache_write_1h),
        rates.output.to_string(),
        since.to_owned(),
        source,
    ]
}

/// The lines below a table, each with the number by which a row names it.
#[derive(Default)]
struct Below(Vec<String>);

impl Below {
    /// Keeps what a price says of itself, and gives its numbers.
    fn mark(&mut self, price: &Price) -> String {
        let read = price.read.as_ref().map_or_else(String::new, |day| format!(", read {day}"));
        let source = price.source.as_ref().map(|source| format!("{source}{read}"));
        let marks = [source, price.note.as_ref().map(ToString::to_string)].into_iter().flatten();
        let marks: Vec<String> = marks.map(|line| format!("[{}]", self.number(line))).collect();
        marks.join(" ")
    }

    fn number(&mut self, line: String) -> usize {
        let known = self.0.iter().position(|known| *known == line);
        known.unwrap_or_else(|| {
            self.0.push(line);
            self.0.len() - 1
        }) + 1
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().enumerate().map(|(index, line)| format!("[{}] {}", index + 1, cell::clean(line)))
    }
}

/// A number with commas between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use tta::llm::PriceTable;

    use super::*;

    const PRICES: &str = r#"
        [[price]]
        provider = "p"
        model = "big"
        input = "2.50"
        cached_input = "0.0375"
        output = "10"
        since = "2026-01-31"
        source = "a list"
        read = "2026-02-01"
        note = "of text"
        [price.above]
        input_tokens = 200000
        input = "5"
        output = "20"

        [[price]]
        provider = "p"
        model = "esc\u001b[2J"
        input = "0"
        output = "0"
        source = "a list"
        read = "2026-02-01"
    "#;

    fn shown(is_coloured: bool) -> String {
        let prices = PriceTable::from_toml(PRICES).unwrap();
        table(&prices.iter().collect::<Vec<_>>(), is_coloured)
    }

    #[test]
    fn prices_stand_in_columns_and_their_sources_below() {
        let expect = concat!(
            " provider   model                    input   cached   write   write 1h   output   since        source\n",
            "───────────────────────────────────────────────────────────────────────────────────────────────────────\n",
            " p          big                       2.50   0.0375       -          -    10.00   2026-01-31   [1] [2]\n",
            "              above 200,000 tokens    5.00        -       -          -    20.00\n",
            " p          esc\u{fffd}[2J                   0.00        -       -          -     0.00                [1]\n",
            "\nUS dollars for 1,000,000 tokens.\n",
            "[1] a list, read 2026-02-01\n",
            "[2] of text\n",
        );
        assert_eq!(shown(false), expect);
    }

    #[test]
    fn colours_change_no_character() {
        assert!(shown(true).contains('\u{1b}'));
        let plain = shown(true).replace("\u{1b}[1m", "").replace("\u{1b}[2m", "").replace("\u{1b}[0m", "");
        assert_eq!(plain, shown(false));
    }
}
