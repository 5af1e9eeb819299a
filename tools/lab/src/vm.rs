// SPDX-License-Identifier: GPL-2.0

//! The virtual machine: started, watched, and brought to an end.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use late_initramfs::BOOTED;

use crate::base::Base;
use crate::cache::Lock;
use crate::console::{Splat, Watcher};
use crate::environment::Environment;
use crate::error::{Error, IoContext, Kind, Result};
use crate::initramfs::Initramfs;
use crate::kernel::Kernel;
use crate::machine::{Accel, Machine, Time};
use crate::process::{check_interrupted, indent, tail, wait, Guarded};
use crate::progress::note;
use crate::qemu::{
    file, split_devices, Bootable, Start, CONSOLE, ERRORS, INITRAMFS, KVM_NEXT, LATE, RESULTS,
};
use crate::qmp::{Pending, Qmp};
use crate::snapshot::{self, Snapshot};

/// A guest that says nothing for so long has not started under KVM.
const KVM_SILENCE: Duration = Duration::from_secs(30);

/// Seconds before the job, so that the kernel's own work after boot is over. They cost nothing in
/// virtual time.
const SETTLE: u32 = 5;

/// How long a guest may take to power off after its job.
const POWER_OFF: Duration = Duration::from_secs(60);

/// What a kernel must have so that what the run brings can come after the boot: the memory of a
/// device that is mapped.
const LATE_NEEDS: &[&str] = &["CONFIG_PCI=y", "CONFIG_SYSFS=y"];

/// How long a driver is checked on when it has brought a processor to a stop.
const WEDGED: Duration = Duration::from_secs(60);

/// So long a suspend and the resume after it take at most. In virtual time they take a second.
const SUSPENDS: Duration = Duration::from_secs(120);

const POLL: Duration = Duration::from_millis(10);

/// How a guest asks for a command of QMP's, before it stops: `device_del {"id": "x"}`.
const ASKS: &str = "lab: qmp ";

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The job ended with this exit code.
    Exit(u8),
    /// The job ran into its deadline in guest time.
    GuestDeadline,
    /// The machine ran into its deadline in wall time.
    WallDeadline,
    /// The guest went away before its job ended.
    Early,
    /// The job ended, but the guest did not power off.
    NoPowerOff,
    /// QEMU itself died.
    Died(String),
}

/// What came out of a run.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub ended: Ended,
    /// What the kernel complained about.
    pub splats: Vec<Splat>,
    /// Wall time.
    pub wall: Duration,
    /// Guest time, as far as its kernel has said something.
    pub guest: Duration,
    /// The kernel's console, on the host.
    pub console: PathBuf,
    /// What executed the instructions.
    pub accel: Accel,
}

impl Outcome {
    /// What the kernel has printed; nothing if that cannot be read.
    pub(crate) fn printed(&self) -> String {
        let console = fs::read(&self.console).unwrap_or_default();
        String::from_utf8_lossy(&console).into_owned()
    }

    /// Success, or the reason against it.
    pub(crate) fn verdict(&self) -> Result<()> {
        let console = self.console.display();
        if let Some(splat) = self.splats.first() {
            return Err(Error::new(
                Kind::Failed,
                format!(
                    "the kernel complained: {} ({} in all)",
                    splat.kind,
                    self.splats.len()
                ),
                format!("\n{}", indent(&splat.context.join("\n"))),
                format!("read {console}"),
            ));
        }
        let (kind, what, why) = match &self.ended {
            Ended::Exit(0) => return Ok(()),
            Ended::Exit(code) => (Kind::Failed, "the job failed", format!("its exit code is {code}")),
            Ended::GuestDeadline => (
                Kind::Vm,
                "the job hung",
                "it ran into its deadline in guest time (--deadline); the console has the blocked tasks".to_owned(),
            ),
            Ended::WallDeadline => (
                Kind::Vm,
                "the virtual machine hung",
                "it ran into its deadline in wall time (--wall-deadline)".to_owned(),
            ),
            Ended::Early => {
                let console = tail(&self.console, 10);
                let why = if console.is_empty() {
                    "its console is empty: the cached kernel may be damaged (`make clean-cache` \
                     has it made again)"
                        .to_owned()
                } else {
                    format!("the end of its console:\n{}", indent(&console))
                };
                (Kind::Vm, "the guest went away before its job ended", why)
            }
            Ended::NoPowerOff => (
                Kind::Vm,
                "the guest did not power off after its job",
                format!("it was given {} s of wall time", POWER_OFF.as_secs()),
            ),
            Ended::Died(how) => (Kind::Vm, "QEMU died", how.clone()),
        };
        let next = if self.accel == Accel::Kvm && kind == Kind::Vm {
            KVM_NEXT.to_owned()
        } else {
            format!("read {console}")
        };
        Err(Error::new(kind, what, why, next))
    }
}

