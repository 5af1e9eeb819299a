// SPDX-License-Identifier: GPL-2.0

//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::boot_line::loaders::Loader;
use crate::error::{exit_codes, Kind};
use crate::output::Color;

/// Tells from a kernel's log who probed what, how long it took, and who waited for whom
///
/// A log is what dmesg prints on a kernel that was booted with initcall_debug, what a driver with
/// the dmesg interface of async_probe prints, or a recording.
#[derive(Debug, Parser)]
#[command(name = "probe-analyze", version, after_help = exit_codes(&[
    Kind::Different, Kind::Usage, Kind::Storage, Kind::Log, Kind::Nothing, Kind::Unrecordable,
    Kind::Interrupted,
]))]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub action: Action,
    /// When to print in colour; the environment variable NO_COLOR turns it off, too
    #[arg(long, value_enum, default_value_t = Color::Auto, global = true, value_name = "WHEN")]
    pub color: Color,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Shows what a log tells: who took how long, and who waited for whom
    #[command(after_help = exit_codes(&[
        Kind::Usage, Kind::Log, Kind::Nothing, Kind::Interrupted,
    ]))]
    Report(Report),
    /// Shows what a boot or a load would take if other drivers were probed asynchronously
    ///
    /// Without --driver it looks for the drivers that gain, and says which drivers must not be
    /// asynchronous, and why.
    #[command(after_help = exit_codes(&[
        Kind::Usage, Kind::Log, Kind::Nothing, Kind::Interrupted,
    ]))]
    WhatIf(WhatIf),
    /// Draws a log: an SVG picture, an HTML page and a trace for Perfetto
    #[command(after_help = exit_codes(&[
        Kind::Usage, Kind::Storage, Kind::Log, Kind::Nothing, Kind::Interrupted,
    ]))]
    Timeline(Timeline),
    /// Shows what is different between two logs
    #[command(after_help = exit_codes(&[
        Kind::Different, Kind::Usage, Kind::Log, Kind::Nothing, Kind::Interrupted,
    ]))]
    Diff(Diff),
    /// Prints what to add to the kernel's command line so that the kernel records its boot
    #[command(args_override_self = true, after_help = exit_codes(&[
        Kind::Usage, Kind::Log, Kind::Unrecordable, Kind::Interrupted,
    ]))]
    BootLine(BootLine),
    /// Writes what a boot with the boot line has recorded, and what explains it, into one file
    #[command(after_help = exit_codes(&[
        Kind::Usage, Kind::Storage, Kind::Log, Kind::Unrecordable, Kind::Interrupted,
    ]))]
    Collect(Collect),
    /// Records what the kernel does with drivers while a command runs
    #[command(after_help = format!(
        "{}\n\nOtherwise the exit code is that of the command.",
        exit_codes(&[
            Kind::Usage, Kind::Storage, Kind::Log, Kind::Unrecordable, Kind::Interrupted,
        ])
    ))]
    Record(Record),
}

/// What to report on.
#[derive(Debug, Args)]
pub struct Report {
    /// The file of the log; - is standard input
    pub log: PathBuf,
    /// Of several boots in the log, the one of this number, from 1 [default: the last with probes]
    #[arg(long, value_name = "NUMBER")]
    pub boot: Option<usize>,
    /// Shows what decided when this was there: init, a device, or a unit of systemd's
    #[arg(long, value_name = "WHAT")]
    pub until: Option<String>,
    /// How to show it
    #[command(flatten)]
    pub form: Form,
    /// Prints nothing: the exit code says whether the log is read and tells of probes
    #[arg(short, long, conflicts_with_all = ["json", "all"])]
    pub quiet: bool,
}

/// What to simulate.
#[derive(Debug, Args)]
pub struct WhatIf {
    /// The file of the log; - is standard input
    pub log: PathBuf,
    /// Of several boots in the log, the one of this number, from 1 [default: the last with probes]
    #[arg(long, value_name = "NUMBER")]
    pub boot: Option<usize>,
    /// The drivers that are to be asynchronous, by name [default: those that gain]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub driver: Vec<String>,
    /// How to show it
    #[command(flatten)]
    pub form: Form,
    /// Prints the value of driver_async_probe= alone; nothing if no driver gains
    #[arg(short, long, conflicts_with_all = ["json", "all"])]
    pub quiet: bool,
}

