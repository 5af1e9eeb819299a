// SPDX-License-Identifier: GPL-2.0

//! Watching the kernel's console for what must not happen.

use std::collections::VecDeque;
use std::time::Duration;

/// What the kernel prints when something is wrong, and what it means.
const ALARMS: &[(&str, &str)] = &[
    ("Kernel panic", "panic"),
    ("BUG: KASAN", "KASAN"),
    ("UBSAN:", "UBSAN"),
    ("KCSAN:", "KCSAN"),
    ("Oops:", "oops"),
    ("general protection fault", "oops"),
    ("BUG:", "BUG"),
    // Of a slab with slab_debug=.
    ("] BUG ", "BUG"),
    ("kernel BUG at", "BUG"),
    ("WARNING:", "WARNING"),
    ("possible circular locking", "lockdep"),
    ("possible recursive locking", "lockdep"),
    ("inconsistent lock state", "lockdep"),
    ("suspicious RCU usage", "lockdep"),
    ("self-detected stall", "RCU stall"),
    ("detected stalls on", "RCU stall"),
    ("detected expedited stalls", "RCU stall"),
    ("INFO: task ", "hung task"),
    ("soft lockup", "lockup"),
    ("hard LOCKUP", "lockup"),
    ("unreferenced object", "leak"),
    ("refcount_t:", "refcount"),
];

/// How many lines are kept before and after an alarm.
const BEFORE: usize = 5;
const AFTER: usize = 25;

/// Something that the kernel complained about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splat {
    /// What kind of complaint.
    pub kind: &'static str,
    /// The program that ran, if the guest had announced one.
    pub during: Option<String>,
    /// The lines around it.
    pub context: Vec<String>,
}

/// Reads console lines as they come.
#[derive(Debug, Default)]
pub struct Watcher {
    last: VecDeque<String>,
    splats: Vec<Splat>,
    open: usize,
    during: Option<String>,
    clock: Duration,
}

impl Watcher {
    /// Takes one line.
    pub fn line(&mut self, line: &str) {
        self.clock = timestamp(line).unwrap_or(self.clock);
        if let Some((_, program)) = line.split_once("] lab: begin ") {
            self.during = Some(program.to_owned());
        }
        if self.open > 0 {
            self.open -= 1;
            if let Some(splat) = self.splats.last_mut() {
                splat.context.push(line.to_owned());
            }
        } else if let Some(kind) = alarm(line) {
            let mut context: Vec<String> = self.last.drain(..).collect();
            context.push(line.to_owned());
            let during = self.during.clone();
            self.splats.push(Splat {
                kind,
                during,
                context,
            });
            self.open = AFTER;
        }
        self.last.push_back(line.to_owned());
        if self.last.len() > BEFORE {
            self.last.pop_front();
        }
    }

    /// The guest's time when it last said something.
    pub fn clock(&self) -> Duration {
        self.clock
    }

    /// What was found so far.
    pub fn splats(&self) -> &[Splat] {
        &self.splats
    }
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
        for (line, kind) in [
            (
                "[    1.0] BUG: kernel NULL pointer dereference, address: 0",
                "BUG",
            ),
            (
                "[    1.0] BUG kmalloc-96 (Tainted: G           OE      ): Poison overwritten",
                "BUG",
            ),
            ("[    1.0] Oops: Oops: 0002 [#1] SMP", "oops"),
            (
                "[    1.0] WARNING: CPU: 0 PID: 1 at kernel/x.c:3 f+0x1/0x2",
                "WARNING",
            ),
            (
                "[    1.0] WARNING: kernel/x.c:3 at f+0x1/0x2, CPU#0: sh/1",
                "WARNING",
            ),
            (
                "[    1.0] INFO: task insmod:57 blocked for more than 120 seconds.",
                "hung task",
            ),
            (
                "[    1.0] rcu: INFO: rcu_preempt self-detected stall on CPU",
                "RCU stall",
            ),
            (
                "[    1.0] WARNING: possible circular locking dependency detected",
                "WARNING",
            ),
            (
                "[    1.0] BUG: KASAN: slab-use-after-free in f+0x1/0x2",
                "KASAN",
            ),
            (
                "[    1.0] Kernel panic - not syncing: sysrq triggered crash",
                "panic",
            ),
            (
                "[    1.0] watchdog: BUG: soft lockup - CPU#1 stuck for 22s!",
                "BUG",
            ),
        ] {
            assert_eq!(kinds(&[line]), [kind], "{line}");
        }
    }

    #[test]
    fn an_ordinary_boot_is_quiet() {
        for line in [
            "[    0.0] Linux version 7.3.4",
            "[    1.0] async_probe: loading out-of-tree module taints kernel.",
            "[    1.0] async_probe: module verification failed: signature and/or required key missing - tainting kernel",
            "[    1.0] async_probe: probe_began dev=a driver=b async=1 cpu=0 pid=1 task=BUG: x",
            "[    1.0] lab: begin WARNING: x",
        ] {
            assert!(kinds(&[line]).is_empty(), "{line}");
        }
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
