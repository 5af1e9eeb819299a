// SPDX-License-Identifier: GPL-2.0

//! All tests: the host's under cargo, the guest's in the virtual machine.

use std::fs;
use std::path::PathBuf;
use std::thread::{self, ScopedJoinHandle};

use crate::cli::Cli;
use crate::error::{Error, Kind, Result};
use crate::ktap::{Parser, Status, Test};
use crate::modules::Modules;
use crate::process::indent;
use crate::programs;
use crate::progress::{result, Step};
use crate::session::{name, Session};
use crate::vm::{Ended, Machine, Outcome};

/// Seconds of guest time that one program may take; as `settings` of the selftests says.
const PROGRAM_DEADLINE: u32 = 300;

/// The guest is booted in these ways, each with the programs that it concerns.
const BOOTS: &[Variant] = &[
    Variant {
        name: "plain",
        append: "",
        nodes: None,
        programs: None,
        powers_off: false,
    },
    Variant {
        name: "driver_async_probe",
        append: "driver_async_probe=slow_platform",
        nodes: None,
        programs: Some(&["default_type"]),
        powers_off: false,
    },
    Variant {
        name: "recorded",
        append: "ASYNC_PROBE_RECORD=1",
        nodes: None,
        programs: Some(RECORDED),
        powers_off: false,
    },
    Variant {
        name: "two_nodes",
        // What the kernel does not know of goes to the environment of init.
        append: "ASYNC_PROBE_POWER_OFF=1",
        nodes: Some(2),
        programs: Some(&["numa", "reboot_in_flight"]),
        powers_off: true,
    },
];

/// The programs that are run once more under the recorder: the same laws must hold with it as
/// without, and those of recordings, too.
const RECORDED: &[&str] = &[
    "failed_probe",
    "insmod_waits",
    "platform_removal",
    "unbind_waits",
];

/// A way to boot.
#[derive(Debug)]
struct Variant {
    name: &'static str,
    append: &'static str,
    /// NUMA nodes, if not as many as the command line says.
    nodes: Option<u8>,
    /// All if there is no list.
    programs: Option<&'static [&'static str]>,
    /// A program may power the machine off, once it has said that all is well.
    powers_off: bool,
}

/// Runs the tests whose names contain the filter.
pub fn run(cli: &Cli, filter: &str) -> Result<()> {
    let session = Session::open(cli, false)?;
    let modules = session.modules()?;
    let programs = programs::build(&session.project, "selftests")?;
    let step = Step::begin("running the tests of host and guest");
    let (host, guests) = thread::scope(|scope| {
        let host = scope.spawn(|| programs::host_tests(&session.project, filter));
        let guests: Vec<_> = BOOTS
            .iter()
            .map(|variant| {
                let guest = Guest {
                    session: &session,
                    modules: &modules,
                    machine: variant.machine(&cli.machine),
                    variant,
                    step: &step,
                    filter,
                };
                let programs = variant.of(&programs);
                scope.spawn(move || guest.all(&programs))
            })
            .collect();
        let guests: Vec<_> = guests.into_iter().map(ScopedJoinHandle::join).collect();
        (host.join(), guests)
    });
    let mut tests = joined(host)?;
    for guest in guests {
        merge(&mut tests, joined(guest)?);
    }
    step.done();
    report(&tests)
}

impl Variant {
    fn machine(&self, machine: &Machine) -> Machine {
        let mut machine = machine.clone();
        machine.append = format!("{} {}", machine.append, self.append)
            .trim()
            .to_owned();
        machine.nodes = self.nodes.unwrap_or(machine.nodes);
        machine
    }

    fn of(&self, all: &[PathBuf]) -> Vec<PathBuf> {
        all.iter()
            .filter(|program| {
                self.programs.map_or_else(
                    || programs::is_test(program),
                    |list| list.contains(&name(program).as_str()),
                )
            })
            .cloned()
            .collect()
    }
}

fn joined(result: thread::Result<Result<Vec<Test>>>) -> Result<Vec<Test>> {
    result.unwrap_or_else(|_| {
        Err(Error::new(
            Kind::Failed,
            "the tests did not run to their end",
            "a thread of the lab panicked; its message is above",
            "this is a bug of the lab: report it",
        ))
    })
}

/// Adds tests. What one boot skipped and another ran counts as the other has it.
fn merge(tests: &mut Vec<Test>, more: Vec<Test>) {
    for test in more {
        match tests.iter_mut().find(|known| known.name == test.name) {
            None => tests.push(test),
            Some(known) => {
                if rank(&test) > rank(known) {
                    *known = test;
                }
            }
        }
    }
}

