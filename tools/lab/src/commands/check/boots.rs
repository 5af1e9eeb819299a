// SPDX-License-Identifier: GPL-2.0

//! The machines in which the guest programs run. A program names its machines itself (`how.rs`).

use crate::arch::Arch;
use crate::config::Config;
use crate::how::Program;
use crate::machine::Machine;

/// The guest is booted in these ways, at the same time. To boot costs as much as ten programs do: a
/// program that needs nothing else of its machine goes to the first, or to the second if it takes
/// long, so that both take as long.
pub(super) const BOOTS: &[Boot] = &[
    PLAIN,
    Boot {
        name: "two_nodes",
        append: "driver_async_probe=slow_platform",
        nodes: Some(2),
        qemu: "-device pci-testdev,addr=0x4 -device pci-testdev,addr=0x5",
        ..PLAIN
    },
    Boot {
        name: "hotplug",
        hotplug: true,
        ..PLAIN
    },
    Boot {
        name: "alone",
        ..PLAIN
    },
    Boot {
        name: "kunit",
        needs: Some("CONFIG_KUNIT=y"),
        append: "kunit.enable=1",
        ..PLAIN
    },
];

/// As the command line says.
const PLAIN: Boot = Boot {
    name: "plain",
    needs: None,
    append: "",
    nodes: None,
    qemu: "",
    hotplug: false,
};

/// A way to boot.
#[derive(Debug)]
pub(super) struct Boot {
    pub(super) name: &'static str,
    /// A line that a kernel's configuration must have, or this is left out.
    needs: Option<&'static str>,
    /// More for the kernel's command line.
    append: &'static str,
    /// NUMA nodes, if not as many as the command line says.
    nodes: Option<u8>,
    /// More arguments of QEMU's: the devices of tests, which can be plugged in after the boot.
    qemu: &'static str,
    /// Whether the programs have the lab plug devices in and out.
    hotplug: bool,
}

impl Boot {
    /// Whether a kernel of this architecture and configuration is booted so.
    pub(super) fn is_for(&self, arch: &Arch, config: &Config) -> bool {
        (arch.plugs(config) || !self.hotplug) && self.needs.is_none_or(|line| config.holds(line))
    }

    pub(super) fn machine(&self, machine: &Machine) -> Machine {
        let mut machine = machine.with_parameters(self.append);
        machine.nodes = self.nodes.unwrap_or(machine.nodes);
        machine.qemu = self.qemu.to_owned();
        machine.plugs = true;
        machine.hotplug = self.hotplug;
        machine.exact = false;
        // It runs many programs, each of which has a deadline of its own.
        machine.deadline *= 2;
        machine.wall_deadline *= 3;
        machine
    }

    /// The tests among these programs that run in it, in order: the recorded ones first.
    pub(super) fn runs(&self, all: &[Program]) -> Vec<Program> {
        let is_here = |program: &&Program| {
            let how = &program.how;
            !how.tool && how.boots.iter().any(|name| name == self.name)
        };
        let mut runs: Vec<Program> = all.iter().filter(is_here).cloned().collect();
        runs.sort_by_cached_key(|program| {
            let how = &program.how;
            (how.powers_off, how.last, how.recorded, program.name())
        });
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::ARCHES;
    use crate::how::tests::all;
    use std::collections::BTreeSet;

    #[test]
    fn each_test_runs_in_a_machine_that_there_is() {
        for program in all().iter().filter(|program| !program.how.tool) {
            for boot in &program.how.boots {
                let known = BOOTS.iter().any(|known| known.name == boot);
                assert!(known, "{}: {boot}", program.name());
            }
        }
    }

    #[test]
    fn one_program_in_a_boot_powers_off_and_is_the_last() {
        for boot in BOOTS {
            let runs = boot.runs(&all());
            assert!(!runs.is_empty(), "{}", boot.name);
            let last = runs.iter().position(|program| program.how.powers_off);
            assert!(last.is_none_or(|at| at + 1 == runs.len()), "{}", boot.name);
        }
    }

    #[test]
    fn what_runs_twice_has_tests_that_one_machine_skips() {
        let mut seen = BTreeSet::new();
        let runs = BOOTS.iter().flat_map(|boot| boot.runs(&all()));
        let twice: Vec<String> = runs
            .map(|program| program.name())
            .filter(|name| !seen.insert(name.clone()))
            .collect();
        assert_eq!(twice, ["default_type"]);
    }

    #[test]
    fn what_a_kernel_lacks_costs_no_boot() {
        let booted = |config: &str| {
            let config = config.into();
            let is_booted = |boot: &&Boot| boot.is_for(&ARCHES[0], &config);
            BOOTS.iter().filter(is_booted).count()
        };
        assert_eq!(booted("# CONFIG_KUNIT is not set\n"), 3);
        assert_eq!(booted("CONFIG_KUNIT=y\n"), 4);
    }
}
