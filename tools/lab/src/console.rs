// SPDX-License-Identifier: GPL-2.0

//! Watching the kernel's console for what must not happen.

use std::collections::VecDeque;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use lifecycle::parse::dump::Printed;

/// What the kernel prints when something is wrong, and what it means. Of several that a line has,
/// the first counts.
static ALARMS: LazyLock<Table> = LazyLock::new(|| table(include_str!("alarms.txt")));

/// What the kernel says of a wrong driver without a WARNING, and what it means; only where a driver
/// is checked, as the tests provoke some of it. `*` stands for any text, `#` for a digit.
static WORDS: LazyLock<Table> = LazyLock::new(|| table(include_str!("wrong_drivers.txt")));

type Table = Vec<(&'static str, &'static str)>;

/// A file of such lines: `text => what it means`.
fn table(file: &'static str) -> Table {
    let lines = file.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(" => ")).collect()
}

/// The program that checks a driver.
pub(crate) const CHECKS_A_DRIVER: &str = "check_driver";

/// How many lines are kept before and after an alarm.
const BEFORE: usize = 5;
const AFTER: usize = 60;

/// What is found where a test has announced a complaint that did not come.
const MISSED: &str = "no complaint where one was expected";

/// Something that the kernel complained about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Splat {
    pub kind: &'static str,
    /// The program that ran, if the guest had announced one.
    pub during: Option<String>,
    /// The line itself.
    pub alarm: String,
    /// The lines around it.
    pub context: Vec<String>,
}

impl Splat {
    /// Whether it is a line without a WARNING.
    pub(crate) fn is_word(&self) -> bool {
        alarm(&self.alarm).is_none()
    }

    /// The line that is the complaint, and those after it that say more: after one without a
    /// WARNING only a stack does.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &String> {
        let is_it = |line: &&String| alarm(line).or_else(|| word(line)) == Some(self.kind);
        let tells = |line: &&String| match self.is_word() {
            false => !NOISE.iter().any(|noise| line.contains(noise)),
            true => line.contains("+0x"),
        };
        let lines = self.context.iter().skip_while(move |line| !is_it(line));
        lines.filter(move |line| is_it(line) || tells(line))
    }
}

/// What lines of a complaint have that say nothing of its cause, registers among them.
const NOISE: &[&str] = &[
    "CPU: ",
    "Tainted: ",
    "Hardware name: ",
    "Call Trace:",
    "TASK>",
    "-----",
    "Modules linked in: ",
    "Code: ",
    " RSP: ",
    " RAX: ",
    " RDX: ",
    " RBP: ",
    " R10: ",
    " R13: ",
    " FS: ",
    " CS: ",
    " CR2: ",
    "PGD ",
    "#PF: ",
    "PKRU: ",
];

/// A complaint that a test provokes on purpose.
#[derive(Debug)]
struct Expected {
    kind: String,
    came: bool,
}

/// Reads console lines as they come.
#[derive(Debug, Default)]
pub(crate) struct Watcher {
    last: VecDeque<String>,
    splats: Vec<Splat>,
    /// How many lines still belong to the last complaint.
    open: usize,
    expected: Option<Expected>,
    during: Option<String>,
    /// Whether a driver is checked: [`WORDS`] count too.
    strict: bool,
    /// How often the kernel has panicked.
    panics: usize,
    /// Since when the machine suspends or resumes.
    suspends: Option<Instant>,
    /// A recording has lines that have been on the console before.
    recording: Printed,
    clock: Duration,
}

impl Watcher {
    pub(crate) fn line(&mut self, line: &str) {
        self.clock = timestamp(line).unwrap_or(self.clock);
        if let Some((_, words)) = line.split_once("] lab: ") {
            self.announcement(words);
        }
        if self.recording.has(line) {
            return;
        }
        if line.contains("] PM: suspend e") {
            // `kernel/power/suspend.c`, `pm_suspend()`.
            let entry = line.contains("PM: suspend entry");
            self.suspends = entry.then(Instant::now);
        }
        self.panics += usize::from(line.contains("] Kernel panic - not syncing"));
        if self.open > 0 {
            self.open -= 1;
            if let (None, Some(splat)) = (&self.expected, self.splats.last_mut()) {
                splat.context.push(line.to_owned());
            }
        } else if let Some(kind) = alarm(line).or_else(|| self.strict.then(|| word(line)).flatten())
        {
            self.open = AFTER;
            match &mut self.expected {
                Some(expected) if expected.kind == kind => expected.came = true,
                // What follows is no part of one that is expected.
                expected => {
                    *expected = None;
                    self.found(kind, Some(line));
                }
            }
        }
        self.last.push_back(line.to_owned());
        if self.last.len() > BEFORE {
            self.last.pop_front();
        }
    }

