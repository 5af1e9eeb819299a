// SPDX-License-Identifier: GPL-2.0

//! `probe-analyze` on a running kernel: `record`, and `collect` with the kprobes of `boot-line`.

//@ plain: it makes recordings itself
//@ boots: two_nodes

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use lifecycle::parse::recording as text;
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::recorder::tracing;
use crate::samples::PLATFORM;
use crate::{ensure, skip, sysfs, unmet, Bench, Failure, Test};

const TRACEFS: &str = "/sys/kernel/tracing";

/// The time within which the program begins to record.
const BEGINS: Duration = Duration::from_secs(60);

/// The program, beside the tests.
fn program() -> Result<PathBuf, Failure> {
    let own = env::args_os().next().unwrap_or_default();
    let program = Path::new(&own).with_file_name("probe-analyze");
    if program.exists() {
        Ok(program)
    } else {
        skip(format!(
            "{} is not there: make probe-analyze builds it",
            program.display()
        ))
    }
}

/// Runs the program, expects an exit code, and returns its standard output.
fn expect(args: &[&str], code: i32) -> Result<String, Failure> {
    let program = program()?;
    let output = Command::new(&program).args(args).output();
    let output = output.map_err(|error| Failure::io("run", program, error))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let what = format!("exit code of {args:?}, which said: {said}");
    ensure(&what, &output.status.code(), &Some(code))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A directory, and a file in it that is not there.
fn file() -> Result<(TempDir, String), Failure> {
    let directory = tempfile::tempdir().map_err(|error| Failure::io("create in", "/tmp", error))?;
    let file = directory.path().join("recording").display().to_string();
    Ok((directory, file))
}

/// No file was written, not even in part.
fn nothing_written(directory: &TempDir) -> Result<(), Failure> {
    let files = fs::read_dir(directory.path()).map(Iterator::count);
    ensure("files that were written", &files.unwrap_or(1), &0)
}

fn records_insmod(bench: &mut Bench) -> Result<(), Failure> {
    program()?;
    bench.insmod(PLATFORM.devices, "devices=3")?;
    let before = tracing()?;
    let (_directory, recording) = file()?;
    bench.adopt(PLATFORM.module);
    let module = bench.module(PLATFORM.module).display().to_string();
    let command = format!("insmod {module} firmware_ms=50; exit 7");
    let record = ["record", "-q", "--out", &recording, "--", "sh", "-c"];
    expect(&[&record[..], &[&command]].concat(), 7)?;
    ensure("tracefs afterwards", &tracing()?, &before)?;
    let report = expect(&["report", &recording], 0)?;
    ensure(
        "probes",
        &report.contains("3 probes (3 bound, 0 failed)"),
        &true,
    )
}

fn takes_back_after_a_signal(_bench: &mut Bench) -> Result<(), Failure> {
    let program = program()?;
    let before = tracing()?;
    let (directory, recording) = file()?;
    let mut child = Command::new(&program)
        .args(["record", "--out", &recording, "--", "sleep", "1000"])
        .spawn()
        .map_err(|error| Failure::io("run", program, error))?;
    let enabled = Path::new(TRACEFS).join("instances/life/events/life/enable");
    let began = Instant::now();
    while !fs::read_to_string(&enabled).is_ok_and(|enabled| enabled.trim() == "1") {
        if began.elapsed() > BEGINS {
            let _ = child.kill();
            return unmet("a recording", "none in a minute");
        }
        sleep(Duration::from_millis(20));
    }
    // CAST: a number of a task is positive.
    #[allow(clippy::cast_possible_wrap)]
    let pid = Pid::from_raw(child.id() as i32);
    kill(pid, Signal::SIGINT).map_err(|error| Failure::io("interrupt", "the program", error))?;
    let status = child.wait();
    let code = status
        .map_err(|error| Failure::io("wait for", "the program", error))?
        .code();
    ensure("exit code", &code, &Some(130))?;
    ensure("tracefs afterwards", &tracing()?, &before)?;
    nothing_written(&directory)
}

/// The kprobes of a boot line, as the kernel makes them at its boot, and the clock before.
struct BootLine(String);

impl BootLine {
    fn new() -> Result<Self, Failure> {
        let line = expect(&["boot-line", "--quiet"], 0)?;
        let clocks = read("trace_clock")?;
        let clock = clocks.split(['[', ']']).nth(1).unwrap_or("local");
        // From here on the destructor takes back what has been done.
        let line_of_boot = Self(clock.to_owned());
        let kprobes = line.trim_start_matches("kprobe_event=").split(' ').next();
        for kprobe in kprobes.unwrap_or_default().split(';') {
            append("kprobe_events", &kprobe.replace(',', " "))?;
        }
        append("trace_clock", "global")?;
        append("events/kprobes/enable", "1")?;
        Ok(line_of_boot)
    }
}

impl Drop for BootLine {
    fn drop(&mut self) {
        let _ = append("events/kprobes/enable", "0");
        let events = read("kprobe_events").unwrap_or_default();
        for event in events
            .lines()
            .filter_map(|line| line.split([':', ' ']).nth(1))
        {
            let _ = append("kprobe_events", &format!("-:{event}"));
        }
        // It empties the buffers, too.
        let _ = append("trace_clock", &self.0);
    }
}

fn collects_what_a_boot_line_records(bench: &mut Bench) -> Result<(), Failure> {
    program()?;
    let before = tracing()?;
    let (_directory, boot) = file()?;
    let line = BootLine::new()?;
    bench.insmod(PLATFORM.devices, "devices=3")?;
    bench.insmod(PLATFORM.module, "firmware_ms=50")?;
    expect(&["collect", "-q", "--anonymise", &boot], 0)?;
    let report = expect(&["report", &boot], 0)?;
    ensure(
        "probes",
        &report.contains("3 probes (3 bound, 0 failed)"),
        &true,
    )?;
    let collected = fs::read_to_string(&boot).map_err(|error| Failure::io("read", &boot, error))?;
    let parts: Vec<&str> = text::parts(&collected)?.iter().map(|part| part.0).collect();
    for name in ["dmesg", "cmdline", "modules"] {
        ensure(
            &format!("{name} among {parts:?}"),
            &parts.contains(&name),
            &true,
        )?;
    }
    // One of its kprobes is as good as all of them.
    let (_directory, recording) = file()?;
    expect(&["record", "-q", "--out", &recording, "--", "true"], 10)?;
    drop(line);
    expect(&["collect", "-q", &boot], 10)?;
    ensure("tracefs afterwards", &tracing()?, &before)
}

fn read(file: &str) -> Result<String, Failure> {
    sysfs::read(&format!("{TRACEFS}/{file}"))
}

fn append(file: &str, line: &str) -> Result<(), Failure> {
    let path = format!("{TRACEFS}/{file}");
    sysfs::append(&path, line)
        .map_err(|error| Failure::io(&format!("append {line} to"), path, error))
}

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "probe-analyze: records an insmod, and exits as its command",
            records_insmod,
        ),
        Test::new(
            "probe-analyze: takes back all after a signal",
            takes_back_after_a_signal,
        ),
        Test::new(
            "probe-analyze: collects what a boot line records",
            collects_what_a_boot_line_records,
        ),
    ]
}
