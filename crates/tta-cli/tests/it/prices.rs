//! `tta cost prices` shows what calls are billed by.

use serde_json::Value;

use crate::tta::{Ended, command, run};

fn prices(arguments: &[&str]) -> Ended {
    let mut all = vec!["cost", "prices"];
    all.extend(arguments);
    run(command(&all))
}

fn parsed(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).expect("JSON")
}

#[test]
fn every_price_is_shown_with_its_source() {
    let ended = prices(&[]);
    assert!(ended.status.success(), "{ended:?}");
    for part in [
        "openai",
        "gpt-4o-mini",
        "claude-sonnet-4-5",
        "above 200,000 tokens",
        "local",
        "[1] Anthropic",
        ", read 2026-",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    assert!(!ended.stdout.contains('\u{1b}'), "no colours where nobody sees them");
}

#[test]
fn json_has_the_same_fields_for_every_price() {
    let ended = prices(&["--json"]);
    let list = parsed(&ended);
    let list = list.as_array().expect("a list");
    assert!(list.len() > 100);
    for price in list {
        for field in ["provider", "model", "input", "output", "cached_input", "cache_write", "cache_write_1h"]
        {
            assert!(price.get(field).is_some(), "{field}: {price}");
        }
        for field in ["since", "source", "read"] {
            assert!(price[field].is_string(), "{field}: {price}");
        }
    }
    let one = list.iter().find(|price| price["model"] == "gpt-4o").expect("it is there");
    assert_eq!((&one["input"], &one["output"]), (&"2.50".into(), &"10.00".into()));
    assert_eq!(prices(&["--json"]).stdout, ended.stdout);
}

#[test]
fn the_prices_of_one_provider() {
    let list = parsed(&prices(&["--provider", "Groq", "--json"]));
    assert!(list.as_array().expect("a list").iter().all(|price| price["provider"] == "groq"));
    let ended = prices(&["--provider", "nobody"]);
    assert!(!ended.status.success());
    assert!(
        ended.stderr.contains("no prices of the provider `nobody` are known; there are anthropic, cohere"),
        "{ended:?}"
    );
}

#[test]
fn a_model_is_billed_by_its_family_or_by_nothing() {
    let ended = prices(&["--model", "gpt-4o-mini-2024-07-18"]);
    let expect = "A call of `gpt-4o-mini-2024-07-18` at openai is billed as `gpt-4o-mini`.\n";
    assert!(ended.stdout.starts_with(expect), "{ended:?}");
    let unknown = prices(&["--model", "gpt-4o-imaginary"]);
    assert!(unknown.status.success());
    assert!(unknown.stdout.contains("its calls count as unpriced"), "{unknown:?}");
    let json = parsed(&prices(&["--model", "gpt-4o-imaginary", "--json"]));
    assert_eq!(json, serde_json::json!({ "model": "gpt-4o-imaginary", "unpriced": true, "billed_by": [] }));
    let elsewhere = parsed(&prices(&["--model", "gpt-4o", "--provider", "anthropic", "--json"]));
    assert_eq!(elsewhere["unpriced"], true);
}

#[test]
fn prices_of_ones_own_win() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("prices.toml");
    let own = "[[price]]\nprovider = \"openai\"\nmodel = \"gpt-4o\"\ninput = \"1\"\noutput = \"2\"\nsource = \"a contract\"\n";
    std::fs::write(&path, own).expect("written");
    let with_file = |arguments: &[&str]| {
        let mut command = command(arguments);
        command.env("TTA_LLM_PRICES", &path);
        run(command)
    };
    let ended = with_file(&["cost", "prices", "--model", "gpt-4o", "--json"]);
    assert_eq!(parsed(&ended)["billed_by"][0]["source"], "a contract");
    std::fs::write(&path, own.replace("\"1\"", "1.0")).expect("written");
    let ended = with_file(&["cost", "prices"]);
    assert!(!ended.status.success());
    assert!(ended.stderr.contains("price 1 (openai gpt-4o): `input` is of type float"), "{ended:?}");
    assert!(ended.stderr.contains("prices.toml"), "{ended:?}");
}
