// SPDX-License-Identifier: GPL-2.0

//! A shell in the virtual machine: on a terminal in real time, since virtual time would run away
//! while a person thinks. Else it runs what comes from stdin, as `sh` does.

use std::io::{stdin, stdout, IsTerminal, Read};

use crate::devices::DeviceOptions;
use crate::error::{Error, Kind, Result};
use crate::machine::{Machine, Time};
use crate::options::BootOptions;
use crate::programs;
use crate::progress::{note, result};
use crate::session::Session;
use crate::vm::Ended;

/// What to boot.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kernel and machine
    #[command(flatten)]
    pub boot: BootOptions,
    /// More devices
    #[command(flatten)]
    pub devices: DeviceOptions,
}

/// Opens it; returns its exit code.
pub(crate) fn run(args: &Args) -> Result<u8> {
    let script = script()?;
    let session = Session::of_any(&args.boot.kernel)?;
    let machine = args.devices.devices(&session)?.machine(&args.boot.machine);
    let modules = session.modules()?;
    let mut initramfs = session.initramfs(&modules)?;
    for program in programs::build(&session.project, session.kernel.arch())? {
        initramfs.selftest(&program);
    }
    let out = session.project.out("shell");
    let Some(script) = script else {
        let machine = Machine {
            time: Time::Wall,
            // No messages of the boot before the prompt.
            append: format!("quiet {}", machine.append).trim_end().to_owned(),
            ..machine
        };
        note("booting; `exit` ends the shell and the machine");
        return session.boot(&machine, &out).shell(initramfs);
    };
    initramfs.bytes("job", script.as_bytes(), true);
    let outcome = session
        .boot(&machine, &out)
        .run(initramfs, &mut |line| result(line))?;
    match outcome.ended {
        Ended::Exit(code) if outcome.splats.is_empty() => Ok(code),
        _ => outcome.verdict().map(|()| 0),
    }
}

/// What to run, unless a person is to type it.
fn script() -> Result<Option<String>> {
    if stdin().is_terminal() {
        if stdout().is_terminal() {
            return Ok(None);
        }
        return Err(Error::new(
            Kind::Usage,
            "a shell to type in needs a terminal",
            "stdin is one, and stdout is not",
            "let both be one; or give it what to run: echo 'ls /modules' | make -s shell",
        ));
    }
    let mut text = Vec::new();
    stdin().read_to_end(&mut text).map_err(|error| {
        Error::new(
            Kind::Usage,
            "cannot read what the shell is to run",
            error.to_string(),
            "echo 'ls /modules' | make -s shell",
        )
    })?;
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}