fn rank(test: &Test) -> u8 {
    match test.status {
        Status::Skipped(_) => 0,
        Status::Passed => 1,
        Status::Failed => 2,
    }
}

/// One line per test, then the totals.
fn report(tests: &[Test]) -> Result<()> {
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for test in tests {
        match &test.status {
            Status::Passed => {
                passed += 1;
                result(&format!("ok    {}", test.name));
            }
            Status::Skipped(reason) => {
                skipped += 1;
                result(&format!("skip  {} # {reason}", test.name));
            }
            Status::Failed => {
                failed += 1;
                result(&format!("FAIL  {}", test.name));
                if !test.comments.is_empty() {
                    result(&indent(&test.comments.join("\n")));
                }
            }
        }
    }
    result(&format!(
        "total: {passed} passed, {failed} failed, {skipped} skipped"
    ));
    if failed == 0 {
        return Ok(());
    }
    Err(Error::new(
        Kind::Failed,
        format!("{failed} of {} tests failed", tests.len()),
        "see the lines that begin with FAIL",
        "make check TESTS=<part of a name> runs some of them; consoles are in out/check",
    ))
}

/// The tests of the guest.
struct Guest<'a> {
    session: &'a Session,
    modules: &'a Modules,
    machine: Machine,
    variant: &'a Variant,
    step: &'a Step,
    filter: &'a str,
}

impl Guest<'_> {
    /// Runs the programs in one boot; when one takes the machine down, boots again for those after it.
    fn all(&self, programs: &[PathBuf]) -> Result<Vec<Test>> {
        let mut tests = Vec::new();
        let mut left = programs;
        let mut boots = 0;
        while !left.is_empty() {
            let (done, results) = self.boot(left, boots)?;
            tests.extend(results);
            left = &left[done..];
            boots += 1;
        }
        Ok(tests)
    }

    /// Boots once; returns how many programs are done with, and their tests.
    fn boot(&self, programs: &[PathBuf], number: usize) -> Result<(usize, Vec<Test>)> {
        let out = self
            .session
            .project
            .out(&format!("check/{}-{number}", self.variant.name));
        let mut initramfs = self.session.initramfs(self.modules)?;
        for program in programs {
            initramfs.file(&format!("selftests/{}", name(program)), program, true);
        }
        initramfs.bytes("job", self.job(programs).as_bytes(), true);
        let mut runs: Vec<Run> = Vec::new();
        let outcome = self
            .session
            .boot(&self.machine, &out)
            .run(initramfs, &mut |line| {
                if line.starts_with("lab: begin ") {
                    self.step.message(line);
                }
                collect(&mut runs, line);
            })?;
        let mut tests = Vec::new();
        let done = runs.len();
        for run in runs {
            tests.extend(self.judge(run, &outcome));
        }
        // Of what happened outside all programs, nothing may be lost.
        tests.extend(complaints(&outcome, None));
        if outcome.ended == Ended::NoPowerOff {
            tests.push(Test {
                name: "boot: the guest did not power off".to_owned(),
                status: Status::Failed,
                comments: vec![],
            });
        }
        if done == 0 {
            // Nothing would change at the next attempt.
            outcome.verdict()?;
            return Err(Error::new(
                Kind::Vm,
                "the guest ran no program",
                format!("{:?}", outcome.ended),
                format!("read {}", outcome.console.display()),
            ));
        }
        Ok((done, tests))
    }

    /// Each program with a watchdog of its own: one that hangs ends the boot, and only that.
    fn job(&self, programs: &[PathBuf]) -> String {
        let mut job = String::new();
        for program in programs {
            let program = name(program);
            // A program whose own name matches runs whole.
            let filter = if program.contains(self.filter) {
                ""
            } else {
                self.filter
            };
            // Who asks for a program by its name gets it at full length, however long that is.
            let (full, deadline) = if program == self.filter {
                ("ASYNC_PROBE_FULL=1 ", 2 * PROGRAM_DEADLINE)
            } else {
                ("", PROGRAM_DEADLINE)
            };
            job.push_str(&format!(
                "echo 'lab: begin {program}' >/dev/kmsg\n\
                 echo 'lab: begin {program}'\n\
                 deadline {deadline} >/dev/null 2>&1 & dog=$!\n\
                 {full}/selftests/{program} {filter}\n\
                 echo \"lab: end {program} $?\"\n\
                 kill $dog\n"
            ));
        }
        job
    }

    /// The tests of one program.
    fn judge(&self, run: Run, outcome: &Outcome) -> Vec<Test> {
        let program = run.program;
        let mut tests = run.parser.finish();
        if run.code.is_some() && !self.filter.is_empty() && !program.contains(self.filter) {
            // Nothing in it has such a name.
            tests.retain(|test| test.name.contains(self.filter));
        }
        for test in &mut tests {
            // Names that begin with their program's are whole already.
            if !test.name.starts_with(&program) {
                test.name = format!("{program}: {}", test.name);
            }
        }
        let failed = tests.iter().any(|test| test.status == Status::Failed);
        let complaint = match run.code {
            Some(0 | 4) => None,
            Some(_) if failed => None,
            Some(code) => Some(format!("exit code {code} though no test failed")),
            None if self.variant.powers_off && powered_off(outcome) => None,
            None => Some(match &outcome.ended {
                Ended::GuestDeadline => "hung: no end before its deadline in guest time".to_owned(),
                Ended::WallDeadline => "hung: no end before the deadline in wall time".to_owned(),
                Ended::Died(how) => format!("QEMU died: {how}"),
                Ended::Early | Ended::Exit(_) | Ended::NoPowerOff => {
                    "took the machine down".to_owned()
                }
            }),
        };
        tests.extend(complaint.map(|text| Test {
            name: format!("{program}: {text}"),
            status: Status::Failed,
            comments: vec![],
        }));
        tests.extend(complaints(outcome, Some(&program)));
        tests
    }
}

