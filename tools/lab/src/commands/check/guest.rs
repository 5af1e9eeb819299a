// SPDX-License-Identifier: GPL-2.0

//! The tests of the guest: booted, collected, judged.

use lifecycle::ktap::{Parser, Status, Test};
use lifecycle::laws::mutant::MutantKind;
use lifecycle::laws::LAWS;
use std::fs;
use std::path::Path;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::board::Board;
use super::boots::{Boot, BOOTS};
use super::kselftest::{self, KSELFTEST};
use super::names::NAMED;
use crate::error::{joined, Error, IoContext, Kind, Result};
use crate::how::{Program, Recorded};
use crate::machine::{Machine, Time};
use crate::modules::Modules;
use crate::partition::Partition;
use crate::programs::PROBE_ANALYZE;
use crate::progress::Step;
use crate::session::Session;
use crate::vm::{self, Ended, Kprobes, Outcome};

/// Seconds of guest time that one program may take on the stock kernel; as `settings` of the
/// selftests says.
const PROGRAM_DEADLINE: u32 = 300;

/// How long the slow probes of the tests take in virtual time, where to wait costs nothing; with
/// more the longest program would come near its deadline. In real time the programs choose.
const SLOW_MS: &str = "ASYNC_PROBE_SLOW_MS=1200";

/// The same where everything else takes several times as long: as much as the tests allow.
const SLOWER_MS: &str = "ASYNC_PROBE_SLOW_MS=2000";

/// What the lines of a wrong driver have.
const MUTANT: &str = "mutant";

/// Prints the guest's clock.
const CLOCK: &str = "read up idle </proc/uptime; echo \"lab: clock $up\"";

/// The tests of the guest, in all ways to boot.
pub(super) struct Guests<'a> {
    pub(super) session: &'a Session,
    pub(super) modules: &'a Modules,
    pub(super) machine: &'a Machine,
    pub(super) step: &'a Step,
    pub(super) board: &'a Board<'a>,
    /// All programs that there are.
    pub(super) programs: &'a [Program],
    pub(super) filter: &'a str,
    pub(super) part: Partition,
    /// Where the files go.
    pub(super) dir: &'a Path,
}

/// Those in one way to boot.
struct Guest<'a> {
    of: &'a Guests<'a>,
    machine: Machine,
    boot: &'a Boot,
    what: What,
}

/// What the programs are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Their tests.
    Tests,
    /// The names of their tests.
    Names,
}

/// What came of a way to boot.
#[derive(Debug, Default)]
pub(super) struct Results {
    pub(super) tests: Vec<Test>,
    /// The names of tests that programs have and did not run.
    pub(super) names: Vec<String>,
    /// What each program printed.
    pub(super) ktap: Vec<(String, String)>,
    /// How long the guest has run, by its own clock.
    pub(super) guest: Duration,
    /// How long each program has run.
    pub(super) took: Vec<Took>,
}

/// How long a program has run, in seconds.
#[derive(Debug)]
pub(super) struct Took {
    pub(super) program: String,
    /// By the guest's clock, in which waiting costs the host nothing if time is virtual.
    pub(super) guest: f64,
    pub(super) wall: f64,
}

impl Guests<'_> {
    /// Boots in all ways at the same time.
    pub(super) fn run(&self, what: What) -> Result<Results> {
        let config = self.session.kernel.config()?;
        // A filter that is the name of a program boots for no other.
        let mut asked = self.programs.to_vec();
        asked.retain(|program| program.name() == self.filter);
        if asked.is_empty() || what == What::Names {
            asked = self.programs.to_vec();
        }
        self.part.keep(&mut asked);
        let asked = &asked;
        let guests: Vec<_> = thread::scope(|scope| {
            let guests: Vec<_> = BOOTS
                .iter()
                .filter(|boot| boot.is_for(self.session.kernel.arch(), &config))
                .map(|boot| {
                    let guest = Guest {
                        of: self,
                        machine: boot.machine(self.machine),
                        boot,
                        what,
                    };
                    scope.spawn(move || guest.all(&boot.runs(asked)))
                })
                .collect();
            guests.into_iter().map(ScopedJoinHandle::join).collect()
        });
        let mut all = Results::default();
        for guest in guests {
            let results = joined(guest)?;
            all.guest += results.guest;
            merge(&mut all.tests, results.tests);
            all.names.extend(results.names);
            all.ktap.extend(results.ktap);
            all.took.extend(results.took);
        }
        Ok(all)
    }
}

