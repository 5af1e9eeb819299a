// SPDX-License-Identifier: GPL-2.0

//! `probe-analyze record`: records what the kernel does with drivers while a command runs.

use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::Duration;

use lifecycle::parse::recording::parse;
use lifecycle::series;
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use recorder::Recorder;

use crate::cli::Record;
use crate::error::{Error, Kind, Result};
use crate::{file, interrupt, output};

/// How often the command is looked at.
const POLL: Duration = Duration::from_millis(10);

/// Records; returns the exit code of the command.
///
/// # Errors
///
/// [`Kind::Unrecordable`] if this kernel cannot be recorded, [`Kind::Usage`] if the command cannot
/// be run, [`Kind::Log`] if something was lost, [`Kind::Storage`] if the file cannot be written,
/// [`Kind::Interrupted`] after a signal, when all has been taken back.
pub fn run(args: &Record) -> Result<u8> {
    file::check(&args.out)?;
    interrupt::defer();
    let recorder = start(args.quiet)?;
    interrupt::check()?;
    let [program, arguments @ ..] = args.command.as_slice() else {
        return Ok(0);
    };
    let child = Command::new(program)
        .args(arguments)
        .spawn()
        .map_err(|error| {
            Error::new(
                Kind::Usage,
                format!("cannot run {program}"),
                error.to_string(),
                "name a program after --, with its path if it is not in PATH",
            )
        })?;
    let code = wait(child)?;
    let text = recorder.stop().map_err(unavailable)?;
    interrupt::check()?;
    let events = write(&args.out, &text)?;
    if args.json {
        output::json(&serde_json::json!({
            "recording": args.out, "events": events, "exit_code": code,
        }))?;
    } else if !args.quiet {
        output::note(&format!(
            "{events} events in {out}; probe-analyze report {out} shows them",
            out = args.out.display(),
        ));
    }
    Ok(code)
}

/// Writes a recording, if it is whole; returns how many events it has.
fn write(out: &Path, text: &str) -> Result<usize> {
    let events = parse(text).map_err(|refusal| {
        Error::new(
            Kind::Log,
            "the recording is not whole, and was not written",
            refusal.to_string(),
            "record a shorter command, or less at once: a buffer has room for 50 000 events of \
             each CPU",
        )
    })?;
    file::write(out, text)?;
    Ok(events.len())
}

/// Begins to record: all points on a kernel in which they have been checked, and those that there
/// are on another one.
fn start(quiet: bool) -> Result<Recorder> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    if series::is_supported(release) {
        return Recorder::start().map_err(unavailable);
    }
    if !series::is_recorded_in_part(release) {
        return Err(Error::new(
            Kind::Unrecordable,
            format!("Linux {release} is too old to be recorded"),
            "before 5.15 the result of a probe means something else in the kernel",
            "boot with `initcall_debug log_buf_len=16M` instead, and report on what dmesg prints",
        ));
    }
    let (recorder, without) = Recorder::start_with_what_there_is().map_err(unavailable)?;
    if !quiet {
        for why in without {
            output::note(&why);
        }
    }
    Ok(recorder)
}

/// Waits for the command; passes a signal on to it.
fn wait(mut child: Child) -> Result<u8> {
    let mut passed_on = false;
    loop {
        let ended = child.try_wait().map_err(|error| {
            Error::new(
                Kind::Usage,
                "cannot wait for the command",
                error.to_string(),
                "run the same command again",
            )
        })?;
        if let Some(status) = ended {
            interrupt::check()?;
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            return Ok(code.unwrap_or(255));
        }
        if interrupt::check().is_err() && !passed_on {
            // A Ctrl-C reaches the command by itself, a SIGTERM does not.
            if let Ok(pid) = i32::try_from(child.id()) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            }
            passed_on = true;
        }
        sleep(POLL);
    }
}

/// Why nothing can be recorded on this machine, or not now.
pub fn unavailable(error: recorder::Error) -> Error {
    let next = match &error {
        recorder::Error::Unavailable(_) => {
            "run it as root on a kernel with CONFIG_KPROBE_EVENTS; or boot with `initcall_debug \
             log_buf_len=16M`, and report on what dmesg prints"
        }
        recorder::Error::Io { .. } => "run it as root",
        recorder::Error::Unexpected { .. } => {
            "wait until the machine is idle; remove other kprobe events of these names \
             (/sys/kernel/tracing/kprobe_events), or boot without kprobe_event="
        }
    };
    Error::new(
        Kind::Unrecordable,
        "cannot record this kernel",
        error.to_string(),
        next,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifecycle::parse::recording::seal;

    #[test]
    fn what_has_lost_events_is_not_written() {
        let whole = include_str!("../tests/logs/boot.txt");
        let (body, _) = whole.split_once("# lifecycle: end").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("recording");
        let lossy = seal(body.replacen("dropped=0", "dropped=5", 1));
        let error = write(&out, &lossy).unwrap_err();
        assert_eq!((error.kind, out.exists()), (Kind::Log, false));
        assert!(error.why.contains("events were lost"), "{}", error.why);
    }
}
