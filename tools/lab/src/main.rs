// SPDX-License-Identifier: GPL-2.0

//! The command `lab`; everything is in the library beside it.

use std::process::ExitCode;

use clap::Parser;

use lab::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("lab: error: {error}");
            ExitCode::from(error.kind as u8)
        }
    }
}
