// SPDX-License-Identifier: GPL-2.0

//! The command line of QEMU.

use std::fs::File;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

use late_initramfs::SLOT;

use crate::arch::Arch;
use crate::environment::{Environment, IMAGE};
use crate::error::{Error, IoContext, Kind, Result};
use crate::kernel::Kernel;
use crate::machine::{Accel, Machine, Time};
use crate::process::Guarded;
use crate::qmp;

/// Where QEMU sees the directory of the outputs.
pub(crate) const OUT: &str = "/lab/out";

/// The guest's root file system, in that directory.
pub(crate) const INITRAMFS: &str = "initramfs.cpio";

/// What the kernel prints, in that directory.
pub(crate) const CONSOLE: &str = "console.log";

/// What the job prints.
pub(crate) const RESULTS: &str = "results.log";

/// What QEMU says.
pub(crate) const ERRORS: &str = "qemu.log";

/// Where QEMU sees the directory of a snapshot: a mount point that is free while a guest runs.
pub(crate) const SNAPSHOT: &str = "/lab/kernel";

/// What the run brings, in the directory of the outputs. It is the memory of a device.
pub(crate) const LATE: &str = "late-initramfs";

/// The size of that memory.
pub(crate) const LATE_MIB: u64 = 256;

/// The state of the machine's devices, in that directory.
pub(crate) const STATE: &str = "state";

/// The memory of a node, before its number.
pub(crate) const MEMORY: &str = "memory";

/// What a guest starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// The kernel's image, with all files in the initramfs.
    Image,
    /// The kernel's image; what the run brings comes late.
    Late,
    /// The same, and a snapshot is taken of it.
    Save,
    /// A snapshot.
    Snapshot,
}

/// What to do where KVM does not work.
pub(crate) const KVM_NEXT: &str = "run without ACCEL=kvm: QEMU's translator works everywhere";

/// For the kernel's command line. That the ciphers test themselves at boot would take a second and
/// a half of the host each time.
const COMMAND_LINE: &str =
    "rdinit=/init nokaslr oops=panic panic=-1 printk.devkmsg=on cryptomgr.notests";

/// A character device that is a file of the output directory. What is in it stays.
pub(crate) fn file(name: &str) -> String {
    format!("file,path={OUT}/{name},append=on")
}

/// A machine with its kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bootable<'a> {
    pub env: &'a Environment,
    pub kernel: &'a Kernel,
    pub machine: &'a Machine,
}

impl Bootable<'_> {
    /// QEMU's program and its arguments, with the two serial lines on these character devices.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if there is no such machine.
    pub(crate) fn arguments(&self, serials: [&str; 2], start: Start) -> Result<Vec<String>> {
        arguments(self.kernel.arch(), self.machine, serials, start)
    }

    /// QEMU, with its files in `out`.
    pub(crate) fn command(
        &self,
        out: &Path,
        serials: [&str; 2],
        start: Start,
        snapshot: Option<&Path>,
    ) -> Result<Command> {
        let mut argv = self.arguments(serials, start)?;
        let machine = self.machine;
        if machine.time == Time::Virtual && (machine.exact || !machine.qemu.is_empty()) {
            argv.splice(0..0, at_once());
        }
        let spec = self.env.enter(argv);
        let spec = spec.bind(out, OUT).bind(&self.kernel.image(), IMAGE);
        Ok(match snapshot {
            Some(dir) => spec.bind(dir, SNAPSHOT),
            None => spec,
        }
        .command())
    }

    /// Starts QEMU with the serial lines in files. It has the other end of a connection on `stdin`
    /// alone: where QEMU ends, the connection does.
    pub(crate) fn start(
        &self,
        out: &Path,
        start: Start,
        snapshot: Option<&Path>,
        stdin: Stdio,
    ) -> Result<Guarded> {
        let errors = out.join(ERRORS);
        let stderr = File::create(&errors).at(&errors, "write")?;
        let serials = [&*file(CONSOLE), &file(RESULTS)];
        let mut command = self.command(out, serials, start, snapshot)?;
        command.stdin(stdin).stdout(Stdio::null()).stderr(stderr);
        Guarded::spawn(&mut command)
    }
}