    /// What the programs say: `begin <program>`, `expects <kind>` and `expected <kind>` around a
    /// complaint that is provoked on purpose, `judges <kind>` and `judged <kind>` around complaints,
    /// if there are any, of which the program tells right from wrong itself.
    fn announcement(&mut self, words: &str) {
        let (verb, of) = words.split_once(' ').unwrap_or((words, ""));
        if !matches!(verb, "begin" | "expects" | "expected" | "judges" | "judged") {
            return;
        }
        // Of what has been complained about, nothing comes after this.
        self.open = 0;
        if self.expected.take().is_some_and(|expected| !expected.came) {
            self.found(MISSED, None);
        }
        match verb {
            "begin" => {
                self.strict = of == CHECKS_A_DRIVER;
                self.during = Some(of.to_owned());
            }
            "expects" | "judges" => {
                self.expected = Some(Expected {
                    kind: of.to_owned(),
                    came: verb == "judges",
                });
            }
            _ => {}
        }
    }

    fn found(&mut self, kind: &'static str, line: Option<&str>) {
        self.splats.push(Splat {
            kind,
            during: self.during.clone(),
            alarm: line.unwrap_or(kind).trim_end().to_owned(),
            context: self.last.drain(..).chain(line.map(str::to_owned)).collect(),
        });
    }

    /// The guest's time when it last said something.
    pub(crate) fn clock(&self) -> Duration {
        self.clock
    }

    /// Whether a checked driver has brought its processor to a stop, or is about to: with a lock held
    /// by a task that sleeps, the next one spins until the machine is switched off. A panic that
    /// panics, as a notifier of its chain oopses (`kernel/panic.c`), goes on and on.
    pub(crate) fn is_wedged(&self) -> bool {
        // `init/main.c`, `do_one_initcall()`.
        let leaks = |line: &String| line.contains(" returned with preemption imbalance");
        let wedges = |splat: &Splat| {
            ["atomic sleep", "lockup", "RCU stall"].contains(&splat.kind)
                || splat.context.iter().any(leaks)
        };
        self.panics > 1 || self.strict && self.splats.iter().any(wedges)
    }

    /// How long the machine has been suspending or resuming. All tasks are frozen then, and none
    /// can say that it hangs.
    pub(crate) fn suspending(&self) -> Duration {
        self.suspends
            .map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// What was found so far.
    pub(crate) fn splats(&self) -> &[Splat] {
        &self.splats
    }
}

/// What the line says of a wrong driver.
fn word(line: &str) -> Option<&'static str> {
    let mut words = WORDS.iter();
    words
        .find(|(text, _)| fits(line, text))
        .map(|(_, what)| *what)
}

