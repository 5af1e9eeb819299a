// SPDX-License-Identifier: GPL-2.0

//! The command line.

use clap::{Parser, Subcommand};

use crate::commands::Command;
use crate::enter::{self, Stage};
use crate::error::{Result, EXIT_CODES};
use crate::process;
use crate::progress::{self, Verbosity};

/// Builds the async_probe modules for a real kernel and runs them under QEMU.
#[derive(Debug, Parser)]
#[command(name = "lab", version, after_help = exit_codes())]
pub struct Cli {
    /// Says what failed and what was asked for, and nothing else
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Says all that programs and tests say
    #[arg(short, long, global = true)]
    verbose: bool,
    /// What to do
    #[command(subcommand)]
    action: Action,
}

impl Cli {
    /// Does it; returns the exit code.
    pub fn run(&self) -> Result<u8> {
        // These two must stay single-threaded: no handler, no progress.
        match &self.action {
            Action::Enter { stage, spec } => enter::run(*stage, spec),
            Action::Tether { parent, argv } => enter::tether(*parent, argv),
            Action::Command(command) => {
                progress::set_verbosity(match (self.quiet, self.verbose) {
                    (true, _) => Verbosity::Quiet,
                    (_, true) => Verbosity::Verbose,
                    _ => Verbosity::Normal,
                });
                process::catch_signals();
                command.run()
            }
        }
    }
}

/// What is to be done: a command of the user's, or a stage of one.
#[derive(Debug, Subcommand)]
enum Action {
    /// A command of the user's
    #[command(flatten)]
    Command(Box<Command>),
    /// (internal) a stage of entering the root file system
    #[command(hide = true)]
    Enter {
        /// Which stage
        stage: Stage,
        /// The request
        spec: String,
    },
    /// (internal) runs a host program that ends with the lab
    #[command(hide = true)]
    Tether {
        /// The process to be tied to
        parent: i32,
        /// The command
        #[arg(last = true)]
        argv: Vec<String>,
    },
}

fn exit_codes() -> String {
    let lines: Vec<String> = EXIT_CODES
        .iter()
        .map(|(kind, meaning)| format!("  {:>3}  {meaning}", *kind as u8))
        .collect();
    format!("Exit codes:\n    0  all is well\n{}", lines.join("\n"))
}
