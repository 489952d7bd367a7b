//! `tta doctor`: which settings are in force, and what is wrong with them.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use comfy_table::{ContentArrangement, Table, TableStyle};
use tta::config::Config;
use tta::doctor::{Finding, Verdict, examine};

/// What `tta doctor` can be told.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Read settings from this file, below the environment; by default from the one that TTA_CONFIG names.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

/// Looks, prints, and fails if something is wrong.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let variable = |name: &str| Some(std::env::var_os(name)?.to_string_lossy().into_owned());
    let config = match &arguments.config {
        Some(path) => Config::from_file(path, &variable)?,
        None => Config::from_env()?,
    };
    let findings = examine(&config);
    if arguments.json {
        writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&json(&findings))?)?;
    } else {
        writeln!(io::stdout(), "{}", table(&findings))?;
    }
    let problems = findings.iter().filter(|finding| finding.verdict == Verdict::Bad).count();
    match problems {
        0 => Ok(()),
        1 => Err("1 problem was found".into()),
        many => Err(format!("{many} problems were found").into()),
    }
}

fn table(findings: &[Finding]) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new()).set_content_arrangement(ContentArrangement::Dynamic);
    for finding in findings {
        table.add_row([finding.verdict.to_string(), finding.subject.to_owned(), finding.detail.clone()]);
    }
    table.trim_fmt()
}

fn json(findings: &[Finding]) -> serde_json::Value {
    let one = |finding: &Finding| {
        serde_json::json!({
            "verdict": finding.verdict.to_string(),
            "subject": finding.subject,
            "detail": finding.detail,
        })
    };
    findings.iter().map(one).collect()
}
