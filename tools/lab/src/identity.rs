// SPDX-License-Identifier: GPL-2.0

//! What a run depends on, as every run prints it.

use std::process::{Command, Stdio};

use bench::Identity;

use crate::error::{Error, Kind, Result};
use crate::machine::{Machine, Time};
use crate::session::Session;

/// The identity of what runs in such a machine.
pub(crate) fn identity(session: &Session, machine: &Machine) -> Result<Identity> {
    let config = session.kernel.config()?;
    let text = |symbol: &str| config.value(symbol).unwrap_or("unknown");
    Ok(Identity {
        kernel: session.kernel.release()?,
        qemu: qemu_version(session)?,
        rustc: word(text("CONFIG_RUSTC_VERSION_TEXT"), 1).to_owned(),
        cc: compiler(text("CONFIG_CC_VERSION_TEXT")),
        cpus: machine.smp,
        memory_mib: session.instruments.machine(machine).memory,
        ns_per_instruction: (machine.time == Time::Virtual).then(|| 1 << machine.shift),
        seed: machine.seed,
        revision: revision(session),
    })
}

/// The version of QEMU: `QEMU emulator version 10.0.8 (Debian 1:10.0.8+ds-0+deb13u1)`.
pub(crate) fn qemu_version(session: &Session) -> Result<String> {
    let program = session.kernel.arch().qemu;
    let output = session.env.enter([program, "--version"]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut words = text
        .split_whitespace()
        .skip_while(|word| *word != "version");
    words.nth(1).map(str::to_owned).ok_or_else(|| {
        Error::new(
            Kind::Environment,
            "QEMU does not tell its version",
            String::from_utf8_lossy(&output.stderr),
            format!("out/target/debug/lab exec {program} --version"),
        )
    })
}

fn word(text: &str, number: usize) -> &str {
    text.split_whitespace().nth(number).unwrap_or(text)
}

/// Shortens `x86_64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0` to `gcc 14.2.0`.
fn compiler(text: &str) -> String {
    let name = if text.contains("clang") {
        "clang"
    } else {
        "gcc"
    };
    let version = text
        .split_whitespace()
        .rev()
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
        .unwrap_or("unknown");
    format!("{name} {version}")
}

/// The commit that is checked out, with `-dirty` if files differ from it.
pub(crate) fn revision(session: &Session) -> String {
    Command::new("git")
        .arg("-C")
        .arg(session.project.top())
        .args([
            "describe",
            "--always",
            "--dirty",
            "--abbrev=12",
            "--exclude=*",
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())
        .map_or("unknown".to_owned(), |output| {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compilers() {
        assert_eq!(word("rustc 1.85.1 (4eb161250 2025-03-15)", 1), "1.85.1");
        assert_eq!(
            compiler("x86_64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0"),
            "gcc 14.2.0"
        );
        assert_eq!(
            compiler("Debian clang version 19.1.7 (3+b1)"),
            "clang 19.1.7"
        );
    }
}
