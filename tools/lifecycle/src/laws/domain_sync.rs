// SPDX-License-Identifier: GPL-2.0

//! The waits for the functions of an async domain.

use super::prelude::*;
use crate::steps::{Step, Until};

/// The law. It judges the steps of a test module, by [`check`].
pub static LAW: Law = Law {
    name: "domain_sync",
    promise: "The drop of an async domain waits for all of its functions. The synchronisation to a \
              cookie waits for every function that was scheduled earlier, and for none that was \
              scheduled later.",
    kernel: "kernel/async.c: async_synchronize_cookie_domain() waits until the lowest cookie that is in \
             progress in the domain has reached the cookie that it is given.",
    mend: "A domain on the stack or in driver data must outlive its functions: call \
           async_synchronize_full_domain() before its memory goes. In Rust the drop of the domain \
           does.",
    needs: &[Sight::Steps],
    check: |_| Ok(0),
    mutants: &[Mutant::live("domain_does_not_wait")],
};

/// Judges the steps of one domain; returns how many waits there were.
///
/// # Errors
///
/// How the law was broken, in one sentence.
pub fn check(steps: &[Step]) -> Result<usize, String> {
    let mut scheduled: Vec<u32> = Vec::new();
    let mut pending: Vec<u32> = Vec::new();
    let mut waits = 0;
    let mut dropped = false;
    for step in steps {
        if dropped {
            return Err(format!("{step:?} after the domain has been dropped"));
        }
        match step {
            Step::Scheduled(call) => {
                scheduled.push(*call);
                pending.push(*call);
            }
            Step::Ended(call) => {
                let at = pending.iter().position(|open| open == call);
                let at = at.ok_or_else(|| format!("function {call} ended, but is not pending"))?;
                pending.remove(at);
            }
            Step::Waited(until) => {
                waits += 1;
                // In the order of scheduling.
                let place = |call: &u32| scheduled.iter().position(|other| other == call);
                let limit = match until {
                    Until::Before(call) => place(call),
                    Until::Through(call) => place(call).map(|at| at + 1),
                    Until::All | Until::Dropped => Some(scheduled.len()),
                }
                .ok_or_else(|| format!("a wait for {until:?}, which is not scheduled"))?;
                let early: Vec<_> = scheduled[..limit]
                    .iter()
                    .filter(|call| pending.contains(call))
                    .collect();
                if !early.is_empty() {
                    return Err(format!(
                        "the wait {until:?} returned before {early:?} ended"
                    ));
                }
                // The functions of the test go on until they are told to end, all but those that
                // are waited for.
                if limit < scheduled.len() && pending.len() != scheduled.len() - limit {
                    return Err(format!(
                        "the wait {until:?} returned with {} later functions pending, of {}",
                        pending.len(),
                        scheduled.len() - limit
                    ));
                }
                dropped = *until == Until::Dropped;
            }
        }
    }
    if waits == 0 || scheduled.is_empty() {
        return Err("no wait, or nothing to wait for".to_owned());
    }
    if dropped && !pending.is_empty() {
        return Err(format!("{pending:?} outlived the domain"));
    }
    Ok(waits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::parse;

    const GOOD: &str = "
        scheduled 0
        scheduled 1
        scheduled 2
        scheduled 3
        ended 0
        waited before 1
        ended 1
        waited through 1
        ended 3
        ended 2
        waited all
        scheduled 4
        ended 4
        waited dropped
    ";

    fn verdict(text: &str) -> Result<usize, String> {
        check(&parse(text.lines().filter(|line| !line.trim().is_empty())).unwrap())
    }

    #[test]
    fn holds() {
        assert_eq!(verdict(GOOD), Ok(4));
    }

    #[test]
    fn does_not_wait() {
        for (ended, wait) in [
            ("ended 0", "waited before 1"),
            ("ended 1", "waited through 1"),
            ("ended 2", "waited all"),
            ("ended 4", "waited dropped"),
        ] {
            let late = GOOD
                .replace(&format!("{ended}\n"), "\n")
                .replace(&format!("{wait}\n"), &format!("{wait}\n{ended}\n"));
            let seen = verdict(&late).unwrap_err();
            assert!(seen.contains("before") || seen.contains("after"), "{seen}");
        }
    }

    #[test]
    fn waits_for_later_ones_too() {
        let seen = verdict(&GOOD.replace("waited before 1", "ended 3\n waited before 1"));
        assert!(seen.unwrap_err().contains("later functions"));
    }

    #[test]
    fn nothing_to_judge() {
        assert!(verdict("scheduled 0\n ended 0").is_err());
        assert!(verdict("waited all").is_err());
        assert!(verdict("scheduled 0\n ended 0\n ended 0\n waited all").is_err());
        assert!(verdict("scheduled 0\n waited before 7").is_err());
    }
}
