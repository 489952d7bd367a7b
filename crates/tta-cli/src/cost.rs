//! `tta cost`: what calls of language models cost.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, IsTerminal, Write};

use clap::{Args, Subcommand};
use tta::llm::{PRICES_VARIABLE, Price, PriceTable};

use crate::query;
use crate::render::prices;

/// What `tta cost` can be told.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the prices by which calls of models are billed, in US dollars for 1,000,000 tokens.
    Prices(Prices),
    /// Show what the calls cost that a server has stored.
    Report(query::cost::Arguments),
}

/// What `tta cost prices` can be told.
#[derive(Debug, Args)]
struct Prices {
    /// Show the prices of this provider alone.
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Show by which price calls of this model are billed, if by any.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Print the prices as JSON.
    #[arg(long)]
    json: bool,
}

/// Shows what was asked for.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let arguments = match &arguments.command {
        Command::Prices(arguments) => arguments,
        Command::Report(arguments) => return query::cost::run(arguments),
    };
    let table = PriceTable::from_env()?;
    let providers: BTreeSet<&str> = table.iter().map(|price| price.provider.as_str()).collect();
    if let Some(name) = &arguments.provider
        && !providers.iter().any(|provider| provider.eq_ignore_ascii_case(name))
    {
        let known = providers.into_iter().collect::<Vec<_>>().join(", ");
        let put = format!("add its prices in a file that {PRICES_VARIABLE} names");
        return Err(
            format!("no prices of the provider `{name}` are known; there are {known}; or {put}").into()
        );
    }
    let of_provider =
        |name: &str| arguments.provider.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(name));
    let found: Vec<&Price> = match &arguments.model {
        Some(model) => {
            let providers = providers.iter().filter(|provider| of_provider(provider));
            providers.filter_map(|provider| table.find(provider, model)).collect()
        }
        None => table.iter().filter(|price| of_provider(&price.provider)).collect(),
    };
    match arguments.json {
        true => writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&json(arguments, &found))?)?,
        false => write!(io::stdout(), "{}", text(arguments, &found))?,
    }
    Ok(())
}

fn text(arguments: &Prices, found: &[&Price]) -> String {
    let is_coloured = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let table = prices::table(found, is_coloured);
    let Some(model) = &arguments.model else { return table };
    let model = prices::name(model);
    match found {
        [] => format!(
            "No price of `{model}` is known: its calls count as unpriced, and nothing is charged for them.\n\
             To charge for them, name a file with its price in {PRICES_VARIABLE}.\n"
        ),
        found => {
            let billed = |price: &&Price| {
                let (provider, family) = (prices::name(&price.provider), prices::name(&price.model));
                format!("A call of `{model}` at {provider} is billed as `{family}`.\n")
            };
            format!("{}\n{table}", found.iter().map(billed).collect::<String>())
        }
    }
}

/// A list of prices; with a model an object, so that a reader sees what was asked.
fn json(arguments: &Prices, found: &[&Price]) -> serde_json::Value {
    match &arguments.model {
        Some(model) => {
            serde_json::json!({ "model": model, "unpriced": found.is_empty(), "billed_by": found })
        }
        None => serde_json::json!(found),
    }
}