/// What to draw.
#[derive(Debug, Args)]
pub struct Timeline {
    /// The file of the log; - is standard input
    pub log: PathBuf,
    /// Of several boots in the log, the one of this number, from 1 [default: the last with probes]
    #[arg(long, value_name = "NUMBER")]
    pub boot: Option<usize>,
    /// The directory for timeline.svg, timeline.html and timeline.trace.json
    #[arg(short, long, default_value = "timeline", value_name = "DIRECTORY")]
    pub out: PathBuf,
    /// The title of the pictures [default: the name of the log]
    #[arg(long)]
    pub title: Option<String>,
    /// Prints the names of the files as JSON
    #[arg(long)]
    pub json: bool,
    /// Does not print where the pictures are
    #[arg(short, long, conflicts_with = "json")]
    pub quiet: bool,
}

/// What to compare.
#[derive(Debug, Args)]
pub struct Diff {
    /// The file of the one log; - is standard input
    pub a: PathBuf,
    /// The file of the other log; - is standard input
    pub b: PathBuf,
    /// Of several boots in A, the one of this number, from 1 [default: the last with probes]
    #[arg(long, value_name = "NUMBER")]
    pub boot_a: Option<usize>,
    /// Of several boots in B, the one of this number, from 1 [default: the last with probes]
    #[arg(long, value_name = "NUMBER")]
    pub boot_b: Option<usize>,
    /// How to show it
    #[command(flatten)]
    pub form: Form,
    /// Prints nothing: the exit code says whether the logs differ
    #[arg(short, long, conflicts_with_all = ["json", "all"])]
    pub quiet: bool,
}

/// For which kernel.
#[derive(Debug, Args)]
pub struct BootLine {
    /// The release of the kernel, as uname -r prints it [default: the running kernel]
    #[arg(long, value_name = "RELEASE")]
    pub kernel: Option<String>,
    /// The architecture of the kernel, as uname -m prints it [default: that of this program]
    #[arg(long)]
    pub arch: Option<String>,
    /// The symbols of the kernel: its System.map, or a copy of its /proc/kallsyms
    #[arg(long, value_name = "FILE")]
    pub system_map: Option<PathBuf>,
    /// A copy of the kernel's /sys/kernel/debug/kprobes/blacklist
    #[arg(long, value_name = "FILE")]
    pub blacklist: Option<PathBuf>,
    /// The command line that the kernel has without the addition [default: /proc/cmdline]
    #[arg(long, value_name = "TEXT")]
    pub command_line: Option<String>,
    /// Prints the addition alone, as the configuration of this boot loader has it
    #[arg(
        long = "for",
        value_enum,
        value_name = "LOADER",
        conflicts_with = "json"
    )]
    pub loader: Option<Loader>,
    /// Prints all there is as JSON
    #[arg(long)]
    pub json: bool,
    /// Prints the addition alone
    #[arg(short, long, conflicts_with_all = ["json", "loader"])]
    pub quiet: bool,
}

/// What to collect.
#[derive(Debug, Args)]
pub struct Collect {
    /// The file
    #[arg(default_value = "boot.txt")]
    pub output: PathBuf,
    /// Replaces serial numbers, addresses and host names
    #[arg(long)]
    pub anonymise: bool,
    /// Prints what was collected as JSON
    #[arg(long)]
    pub json: bool,
    /// Does not print what was collected
    #[arg(short, long, conflicts_with = "json")]
    pub quiet: bool,
}

/// What to record.
#[derive(Debug, Args)]
pub struct Record {
    /// The file of the recording
    #[arg(short, long, default_value = "recording.txt", value_name = "FILE")]
    pub out: PathBuf,
    /// The command, with its arguments
    #[arg(required = true, last = true)]
    pub command: Vec<String>,
    /// Prints what was recorded as JSON, after what the command prints
    #[arg(long)]
    pub json: bool,
    /// Does not print what was recorded
    #[arg(short, long, conflicts_with = "json")]
    pub quiet: bool,
}

/// How a report looks.
#[derive(Clone, Copy, Debug, Args)]
pub struct Form {
    /// Prints all there is as JSON
    #[arg(long)]
    pub json: bool,
    /// Leaves nothing out of tables of more than 40 rows
    #[arg(long)]
    pub all: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
