// SPDX-License-Identifier: GPL-2.0

//! The command `lab`; everything is in the library beside it.

use std::process::ExitCode;

use clap::Parser;

use lab::cli::{Action, Cli};
use lab::error::Result;
use lab::progress::{self, Verbosity};
use lab::{enter, process};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match act(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("lab: error: {error}");
            ExitCode::from(error.kind as u8)
        }
    }
}

fn act(cli: &Cli) -> Result<u8> {
    // These two must stay single-threaded: no handler, no progress.
    match &cli.action {
        Action::Enter { stage, spec } => enter::run(*stage, spec),
        Action::Tether { parent, argv } => enter::tether(*parent, argv),
        Action::Command(command) => {
            progress::set_verbosity(match (cli.quiet, cli.verbose) {
                (true, _) => Verbosity::Quiet,
                (_, true) => Verbosity::Verbose,
                _ => Verbosity::Normal,
            });
            process::catch_signals();
            command.run()
        }
    }
}