/// Adds tests. What one boot skipped and another ran counts as the other has it.
fn merge(tests: &mut Vec<Test>, more: Vec<Test>) {
    for test in more {
        match tests.iter_mut().find(|known| known.name == test.name) {
            None => tests.push(test),
            Some(known) if rank(&test) > rank(known) => *known = test,
            Some(_) => {}
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

impl Guest<'_> {
    /// Runs the programs in one boot; when one takes the machine down, boots again for those after
    /// it.
    fn all(&self, runs: &[Program]) -> Result<Results> {
        let mut results = Results::default();
        let mut left = runs;
        let mut boots = 0;
        while !left.is_empty() {
            let done = self.boot(left, boots, &mut results)?;
            left = &left[done..];
            boots += 1;
        }
        Ok(results)
    }

    /// Boots once; returns how many programs are done with.
    fn boot(&self, left: &[Program], number: usize, results: &mut Results) -> Result<usize> {
        let Guests {
            session,
            modules,
            programs,
            dir,
            ..
        } = self.of;
        let out = dir.join(format!("{}-{number}", self.boot.name));
        let records = |run: &Program| run.how.recorded != Recorded::Not;
        let mut initramfs = session.initramfs(modules)?;
        for run in left {
            initramfs.selftest(&run.path);
        }
        if let Some(run) = left.iter().find(|run| run.name() == "probe_analyze") {
            // The guest program is a link to the file that has them all.
            let file = fs::canonicalize(&run.path).at(&run.path, "find")?;
            initramfs.selftest(&file.with_file_name(PROBE_ANALYZE));
        }
        if left.iter().any(|run| run.name() == KSELFTEST) {
            kselftest::add(&mut initramfs, session, modules, programs, dir)?;
        }
        initramfs.bytes("job", self.job(left).as_bytes(), true);
        let mut outputs: Vec<Output> = Vec::new();
        let boot = vm::Boot {
            kprobes: left.iter().any(records).then_some(Kprobes::Life),
            ..session.boot(&self.machine, &out)
        };
        let outcome = boot.run(initramfs, &mut |line| {
            if line.starts_with("lab: begin ") {
                self.of.step.message(line);
            }
            if collect(&mut outputs, line) {
                self.show(outputs.last());
            }
        })?;
        results.guest += outcome.guest;
        let tests = &mut results.tests;
        let done = outputs.len();
        for (run, output) in left.iter().zip(outputs) {
            let file = format!("{}-{number}-{}", self.boot.name, run.name());
            results.ktap.push((file, output.text.clone()));
            results.took.extend(output.took());
            results.names.extend(output.names.iter().cloned());
            if self.what == What::Tests {
                tests.extend(self.judge(run, &output, &outcome));
            }
        }
        // Of what happened outside all programs, nothing may be lost.
        tests.extend(complaints(&outcome, None));
        if outcome.ended == Ended::NoPowerOff {
            tests.push(Test::failed("boot: the guest did not power off", vec![]));
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
        Ok(done)
    }

    /// Each program with a watchdog of its own: one that hangs ends the boot, and only that.
    fn job(&self, runs: &[Program]) -> String {
        let mut job = String::new();
        let times = self.of.session.instruments.times;
        let asked = self.of.filter;
        if self.machine.time == Time::Virtual {
            let slow = if times > 1 { SLOWER_MS } else { SLOW_MS };
            job.push_str(&format!("export {slow}\n"));
        }
        if self.what == What::Names {
            job.push_str("export ASYNC_PROBE_LIST=1\n");
        }
        for run in runs {
            let program = run.name();
            let environment = environment(run);
            // A program whose own name matches runs whole.
            let filter = match program.contains(asked) {
                true => "",
                false => asked,
            };
            // A program that is asked for by its name runs at full length, however long that is.
            let (full, deadline) = if program == asked {
                ("ASYNC_PROBE_FULL=1 ", 6 * PROGRAM_DEADLINE * times)
            } else {
                ("", PROGRAM_DEADLINE * times)
            };
            job.push_str(&format!(
                "echo 'lab: begin {program}' >/dev/kmsg\n\
                 echo 'lab: begin {program}'\n\
                 {CLOCK}\n\
                 deadline {deadline} >/dev/null 2>&1 & dog=$!\n\
                 {environment} {full}/selftests/{program} {filter}\n\
                 code=$?\n\
                 {CLOCK}\n\
                 echo \"lab: end {program} $code\"\n\
                 kill $dog\n"
            ));
        }
        job
    }

    /// Shows the tests of a program that has ended.
    fn show(&self, output: Option<&Output>) {
        if self.what == What::Tests {
            let tests = output.map(|output| self.tests(output));
            tests
                .iter()
                .flatten()
                .for_each(|test| self.of.board.show(test));
        }
    }

    /// The tests of one program, as it tells them.
    fn tests(&self, output: &Output) -> Vec<Test> {
        let (program, filter) = (&output.program, self.of.filter);
        let mut tests = output.parser.clone().finish();
        if output.code.is_some() && !filter.is_empty() && !program.contains(filter) {
            // Nothing in it has such a name. What the instruments have found at its end counts all
            // the same.
            tests.retain(|test| test.name.contains(filter) || test.status == Status::Failed);
        }
        for test in &mut tests {
            test.name = whole_name(program, &test.name);
        }
        tests
    }

    /// The tests of one program, and what came of it.
    fn judge(&self, run: &Program, output: &Output, outcome: &Outcome) -> Vec<Test> {
        let program = &output.program;
        let mut tests = self.tests(output);
        let failed = tests.iter().any(|test| test.status == Status::Failed);
        let complaint = match output.code {
            Some(0 | 4) => None,
            Some(_) if failed => None,
            Some(code) => Some(format!("exit code {code} though no test failed")),
            None if run.how.powers_off && powered_off(outcome) => broken_by(program, outcome),
            None => Some(match &outcome.ended {
                Ended::GuestDeadline => "hung: no end before its deadline in guest time".to_owned(),
                Ended::WallDeadline => "hung: no end before the deadline in wall time".to_owned(),
                Ended::Died(how) => format!("QEMU died: {how}"),
                Ended::Early | Ended::Exit(_) | Ended::NoPowerOff => {
                    "took the machine down".to_owned()
                }
            }),
        };
        tests.extend(complaint.map(|text| Test::failed(format!("{program}: {text}"), vec![])));
        tests.extend(complaints(outcome, Some(program)));
        tests
    }
}

/// The name of a test with that of its program. Names that begin with it are whole already.
fn whole_name(program: &str, name: &str) -> String {
    if name.starts_with(program) {
        name.to_owned()
    } else {
        format!("{program}: {name}")
    }
}

/// What a program is told by its environment.
fn environment(program: &Program) -> &'static str {
    match program.how.recorded {
        _ if program.how.powers_off => "ASYNC_PROBE_POWER_OFF=1",
        Recorded::Whole => "ASYNC_PROBE_RECORD=whole",
        Recorded::Itself => "ASYNC_PROBE_RECORD=itself",
        Recorded::Not => "",
    }
}

/// Whether the kernel has powered the machine off in good order.
fn powered_off(outcome: &Outcome) -> bool {
    outcome.ended == Ended::Early
        && fs::read_to_string(&outcome.console)
            .is_ok_and(|console| console.contains("reboot: Power down"))
}

/// How a program that has powered the machine off has broken the law of its name, but for a mutant,
/// which has to break it.
fn broken_by(program: &str, outcome: &Outcome) -> Option<String> {
    let law = LAWS.iter().find(|law| law.name == program)?;
    let console = fs::read_to_string(&outcome.console).ok()?;
    let from = console.rfind("call_began call=insmod on=async_probe ")?;
    let from = console[..from].rfind('\n').map_or(0, |at| at + 1);
    let lines = console[from..].split_inclusive('\n');
    let (wrong, right): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.contains(MUTANT));
    let check = law.console()?.check;
    let mut mutants = law.mutants.iter();
    let has_mutant = mutants.any(|mutant| matches!(mutant.kind, MutantKind::Apart));
    match check(&right.concat()) {
        Ok(0) => Some(format!("no case of {}", law.name)),
        Ok(_) if has_mutant && check(&wrong.concat()).is_ok() => {
            Some(format!("{} does not catch the mutant", law.name))
        }
        Ok(_) => None,
        Err(broken) => Some(format!("{}: {broken}", law.name)),
    }
}

/// What the kernel complained about during a program, as failed tests.
fn complaints(outcome: &Outcome, program: Option<&str>) -> Vec<Test> {
    outcome
        .splats
        .iter()
        .filter(|splat| splat.during.as_deref() == program)
        .map(|splat| {
            Test::failed(
                format!("{}: kernel: {}", program.unwrap_or("boot"), splat.kind),
                splat.context.clone(),
            )
        })
        .collect()
}

/// One program's output.
struct Output {
    program: String,
    text: String,
    parser: Parser,
    /// The names of tests that it has and did not run.
    names: Vec<String>,
    /// The guest's clock and the host's, before and after it.
    clocks: Vec<(f64, Instant)>,
    code: Option<i32>,
}

impl Output {
    /// How long the program has run, if it has ended.
    fn took(&self) -> Option<Took> {
        let [(began, wall_began), (ended, wall_ended)] = self.clocks[..] else {
            return None;
        };
        Some(Took {
            program: self.program.clone(),
            guest: ended - began,
            wall: (wall_ended - wall_began).as_secs_f64(),
        })
    }
}

/// Sorts a line of the guest's output to the program that printed it; tells if that has ended.
fn collect(outputs: &mut Vec<Output>, line: &str) -> bool {
    if let Some(program) = line.strip_prefix("lab: begin ") {
        outputs.push(Output {
            program: program.to_owned(),
            text: String::new(),
            parser: Parser::default(),
            names: Vec::new(),
            clocks: Vec::new(),
            code: None,
        });
    } else if let Some(output) = outputs.last_mut() {
        if let Some(up) = line.strip_prefix("lab: clock ") {
            output
                .clocks
                .extend(up.parse().map(|up| (up, Instant::now())));
            return false;
        }
        if let Some(name) = line.strip_prefix(NAMED) {
            output.names.push(whole_name(&output.program, name));
            return false;
        }
        match line
            .strip_prefix("lab: end ")
            .and_then(|rest| rest.rsplit_once(' '))
        {
            Some((program, code)) if program == output.program => {
                output.code = code.parse().ok();
                return true;
            }
            _ => {
                output.text.push_str(line);
                output.text.push('\n');
                output.parser.line(line);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_boot_ran_is_not_skipped() {
        let test = |name: &str, status| Test {
            status,
            ..Test::failed(name, vec![])
        };
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
        let mut outputs = Vec::new();
        for line in [
            "noise",
            "lab: begin a",
            "lab: clock 10.50",
            "KTAP version 1",
            "1..1",
            "ok 1 x",
            "lab: clock 12.00",
            "lab: end a 0",
            "lab: begin b",
            "# test: z",
            "KTAP version 1",
            "1..2",
            "ok 1 y",
        ] {
            assert_eq!(collect(&mut outputs, line), line == "lab: end a 0");
        }
        assert_eq!(outputs.len(), 2);
        assert_eq!(outputs[0].took().unwrap().guest, 1.5);
        assert!(outputs[1].took().is_none());
        assert_eq!(outputs[1].names, ["b: z"]);
        assert_eq!((outputs[0].code, outputs[1].code), (Some(0), None));
        let b = outputs.pop().unwrap().parser.finish();
        assert_eq!(b.len(), 2);
        assert_eq!(b[1].status, Status::Failed);
    }
}