/// The program and its arguments, with the two serial lines on these character devices.
fn arguments(
    arch: &Arch,
    machine: &Machine,
    serials: [&str; 2],
    start: Start,
) -> Result<Vec<String>> {
    if machine.accel == Accel::Kvm && machine.time == Time::Virtual {
        return Err(Error::new(
            Kind::Usage,
            "KVM cannot count instructions",
            "virtual time is QEMU's translator only",
            "add TIME=wall",
        ));
    }
    let mut args: Vec<String> = Vec::new();
    let mut add = |text: &str| args.extend(text.split_whitespace().map(str::to_owned));
    add(arch.qemu);
    add("-nodefaults -no-user-config -display none -no-reboot");
    // A machine with several nodes has each node's memory.
    let whole = if machine.nodes == 1 {
        format!(",memory-backend={MEMORY}0")
    } else {
        String::new()
    };
    let (timers, slow) = match machine.exact {
        true => ("", ""),
        false => (arch.timers, arch.slow),
    };
    add(&format!("-machine {}{timers}{whole}", arch.machine));
    add(&match (machine.accel, machine.time) {
        (Accel::Kvm, _) => "-accel kvm -cpu host".to_owned(),
        (Accel::Tcg, Time::Wall) => format!("-accel tcg,thread=multi -cpu max{slow}"),
        (Accel::Tcg, Time::Virtual) => format!(
            "-accel tcg -cpu max{}{slow} -rtc base=2026-01-01,clock=vm -icount shift={},sleep=off",
            arch.random, machine.shift
        ),
    });
    add(&format!("-seed {} -m {}M", machine.seed, machine.memory));
    add(&processors(machine, start));
    if let Some(late) = late(start) {
        add(&late);
    }
    if !machine.qemu.is_empty() {
        match start {
            // The devices are plugged in when the guest has come to where it was saved.
            Start::Snapshot => add(&split_devices(&machine.qemu).0),
            _ => add(&machine.qemu),
        }
    }
    if machine.hotplug {
        add("-device pvpanic -action panic=pause");
    }
    if machine.hotplug || matches!(start, Start::Save | Start::Snapshot) {
        add(qmp::ARGUMENTS);
    }
    for (number, serial) in serials.iter().enumerate() {
        let (backend, options) = serial.split_once(',').unwrap_or((serial, ""));
        let comma = if options.is_empty() { "" } else { "," };
        add(&format!(
            "-chardev {backend},id=s{number}{comma}{options} -serial chardev:s{number}"
        ));
    }
    add(&format!(
        "-kernel {IMAGE} -initrd {OUT}/{INITRAMFS} -append"
    ));
    args.push(command_line(arch, machine));
    Ok(args)
}

/// How many guests this lab has begun: each has the next processor.
static BEGUN: AtomicUsize = AtomicUsize::new(0);

/// The beginning of a command that lets QEMU's devices answer at once. They do their work in QEMU's
/// main thread, and guest time passes meanwhile, in another thread: how much, the host decides. On
/// the processor of that other thread, and before it, the main thread takes no guest time. What a
/// guest prints is the same each time then. The kernel of the host must allow it; on one processor
/// the main thread is mostly the first anyway, as it sleeps more.
///
/// Without devices it is one run of ten that differs, when all processors of the guest are asleep
/// and the timers of two of them expire within nanoseconds: which of the two threads finds the
/// second timer decides which processor runs first.
fn at_once() -> impl Iterator<Item = String> {
    let processors = available_parallelism().map_or(1, usize::from);
    let one = (process::id() as usize + BEGUN.fetch_add(1, Ordering::Relaxed)) % processors;
    let script = format!(
        "taskset --pid --cpu-list {one} $$ >/dev/null\n\
         chrt --reset-on-fork --fifo --pid 1 $$ || \
         echo 'no real-time scheduling: times may not be the same in each run' >&2\n\
         exec \"$@\""
    );
    ["sh", "-c", &script, "sh"].map(str::to_owned).into_iter()
}

/// Arguments without the devices, and the devices.
pub(crate) fn split_devices(args: &str) -> (String, Vec<&str>) {
    let words: Vec<&str> = args.split(' ').collect();
    let pairs = words.chunks(2);
    let (devices, others): (Vec<_>, Vec<_>) = pairs.partition(|pair| pair[0] == "-device");
    let devices = devices.into_iter().filter_map(|pair| pair.get(1).copied());
    (others.concat().join(" "), devices.collect())
}

