//! `tta completions`: what lets a shell complete the commands.

use std::error::Error;
use std::io::{self, Write};

use clap::{Args, Command};
use clap_complete::Shell;

/// What `tta completions` can be told.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Write for this shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Writes the completions of a command.
pub(crate) fn run(arguments: &Arguments, mut command: Command) -> Result<(), Box<dyn Error>> {
    let name = command.get_name().to_owned();
    // It panics where it cannot write, and memory can always be written to.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, name, &mut script);
    io::stdout().write_all(&script)?;
    Ok(())
}
