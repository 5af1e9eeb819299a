// SPDX-License-Identifier: GPL-2.0

//! The command `probe-analyze`; everything is in the library beside it.

use std::process::ExitCode;

use clap::Parser;

use probe_analyze::cli::{Action, Cli};
use probe_analyze::error::Result;
use probe_analyze::{
    boot_line, collect, diff, interrupt, output, record, report, timeline, what_if,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.color.apply();
    interrupt::catch();
    match act(&cli.action) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::failure(&error);
            ExitCode::from(error.kind.exit_code())
        }
    }
}

fn act(action: &Action) -> Result<u8> {
    match action {
        Action::Report(args) => report::run(args)?,
        Action::WhatIf(args) => what_if::run(args)?,
        Action::Timeline(args) => timeline::run(args)?,
        Action::Diff(args) => return diff::run(args),
        Action::BootLine(args) => boot_line::run(args)?,
        Action::Collect(args) => collect::run(args)?,
        Action::Record(args) => return record::run(args),
    }
    Ok(0)
}
