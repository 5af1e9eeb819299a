// SPDX-License-Identifier: GPL-2.0

//! The command line of QEMU.

use crate::arch::Arch;
use crate::environment::IMAGE;
use crate::error::{Error, Kind, Result};
use crate::machine::{Accel, Machine, Time};
use crate::qmp;

/// Where QEMU sees the directory of the outputs.
pub const OUT: &str = "/lab/out";

/// The guest's root file system, in that directory.
pub const INITRAMFS: &str = "initramfs.cpio";

/// What to do where KVM does not work.
pub const KVM_NEXT: &str = "run without ACCEL=kvm: QEMU's translator works everywhere";

/// For the kernel's command line. That the ciphers test themselves at boot would take a second and
/// a half of the host each time.
const COMMAND_LINE: &str =
    "rdinit=/init nokaslr oops=panic panic=-1 printk.devkmsg=on cryptomgr.notests";

/// The program and its arguments, with the two serial lines on these character devices.
pub fn arguments(arch: &Arch, machine: &Machine, serials: [&str; 2]) -> Result<Vec<String>> {
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
    add(arch.qemu);
    add("-nodefaults -no-user-config -display none -no-reboot");
    add(&format!("-machine {}", arch.machine));
    let bytewise = if machine.exact { "" } else { arch.bytewise };
    add(&match (machine.accel, machine.time) {
        (Accel::Kvm, _) => "-accel kvm -cpu host".to_owned(),
        (Accel::Tcg, Time::Wall) => format!("-accel tcg,thread=multi -cpu max{bytewise}"),
        (Accel::Tcg, Time::Virtual) => format!(
            "-accel tcg -cpu max{}{bytewise} -rtc base=2026-01-01,clock=vm -icount shift={},sleep=off",
            arch.random, machine.shift
        ),
    });
    add(&format!("-seed {} -m {}M", machine.seed, machine.memory));
    add(&processors(machine));
    if !machine.qemu.is_empty() {
        add(&machine.qemu);
    }
    if machine.hotplug {
        add(qmp::ARGUMENTS);
        add("-device pvpanic -action panic=pause");
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

/// The command line of the kernel.
pub fn command_line(arch: &Arch, machine: &Machine) -> String {
    let console = format!("console={}", arch.serials[0]);
    let wall = match machine.time {
        Time::Wall => arch.wall,
        Time::Virtual => "",
    };
    let words = [&console, COMMAND_LINE, wall, &machine.append];
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// The processors, and the nodes that they and the memory are in.
fn processors(machine: &Machine) -> String {
    if machine.nodes == 1 {
        return format!("-smp {}", machine.smp);
    }
    let nodes = machine.nodes;
    // A socket a node, each with as many cores.
    let cores = machine.smp.div_ceil(nodes).max(1);
    let mut text = format!(
        "-smp {},sockets={nodes},cores={cores},threads=1",
        u16::from(cores) * u16::from(nodes)
    );
    let memory = machine.memory / u32::from(nodes);
    for node in 0..nodes {
        // The first one has the rest of the division.
        let rest = if node == 0 {
            machine.memory % u32::from(nodes)
        } else {
            0
        };
        text += &format!(
            " -object memory-backend-ram,id=m{node},size={}M \
             -numa node,nodeid={node},memdev=m{node} -numa cpu,node-id={node},socket-id={node}",
            memory + rest
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::*;
    use crate::arch::ARCHES;

    fn machine(args: &[&str]) -> Machine {
        let command = Machine::augment_args(Command::new("machine").no_binary_name(true));
        Machine::from_arg_matches(&command.get_matches_from(args)).unwrap()
    }

    fn line(args: &[&str]) -> String {
        arguments(&ARCHES[0], &machine(args), ["stdio", "file,path=x"])
            .unwrap()
            .join(" ")
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
        let kvm = machine(&["--accel=kvm"]);
        let error = arguments(&ARCHES[0], &kvm, ["a", "b"]).unwrap_err();
        assert_eq!(error.kind, Kind::Usage);
    }

    #[test]
    fn string_instructions_are_left_where_figures_are_compared() {
        let mut machine = machine(&[]);
        let line = |machine: &Machine| {
            arguments(&ARCHES[0], machine, ["a", "b"])
                .unwrap()
                .join(" ")
        };
        assert!(!line(&machine).contains("-erms"));
        machine.exact = false;
        assert!(line(&machine).contains("-rdseed,-erms,-fsrm "));
    }

    #[test]
    fn nodes_share_all_memory() {
        let line = line(&["--nodes=3", "--memory=1000"]);
        assert!(
            line.contains("id=m0,size=334M") && line.contains("id=m2,size=333M"),
            "{line}"
        );
    }
}