/// Whether a line has a text with `*` for any text and `#`, at its end, for a digit.
fn fits(line: &str, text: &str) -> bool {
    let (text, digit) = match text.strip_suffix('#') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let mut rest = line;
    text.split('*').all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    }) && (!digit || rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// Reads `[   12.345678] …`.
fn timestamp(line: &str) -> Option<Duration> {
    let (seconds, _) = line.strip_prefix('[')?.split_once(']')?;
    Duration::try_from_secs_f64(seconds.trim().parse().ok()?).ok()
}

fn alarm(line: &str) -> Option<&'static str> {
    // Lines of the modules under test quote names that come from the user.
    if line.contains("] async_probe: ") || line.contains("] lab: ") {
        return None;
    }
    ALARMS
        .iter()
        .find(|(text, _)| line.contains(text))
        .map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(lines: &[&str]) -> Vec<&'static str> {
        let mut watcher = Watcher::default();
        for line in lines {
            watcher.line(line);
        }
        watcher.splats().iter().map(|splat| splat.kind).collect()
    }

    #[test]
    fn each_kind_of_complaint() {
        const STRICT: &str = "[    0.9] lab: begin check_driver";
        let mut heading = "";
        let lines = include_str!("../tests/complaints.txt").lines();
        for text in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(next) = text.strip_prefix("== ") {
                heading = next;
                continue;
            }
            let line = format!("[    1.000000] {text}");
            match heading.strip_prefix("while a driver is checked: ") {
                Some(kind) => {
                    assert_eq!(kinds(&[STRICT, &line]), [kind], "{line}");
                    assert!(kinds(&[&line]).is_empty(), "{line}");
                }
                None => assert_eq!(kinds(&[&line]), [heading], "{line}"),
            }
        }
        for right in [
            "[    1.0] mut mut.1: probe with driver mut failed with error -19",
            "[    1.0] mut mut.1: Direct firmware load for x failed with error -2",
            "[    1.0] irq event stamp: 5",
        ] {
            assert!(kinds(&[STRICT, right]).is_empty(), "{right}");
        }
    }

    #[test]
    fn what_is_provoked_is_expected() {
        let expects = "[    1.0] lab: expects refcount";
        let expected = "[    2.0] lab: expected refcount";
        let report = [
            "[    1.1] refcount_t: underflow; use-after-free.",
            "[    1.1] WARNING: lib/refcount.c:28 at f+0x1/0x2, CPU#0: insmod/57",
        ];
        let later = "[    3.0] WARNING: possible recursive locking detected";
        let quiet: &[&'static str] = &[];
        assert_eq!(kinds(&[expects, report[0], report[1], expected]), quiet);
        // It ends with the announcement, and not before.
        assert_eq!(kinds(&[expects, report[0], expected, later]), ["lockdep"]);
        assert_eq!(
            kinds(&[expects, report[0], expected, report[0]]),
            ["refcount"]
        );
        // Another one is none that is expected.
        assert_eq!(kinds(&[expects, later, expected]), ["lockdep"]);
        // Nor is none.
        for end in [expected, "[    2.0] lab: begin x"] {
            assert_eq!(kinds(&[expects, "[    1.1] all is well", end]), [MISSED]);
        }
        // What is judged may come, until it is judged.
        let judges = "[    1.0] lab: judges refcount";
        let judged = "[    2.0] lab: judged refcount";
        assert_eq!(kinds(&[judges, judged]), quiet);
        assert_eq!(kinds(&[judges, report[0], judged]), quiet);
        assert_eq!(kinds(&[judges, judged, report[0]]), ["refcount"]);
        assert_eq!(kinds(&[judges, later, judged]), ["lockdep"]);
        // Without the announcement each counts, once.
        assert_eq!(kinds(&report), ["refcount"]);
    }

    #[test]
    fn a_processor_that_stops() {
        let wedged = |lines: &[&str]| {
            let mut watcher = Watcher::default();
            lines.iter().for_each(|line| watcher.line(line));
            watcher.is_wedged()
        };
        const BEGIN: &str = "[ 6.4] lab: begin check_driver";
        const SLEEP: &str = "[ 7.9] BUG: scheduling while atomic: check_driver/121/0x00000002";
        const LEAK: &str =
            "[ 7.9] initcall foo_init+0x0/0x9 [foo] returned with preemption imbalance ";
        const WARNING: &str = "[ 7.9] WARNING: init/main.c:1401 at do_one_initcall+0x1/0x2";
        assert!(wedged(&[BEGIN, SLEEP]) && wedged(&[BEGIN, LEAK, WARNING]));
        assert!(!wedged(&[
            BEGIN,
            "[ 7.9] BUG: kernel NULL pointer dereference"
        ]));
        // Other tests provoke it.
        assert!(!wedged(&[SLEEP]));
        const PANIC: &str = "[ 8.6] Kernel panic - not syncing: Fatal exception";
        assert!(wedged(&[PANIC, PANIC]) && !wedged(&[PANIC]));
    }

    #[test]
    fn an_ordinary_boot_is_quiet() {
        for line in [
            "[    0.0] Linux version 7.3.4",
            "[    1.0] async_probe: loading out-of-tree module taints kernel.",
            "[    1.0] async_probe: module verification failed: signature and/or required key missing - tainting kernel",
            "[    1.0] async_probe: probe_began dev=a driver=b async=1 cpu=0 pid=1 task=BUG: x",
            "[    1.0] lab: begin WARNING: x",
            "[    1.0] kobject: 'slow.0' (0000000012345678): kobject_release, parent 0000000000000000 (delayed 2000)",
            "[    1.0] FAULT_INJECTION: forcing a failure.",
        ] {
            assert!(kinds(&[line]).is_empty(), "{line}");
        }
    }

    #[test]
    fn a_recording_says_nothing_new() {
        let dump = include_str!("../../lifecycle/tests/consoles/dump.txt");
        assert!(kinds(&dump.lines().collect::<Vec<_>>()).is_empty());
        let lines: Vec<_> = dump.lines().chain(["[    8.5] Oops: 0"]).collect();
        assert_eq!(kinds(&lines), ["oops"]);
    }

    #[test]
    fn the_clock_is_that_of_the_last_line() {
        let mut watcher = Watcher::default();
        for line in ["[    0.5] a", "[   12.000250] b", "c", "[x] d", "[-1] e"] {
            watcher.line(line);
        }
        assert_eq!(watcher.clock(), Duration::from_micros(12_000_250));
    }

    #[test]
    fn context_before_and_after() {
        let mut watcher = Watcher::default();
        for number in 0..100 {
            watcher.line(&format!("line {number}"));
        }
        watcher.line("BUG: x");
        for number in 0..100 {
            watcher.line(&format!("after {number}"));
        }
        let splat = &watcher.splats()[0];
        assert_eq!(splat.context.len(), BEFORE + 1 + AFTER);
        assert_eq!(splat.context[0], "line 95");
        assert_eq!(splat.context[BEFORE], "BUG: x");
    }
}
