// SPDX-License-Identifier: GPL-2.0

//! A probe that oopses stops nothing but itself and its device.

use std::collections::{BTreeMap, BTreeSet};

use super::console::lines;
use super::mutant::Console;
use super::prelude::*;

/// The law. It judges a console, by [`CONSOLE`].
pub static LAW: Law = Law {
    name: "containment",
    promise: "A synchronous probe that oopses, where an oops is no panic, ends the task that it runs \
              in. Other devices are probed and unbound afterwards, and other modules are loaded and \
              unloaded.",
    kernel: "kernel/exit.c: make_task_dead() ends the task. The lock of the device and the reference \
             to the module stay taken, and probe_count (drivers/base/dd.c) stays raised, for which \
             wait_for_device_probe() waits: suspend and power-off never return. \
             async_synchronize_full() (kernel/async.c) waits for an asynchronous probe that has \
             oopsed, and with it each plain insmod and each rmmod.",
    mend: "Mend the probe, and reset the machine. As long as a probe may oops, an asynchronous one \
           holds up more than a synchronous one, unless its async domain is exclusive.",
    needs: &[Sight::Console],
    check: |_| Ok(0),
    mutants: &[
        Mutant::apart("init_waits_for_the_dead"),
        Mutant::console("another_module_waits", &CONSOLE, waits),
        Mutant::console("another_probe_waits", &CONSOLE, never_ends),
    ],
};

/// What judges a console.
pub static CONSOLE: Console = Console {
    recorded: include_str!("../../tests/recordings/containment.txt"),
    check,
};

/// Judges the calls and probes that begin after an oops, but for those of the tasks that have died.
fn check(console: &str) -> Result<usize, String> {
    let mut dead = BTreeSet::new();
    let (mut calls, mut probes) = (BTreeMap::new(), BTreeSet::new());
    let (mut is_oops, mut cases) = (false, 0);
    for line in lines(console) {
        let (line, events) = line?;
        is_oops |= line.contains(" Oops: ");
        // `CPU: 1 UID: 0 PID: 77 Comm: containment Tainted: ...`
        let pid = line.split_once(" PID: ").filter(|_| is_oops);
        if let Some(Ok(pid)) = pid.and_then(|(_, rest)| Some(rest.split(' ').next()?.parse())) {
            dead.insert(pid);
            calls.remove(&pid);
            is_oops = false;
        }
        for event in events {
            match event.what {
                What::CallBegan { call, on, pid, .. } if !dead.contains(&pid) => {
                    calls.insert(pid, format!("{call} of {on}"));
                }
                What::CallReturned { pid, .. } => {
                    cases += usize::from(calls.remove(&pid).is_some() && !dead.is_empty());
                }
                What::ProbeBegan { device, .. } => _ = probes.insert(device),
                What::ProbeEnded { device, .. } => {
                    cases += usize::from(probes.remove(&device) && !dead.is_empty());
                }
                _ => (),
            }
        }
    }
    let mut waits = calls.into_values();
    let mut running = probes.iter().map(|device| format!("the probe of {device}"));
    match waits.next().or_else(|| running.next()) {
        Some(what) if !dead.is_empty() => Err(format!("{what} never ends, after an oops")),
        _ => Ok(cases),
    }
}

/// Without its last line of this kind.
fn without_last(console: &str, kind: &str) -> Option<String> {
    let line = console.lines().rfind(|line| line.contains(kind))?;
    Some(console.replace(line, ""))
}

fn waits(console: &str) -> Option<String> {
    without_last(console, ": call_returned ")
}

fn never_ends(console: &str) -> Option<String> {
    without_last(console, ": probe_ended ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_go_on() {
        let good = CONSOLE.recorded;
        assert!(
            check(good).is_ok_and(|cases| cases >= 8),
            "{:?}",
            check(good)
        );
        for edit in [waits, never_ends] {
            let says = check(&edit(good).unwrap()).unwrap_err();
            assert!(says.ends_with(" never ends, after an oops"), "{says}");
            // Where nothing has oopsed, it is no case.
            let lines = edit(good).unwrap();
            let calm = lines.replace("Oops: ", "");
            assert_eq!(check(&calm), Ok(0));
        }
    }
}
