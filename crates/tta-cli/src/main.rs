//! The `tta` command.
#![expect(clippy::print_stderr, reason = "a command talks to its user")]

mod address;
mod assets;
mod completions;
mod cost;
mod demo;
mod doctor;
mod export;
mod import;
mod progress;
mod query;
mod render;
mod serve;
mod sql;
mod stop;

use std::error::Error;
use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

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
    /// Show which settings are in force, and what is wrong with them.
    Doctor(doctor::Arguments),
    /// Write the files by which other programs know TTA's metrics, such as the configuration of Prometheus.
    Assets(assets::Arguments),
    /// Show what calls of language models cost.
    Cost(cost::Arguments),
    /// Receive telemetry of any program, keep it and show it.
    Serve(serve::Arguments),
    /// List the traces that a server has stored, the latest first.
    Traces(Box<query::traces::Arguments>),
    /// Show one trace that a server has stored.
    Trace(query::trace::Arguments),
    /// List the services whose traces a server has stored.
    Services(query::services::Arguments),
    /// Show each trace that comes to a running server, until Ctrl-C.
    Tail(query::tail::Arguments),
    /// Show how the objectives of programs stand, and what is left of their error budgets.
    Slo(query::slo::Arguments),
    /// Write what a server has stored as lines of OTLP's JSON or as tables, beside the running server or without it.
    Export(export::Arguments),
    /// Send telemetry in OTLP's JSON, such as `tta export` or the collector wrote it, to a running server.
    Import(import::Arguments),
    /// Run a statement of SQL over all that is stored, beside a running server or without one.
    Sql(sql::Arguments),
    /// Write what lets a shell complete these commands.
    Completions(completions::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Assets(arguments) => assets::run(&arguments),
        Command::Cost(arguments) => cost::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Traces(arguments) => query::traces::run(&arguments),
        Command::Trace(arguments) => query::trace::run(&arguments),
        Command::Services(arguments) => query::services::run(&arguments),
        Command::Tail(arguments) => query::tail::run(&arguments),
        Command::Slo(arguments) => query::slo::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Sql(arguments) => sql::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, Arguments::command()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // A reader such as `head` has seen enough; that is no failure.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