/// One boot.
#[derive(Debug)]
pub(crate) struct Boot<'a> {
    pub kernel: &'a Kernel,
    pub env: &'a Environment,
    /// The base of its initramfs.
    pub base: &'a Base,
    pub machine: Machine,
    /// Where the initramfs, the console and the results go.
    pub out: &'a Path,
    /// When the guest gets what the run brings.
    pub brings: Brings,
    /// Which kprobes of the recorder the guest has when it gets that.
    pub kprobes: Option<Kprobes>,
}

/// The kprobes of a recorder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kprobes {
    /// What becomes of drivers and devices.
    Life,
    /// Also what modules start and stop.
    Watches,
}

/// When a guest gets what the run brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Brings {
    /// After the boot, if it can be: then the guest may go on from a snapshot.
    Late,
    /// In the initramfs, as the kernel itself needs it while it boots.
    Early,
    /// The same without the base: the run brings its own `/init`.
    Alone,
}

/// A guest that runs.
struct Running {
    qemu: Guarded,
    /// Held as long as it runs: its end would wake QEMU, and be seen in the guest's time.
    qmp: Option<Qmp>,
}

impl Boot<'_> {
    /// Boots, or goes on from a snapshot; runs `/job` of what the run brings, and hands each line of
    /// its output to `line` as it comes.
    pub(crate) fn run(&self, mut run: Initramfs, line: &mut dyn FnMut(&str)) -> Result<Outcome> {
        let _lock = Lock::directory(self.out)?;
        run.bytes("etc/run", settings(&self.machine).as_bytes(), false);
        let archive = run.archive()?;
        let running = if self.is_late()? && snapshot::late(self.out, &archive)? {
            self.late()?
        } else if self.brings == Brings::Alone {
            self.write(INITRAMFS, &archive)?;
            self.boot(Start::Image)?
        } else {
            self.write(INITRAMFS, &self.base()?.with(run).archive()?)?;
            self.boot(Start::Image)?
        };
        self.follow(running, line)
    }

    /// The same of a job that must succeed; returns its output.
    pub(crate) fn log(&self, run: Initramfs) -> Result<String> {
        let mut log = String::new();
        let outcome = self.run(run, &mut |line| {
            log.push_str(line);
            log.push('\n');
        })?;
        outcome.verdict().map(|()| log)
    }

    fn bootable(&self) -> Bootable<'_> {
        Bootable {
            env: self.env,
            kernel: self.kernel,
            machine: &self.machine,
        }
    }

    /// The base of the initramfs, which knows the machine.
    fn base(&self) -> Result<Initramfs> {
        let mut base = self.base.files()?;
        let [console, results] = self.kernel.arch().serials;
        let mut text = format!("export CONSOLE={console} RESULTS={results}\n");
        if self.machine.time == Time::Virtual {
            text.push_str(&format!("SETTLE={SETTLE}\n"));
        }
        match self.kprobes {
            None => {}
            Some(Kprobes::Life) => text.push_str("export KPROBES=life\n"),
            Some(Kprobes::Watches) => text.push_str("export KPROBES=watches\n"),
        }
        base.bytes("etc/lab", text.as_bytes(), false);
        Ok(base)
    }

    /// Whether what the run brings can come after the boot.
    fn is_late(&self) -> Result<bool> {
        if self.brings != Brings::Late || self.machine.time == Time::Wall {
            return Ok(false);
        }
        let config = self.kernel.config()?;
        Ok(LATE_NEEDS.iter().all(|line| config.holds(line)))
    }

    /// Starts a guest that gets what the run brings after the boot.
    fn late(&self) -> Result<Running> {
        let base = self.base()?.archive()?;
        self.write(INITRAMFS, &base)?;
        let has_no_more = self.machine.qemu.is_empty()
            || self.machine.plugs && self.kernel.arch().plugs(&self.kernel.config()?);
        if self.machine.snapshot && has_no_more {
            if let Some(running) = self.go_on(&base)? {
                return Ok(running);
            }
        }
        self.boot(Start::Late)
    }

    /// Starts a guest from a snapshot, if there is one that is good, and if its devices can be
    /// plugged in afterwards.
    fn go_on(&self, base: &[u8]) -> Result<Option<Running>> {
        // There are devices that QEMU cannot save.
        let machine = Machine {
            qemu: String::new(),
            ..self.machine.clone()
        };
        let empty = Bootable {
            machine: &machine,
            ..self.bootable()
        };
        let Some(snapshot) = Snapshot::ensure(&empty, base)? else {
            return Ok(None);
        };
        let words = || tail(&self.out.join(ERRORS), 1);
        let (qemu, mut qmp) = match snapshot.restore(&self.bootable(), self.out) {
            Err(error) if error.kind == Kind::Interrupted => return Err(error),
            Err(error) => {
                note(&format!(
                    "the guest boots: {}: {}: {}",
                    error.what,
                    error.why,
                    words()
                ));
                return Ok(None);
            }
            Ok(None) => {
                snapshot.discard(&format!("QEMU cannot read it: {}", words()))?;
                return Ok(None);
            }
            Ok(Some(restored)) => restored,
        };
        for device in split_devices(&self.machine.qemu).1 {
            // QEMU's own words are empty if it has done it.
            let words = qmp.human(&format!("device_add {device}"))?;
            if !words.is_empty() {
                note(&format!(
                    "the guest boots with its devices: {}",
                    words.trim_end()
                ));
                return Ok(None);
            }
        }
        snapshot::go_on(&mut qmp)?;
        let qmp = Some(qmp);
        Ok(Some(Running { qemu, qmp }))
    }

    /// Starts QEMU with the kernel.
    fn boot(&self, start: Start) -> Result<Running> {
        self.write(CONSOLE, &[])?;
        self.write(RESULTS, &[])?;
        let (qmp, stdin) = match self.machine.hotplug {
            true => Qmp::pair().map(|(qmp, stdin)| (Some(qmp), stdin))?,
            false => (None, Stdio::null()),
        };
        let qemu = self.bootable().start(self.out, start, None, stdin)?;
        let qmp = qmp.map(Pending::open).transpose()?;
        Ok(Running { qemu, qmp })
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.out.join(name);
        fs::write(&path, bytes).at(&path, "write")
    }

    /// Watches the guest until it ends.
    fn follow(&self, mut running: Running, line: &mut dyn FnMut(&str)) -> Result<Outcome> {
        let (console, results, errors) = (
            self.out.join(CONSOLE),
            self.out.join(RESULTS),
            self.out.join(ERRORS),
        );
        let began = Instant::now();
        let mut asked = Vec::new();
        let mut watcher = Watcher::default();
        let mut ended = None;
        let mut blank = false;
        let mut deadline = began + Duration::from_secs(self.machine.wall_deadline.into());
        let (mut console_tail, mut results_tail) =
            (Follow::open(&console)?, Follow::open(&results)?);
        let status = loop {
            // Asked before the last read: whatever it wrote before it ended is read then.
            let status = running.qemu.try_wait()?;
            console_tail.lines(status.is_some(), &mut |text| watcher.line(text))?;
            results_tail.lines(status.is_some(), &mut |text| {
                if let Some(request) = text.strip_prefix(ASKS) {
                    asked.push(request.to_owned());
                    return;
                }
                if let Some(how) = closing(text) {
                    ended = Some(how);
                    deadline = deadline.min(Instant::now() + POWER_OFF);
                    return;
                }
                if text == BOOTED {
                    return;
                }
                // An empty line may be init's own, before it says how the job ended.
                if std::mem::replace(&mut blank, text.is_empty()) {
                    line("");
                }
                if !blank {
                    line(text);
                }
            })?;
            if let Some(status) = status {
                check_interrupted()?;
                break Some(status);
            }
            for request in asked.drain(..) {
                let qmp = running.qmp.as_mut();
                qmp.map_or(Ok(()), |qmp| qmp.stopped(&request))?;
            }
            check_interrupted()?;
            if self.machine.accel == Accel::Kvm
                && console_tail.at == 0
                && began.elapsed() > KVM_SILENCE
            {
                return Err(Error::new(
                    Kind::Vm,
                    "KVM does not work here",
                    format!("the kernel printed nothing in {} s", KVM_SILENCE.as_secs()),
                    KVM_NEXT,
                ));
            }
            if watcher.is_wedged() {
                deadline = deadline.min(Instant::now() + WEDGED);
            }
            if Instant::now() > deadline || watcher.suspending() > SUSPENDS {
                break None;
            }
            thread::sleep(POLL);
        };
        drop(running);
        let ended = match (ended, status) {
            (Some(Ended::Exit(_)), None) => Ended::NoPowerOff,
            (Some(how), _) => how,
            (None, None) => Ended::WallDeadline,
            (None, Some(status)) if status.success() => Ended::Early,
            // `lab enter` has found no way into the root file system.
            (None, Some(status)) if status.code() == Some(Kind::Environment as i32) => {
                return Err(Error::new(
                    Kind::Environment,
                    "cannot start the virtual machine",
                    format!("there is no way in:\n{}", indent(&tail(&errors, 5))),
                    "do as the last line says, then run the same command again",
                ));
            }
            (None, Some(status)) => Ended::Died(died(status, &errors)),
        };
        if ended == Ended::Exit(0) {
            // They are large, and the next run makes them anew.
            for name in [INITRAMFS, LATE] {
                let path = self.out.join(name);
                if path.exists() {
                    fs::remove_file(&path).at(&path, "remove")?;
                }
            }
        }
        Ok(Outcome {
            ended,
            splats: watcher.splats().to_vec(),
            wall: began.elapsed(),
            guest: watcher.clock(),
            console,
            accel: self.machine.accel,
        })
    }

    /// A shell on the guest's console, which is this terminal; returns its exit code.
    pub(crate) fn shell(&self, mut run: Initramfs) -> Result<u8> {
        let _lock = Lock::directory(self.out)?;
        run.bytes("etc/run", b"INTERACTIVE=1\n", false);
        self.write(INITRAMFS, &self.base()?.with(run).archive()?)?;
        self.write(RESULTS, &[])?;
        let serials = ["stdio,signal=off", &file(RESULTS)];
        let mut command = self
            .bootable()
            .command(self.out, serials, Start::Image, None)?;
        let status = wait(&mut Guarded::foreground(&mut command)?, || ())?;
        let results = self.out.join(RESULTS);
        let text = fs::read_to_string(&results).at(&results, "read")?;
        match text.lines().rev().find_map(closing) {
            Some(Ended::Exit(code)) => Ok(code),
            // QEMU was ended, or the guest powered off: there is no exit code.
            _ if status.success() => Ok(0),
            _ => Err(Error::new(
                Kind::Vm,
                "the shell could not be opened, or QEMU died",
                status.to_string(),
                "its last lines are above",
            )),
        }
    }
}

