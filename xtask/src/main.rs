//! Automation of this repository, in Rust so that it runs wherever the workspace builds.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks to its terminal")]

mod bench;
mod coverage;
mod demo;
mod node;
mod packages;
mod process;
mod python;
mod source;
mod suite;
mod walls;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
cargo xtask <COMMAND>

  demo [ARGS]                build `tta` in release mode and run `tta demo ARGS`
  test [STEP]...             run everything CI checks, or only the named steps
  walls                      check who may depend on whom, names, clocks, and sizes
  coverage [--fail-under N]  line coverage of the model, the primitives and the recorder
  bench <NAME> [ARGS]        run a benchmark, such as `overhead` or `server`
  help                       print this list
";

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run() -> Result<ExitCode> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let command = if arguments.is_empty() { String::from("help") } else { arguments.remove(0) };
    match command.as_str() {
        "demo" => demo::run(&passed_through(arguments)),
        "test" => suite::run(&arguments),
        "walls" => walls::run(),
        "coverage" => coverage::run(&arguments),
        "bench" => bench::run(&passed_through(arguments)),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        unknown => bail!("no command `{unknown}`\n\n{HELP}"),
    }
}

/// Drops the first `--`, so that both `demo --port 0` and `demo -- --port 0` mean the same.
fn passed_through(mut arguments: Vec<String>) -> Vec<String> {
    if let Some(separator) = arguments.iter().position(|argument| argument == "--") {
        arguments.remove(separator);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::passed_through;

    fn check(arguments: &[&str], expected: &[&str]) {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        assert_eq!(passed_through(arguments), expected);
    }

    #[test]
    fn arguments_pass_with_and_without_the_separator() {
        check(&["--port", "0"], &["--port", "0"]);
        check(&["--", "--port", "0"], &["--port", "0"]);
        check(&["--", "a", "--", "b"], &["a", "--", "b"]);
        check(&[], &[]);
    }
}
