// SPDX-License-Identifier: GPL-2.0

//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::enter::Stage;
use crate::error::EXIT_CODES;
use crate::vm::Machine;

/// Builds the async_probe modules for a real kernel and runs them under QEMU.
#[derive(Debug, Parser)]
#[command(name = "lab", version, after_help = exit_codes())]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub action: Action,
    /// The kernel: stock, stock:<series>, custom, debug, debug-remove, debug-kcsan, or the path of a built tree
    #[arg(long, default_value = "stock", global = true)]
    pub kernel: String,
    /// The virtual machine
    #[command(flatten)]
    pub machine: Machine,
}

/// What the lab does.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Makes the root file system and prepares the kernel
    Setup {
        /// Looks for a newer kernel even though one is prepared
        #[arg(long)]
        refresh: bool,
    },
    /// Builds the modules
    Modules {
        /// Passed to make: CLIPPY=1, W=1, V=1
        variables: Vec<String>,
    },
    /// Shows asynchronous probing: dmesg timing of the sample driver, and tables
    Run,
    /// Runs all tests, or those whose names contain TESTS
    Check {
        /// Part of a name
        #[arg(default_value = "")]
        tests: String,
    },
    /// Measures designs and costs, and judges what was measured
    Bench(Bench),
    /// Fails if a figure of the last benchmark is worse than in an older one
    BenchCompare(BenchCompare),
    /// Takes a driver through its life under the recorder, and judges it
    CheckDriver(CheckDriver),
    /// Runs the demonstration several times, and fails if its consoles differ
    Determinism {
        /// How often
        #[arg(long, default_value_t = 10)]
        runs: usize,
    },
    /// Boots with the samples built in, and shows how long each design stalls the boot
    BootStall,
    /// Builds all in the kernel tree, as modules and built in, and runs the guest's tests with that
    InTree {
        /// Part of the name of a test
        #[arg(default_value = "")]
        tests: String,
    },
    /// Runs a job in the virtual machine
    Vm(Job),
    /// Opens a shell in the virtual machine, in real time
    Shell,
    /// Makes the documentation, as HTML
    Docs,
    /// Installs programs and modules as a kselftest
    Install {
        /// The directory
        to: PathBuf,
    },
    /// Removes the downloads, the root file system and the kernels
    CleanCache,
    /// Runs a command in the root file system, beside the checkout (/lab/project) and the kernel (/lab/kernel)
    Exec {
        /// The command
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        argv: Vec<String>,
    },
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

/// What to measure.
#[derive(Debug, Args)]
pub struct Bench {
    /// Only these parts
    #[arg(value_enum)]
    pub parts: Vec<Part>,
    /// Numbers of slow devices
    #[arg(long, num_args = 0.., value_delimiter = ',', default_value = "1,8,64,512,4096")]
    pub devices: Vec<usize>,
    /// Numbers of quick devices
    #[arg(long, num_args = 0.., value_delimiter = ',', default_value = "10,100,1000,10000")]
    pub quick: Vec<usize>,
    /// How long the firmware of a slow device takes
    #[arg(long, default_value_t = 2000)]
    pub firmware_ms: u32,
    /// Measures the wall time of make run and make check, too, which takes long
    #[arg(long)]
    pub wall: bool,
    /// Shows and judges this file instead of measuring
    #[arg(long)]
    pub from: Option<PathBuf>,
    /// Puts what was measured into the documentation: the tables, and the file that they are from
    #[arg(long)]
    pub document: bool,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Slow devices in all designs
    Designs,
    /// Quick devices in some designs
    Bind,
    /// Rust and C
    Costs,
    /// The size of the modules
    Sizes,
    /// The kernel's boot
    Boot,
    /// Upstream's own test of asynchronous probing
    Upstream,
}

/// What to compare with.
#[derive(Debug, Args)]
pub struct BenchCompare {
    /// An older bench.json
    #[arg(long, default_value = "Documentation/benchmark.json")]
    pub base: PathBuf,
    /// The newer one
    #[arg(long, default_value = "out/bench.json")]
    pub new: PathBuf,
    /// Compares runs of different identity
    #[arg(long)]
    pub force: bool,
}

/// Seconds of guest time that a step of the life of a driver takes at most, unless it is told otherwise.
pub const STEP_DEADLINE: u32 = 100;

/// A driver to check.
#[derive(Clone, Debug, Default, Args)]
pub struct CheckDriver {
    /// The file of its module, or the name of a module of this project or of the kernel
    pub module: String,
    /// Modules to load before it, each followed by its parameters: what brings devices
    #[arg(long, default_value = "")]
    pub with: String,
    /// The parameters of the module
    #[arg(long, default_value = "")]
    pub params: String,
    /// A command for the guest's shell before the driver is loaded
    #[arg(long, default_value = "")]
    pub before: String,
    /// A command for the guest's shell each time after the driver has been loaded
    #[arg(long, default_value = "")]
    pub after: String,
    /// What the guest sees in /lib/firmware
    #[arg(long)]
    pub firmware: Option<PathBuf>,
    /// Seconds of guest time that each step may take
    #[arg(long, default_value_t = STEP_DEADLINE)]
    pub step_deadline: u32,
}

/// A job for the guest.
#[derive(Debug, Args)]
pub struct Job {
    /// A shell script that runs in the guest; its output comes to stdout
    #[arg(long)]
    pub job: PathBuf,
    /// Firmware files, which the guest sees in /lib/firmware/async_probe
    #[arg(long)]
    pub firmware: Option<PathBuf>,
    /// Static programs, which the guest sees in /selftests
    #[arg(long)]
    pub program: Vec<PathBuf>,
    /// More modules, which the guest sees in /modules
    #[arg(long)]
    pub module: Vec<PathBuf>,
    /// Where console.log and results.log go
    #[arg(long, default_value = "out/vm")]
    pub out: PathBuf,
    /// Does not build the modules first
    #[arg(long)]
    pub no_build: bool,
}

fn exit_codes() -> String {
    let lines: Vec<String> = EXIT_CODES
        .iter()
        .map(|(_, code, meaning)| format!("  {code:>3}  {meaning}"))
        .collect();
    format!("Exit codes:\n    0  all is well\n{}", lines.join("\n"))
}
