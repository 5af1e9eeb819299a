// SPDX-License-Identifier: GPL-2.0

//! In which machines the guest programs run, and how.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::programs;
use crate::session::name;
use crate::vm::Machine;

/// The guest is booted in these ways, at the same time. To boot costs as much as ten programs do: a
/// program that needs nothing else of its machine goes to one of these.
pub(super) const BOOTS: &[Boot] = &[
    Boot {
        name: "plain",
        needs: None,
        append: "",
        nodes: None,
        runs: &[
            // Recorded, as those below.
            also("bus_designs", RECORD),
            also("bus_lifetime", RECORD),
            also("bus_probing", RECORD),
            also("bus_removal", RECORD),
            also("deferral", RECORD),
            also("parallel_efficiency", RECORD),
        ],
        rest: true,
        // After it lockdep is off.
        last: Some(instead("splats")),
    },
    Boot {
        name: "two_nodes",
        needs: None,
        append: "driver_async_probe=slow_platform",
        nodes: Some(2),
        runs: &[
            // What takes long, so that both boots take as long.
            instead("bus_removal"),
            instead("deferral"),
            instead("firmware_in_probe"),
            instead("killed_loader"),
            instead("module_param"),
            instead("platform_removal"),
            instead("recorder"),
            instead("rmmod_refused"),
            instead("single_slot"),
            instead("stress"),
            instead("uevent_order"),
            // What is different here.
            also("default_type", ""),
            also("numa", ""),
            // The same laws must hold under the recorder as without, and those of recordings, too.
            also("default_type", RECORD),
            also("failed_probe", RECORD),
            also("firmware_in_probe", RECORD),
            also("force_sync", RECORD),
            also("insmod_waits", RECORD),
            also("manual_bind_sync", RECORD),
            also("order_of_arrival", RECORD),
            also("platform_removal", RECORD),
            also("register_returns", RECORD),
            also("single_slot", RECORD),
            also("two_phase", RECORD),
            also("unbind_waits", RECORD),
        ],
        rest: false,
        last: Some(also("reboot_in_flight", POWER_OFF)),
    },
    Boot {
        name: "kunit",
        needs: Some("CONFIG_KUNIT=y"),
        append: "kunit.enable=1",
        nodes: None,
        runs: &[instead("kunit")],
        rest: false,
        last: None,
    },
];

/// Runs the kernel's own runner of kselftests.
pub(super) const KSELFTEST: &str = "kselftest.sh";

const RECORD: &str = "ASYNC_PROBE_RECORD=1";

/// The program may power the machine off, once it has said that all is well.
const POWER_OFF: &str = "ASYNC_PROBE_POWER_OFF=1";

/// A way to boot.
#[derive(Debug)]
pub(super) struct Boot {
    pub(super) name: &'static str,
    /// What a kernel's configuration must have, or this is left out.
    needs: Option<&'static str>,
    /// More for the kernel's command line.
    append: &'static str,
    /// NUMA nodes, if not as many as the command line says.
    nodes: Option<u8>,
    /// What runs, in this order.
    runs: &'static [Entry],
    /// After that, all tests that no boot runs instead.
    rest: bool,
    /// After that, what leaves the machine otherwise than it was.
    last: Option<Entry>,
}

/// A program in the table.
#[derive(Debug)]
struct Entry {
    program: &'static str,
    environment: &'static str,
    instead: bool,
}

/// A program that runs with the rest as well; with this in its environment here.
const fn also(program: &'static str, environment: &'static str) -> Entry {
    Entry {
        program,
        environment,
        instead: false,
    }
}

/// A program that runs here and not with the rest.
const fn instead(program: &'static str) -> Entry {
    Entry {
        program,
        environment: "",
        instead: true,
    }
}

/// One run of a program.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// The program, on the host.
    pub(super) program: PathBuf,
    /// More for its environment.
    pub(super) environment: &'static str,
}

impl Run {
    pub(super) fn name(&self) -> String {
        name(&self.program)
    }

    /// What tells it from the program's other run in the same boot.
    pub(super) fn label(&self) -> String {
        let suffix = if self.environment == RECORD {
            "-recorded"
        } else {
            ""
        };
        self.name() + suffix
    }

    /// Whether it may end with the machine.
    pub(super) fn powers_off(&self) -> bool {
        self.environment == POWER_OFF
    }
}

impl Boot {
    /// Whether a kernel of this configuration is booted so.
    pub(super) fn is_for(&self, config: &Config) -> bool {
        self.needs.is_none_or(|line| config.holds(line))
    }

    pub(super) fn machine(&self, machine: &Machine) -> Machine {
        let mut machine = machine.clone();
        machine.append = format!("{} {}", machine.append, self.append)
            .trim()
            .to_owned();
        machine.nodes = self.nodes.unwrap_or(machine.nodes);
        // It runs many programs, each of which has a deadline of its own.
        machine.deadline *= 2;
        machine.wall_deadline *= 3;
        machine
    }

