//! The `tta` command.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its user")]

mod demo;
mod render;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Workflows that are observable by construction.
#[derive(Debug, Parser)]
#[command(name = "tta", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a document workflow over real text and show its trace.
    Demo(demo::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Demo(arguments) => demo::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