/// What the job knows of the machine, and init of the job.
fn settings(machine: &Machine) -> String {
    let mut text = format!(
        "DEADLINE={}\nexport ASYNC_PROBE_SEED={}\n",
        machine.deadline, machine.seed
    );
    if !machine.qemu.is_empty() {
        text.push_str("DEVICES=1\n");
    }
    if machine.hotplug {
        text.push_str("export ASYNC_PROBE_HOTPLUG=1\n");
    }
    if machine.time == Time::Virtual {
        text.push_str(&format!(
            "export ASYNC_PROBE_ICOUNT_SHIFT={}\n",
            machine.shift
        ));
    }
    text
}

fn died(status: std::process::ExitStatus, errors: &Path) -> String {
    let words = tail(errors, 5);
    if words.is_empty() {
        // Entering passes a signal on as a shell does.
        match status.code() {
            Some(code) if code > 128 => format!("signal {}", code - 128),
            _ => status.to_string(),
        }
    } else {
        format!("{status}: {words}")
    }
}

/// Reads the lines that init closes a run with.
fn closing(line: &str) -> Option<Ended> {
    if line.starts_with("lab: deadline ") {
        return Some(Ended::GuestDeadline);
    }
    let code = line.strip_prefix("lab: exit ")?;
    Some(Ended::Exit(code.parse().unwrap_or(255)))
}