/// The command line of the kernel.
pub(crate) fn command_line(arch: &Arch, machine: &Machine) -> String {
    let console = format!("console={}", arch.serials[0]);
    let wall = match machine.time {
        Time::Wall => arch.wall,
        Time::Virtual => "",
    };
    let words = [&console, COMMAND_LINE, wall, &machine.append];
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// The device with what the run brings. Its memory is no part of a snapshot: it is shared with a
/// file when the snapshot is taken, and QEMU is told to leave such memory out. It is private to the
/// machine that is restored, or QEMU would expect it at an address that it does not have yet.
fn late(start: Start) -> Option<String> {
    let (share, more) = match start {
        Start::Image => return None,
        Start::Late => ("off", ""),
        Start::Save => ("on", " -S"),
        Start::Snapshot => ("off", " -S -incoming defer"),
    };
    Some(format!(
        "-object memory-backend-file,id=late,size={LATE_MIB}M,mem-path={OUT}/{LATE},share={share} \
         -device ivshmem-plain,memdev=late,master=on,addr={SLOT}{more}"
    ))
}

/// The memory of a node. A snapshot has it as a file, which is mapped and not read: guests share
/// what they do not change.
fn memory(start: Start, node: u8, mebibytes: u32) -> String {
    let (kind, more) = match start {
        Start::Image | Start::Late => ("ram", String::new()),
        Start::Save => ("file", format!(",mem-path={OUT}/{MEMORY}{node},share=on")),
        Start::Snapshot => (
            "file",
            format!(",mem-path={SNAPSHOT}/{MEMORY}{node},share=off,readonly=on,rom=off"),
        ),
    };
    format!("-object memory-backend-{kind},id={MEMORY}{node},size={mebibytes}M{more}")
}

/// The processors, and the nodes that they and the memory are in.
fn processors(machine: &Machine, start: Start) -> String {
    if machine.nodes == 1 {
        let memory = memory(start, 0, machine.memory);
        return format!("-smp {} {memory}", machine.smp);
    }
    let nodes = machine.nodes;
    // A socket a node, each with as many cores.
    let cores = machine.smp.div_ceil(nodes).max(1);
    let mut text = format!(
        "-smp {},sockets={nodes},cores={cores},threads=1",
        u16::from(cores) * u16::from(nodes)
    );
    let share = machine.memory / u32::from(nodes);
    for node in 0..nodes {
        // The first one has the rest of the division.
        let rest = if node == 0 {
            machine.memory % u32::from(nodes)
        } else {
            0
        };
        let memory = memory(start, node, share + rest);
        text += &format!(
            " {memory} -numa node,nodeid={node},memdev={MEMORY}{node} \
             -numa cpu,node-id={node},socket-id={node}"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::ARCHES;

    fn started(machine: &Machine, start: Start) -> Result<String> {
        let serials = ["stdio", "file,path=x"];
        arguments(&ARCHES[0], machine, serials, start).map(|line| line.join(" "))
    }

    fn line(args: &[&str]) -> String {
        started(&Machine::of(args), Start::Image).unwrap()
    }

    #[test]
    fn virtual_time_has_nothing_random() {
        let line = line(&[]);
        assert!(
            line.contains("-rdrand") && line.contains("shift=0,sleep=off"),
            "{line}"
        );
        assert!(
            line.contains("-chardev file,id=s1,path=x -serial chardev:s1"),
            "{line}"
        );
        assert!(
            !line.contains(ARCHES[0].wall) && !line.contains("  "),
            "{line}"
        );
    }

    #[test]
    fn real_time_has_no_virtual_clock() {
        let line = line(&["--time=wall", "--append=x"]);
        assert!(
            !line.contains("icount") && line.ends_with("no_timer_check x"),
            "{line}"
        );
        let kvm = Machine::of(&["--accel=kvm"]);
        let error = started(&kvm, Start::Image).unwrap_err();
        assert_eq!(error.kind, Kind::Usage);
    }

    #[test]
    fn all_is_left_where_figures_are_compared() {
        let mut machine = Machine::of(&[]);
        let line = |machine: &Machine| started(machine, Start::Image).unwrap();
        assert!(!line(&machine).contains("-erms") && !line(&machine).contains("hpet"));
        machine.exact = false;
        assert!(line(&machine).contains("-rdseed,-erms,-fsrm,"));
        assert!(line(&machine).contains("-machine pc,hpet=off"));
    }

    #[test]
    fn nodes_share_all_memory() {
        let line = line(&["--nodes=3", "--memory=1000"]);
        assert!(
            line.contains("id=memory0,size=334M") && line.contains("id=memory2,size=333M"),
            "{line}"
        );
    }

    #[test]
    fn devices_that_are_plugged_in_are_no_arguments() {
        let args = "-drive id=d -device nvme,drive=d -netdev id=n -device e1000,netdev=n";
        let (others, devices) = split_devices(args);
        assert_eq!(others, "-drive id=d -netdev id=n");
        assert_eq!(devices, ["nvme,drive=d", "e1000,netdev=n"]);
        let mut machine = Machine::of(&[]);
        machine.qemu = args.to_owned();
        let has = |start| started(&machine, start).unwrap().contains("-device nvme");
        assert!(has(Start::Late) && !has(Start::Snapshot));
    }

    #[test]
    fn a_guest_cannot_change_its_snapshot() {
        let line = started(&Machine::of(&["--nodes=2"]), Start::Snapshot).unwrap();
        let files = line.matches("memory-backend-file").count();
        assert_eq!((files, line.matches("share=off").count()), (3, 3), "{line}");
        assert_eq!(line.matches("readonly=on").count(), 2, "{line}");
    }
}
