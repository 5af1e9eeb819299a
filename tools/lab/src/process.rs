// SPDX-License-Identifier: GPL-2.0

//! Child processes: started with their output in a log, watched, and never left behind.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{kill, killpg, Signal};
use nix::unistd::Pid;

use crate::error::{Error, IoContext, Kind, Result, STORAGE_NEXT};
use crate::progress::Step;

/// How often a child is looked at.
const POLL: Duration = Duration::from_millis(20);

/// How long a child may take to clean up after itself before it is killed.
const GRACE: Duration = Duration::from_secs(10);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Installs the handler of SIGINT, SIGTERM and SIGHUP.
pub(crate) fn catch_signals() {
    // A second handler is the only way this fails, and there is none.
    let _ = ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::SeqCst));
}

/// Fails when a signal asked us to stop.
pub(crate) fn check_interrupted() -> Result<()> {
    if INTERRUPTED.load(Ordering::SeqCst) {
        return Err(Error::interrupted());
    }
    Ok(())
}

/// A child that is ended when dropped, with all that it has started.
#[derive(Debug)]
pub(crate) struct Guarded {
    child: Child,
    /// Whether it has a process group of its own.
    alone: bool,
}

impl Guarded {
    /// Starts the command in a process group of its own: a Ctrl-C reaches the lab only, which ends
    /// the group, so that no child is taken for one that failed.
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        Self::start(command.process_group(0), true)
    }

    /// Starts the command in the group of the lab: of the processes of a terminal only those of the
    /// foreground group may read what is typed.
    pub(crate) fn foreground(command: &mut Command) -> Result<Self> {
        Self::start(command, false)
    }

    fn start(command: &mut Command, alone: bool) -> Result<Self> {
        let program = command.get_program().to_os_string();
        let child = command.spawn();
        child
            .map(|child| Self { child, alone })
            .at(Path::new(&program), "start the program")
    }

    /// The exit status, once there is one.
    pub(crate) fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .at(Path::new("/proc"), "wait for a child")
    }

    /// Ends the child: politely, so that it can clean up, then for good.
    pub(crate) fn stop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX));
        let send = |signal| {
            let _ = if self.alone {
                killpg(pid, signal)
            } else {
                kill(pid, signal)
            };
        };
        let began = Instant::now();
        send(Signal::SIGTERM);
        while began.elapsed() < GRACE && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(POLL);
        }
        send(Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.stop();
        }
    }
}

/// Waits for a child; ends it when a signal asks us to stop.
pub(crate) fn wait(child: &mut Guarded, mut tick: impl FnMut()) -> Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        check_interrupted()?;
        tick();
        thread::sleep(POLL);
    }
}

/// A line that a child has written.
#[derive(Debug)]
pub(crate) enum Line<'a> {
    /// To stdout.
    Output(&'a str),
    /// To stderr.
    Error(&'a str),
}

/// Runs a step whose lines are handed on as they come.
pub(crate) fn build(
    what: &str,
    command: &mut Command,
    each: &mut (dyn FnMut(Line<'_>, &Step) + Send),
) -> Result<ExitStatus> {
    let step = Step::begin(what);
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Guarded::spawn(command)?;
    let (output, errors) = (child.child.stdout.take(), child.child.stderr.take());
    let each = Mutex::new(each);
    let hand_on = |line: Line<'_>| {
        let mut each = each.lock().unwrap_or_else(PoisonError::into_inner);
        each(line, &step);
    };
    let status = thread::scope(|scope| {
        // The child ends with this closure, and so do its pipes and the threads that read them.
        let mut child = child;
        scope.spawn(|| each_line(output, |line| hand_on(Line::Output(line))));
        scope.spawn(|| each_line(errors, |line| hand_on(Line::Error(line))));
        wait(&mut child, || ())
    })?;
    if status.success() {
        step.done();
    }
    Ok(status)
}

/// Hands on each line of what a child writes to a pipe.
fn each_line(pipe: Option<impl Read>, mut each: impl FnMut(&str)) {
    let lines = pipe.map(BufReader::new).into_iter();
    for line in lines
        .flat_map(|reader| reader.split(b'\n'))
        .map_while(std::result::Result::ok)
    {
        each(&String::from_utf8_lossy(&line));
    }
}

/// Has a command that reads nothing write to a log.
pub(crate) fn into_log(command: &mut Command, log: &Path) -> Result<()> {
    if let Some(parent) = log.parent() {
        fs::create_dir_all(parent).at(parent, "create the directory")?;
    }
    let file = File::create(log).at(log, "write")?;
    let copy = file.try_clone().at(log, "write")?;
    command.stdin(Stdio::null()).stdout(file).stderr(copy);
    Ok(())
}

/// One logged step of the setup.
#[derive(Debug)]
pub(crate) struct Logged<'a> {
    /// What is being done, for the progress line and the error.
    pub what: &'a str,
    /// Where the output goes.
    pub log: PathBuf,
    /// The kind of error when it fails.
    pub kind: Kind,
    /// What to do when it fails.
    pub next: &'a str,
}

impl Logged<'_> {
    /// Runs the command to its end, with its last line of output as the progress message.
    pub(crate) fn run(&self, command: Command) -> Result<()> {
        self.run_showing(command, &|| tail(&self.log, 1).trim().to_owned())
    }

    /// The same with another progress message.
    pub(crate) fn run_showing(
        &self,
        mut command: Command,
        message: &dyn Fn() -> String,
    ) -> Result<()> {
        let step = Step::begin(self.what);
        into_log(&mut command, &self.log)?;
        let mut child = Guarded::spawn(&mut command)?;
        let mut shown = Instant::now();
        let status = wait(&mut child, || {
            if shown.elapsed() > Duration::from_millis(200) {
                shown = Instant::now();
                step.message(&message());
            }
        })?;
        if status.success() {
            step.done();
            return Ok(());
        }
        drop(step);
        Err(self.failure(status))
    }

    fn failure(&self, status: ExitStatus) -> Error {
        let tail = tail(&self.log, 15);
        let full = [
            "No space left on device",
            "Disk quota exceeded",
            "Read-only file system",
        ];
        let (kind, next) = if full.iter().any(|text| tail.contains(text)) {
            (Kind::Storage, STORAGE_NEXT)
        } else {
            (self.kind, self.next)
        };
        Error::new(
            kind,
            format!("failed: {}", self.what),
            format!(
                "{status}; the end of {}:\n{}",
                self.log.display(),
                indent(&tail)
            ),
            next,
        )
    }
}

/// The last lines of a file, at most; empty when it cannot be read.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text
        .split(['\n', '\r'])
        .filter(|line| !line.trim().is_empty())
        .collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Indents each line, to set quoted output apart.
pub(crate) fn indent(text: &str) -> String {
    textwrap::indent(text.trim_end(), "        ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_child_has_started_outlives_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pid");
        let mut command = Command::new("sh");
        command
            .args([
                "-c",
                "sleep 1000 & echo $! >$1.new; mv $1.new $1; wait",
                "sh",
            ])
            .arg(&file);
        let child = Guarded::spawn(&mut command).unwrap();
        while !file.exists() {
            thread::sleep(POLL);
        }
        let pid: i32 = fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        let began = Instant::now();
        drop(child);
        assert!(began.elapsed() < GRACE / 2);
        while kill(Pid::from_raw(pid), None).is_ok() {
            // Its new parent may take a moment to wait for it.
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            assert!(stat.is_empty() || stat.contains(") Z ") || began.elapsed() < GRACE / 2);
            if stat.contains(") Z ") {
                break;
            }
            thread::sleep(POLL);
        }
    }
}