/// Whether the kernel has powered the machine off in good order.
fn powered_off(outcome: &Outcome) -> bool {
    outcome.ended == Ended::Early
        && fs::read_to_string(&outcome.console)
            .is_ok_and(|console| console.contains("reboot: Power down"))
}

/// What the kernel complained about during a program, as failed tests.
fn complaints(outcome: &Outcome, program: Option<&str>) -> Vec<Test> {
    outcome
        .splats
        .iter()
        .filter(|splat| splat.during.as_deref() == program)
        .map(|splat| Test {
            name: format!("{}: kernel: {}", program.unwrap_or("boot"), splat.kind),
            status: Status::Failed,
            comments: splat.context.clone(),
        })
        .collect()
}

/// One program's output.
struct Run {
    program: String,
    parser: Parser,
    code: Option<i32>,
}

/// Sorts a line of the guest's output to the program that printed it.
fn collect(runs: &mut Vec<Run>, line: &str) {
    if let Some(program) = line.strip_prefix("lab: begin ") {
        runs.push(Run {
            program: program.to_owned(),
            parser: Parser::default(),
            code: None,
        });
    } else if let Some(run) = runs.last_mut() {
        match line
            .strip_prefix("lab: end ")
            .and_then(|rest| rest.rsplit_once(' '))
        {
            Some((program, code)) if program == run.program => run.code = code.parse().ok(),
            _ => run.parser.line(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(name: &str, status: Status) -> Test {
        Test {
            name: name.to_owned(),
            status,
            comments: vec![],
        }
    }

    #[test]
    fn what_another_boot_ran_is_not_skipped() {
        let skip = || Status::Skipped(String::new());
        let mut tests = vec![
            test("a", skip()),
            test("b", Status::Passed),
            test("c", skip()),
        ];
        let more = vec![
            test("a", Status::Passed),
            test("b", Status::Failed),
            test("d", skip()),
        ];
        merge(&mut tests, more);
        let status: Vec<u8> = tests.iter().map(rank).collect();
        assert_eq!(status, [1, 2, 0, 0]);
    }

    #[test]
    fn lines_go_to_their_program() {
        let mut runs = Vec::new();
        for line in [
            "noise",
            "lab: begin a",
            "KTAP version 1",
            "1..1",
            "ok 1 x",
            "lab: end a 0",
            "lab: begin b",
            "KTAP version 1",
            "1..2",
            "ok 1 y",
        ] {
            collect(&mut runs, line);
        }
        assert_eq!(runs.len(), 2);
        assert_eq!((runs[0].code, runs[1].code), (Some(0), None));
        let b = runs.pop().unwrap().parser.finish();
        assert_eq!(b.len(), 2);
        assert_eq!(b[1].status, Status::Failed);
    }
}
