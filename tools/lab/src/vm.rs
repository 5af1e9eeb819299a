// SPDX-License-Identifier: GPL-2.0

//! The virtual machine: started, watched, and brought to an end.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::cache::Lock;
use crate::console::{Splat, Watcher};
use crate::environment::{Environment, IMAGE};
use crate::error::{Error, IoContext, Kind, Result};
use crate::initramfs::Initramfs;
use crate::kernel::Kernel;
use crate::process::{check_interrupted, indent, tail, Guarded};

/// How the guest's clock runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Time {
    /// The clock counts instructions; sleeping costs nothing; every run is the same.
    Virtual,
    /// The host's clock; processors run in parallel.
    Wall,
}

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Accel {
    /// QEMU's translator, which works everywhere.
    Tcg,
    /// The host's processor; real time only.
    Kvm,
}

/// The machine, as the command line describes it.
#[derive(Clone, Debug, clap::Args)]
pub struct Machine {
    /// How the guest's clock runs
    #[arg(long, value_enum, default_value_t = Time::Virtual, global = true)]
    pub time: Time,
    /// What executes the guest's instructions
    #[arg(long, value_enum, default_value_t = Accel::Tcg, global = true)]
    pub accel: Accel,
    /// Virtual time: one instruction takes 2^SHIFT ns
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=10), global = true)]
    pub shift: u8,
    /// Processors
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64), global = true)]
    pub smp: u8,
    /// NUMA nodes, which share processors and memory evenly
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8), global = true)]
    pub nodes: u8,
    /// Memory in MiB
    #[arg(long, default_value_t = 1024, global = true)]
    pub memory: u32,
    /// What is random in the guest comes from it: the same seed gives the same run
    #[arg(long, default_value_t = 1, global = true)]
    pub seed: u64,
    /// More for the kernel's command line
    #[arg(long, default_value = "", global = true)]
    pub append: String,
    /// Seconds of guest time that a job may take
    #[arg(long, default_value_t = 900, global = true)]
    pub deadline: u32,
    /// Seconds of wall time that the virtual machine may take
    #[arg(long, default_value_t = 600, global = true)]
    pub wall_deadline: u32,
}

/// A guest that says nothing for so long has not started under KVM.
const KVM_SILENCE: Duration = Duration::from_secs(30);

const KVM_NEXT: &str = "run without ACCEL=kvm: QEMU's translator works everywhere";

/// Seconds before the job, so that the kernel's own work after boot is over. They cost nothing in
/// virtual time.
const SETTLE: u32 = 5;

/// How long a guest may take to power off after its job.
const POWER_OFF: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(10);

