// SPDX-License-Identifier: GPL-2.0

//! Every law catches what breaks it, and nothing else does: wrong drivers on the running kernel,
//! and doctored logs of it. Each law lists its own.
//!
//! Each wrong driver lives twice: without its defect, when no law may complain, and with it, when
//! its own law must. Without a defect, drivers whose lives are the same live once. The logs that
//! are doctored are recorded in this run.

//@ records: each of its lives is a recording of its own

mod life;
mod live;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use lifecycle::laws::law::Law;
use lifecycle::laws::mutant::{Mutant, MutantKind};
use lifecycle::laws::mutants::{all, broken};
use lifecycle::laws::LAWS;
use lifecycle::{Life, Probing};
use live::Broken;

use crate::kernel::probing;
use crate::{ensure, unmet, Bench, Failure, Test};

/// The mutants that have been caught, by law.
static CAUGHT: Mutex<BTreeMap<&str, usize>> = Mutex::new(BTreeMap::new());

/// The mutant's law complains, and no other that may not.
fn caught(law: &Law, mutant: &Mutant, broken: &Broken) -> Result<(), Failure> {
    let laws: BTreeSet<_> = broken.keys().copied().collect();
    if !laws.contains(law.name) {
        return unmet(
            format!("{} to catch {}", law.name, mutant.name),
            format!("{laws:?} complain"),
        );
    }
    let wrongly: Vec<_> = broken
        .iter()
        .filter(|(of, _)| !mutant.may_break(law.name, of, probing()))
        .map(|(_, says)| says.as_str())
        .collect();
    if wrongly.is_empty() {
        return Ok(());
    }
    unmet(
        format!("{} alone to catch {}", law.name, mutant.name),
        wrongly.join("\n"),
    )
}

/// Nothing complains.
fn clean(what: &str, broken: &Broken) -> Result<(), Failure> {
    let says: Vec<_> = broken.values().map(String::as_str).collect();
    ensure(&format!("what laws say of {what}"), &says, &Vec::new())
}

fn mutant(bench: &mut Bench, law: &Law, mutant: &Mutant) -> Result<(), Failure> {
    let broken = match mutant.kind {
        MutantKind::Live => {
            let life = live::life(law, mutant).ok_or_else(|| {
                Failure::assertion(format!("a life in which {} shows", mutant.name), "none")
            })?;
            if life.is_new(law.name) {
                let broken = live::live(bench, law, &life, "none")?;
                clean("a driver without a defect", &broken)?;
            }
            live::live(bench, law, &life, mutant.name)?
        }
        MutantKind::Recording(edit) => {
            let real = life::recorded(bench)?;
            let edited = edit(&Life::new(real, probing())).ok_or_else(|| {
                Failure::assertion(format!("a place for {}", mutant.name), "none")
            })?;
            let laws = broken(&edited, probing())
                .map_err(|error| Failure::assertion("a plausible recording", error))?;
            laws.into_iter().map(|law| (law, law.to_owned())).collect()
        }
        // Its program has it.
        MutantKind::Apart => Broken::new(),
        MutantKind::Console(of, edit) => {
            (of.check)(of.recorded).map_err(|seen| Failure::assertion("a good console", seen))?;
            let console = edit(of.recorded).unwrap_or_default();
            let verdict = (of.check)(&console).err();
            verdict.into_iter().map(|says| (law.name, says)).collect()
        }
    };
    caught(law, mutant, &broken)?;
    if let Some(says) = broken.get(law.name) {
        let seen = says.lines().find(|line| line.starts_with("seen: "));
        bench.comment(seen.unwrap_or(says));
    }
    if let Ok(mut caught) = CAUGHT.lock() {
        *caught.entry(law.name).or_default() += 1;
    }
    Ok(())
}

/// Whether it can be caught here.
fn is_here(mutant: &Mutant) -> bool {
    mutant.is_on(probing()) && !matches!(mutant.kind, MutantKind::Apart)
}

/// All laws have been broken, and every breach that this kernel allows was caught.
fn score(bench: &mut Bench) -> Result<(), Failure> {
    let caught = CAUGHT.lock().map(|of| of.clone()).unwrap_or_default();
    let with = || LAWS.iter().filter(|law| !law.mutants.is_empty());
    let mut here = 0;
    for law in with() {
        let caught = caught.get(law.name).copied().unwrap_or(0);
        let of_law = law.mutants.iter();
        let total = of_law.filter(|mutant| is_here(mutant)).count();
        here += total;
        bench.figure(format!("{}: {caught} of {total}", law.name));
    }
    let total: usize = caught.values().sum();
    bench.figure(format!("mutants caught: {total} of {here}"));
    for (law, mutant) in all().filter(|(_, mutant)| !mutant.is_on(probing())) {
        let lacks = match probing() {
            Probing::Once => "has no",
            Probing::Twice => "has",
        };
        bench.figure(format!(
            "{}: {} left out, as the kernel {lacks} CONFIG_DEBUG_TEST_DRIVER_REMOVE",
            law.name, mutant.name
        ));
    }
    ensure("the mutants that were caught", &total, &here)?;
    let unbroken = with().filter(|law| !caught.contains_key(law.name));
    ensure("laws that nothing has broken", &unbroken.count(), &0)
}

pub(crate) fn tests() -> Vec<Test> {
    let mut tests: Vec<_> = all()
        .filter(|(_, mutant)| is_here(mutant))
        .map(|(law, one)| {
            Test::new(
                format!("mutants: {}: {}", law.name, one.name),
                move |bench| mutant(bench, law, one),
            )
        })
        .collect();
    // A part of them has no score.
    if std::env::args().nth(1).is_none() {
        tests.push(Test::new("mutants: score", score));
    }
    tests
}