    /// What runs in it, of all programs that there are.
    pub(super) fn runs(&self, all: &[PathBuf]) -> Vec<Run> {
        let find = |wanted: &str| all.iter().find(|program| name(program) == wanted);
        let run = |entry: &Entry| {
            Some(Run {
                program: find(entry.program)?.clone(),
                environment: entry.environment,
            })
        };
        let mut runs: Vec<Run> = self.runs.iter().filter_map(run).collect();
        if self.rest {
            let rest = all
                .iter()
                .filter(|program| programs::is_test(program) && !is_elsewhere(program));
            runs.extend(rest.map(|program| Run {
                program: program.clone(),
                environment: "",
            }));
        }
        runs.extend(self.last.iter().filter_map(run));
        runs
    }

    /// All that the table names.
    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.runs.iter().chain(&self.last)
    }
}

fn is_elsewhere(program: &Path) -> bool {
    BOOTS
        .iter()
        .flat_map(Boot::entries)
        .any(|entry| entry.instead && entry.program == name(program))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Project;
    use std::collections::BTreeSet;
    use std::fs;

    /// Why programs are not recorded.
    const NOT_RECORDED: &[(&str, &[&str])] = &[
        (
            "records itself, and there is one recorder at a time",
            &[
                "killed_loader",
                "mutants",
                "numa",
                "probe_remove_probe",
                "random_lives",
                "recorder",
                "rmmod_refused",
                "uevent_order",
            ],
        ),
        ("does nothing that is recorded", &["splats"]),
        (
            "judges the duration of rmmod to 5 ms, which is longer with kprobes: 18 ms for 12",
            &["convoy"],
        ),
        ("has no driver", &["domain", "kunit", "module_param"]),
        ("ends with the machine", &["reboot_in_flight"]),
        ("counts what the kernel has left in memory", &["stress"]),
        ("counts allocations", &["fault_injection"]),
        ("runs others", &[KSELFTEST]),
    ];

    /// All programs of the selftests, by their sources.
    fn all() -> Vec<PathBuf> {
        let top = Project::locate().unwrap().top().to_owned();
        let sources = top.join("tools/testing/selftests/async_probe/src/bin");
        fs::read_dir(sources)
            .unwrap()
            .map(|entry| entry.unwrap().path().with_extension(""))
            .chain([PathBuf::from(KSELFTEST)])
            .collect()
    }

    #[test]
    fn each_test_runs() {
        let all = all();
        let tests = all.iter().filter(|program| programs::is_test(program));
        let tests: BTreeSet<String> = tests.map(|program| name(program)).collect();
        let mut ran = BTreeSet::new();
        for boot in BOOTS {
            let runs = boot.runs(&all);
            let names: BTreeSet<String> = runs.iter().map(Run::name).collect();
            // The tables name no program that is not there.
            for entry in boot.entries() {
                assert!(names.contains(entry.program), "{}", entry.program);
            }
            let last = runs.iter().position(Run::powers_off);
            assert!(last.is_none_or(|at| at + 1 == runs.len()), "{}", boot.name);
            ran.extend(names);
        }
        assert_eq!(ran, tests);
    }

    #[test]
    fn what_a_kernel_lacks_costs_no_boot() {
        let booted = |config: &str| {
            let config = config.into();
            BOOTS.iter().filter(|boot| boot.is_for(&config)).count()
        };
        assert_eq!(booted("# CONFIG_KUNIT is not set\n"), 2);
        assert_eq!(booted("CONFIG_KUNIT=y\n"), 3);
    }

    #[test]
    fn each_test_is_recorded_or_has_a_reason() {
        for program in all().iter().filter(|program| programs::is_test(program)) {
            let name = name(program);
            let recorded = BOOTS
                .iter()
                .flat_map(Boot::entries)
                .any(|entry| entry.program == name && entry.environment == RECORD);
            let excused = NOT_RECORDED
                .iter()
                .any(|(_, programs)| programs.contains(&name.as_str()));
            assert_ne!(recorded, excused, "{name}");
        }
    }

    #[test]
    fn what_runs_instead_does_not_run_twice() {
        let entries = || BOOTS.iter().flat_map(Boot::entries);
        for entry in entries() {
            let program = PathBuf::from(entry.program);
            let boots = BOOTS
                .iter()
                .flat_map(|boot| boot.runs(std::slice::from_ref(&program)));
            let plain = boots.filter(|run| run.environment.is_empty()).count();
            let of_program = || entries().filter(|other| other.program == entry.program);
            let here = of_program().filter(|entry| entry.environment.is_empty());
            let with_the_rest = !of_program().any(|entry| entry.instead);
            assert_eq!(plain, here.count() + usize::from(with_the_rest));
            assert!(of_program().filter(|entry| entry.instead).count() <= 1);
        }
    }
}