/// The kernel's command line. That the ciphers test themselves at boot would take a second and a half
/// of the host each time.
const COMMAND_LINE: &str =
    "console=ttyS0 rdinit=/init nokaslr oops=panic panic=-1 printk.devkmsg=on cryptomgr.notests";

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
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
pub struct Outcome {
    /// How it ended.
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
    /// Success, or the reason against it.
    pub fn verdict(&self) -> Result<()> {
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
pub struct Boot<'a> {
    /// The kernel to boot.
    pub kernel: &'a Kernel,
    /// Where QEMU is.
    pub env: &'a Environment,
    /// The machine.
    pub machine: Machine,
    /// Where the initramfs, the console and the results go.
    pub out: &'a Path,
}

impl Boot<'_> {
    /// Boots, runs `/job`, and hands each line of its output to `line` as it comes.
    pub fn run(&self, mut initramfs: Initramfs, line: &mut dyn FnMut(&str)) -> Result<Outcome> {
        let _lock = Lock::directory(self.out)?;
        initramfs.bytes("etc/lab", settings(&self.machine).as_bytes(), false);
        initramfs.write(&self.out.join("initramfs.cpio"))?;
        let (console, results, errors) = (
            self.out.join("console.log"),
            self.out.join("results.log"),
            self.out.join("qemu.log"),
        );
        for path in [&console, &results] {
            File::create(path).at(path, "write")?;
        }
        let stderr = File::create(&errors).at(&errors, "write")?;
        let mut command = self.command(&[
            "file,path=/lab/out/console.log",
            "file,path=/lab/out/results.log",
        ])?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr);
        let began = Instant::now();
        let mut qemu = Guarded::spawn(&mut command)?;
        let mut watcher = Watcher::default();
        let mut ended = None;
        let mut blank = false;
        let mut deadline = began + Duration::from_secs(self.machine.wall_deadline.into());
        let (mut console_tail, mut results_tail) =
            (Follow::open(&console)?, Follow::open(&results)?);
        let status = loop {
            // Asked before the last read: whatever it wrote before it ended is read then.
            let status = qemu.try_wait()?;
            console_tail.lines(status.is_some(), &mut |text| watcher.line(text))?;
            results_tail.lines(status.is_some(), &mut |text| {
                if let Some(how) = closing(text) {
                    ended = Some(how);
                    deadline = deadline.min(Instant::now() + POWER_OFF);
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
                break Some(status);
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
            if Instant::now() > deadline {
                break None;
            }
            thread::sleep(POLL);
        };
        drop(qemu);
        let ended = match (ended, status) {
            (Some(Ended::Exit(_)), None) => Ended::NoPowerOff,
            (Some(how), _) => how,
            (None, None) => Ended::WallDeadline,
            (None, Some(status)) if status.success() => Ended::Early,
            // `lab enter` has found no way into the root file system.
            (None, Some(status)) if status.code() == Some(Kind::Environment.exit_code().into()) => {
                return Err(Error::new(
                    Kind::Environment,
                    "cannot start the virtual machine",
                    format!("there is no way in:\n{}", indent(&tail(&errors, 5))),
                    "do as the last line says, then run the same command again",
                ));
            }
            (None, Some(status)) => Ended::Died(died(status, &errors)),
        };
        Ok(Outcome {
            ended,
            splats: watcher.splats().to_vec(),
            wall: began.elapsed(),
            guest: watcher.clock(),
            console,
            accel: self.machine.accel,
        })
    }

    /// A shell on the guest's console, which is this terminal.
    pub fn shell(&self, mut initramfs: Initramfs) -> Result<()> {
        let _lock = Lock::directory(self.out)?;
        initramfs.bytes("etc/lab", b"INTERACTIVE=1\n", false);
        initramfs.write(&self.out.join("initramfs.cpio"))?;
        let mut command = self.command(&["stdio,signal=off", "null"])?;
        let mut qemu = Guarded::spawn(&mut command)?;
        loop {
            if qemu.try_wait()?.is_some() {
                return Ok(());
            }
            check_interrupted()?;
            thread::sleep(POLL);
        }
    }

    /// QEMU, with its two serial lines on these character devices.
    fn command(&self, serials: &[&str; 2]) -> Result<std::process::Command> {
        let machine = &self.machine;
        if machine.accel == Accel::Kvm && machine.time == Time::Virtual {
            return Err(Error::new(
                Kind::Usage,
                "KVM cannot count instructions",
                "virtual time is QEMU's translator only",
                "add TIME=wall",
            ));
        }
        let mut args: Vec<String> = Vec::new();
        let mut add = |text: &str| args.extend(text.split(' ').map(str::to_owned));
        add("qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -machine pc");
        add(match machine.accel {
            Accel::Kvm => "-accel kvm -cpu host",
            Accel::Tcg if machine.time == Time::Wall => "-accel tcg,thread=multi -cpu max",
            Accel::Tcg => "-accel tcg -cpu max,-rdrand,-rdseed -rtc base=2026-01-01,clock=vm",
        });
        if machine.time == Time::Virtual {
            add(&format!("-icount shift={},sleep=off", machine.shift));
        }
        add(&format!("-seed {} -m {}M", machine.seed, machine.memory));
        if machine.nodes == 1 {
            add(&format!("-smp {}", machine.smp));
        } else {
            let nodes = machine.nodes;
            // A socket a node, each with as many cores.
            let cores = machine.smp.div_ceil(nodes).max(1);
            add(&format!(
                "-smp {},sockets={nodes},cores={cores},threads=1",
                u16::from(cores) * u16::from(nodes)
            ));
            let memory = machine.memory / u32::from(nodes);
            for node in 0..nodes {
                // The first one has what is left.
                let rest = if node == 0 {
                    machine.memory % u32::from(nodes)
                } else {
                    0
                };
                add(&format!(
                    "-object memory-backend-ram,id=m{node},size={}M \
                     -numa node,nodeid={node},memdev=m{node} -numa cpu,node-id={node},socket-id={node}",
                    memory + rest
                ));
            }
        }
        for (number, serial) in serials.iter().enumerate() {
            let (backend, options) = serial.split_once(',').unwrap_or((serial, ""));
            let comma = if options.is_empty() { "" } else { "," };
            add(&format!(
                "-chardev {backend},id=s{number}{comma}{options} -serial chardev:s{number}"
            ));
        }
        add(&format!("-kernel {IMAGE}"));
        add("-initrd /lab/out/initramfs.cpio -append");
        // A busy host lets the check of the timer's interrupt time out, and the kernel panics.
        let real = match machine.time {
            Time::Wall => " no_timer_check",
            Time::Virtual => "",
        };
        args.push(
            format!("{COMMAND_LINE}{real} {}", machine.append)
                .trim_end()
                .to_owned(),
        );
        Ok(self
            .env
            .enter(args)
            .bind(self.out, "/lab/out")
            .bind(&self.kernel.image(), IMAGE)
            .command())
    }
}

/// What /init and the job know of the machine.
fn settings(machine: &Machine) -> String {
    let mut text = format!(
        "DEADLINE={}\nexport ASYNC_PROBE_SEED={}\n",
        machine.deadline, machine.seed
    );
    if machine.time == Time::Virtual {
        text.push_str(&format!(
            "SETTLE={SETTLE}\nexport ASYNC_PROBE_ICOUNT_SHIFT={}\n",
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