/// Follows a growing file by lines.
#[derive(Debug)]
struct Follow {
    path: PathBuf,
    file: File,
    pending: Vec<u8>,
    at: usize,
}

impl Follow {
    fn open(path: &Path) -> Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: File::open(path).at(path, "read")?,
            pending: Vec::new(),
            at: 0,
        })
    }

    /// Hands on whole lines; at the end also one that lacks its newline.
    fn lines(&mut self, end: bool, each: &mut dyn FnMut(&str)) -> Result<()> {
        let got = self
            .file
            .read_to_end(&mut self.pending)
            .at(&self.path, "read")?;
        self.at += got;
        while let Some(at) = self.pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.pending.drain(..=at).collect();
            each(String::from_utf8_lossy(&line).trim_end());
        }
        if end && !self.pending.is_empty() {
            let rest = std::mem::take(&mut self.pending);
            each(String::from_utf8_lossy(&rest).trim_end());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn closing_lines() {
        assert_eq!(closing("lab: exit 0"), Some(Ended::Exit(0)));
        assert_eq!(closing("lab: exit 137"), Some(Ended::Exit(137)));
        assert_eq!(closing("lab: deadline 900"), Some(Ended::GuestDeadline));
        assert_eq!(closing("ok 1 lab: exit 0"), None);
    }

    #[test]
    fn lines_come_whole() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut follow = Follow::open(file.path()).unwrap();
        let mut lines = Vec::new();
        write!(file, "one\r\ntw").unwrap();
        follow
            .lines(false, &mut |line| lines.push(line.to_owned()))
            .unwrap();
        assert_eq!(lines, ["one"]);
        write!(file, "o").unwrap();
        follow
            .lines(true, &mut |line| lines.push(line.to_owned()))
            .unwrap();
        assert_eq!(lines, ["one", "two"]);
    }
}
