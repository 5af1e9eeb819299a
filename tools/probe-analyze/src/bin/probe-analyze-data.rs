// SPDX-License-Identifier: GPL-2.0

//! Writes what is installed beside `probe-analyze`: man pages and completions of shells, made from
//! the definition of its command line.
//!
//! ```sh
//! probe-analyze-data DIRECTORY
//! ```
//!
//! The directory stands for `/usr`.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use clap::{CommandFactory, Parser};
use clap_complete::{generate_to, Shell};

use probe_analyze::cli::Cli;

const NAME: &str = "probe-analyze";

/// Writes the man pages and the completions of shells of probe-analyze below a directory
#[derive(Debug, Parser)]
struct Data {
    /// The directory, which stands for /usr
    directory: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let share = Data::parse().directory.join("share");
    // A page for the command, and one for each of its subcommands: `probe-analyze-report.1`.
    let pages = share.join("man/man1");
    fs::create_dir_all(&pages)?;
    clap_mangen::generate_to(Cli::command(), &pages)?;
    for (shell, directory, name) in [
        (Shell::Bash, "bash-completion/completions", NAME),
        (Shell::Zsh, "zsh/site-functions", "_probe-analyze"),
        (
            Shell::Fish,
            "fish/vendor_completions.d",
            "probe-analyze.fish",
        ),
    ] {
        let directory = share.join(directory);
        fs::create_dir_all(&directory)?;
        let path = generate_to(shell, &mut Cli::command(), NAME, &directory)?;
        // bash-completion looks for a file of the command's name.
        fs::rename(path, directory.join(name))?;
    }
    Ok(())
}
