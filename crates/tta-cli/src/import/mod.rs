//! `tta import`: sends lines of OTLP's JSON to a server.

mod batch;
mod sender;

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use batch::Batch;
use sender::{Outcome, Sender};

/// What `tta import` can be told.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Send the lines of this file, each one request with spans, as `tta export` writes them; `-` is the standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Send to the server that receives OTLP over HTTP at this address.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4318")]
    url: String,
    /// Show the server the bearer token that is in this environment variable.
    #[arg(long, value_name = "VAR")]
    token_env: Option<String>,
    /// Print what became of the spans as JSON.
    #[arg(long)]
    json: bool,
}

/// Sends all, tells what was accepted, and fails if not all was.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let token = match &arguments.token_env {
        Some(variable) => Some(std::env::var(variable).map_err(|_| {
            format!("the variable {variable} holds no token; set it, or leave out --token-env")
        })?),
        None => None,
    };
    let mut sender = Sender::new(&arguments.url, token)?;
    let (input, size) = open(&arguments.file)?;
    let bar = bar(size);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sent = runtime.block_on(send_all(input, &mut sender, &bar));
    bar.finish_and_clear();
    tell(&sender.outcome, arguments.json)?;
    sent?;
    let Outcome { rejected, invalid_lines, .. } = sender.outcome;
    if rejected > 0 || invalid_lines > 0 {
        return Err(format!("{rejected} spans and {invalid_lines} lines were refused").into());
    }
    Ok(())
}

/// Opens a file, and tells its size if it has one.
fn open(path: &Path) -> Result<(Box<dyn BufRead>, Option<u64>), String> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin().lock()), None));
    }
    let failed = |error: io::Error| format!("cannot read {}: {error}", path.display());
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(format!("{} is a folder; name a file that `tta export` wrote", path.display()));
    }
    let size = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(BufReader::with_capacity(1 << 16, file)), size))
}

/// Shows how far it is, to people alone.
fn bar(size: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match size {
        Some(size) => {
            (ProgressBar::new(size), "{bar:40} {decimal_bytes}/{decimal_total_bytes} {msg} {eta} left")
        }
        None => (ProgressBar::no_length(), "{spinner} {decimal_bytes} {msg}"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

async fn send_all(
    mut input: Box<dyn BufRead>,
    sender: &mut Sender,
    bar: &ProgressBar,
) -> Result<(), Box<dyn Error>> {
    let (mut batch, mut line, mut number) = (Batch::default(), Vec::new(), 0);
    loop {
        line.clear();
        let read = input.read_until(b'\n', &mut line);
        let read = read.map_err(|error| format!("cannot read on behind line {number}: {error}"))?;
        if read == 0 {
            return Ok(sender.send(batch.into_parts()).await?);
        }
        number += 1;
        bar.inc(read as u64);
        if line.trim_ascii().is_empty() {
            continue;
        }
        match batch::parts(number, &line) {
            Ok(parts) => {
                if batch.is_full_with(&parts) {
                    sender.send(std::mem::take(&mut batch).into_parts()).await?;
                    bar.set_message(format!("{} spans", sender.outcome.accepted));
                }
                batch.add(parts);
            }
            Err(why) => {
                sender.outcome.invalid_lines += 1;
                sender.outcome.problem(why);
            }
        }
    }
}

fn tell(outcome: &Outcome, is_json: bool) -> io::Result<()> {
    let Outcome { accepted, rejected, invalid_lines, requests, pauses, problems } = outcome;
    let mut out = io::stdout().lock();
    if is_json {
        let outcome = serde_json::json!({
            "accepted_spans": accepted,
            "rejected_spans": rejected,
            "invalid_lines": invalid_lines,
            "requests": requests,
            "pauses": pauses,
            "problems": problems,
        });
        return writeln!(out, "{outcome:#}");
    }
    writeln!(out, "Accepted {accepted} spans, rejected {rejected}")?;
    problems.iter().try_for_each(|problem| writeln!(out, "  {problem}"))
}
