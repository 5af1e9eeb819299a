// SPDX-License-Identifier: GPL-2.0

//! Every law catches what breaks it, and nothing else does: wrong drivers on the running kernel,
//! and doctored logs of it. `lifecycle::mutants` lists them.
//!
//! Each wrong driver lives twice: without its defect, when no law may complain, and with it, when
//! its own law must. Without a defect, drivers whose lives are the same live once. The logs that are doctored are recorded in this run.

//@ plain: each of its lives is a recording of its own

mod life;
mod live;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Mutex;

use lifecycle::laws::reboot_in_flight;
use lifecycle::mutants::{doctor, laws, Kind, Mutant, MUTANTS};
use lifecycle::Probing;
use selftests::kernel::probing;
use selftests::{ensure, ktap, Bench, Failure, Test};

/// The console of a guest that was powered off during probes.
const POWER_OFF: &str = include_str!("../../../../../../lifecycle/tests/recordings/power_off.txt");

/// The mutants that have been caught, by law.
static CAUGHT: Mutex<BTreeMap<&str, usize>> = Mutex::new(BTreeMap::new());

/// The laws that a log breaks, with their messages.
type Broken = BTreeMap<&'static str, String>;

/// The mutant's law complains, and no other that may not.
fn caught(mutant: &Mutant, broken: &Broken) -> Result<(), Failure> {
    let laws: BTreeSet<_> = broken.keys().copied().collect();
    if !laws.contains(mutant.law) {
        return Err(Failure::assertion(
            format!("{} to catch {}", mutant.law, mutant.name),
            format!("{laws:?} complain"),
        ));
    }
    let wrongly: Vec<_> = broken
        .iter()
        .filter(|(law, _)| !mutant.may_break(law, probing()))
        .map(|(_, says)| says.as_str())
        .collect();
    if wrongly.is_empty() {
        return Ok(());
    }
    Err(Failure::assertion(
        format!("{} alone to catch {}", mutant.law, mutant.name),
        wrongly.join("\n"),
    ))
}

/// Nothing complains.
fn clean(what: &str, broken: &Broken) -> Result<(), Failure> {
    let says: Vec<_> = broken.values().map(String::as_str).collect();
    ensure(&format!("what laws say of {what}"), &says, &Vec::new())
}

/// Whether the mutant breaks anything on this kernel.
fn is_here(mutant: &Mutant) -> bool {
    mutant.on.is_none_or(|on| on == probing())
}

fn mutant(bench: &mut Bench, mutant: &'static Mutant) -> Result<(), Failure> {
    let broken = match mutant.kind {
        Kind::Live => {
            let life = live::life(mutant).ok_or_else(|| {
                Failure::assertion(format!("a life in which {} shows", mutant.name), "none")
            })?;
            if life.is_new(mutant.law) {
                let broken = live::live(bench, mutant, &life, "none")?;
                clean("a driver without a defect", &broken)?;
            }
            live::live(bench, mutant, &life, mutant.name)?
        }
        Kind::Recording(_) => {
            let real = life::recorded(bench)?;
            let edited = doctor::edit(mutant, &real, probing()).ok_or_else(|| {
                Failure::assertion(format!("a place for {}", mutant.name), "none")
            })?;
            let laws = doctor::broken(&edited, probing())
                .map_err(|error| Failure::assertion("a plausible recording", error))?;
            laws.into_iter().map(|law| (law, law.to_owned())).collect()
        }
        Kind::Console(edit) => {
            reboot_in_flight::check(POWER_OFF)
                .map_err(|seen| Failure::assertion("a good power-off", seen))?;
            let console = edit(POWER_OFF).unwrap_or_default();
            let verdict = reboot_in_flight::check(&console).err();
            verdict.into_iter().map(|says| (mutant.law, says)).collect()
        }
    };
    caught(mutant, &broken)?;
    if let Some(says) = broken.get(mutant.law) {
        let seen = says.lines().find(|line| line.starts_with("seen: "));
        bench.comment(seen.unwrap_or(says));
    }
    if let Ok(mut caught) = CAUGHT.lock() {
        *caught.entry(mutant.law).or_default() += 1;
    }
    Ok(())
}

/// All laws have been broken, and every breach that this kernel allows was caught.
fn score(bench: &mut Bench) -> Result<(), Failure> {
    let caught = CAUGHT
        .lock()
        .map(|caught| caught.clone())
        .unwrap_or_default();
    let (here, elsewhere): (Vec<&Mutant>, Vec<&Mutant>) =
        MUTANTS.iter().partition(|mutant| is_here(mutant));
    for law in laws() {
        let caught = caught.get(law).copied().unwrap_or(0);
        let total = here.iter().filter(|mutant| mutant.law == law).count();
        bench.figure(format!("{law}: {caught} of {total}"));
    }
    let all: usize = caught.values().sum();
    bench.figure(format!("mutants caught: {all} of {}", here.len()));
    for Mutant { law, name, .. } in elsewhere {
        let lacks = match probing() {
            Probing::Once => "has no",
            Probing::Twice => "has",
        };
        bench.figure(format!(
            "{law}: {name} left out, as the kernel {lacks} CONFIG_DEBUG_TEST_DRIVER_REMOVE"
        ));
    }
    ensure("the mutants that were caught", &all, &here.len())?;
    let unbroken = laws().into_iter().filter(|law| !caught.contains_key(law));
    ensure("laws that nothing has broken", &unbroken.count(), &0)
}

pub(crate) fn main() -> ExitCode {
    let mut tests: Vec<_> = MUTANTS
        .iter()
        .filter(|mutant| is_here(mutant))
        .map(|one| {
            Test::new(
                format!("mutants: {}: {}", one.law, one.name),
                move |bench| mutant(bench, one),
            )
        })
        .collect();
    // A part of them has no score.
    if std::env::args().nth(1).is_none() {
        tests.push(Test::new("mutants: score", score));
    }
    ktap::run(tests)
}
