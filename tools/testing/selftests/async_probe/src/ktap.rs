// SPDX-License-Identifier: GPL-2.0

//! The test runner, which speaks KTAP 1 (`Documentation/dev-tools/ktap.rst`).

use std::env;
use std::io::{self, Write};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::process::ExitCode;
use std::time::Instant;

use crate::last::{self, Last};
use crate::modules::Modules;
use crate::{slow, unmet, Bench, Failure};

/// `KSFT_PASS` of `tools/testing/selftests/kselftest.h`.
pub(crate) const PASS: u8 = 0;
/// `KSFT_FAIL`.
pub(crate) const FAIL: u8 = 1;
/// `KSFT_SKIP`.
pub(crate) const SKIP: u8 = 4;

/// What a test does on its bench.
type Body = Box<dyn Fn(&mut Bench) -> Result<(), Failure>>;

pub(crate) struct Test {
    name: String,
    body: Body,
}

impl Test {
    /// A test of this name, which must not contain a `#`.
    pub(crate) fn new(
        name: impl Into<String>,
        body: impl Fn(&mut Bench) -> Result<(), Failure> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            body: Box::new(body),
        }
    }
}

/// Runs the tests and prints their results; the exit code is that of a kselftest.
///
/// With an argument, runs those tests only whose names contain it; if there is none, or with
/// `ASYNC_PROBE_LIST` in the environment, it prints the names of all. Where the kernel has lockdep
/// and kmemleak, a last test for each says that it has nothing to complain about.
pub(crate) fn run(tests: Vec<Test>) -> ExitCode {
    run_with(tests, last::begin)
}

/// The same without these last tests: for tests that provoke complaints, or end with the machine.
pub(crate) fn run_unwatched(tests: Vec<Test>) -> ExitCode {
    run_with(tests, Vec::new)
}

/// Runs nothing, for this reason.
pub(crate) fn skip(reason: &str) -> ExitCode {
    let mut out = Output(io::stdout());
    out.line("KTAP version 1");
    out.line(&format!("1..0 # SKIP {reason}"));
    SKIP.into()
}

fn run_with(mut tests: Vec<Test>, last: fn() -> Vec<Last>) -> ExitCode {
    let mut out = Output(io::stdout());
    out.line("KTAP version 1");

    let part = env::args().nth(1).unwrap_or_default();
    let list = env::var_os("ASYNC_PROBE_LIST").is_some();
    if list || !tests.iter().any(|test| test.name.contains(&part)) {
        for test in &tests {
            out.comment(&format!("test: {}", test.name));
        }
    }
    if list {
        out.line("1..0 # SKIP only listed");
        return SKIP.into();
    }
    tests.retain(|test| test.name.contains(&part));

    if let Err(error) = slow::check() {
        out.line(&format!("Bail out! {error}"));
        return FAIL.into();
    }
    let modules = match Modules::find() {
        Ok(modules) => modules,
        Err(failure) => {
            out.line(&format!("1..0 # SKIP {}", one_line(&failure)));
            return SKIP.into();
        }
    };

    // A program before this one may have left kprobes to the next.
    put_away();
    // Where nothing is run, nothing is watched.
    let last = if tests.is_empty() { vec![] } else { last() };
    out.line(&format!("1..{}", tests.len() + last.len()));
    let mut totals = Totals::default();
    for test in &tests {
        let began = Instant::now();
        let verdict = carry_out(&mut out, test, &modules);
        totals.add(&mut out, &test.name, began, verdict);
    }
    put_away();
    // Where all are skipped, so is the program, whatever comes last.
    let ran = totals.passed > 0;
    let released = modules.release();
    for last in last {
        let (name, began) = (last.name, Instant::now());
        totals.add(&mut out, name, began, last.verdict());
    }
    if let Err(failure) = released {
        totals.failed += 1;
        out.comment(&failure.to_string());
    }
    let Totals {
        passed,
        failed,
        skipped,
    } = totals;
    out.comment(&format!(
        "Totals: pass:{passed} fail:{failed} xfail:0 xpass:0 skip:{skipped} error:0"
    ));
    match (failed, ran) {
        (0, false) => SKIP.into(),
        (0, true) => PASS.into(),
        _ => FAIL.into(),
    }
}

/// How many tests have ended, and how.
#[derive(Debug, Default)]
struct Totals {
    passed: u32,
    failed: u32,
    skipped: u32,
}

impl Totals {
    /// Prints the result of the next test.
    fn add(&mut self, out: &mut Output, name: &str, began: Instant, verdict: Result<(), Failure>) {
        let number = self.passed + self.failed + self.skipped + 1;
        out.comment(&format!("time: {:.3} s", began.elapsed().as_secs_f64()));
        match verdict {
            Ok(()) => {
                self.passed += 1;
                out.line(&format!("ok {number} {name}"));
            }
            Err(Failure::Skip(reason)) => {
                self.skipped += 1;
                out.line(&format!("ok {number} {name} # SKIP {reason}"));
            }
            Err(failure) => {
                self.failed += 1;
                out.comment(&failure.to_string());
                out.line(&format!("not ok {number} {name}"));
            }
        }
    }
}

/// Who records: `whole` if each test is to be recorded, `itself` if the tests do so.
const RECORD: &str = "ASYNC_PROBE_RECORD";

/// Whether each test is to be recorded.
fn is_recorded() -> bool {
    env::var(RECORD).as_deref() == Ok("whole")
}

/// Removes the kprobes of the recorder, unless they are used, here and by those who come next.
fn put_away() {
    if env::var_os(RECORD).is_none() {
        recorder::put_away();
    }
}

/// Runs one test on a bench of its own and cleans up after it.
///
/// A test that is recorded is held against all laws.
fn carry_out(out: &mut Output, test: &Test, modules: &Modules) -> Result<(), Failure> {
    let mut bench = Bench::new(modules)?;
    if is_recorded() {
        bench.record()?;
    }
    let verdict = catch_unwind(AssertUnwindSafe(|| (test.body)(&mut bench)));
    let cleaned = bench.clean_up();
    for line in bench.comments() {
        out.comment(line);
    }

    let verdict = match verdict {
        Ok(Ok(())) => cleaned.and_then(|()| bench.judge()),
        Ok(Err(failure)) => {
            if let Err(more) = cleaned {
                out.comment(&format!("cleaning up: {more}"));
            }
            Err(failure)
        }
        // The panic has already been printed to stderr.
        Err(_) => unmet("no panic", "a panic"),
    };
    match &verdict {
        // Their own log comes with them.
        Ok(()) | Err(Failure::Law(_) | Failure::Skip(_)) => {}
        Err(_) => out.comment(&bench.transcript()),
    }
    verdict
}

/// A reason that fits on one line.
fn one_line(failure: &Failure) -> String {
    failure.to_string().replace('\n', "; ")
}

/// Where the results go, line by line.
struct Output(io::Stdout);

impl Output {
    fn line(&mut self, line: &str) {
        // Where standard output is gone there is no reader.
        let _ = writeln!(self.0, "{line}").and_then(|()| self.0.flush());
    }

    fn comment(&mut self, text: &str) {
        for line in text.lines() {
            self.line(&format!("# {line}"));
        }
    }
}
