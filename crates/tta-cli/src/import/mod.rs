//! `tta import`: sends telemetry in OTLP's JSON to a server.

mod batch;
mod document;
mod sender;
mod signal;

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;

use crate::{address, progress};
use batch::Batch;
use document::Documents;
use sender::{Outcome, Sender};
use signal::Signal;

/// What `tta import` can be told.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Send what is in this file: requests in OTLP's JSON, one a line, as `tta export` and the collector write them, or laid out over
    /// several lines; `-` is the standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Send to the server that receives OTLP over HTTP at this address.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4318")]
    url: String,
    /// Show the server the bearer token that is in this environment variable.
    #[arg(long, value_name = "VAR")]
    token_env: Option<String>,
    /// Print what became of it as JSON.
    #[arg(long)]
    json: bool,
}

/// Sends all, tells what was accepted, and fails if not all was.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let token = arguments.token_env.as_deref().map(address::token).transpose()?;
    let mut sender = Sender::new(&arguments.url, token)?;
    let (mut input, size) = open(&arguments.file)?;
    check_format(&mut input, &arguments.file)?;
    let bar = progress::bytes(size);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sent = runtime.block_on(send_all(input, &mut sender, &bar));
    bar.finish_and_clear();
    tell(&sender.outcome, arguments.json)?;
    sent?;
    match refused(&sender.outcome) {
        Some(refused) => Err(refused.into()),
        None => Ok(()),
    }
}

/// How much was refused, if any was.
fn refused(outcome: &Outcome) -> Option<String> {
    let records = Signal::ALL.map(|signal| (outcome.rejected[signal as usize], signal.counted()));
    let all = records.into_iter().chain([(outcome.invalid_lines, "lines")]);
    let parts: Vec<_> =
        all.filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    (!parts.is_empty()).then(|| format!("{} were refused", parts.join(" and ")))
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

/// Refuses at once what has no lines at all, instead of each line of it.
fn check_format(input: &mut impl BufRead, path: &Path) -> Result<(), String> {
    let shown = path.display();
    let first = input.fill_buf().map_err(|error| format!("cannot read {shown}: {error}"))?;
    if first.starts_with(b"PAR1") {
        return Err(format!("{shown} is a table; `tta export --format jsonl` writes what can be imported"));
    }
    if first.starts_with(&[0x1f, 0x8b]) || first.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Err(format!(
            "{shown} is compressed; unpack it into `tta import -`, as in zcat FILE | tta import -"
        ));
    }
    Ok(())
}

async fn send_all(
    input: Box<dyn BufRead>,
    sender: &mut Sender,
    bar: &ProgressBar,
) -> Result<(), Box<dyn Error>> {
    let mut documents = Documents::new(input);
    let mut batches: [Batch; Signal::ALL.len()] = Default::default();
    loop {
        let next = documents.next();
        let next =
            next.map_err(|error| format!("cannot read on behind line {}: {error}", documents.lines))?;
        let Some(document) = next else { break };
        bar.set_position(documents.bytes);
        match batch::parts(document.line, &document.text) {
            Ok(parts) => {
                for part in parts {
                    let (signal, batch) = (part.signal, &mut batches[part.signal as usize]);
                    if batch.is_full_with(&part) {
                        sender.send(signal, std::mem::take(batch).into_parts()).await?;
                        bar.set_message(accepted(&sender.outcome));
                    }
                    batch.add(part);
                }
            }
            Err(why) => {
                sender.outcome.invalid_lines += 1;
                sender.outcome.problem(why);
            }
        }
    }
    for (signal, batch) in Signal::ALL.into_iter().zip(batches) {
        sender.send(signal, batch.into_parts()).await?;
    }
    Ok(())
}

/// How much of each signal was accepted; of spans also if there were none of anything.
fn accepted(outcome: &Outcome) -> String {
    let mut parts = Vec::new();
    for signal in Signal::ALL {
        let count = outcome.accepted[signal as usize];
        if count > 0 {
            parts.push(format!("{count} {}", signal.counted()));
        }
    }
    if parts.is_empty() { String::from("0 spans") } else { parts.join(", ") }
}

fn tell(outcome: &Outcome, is_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if is_json {
        let [accepted_spans, accepted_log_records, accepted_metric_points] = outcome.accepted;
        let [rejected_spans, rejected_log_records, rejected_metric_points] = outcome.rejected;
        let outcome = serde_json::json!({
            "accepted_spans": accepted_spans,
            "rejected_spans": rejected_spans,
            "accepted_log_records": accepted_log_records,
            "rejected_log_records": rejected_log_records,
            "accepted_metric_points": accepted_metric_points,
            "rejected_metric_points": rejected_metric_points,
            "invalid_lines": outcome.invalid_lines,
            "requests": outcome.requests,
            "pauses": outcome.pauses,
            "problems": outcome.problems,
        });
        return writeln!(out, "{outcome:#}");
    }
    let rejected: u64 = outcome.rejected.iter().sum();
    writeln!(out, "Accepted {}; rejected {rejected}", accepted(outcome))?;
    outcome.problems.iter().try_for_each(|problem| writeln!(out, "  {problem}"))
}
