// SPDX-License-Identifier: GPL-2.0

//! What if other drivers were probed asynchronously: a recorded life, done again.
//!
//! A [`script`] is made of the life: who did what for how long, and what set it off. The probes of
//! the drivers that are to be asynchronous are moved into async functions, and [`run`] runs it by
//! the kernel's rules. What is predicted is the difference to a run of the script as it was.

mod forbid;
mod run;
mod script;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use crate::event::Call;
use crate::life::{Kind, Life, Span};
use crate::Micros;
pub use forbid::{forbidden, Forbidden, Why};
use script::{begin_of, can_be_asynchronous, end_of, script, Choice, Guess};

/// So many drivers are tried, those whose probes take longest.
const CANDIDATES: usize = 24;

/// So many spans are done again to find the order of the drivers.
const ROUNDS: usize = 20_000_000;

/// A driver whose probes took less is not worth a word.
const WORTH_A_WORD: Micros = Micros(1000);

/// A driver that saves less is not advised. A worker that has to be started costs that much.
const WORTH_IT: Micros = Micros(10_000);

/// So much of `driver_async_probe=` the kernel keeps (`drivers/base/dd.c`,
/// `ASYNC_DRV_NAMES_MAX_LEN`).
const MOST_BYTES: usize = 255;

/// What the life does not show may change the answer within these limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Range {
    /// What is likely.
    pub likely: Micros,
    /// The least.
    pub least: Micros,
    /// The most.
    pub most: Micros,
}

/// When something that is waited for is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Goal {
    /// What, in words.
    pub what: String,
    /// In one word.
    pub short: &'static str,
    /// When it was: since boot, or how long a load took.
    pub now: Micros,
    /// When it would be.
    pub then: Range,
}

/// A driver that could be asynchronous.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// Its name.
    pub driver: String,
    /// How many probes of it were synchronous.
    pub probes: usize,
    /// How long they took together.
    pub sum: Micros,
    /// What is gained if it alone is asynchronous, by goal; negative if that is a loss.
    pub alone: Vec<i64>,
    /// What it adds to those before it in the list.
    pub adds: Vec<i64>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WhatIf {
    /// What is waited for: that init runs, that all devices are bound, the loads of modules.
    pub goals: Vec<Goal>,
    /// The drivers that are asynchronous in `then`.
    pub drivers: Vec<String>,
    /// The drivers in the order of gain; of those that were named, all.
    pub candidates: Vec<Candidate>,
    /// The drivers that must not be asynchronous as they are, the slowest first.
    pub forbidden: Vec<Forbidden>,
    /// What the answer rests on that the life does not show, in sentences.
    pub notes: Vec<String>,
}

/// A driver's synchronous probes.
#[derive(Default)]
struct Probes {
    count: usize,
    sum: Micros,
}

/// What if the drivers of these names were probed asynchronously; with none, those that gain.
pub fn what_if(life: &Life, named: &[String]) -> WhatIf {
    // As many as were seen.
    let cpus = life.spans.iter().filter_map(|span| span.cpu);
    let cpus = cpus.collect::<HashSet<_>>().len().max(1) as u64;
    what_if_on(life, named, cpus)
}

/// The same where so many processors run at once.
pub fn what_if_on(life: &Life, named: &[String], cpus: u64) -> WhatIf {
    let simulation = Simulation::new(life, reached(life));
    let probes = synchronous(life);
    let mut by_sum: Vec<(&str, &Probes)> =
        probes.iter().map(|(driver, of)| (*driver, of)).collect();
    by_sum.sort_by_key(|(driver, of)| (Reverse(of.sum), *driver));
    let slowest: Vec<&str> = by_sum.iter().map(|(driver, _)| *driver).collect();
    let forbidden = forbidden(life, &slowest);
    let may = |driver: &str| !forbidden.iter().any(|forbidden| forbidden.driver == driver);
    let mut rest: Vec<Candidate> = by_sum
        .into_iter()
        .filter(|(driver, of)| match named {
            [] => of.sum >= WORTH_A_WORD && may(driver),
            _ => named.iter().any(|name| name == driver),
        })
        .take(CANDIDATES.max(named.len()))
        .map(|(driver, of)| Candidate {
            driver: driver.to_owned(),
            probes: of.count,
            sum: of.sum,
            alone: simulation.gains([driver]),
            adds: vec![],
        })
        .collect();
    let of_both = |gains: &[i64]| gains.iter().take(2).sum::<i64>();
    rest.sort_by_key(|of| Reverse(of_both(&of.alone)));
    // The best one first, and then each time the one that adds most. In a life of hundreds of
    // thousands of spans only the next best alone is tried.
    let mut runs = ROUNDS / life.spans.len().max(1);
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut so_far = simulation.gains([]);
    loop {
        let tried = if runs < rest.len() { 1 } else { rest.len() };
        runs = runs.saturating_sub(tried);
        let with = |of: &Candidate| match candidates.as_slice() {
            [] => of.alone.clone(),
            taken => simulation.gains(taken.iter().chain([of]).map(|of| of.driver.as_str())),
        };
        let gains = rest.iter().take(tried).map(with).enumerate();
        let best = gains.min_by_key(|(_, gains)| Reverse(of_both(gains)));
        let Some((at, gains)) = best else { break };
        let mut of = rest.remove(at);
        let more = gains.iter().zip(&so_far);
        of.adds = more.map(|(with, without)| with - without).collect();
        so_far = gains;
        candidates.push(of);
    }
    // Not the sum: a probe before init that comes earlier lets all that follows come earlier.
    let gains = |of: &&Candidate| {
        let most = of.adds.iter().take(2).copied().max();
        of_both(&of.adds) > 0 && most >= Some(difference(WORTH_IT, Micros(0)))
    };
    let mut drivers: Vec<String> = match named {
        [] => {
            let gain = candidates.iter().filter(gains);
            gain.map(|of| of.driver.clone()).collect()
        }
        _ => named.to_vec(),
    };
    let mut notes = simulation.notes(named, &probes);
    let asked = life.asked.as_deref();
    let mut lengths = (1..=drivers.len()).map(|of| names(asked, &drivers[..of]).len());
    let fit = lengths.position(|length| length > MOST_BYTES);
    let too_many = drivers.split_off(fit.unwrap_or(drivers.len()));
    if !too_many.is_empty() {
        notes.push(format!(
            "The kernel keeps the first {MOST_BYTES} bytes of driver_async_probe=, in which there is no \
             room for {}.",
            too_many.join(", ")
        ));
    }
    WhatIf {
        goals: simulation.goals(drivers.iter().map(String::as_str), cpus),
        notes,
        drivers,
        candidates,
        forbidden,
    }
}

/// The synchronous probes of each driver, those that could be asynchronous. A probe within another
/// one is a part of that.
fn synchronous(life: &Life) -> BTreeMap<&str, Probes> {
    let mut drivers: BTreeMap<&str, Probes> = BTreeMap::new();
    for (at, probe) in life.of(Kind::Probe) {
        let driver = probe.driver.as_deref();
        if let Some(driver) = driver.filter(|_| can_be_asynchronous(life, at)) {
            let of = drivers.entry(driver).or_default();
            of.count += 1;
            of.sum = of.sum + life.length(at);
        }
    }
    drivers
}

/// Something that is waited for, and when it was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// What, in words.
    pub what: String,
    /// In one word.
    pub short: &'static str,
    /// When: since boot, or how long a load took.
    pub now: Micros,
    /// The point that it is counted from.
    from: Option<usize>,
    /// Up to the last of these.
    until: Vec<usize>,
}

struct Simulation<'l> {
    life: &'l Life,
    aims: Vec<Reached>,
    /// How long each aim took in the script as it was, by guess.
    as_it_was: [Vec<Option<Micros>>; 2],
}

/// What the life does not show: how tasks start, and how much of the probes computes.
const GUESSES: [(Guess, u64); 3] = [(Guess::Likely, 0), (Guess::Other, 0), (Guess::Likely, 1000)];

impl<'l> Simulation<'l> {
    fn new(life: &'l Life, aims: Vec<Reached>) -> Self {
        let as_it_was = [Guess::Likely, Guess::Other].map(|guess| {
            let none = Choice {
                guess,
                ..Choice::of([])
            };
            times(life, &aims, &none, 1)
        });
        Self {
            life,
            aims,
            as_it_was,
        }
    }

    /// How long each aim would take. What a run of the script as it was gets wrong is left out.
    fn predicted(&self, choice: &Choice<'_>, cpus: u64) -> Vec<Option<Micros>> {
        let was = &self.as_it_was[usize::from(choice.guess == Guess::Other)];
        let then = times(self.life, &self.aims, choice, cpus);
        let each = self.aims.iter().zip(then).zip(was);
        each.map(|((aim, then), was)| Some(aim.now + then? - (*was)?))
            .collect()
    }

    /// What is gained, by aim, in microseconds.
    fn gains<'c>(&self, names: impl IntoIterator<Item = &'c str>) -> Vec<i64> {
        let then = self.predicted(&Choice::of(names), 1);
        let each = self.aims.iter().zip(then);
        each.map(|(aim, then)| then.map_or(0, |then| difference(aim.now, then)))
            .collect()
    }

    fn goals<'c>(&self, names: impl IntoIterator<Item = &'c str>, cpus: u64) -> Vec<Goal> {
        let names = Choice::of(names);
        let then = GUESSES.map(|(guess, computes)| {
            let choice = Choice {
                guess,
                computes,
                ..names.clone()
            };
            self.predicted(&choice, cpus)
        });
        let goal = |(at, aim): (usize, &Reached)| {
            let then: Option<Vec<Micros>> = then.iter().map(|then| then[at]).collect();
            let then = then?;
            Some(Goal {
                what: aim.what.clone(),
                short: aim.short,
                now: aim.now,
                then: Range {
                    likely: then[0],
                    least: then.iter().copied().min()?,
                    most: then.iter().copied().max()?,
                },
            })
        };
        self.aims.iter().enumerate().filter_map(goal).collect()
    }

    fn notes(&self, named: &[String], probes: &BTreeMap<&str, Probes>) -> Vec<String> {
        let life = self.life;
        let mut notes = Vec::new();
        let without = |name: &&String| !probes.contains_key(name.as_str());
        for name in named.iter().filter(without) {
            let mut probes = life.each(Kind::Probe);
            let has = probes.any(|probe| probe.driver.as_ref() == Some(name));
            notes.push(if has {
                format!("All probes of {name} are asynchronous already, or asked for by hand.")
            } else {
                format!("No probe of a driver {name} is in the log.")
            });
        }
        for (aim, was) in self.aims.iter().zip(&self.as_it_was[0]) {
            if was.is_none() {
                let what = &aim.what;
                notes.push(format!(
                    "No prediction: the log does not show all that \"{what}\" waits for."
                ));
            }
        }
        if life.each(Kind::Probe).any(|probe| probe.driver.is_none()) {
            notes.push(
                "The log does not name the drivers of some probes: before Linux 7.3 the lines of \
                 initcall_debug have only the device. A recording has them (probe-analyze \
                 boot-line)."
                    .to_owned(),
            );
        }
        let task = |probe: &Span| probe.asynchronous == Some(true) || life.pid_of(probe).is_some();
        if !life.each(Kind::Probe).all(task) {
            notes.push(
                "The log does not show which task ran some probes: whether a call becomes shorter \
                 without them is not known."
                    .to_owned(),
            );
        }
        if life.each(Kind::Probe).any(|probe| probe.facts.presumed) {
            notes.push(
                "The log does not show which task ran its probes (CONFIG_PRINTK_CALLER): those during \
                 an initcall, with no other under way, are taken for probes of its task. A worker may \
                 have made some."
                    .to_owned(),
            );
        }
        let has_flush = |boot: usize| life.inside(Kind::Flush, boot).next().is_some();
        if let Some(boot) = life.spans_of(Kind::Boot).find(|boot| !has_flush(*boot)) {
            let took = life.length(boot);
            notes.push(format!(
                "The log does not show when, in the {took} ms between the last initcall and init, \
                 the kernel waited for async work: init may run so much earlier than predicted."
            ));
        }
        if script(life, &Choice::of([])).suppliers_are_guessed {
            notes.push(
                "The log does not show for which device a deferred one waited, where several were \
                 bound before it was tried again."
                    .to_owned(),
            );
        }
        notes
    }
}

/// How long each aim takes, on so many processors.
fn times(life: &Life, aims: &[Reached], choice: &Choice<'_>, cpus: u64) -> Vec<Option<Micros>> {
    let reached = run::run(&script(life, choice), cpus);
    let taken = |aim: &Reached| {
        let until = aim.until.iter().map(|point| reached[*point]);
        let until: Option<Vec<Micros>> = until.collect();
        let from = aim.from.map_or(Some(Micros(0)), |point| reached[point]);
        Some(until?.into_iter().max()? - from?)
    };
    aims.iter().map(taken).collect()
}

/// How long the load of the insmod at this place would take until these probes have ended if this
/// driver were asynchronous, so much of whose probes computes, of 1000, on so many processors.
pub fn load(
    life: &Life,
    insmod: usize,
    probes: &[usize],
    (driver, at): (&str, Option<u64>),
    computes: u64,
    cpus: u64,
) -> Option<Micros> {
    let ended = probes.iter().filter_map(|probe| life.spans[*probe].end);
    let bound = Reached {
        what: String::new(),
        short: "",
        now: ended.max().unwrap_or_default() - life.spans[insmod].begin,
        from: Some(begin_of(insmod)),
        until: probes.iter().copied().map(end_of).collect(),
    };
    let choice = Choice {
        at,
        computes,
        ..Choice::of([driver])
    };
    Simulation::new(life, vec![bound]).predicted(&choice, cpus)[0]
}

/// The async functions that are no probes and that a loader's flush waits for, in words: how long
/// it waits for each.
pub fn others(life: &Life, flush: &Span) -> Vec<(String, Micros)> {
    let mut others: BTreeMap<String, Micros> = BTreeMap::new();
    for (mark, run) in script::scheduled(life) {
        let of = &life.spans[run];
        let probes = life
            .inside(Kind::DriverAttach, run)
            .chain(life.inside(Kind::DeviceAttach, run));
        let waited = of
            .end
            .filter(|end| flush.begin < *end && Some(*end) <= flush.end);
        if let Some(end) = waited.filter(|_| probes.count() == 0) {
            let other = others.entry(scheduled_by(life, mark)).or_default();
            *other = (*other).max(end - flush.begin);
        }
    }
    others.into_iter().collect()
}

/// Which function was scheduled here, and by which driver.
fn scheduled_by(life: &Life, mark: usize) -> String {
    // The symbol is looked up when the trace is read. Where the module is gone by then, the freed
    // init of another one may stand there, and no init is an async function.
    let name = life.spans[mark].on.as_str();
    let name = if name.is_empty() || name.contains("init") || name.starts_with("0x") {
        "an asynchronous function".to_owned()
    } else {
        format!("{name}()")
    };
    let probe = life.around(Kind::Probe, mark);
    match probe.and_then(|probe| probe.driver.as_deref()) {
        Some(driver) => format!("{name}, which a probe of {driver} has scheduled"),
        None => name,
    }
}

/// The value of `driver_async_probe=` with which these drivers are asynchronous, and those that it
/// `asked` for before. With a `*` it names those that are not (`drivers/base/dd.c`,
/// `cmdline_requested_async_probing()`).
pub fn asynchronous(asked: Option<&str>, drivers: &[String]) -> String {
    let list = names(asked, drivers);
    match list.contains(' ') {
        true => format!("\"{list}\""),
        false => list,
    }
}

/// The same without quotation marks, which the kernel takes off.
fn names(asked: Option<&str>, drivers: &[String]) -> String {
    let asked = asked.unwrap_or_default().split(',');
    let mut names: Vec<&str> = asked.filter(|name| !name.is_empty()).collect();
    let is_inverted = names.contains(&"*");
    for driver in drivers {
        match names.iter().position(|name| name == driver) {
            Some(at) if is_inverted => _ = names.remove(at),
            None if !is_inverted => names.push(driver),
            _ => {}
        }
    }
    names.join(",")
}

/// How much longer the one time is, in microseconds.
pub(crate) fn difference(one: Micros, other: Micros) -> i64 {
    let [one, other] = [one, other].map(|time| i64::try_from(time.0).unwrap_or(i64::MAX));
    one - other
}

/// What [`what_if()`] has for goals, as it was.
pub fn reached(life: &Life) -> Vec<Reached> {
    let mut aims = Vec::new();
    if let Some((now, _)) = script::init(life) {
        aims.push(Reached {
            what: "init runs".to_owned(),
            short: "init",
            from: None,
            until: vec![2 * life.spans.len()],
            now,
        });
    }
    let bound: Vec<usize> = life
        .of(Kind::Probe)
        .filter(|(at, span)| {
            let by_hand = life.within(*at, |outer| matches!(outer.kind, Kind::Bind | Kind::Attach));
            span.ret == Some(0) && span.end.is_some() && by_hand.is_none()
        })
        .map(|(at, _)| at)
        .collect();
    if let Some(last) = bound.iter().filter_map(|at| life.spans[*at].end).max() {
        aims.push(Reached {
            what: "all devices are bound".to_owned(),
            short: "bound",
            from: None,
            until: bound.into_iter().map(end_of).collect(),
            now: last,
        });
    }
    let loads = life.spans.iter().enumerate().filter_map(|(at, span)| {
        let loads = matches!(span.kind, Kind::Init | Kind::Call(Call::Insmod));
        let end = span.end.filter(|_| loads && span.parent.is_none())?;
        Some(Reached {
            what: format!("insmod of {}", span.on),
            short: "insmod",
            from: Some(begin_of(at)),
            until: vec![end_of(at)],
            now: end - span.begin,
        })
    });
    let mut loads: Vec<Reached> = loads.collect();
    loads.sort_by_key(|aim| Reverse(aim.now));
    aims.extend(loads);
    aims
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laws::test_life;
    use crate::parse::log;
    use crate::Probing;

    fn life(name: &str) -> Life {
        let path = format!("{}/{name}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        Life::new(log::parse(&text, None).unwrap().events, Probing::Once)
    }

    /// Done again as it was, a life takes as long as it did.
    #[test]
    fn as_it_was() {
        for name in [
            "../probe-analyze/tests/logs/boot.txt",
            "tests/logs/boot_goes_on.txt",
            "tests/logs/boot_probes.txt",
            "tests/logs/boot_waits.txt",
            "tests/logs/c_driver_convoy.txt",
            "tests/logs/convoy_with_calls.txt",
            "tests/logs/initcall_debug.txt",
            "tests/recordings/platform_and_bus.txt",
        ] {
            let life = life(name);
            let simulation = Simulation::new(&life, reached(&life));
            for times in &simulation.as_it_was {
                for (aim, time) in simulation.aims.iter().zip(times) {
                    // A wait that only fits ends a little before the call.
                    let near = time.is_some_and(|time| time.0.abs_diff(aim.now.0) < 500);
                    assert!(near, "{name}: {}: {} {time:?}", aim.what, aim.now);
                }
            }
        }
    }

    /// Two loads of two probes each by drivers `d` and `e`, the one after the other; each line
    /// comes 1 ms after the one before.
    fn loads() -> String {
        let probe = |device, driver| {
            let busy = "9 uevent 5 change\n".repeat(20);
            format!("9 probe {device} drv={driver}\n{busy}9 probe_end 0\n")
        };
        let load = |module, driver, [one, other]: [u32; 2]| {
            format!(
                "9 init {module}\n9 register type=default drv={driver}\n{}{}9 register_end 0\n\
                 9 flush 0\n9 flush_end\n9 init_end 0\n",
                probe(one, driver),
                probe(other, driver)
            )
        };
        load("m", "d", [0, 1]) + &load("n", "e", [2, 3])
    }

    fn saved(what_if: &WhatIf) -> Vec<i64> {
        let goals = what_if.goals.iter();
        goals
            .map(|goal| difference(goal.now, goal.then.likely))
            .collect()
    }

    #[test]
    fn the_best_come_first() {
        let life = test_life::life(&loads());
        let answer = what_if(&life, &[]);
        assert_eq!(answer.drivers, ["d", "e"]);
        // Each load is as long as its longest probe: 22 ms less, but for what scheduling takes.
        assert_eq!(saved(&answer), [43_860, 22_930, 22_930]);
        assert_eq!(answer.candidates[1].adds, answer.candidates[1].alone);
        // If the probes compute, one processor does them one after the other.
        let most = answer.goals[0].then.most;
        assert!(difference(answer.goals[0].now, most) < 5000, "{most}");
        let named = what_if(&life, &["e".to_owned(), "f".to_owned()]);
        assert_eq!(saved(&named), [20_930, 0, 22_930]);
        assert!(named.notes[0].contains("driver f"), "{:?}", named.notes);
    }

    /// A device that is deferred is tried again when the one is bound that it waits for.
    #[test]
    fn a_consumer_follows_its_supplier() {
        let lines =
            "9 register type=default drv=c\n9 probe 0 drv=c\n9 probe_end 517\n9 register_end 0\n\
             9 register type=default drv=s\n9 probe 1 drv=s\n"
                .to_owned()
                + &"9 uevent 5 x\n".repeat(20)
                + "9 bound 1\n9 probe_end 0\n7 probe 0 drv=c\n7 bound 0\n7 probe_end 0\n\
             9 probe 2 drv=s\n"
                + &"9 uevent 5 x\n".repeat(20)
                + "9 bound 2\n9 probe_end 0\n9 register_end 0\n";
        let life = test_life::life(&lines);
        let answer = what_if(&life, &["s".to_owned()]);
        // The second probe of the supplier's driver runs beside the first, and so does the third.
        assert_eq!(saved(&answer).len(), 1);
        assert!(saved(&answer)[0] > 15_000, "{answer:?}");
    }

    /// What a worker does with a device follows the probe of the one that this is below.
    #[test]
    fn a_bus_finds_devices_later() {
        let long = |task| format!("{task} uevent 5 x\n").repeat(20);
        let first = "9 register type=default drv=a\n9 probe 1 drv=a\n".to_owned()
            + &long(9)
            + "9 bound 1\n9 probe_end 0\n9 register_end 0\n\
               9 register type=default drv=b\n9 probe 2 drv=b\n9 bound 2\n9 probe_end 0\n9 register_end 0\n";
        let found = long(8) + "7 add 3\n7 probe 3 drv=c\n7 bound 3\n7 probe_end 0\n7 add_end 0\n";
        let mut life = test_life::life(&(first + &found));
        let saved = |life: &Life| saved(&what_if(life, &["a".to_owned()]))[0];
        let without = saved(&life);
        life.place(&["pci/d.2/host0/d.3".to_owned(), "d.1".to_owned()]);
        assert!(saved(&life) > 18_000, "{without}");
        life.place(&["pci/d.1/host0/d.3".to_owned()]);
        assert!(saved(&life) < 2_000, "{without}");
    }

    /// Two devices that wait for the same one need not wait for each other.
    #[test]
    fn consumers_of_one_supplier() {
        let begins = "9 register type=default drv=c\n9 probe 0 drv=c\n9 probe_end 517\n\
             9 probe 2 drv=c\n9 probe_end 517\n9 register_end 0\n\
             9 register type=default drv=s\n9 probe 1 drv=s\n9 bound 1\n9 probe_end 0\n\
             9 register_end 0\n";
        let long = "7 uevent 5 x\n".repeat(20);
        let retry =
            |device| format!("7 probe {device} drv=c\n{long}7 bound {device}\n7 probe_end 0\n");
        let life = test_life::life(&(begins.to_owned() + &retry(0) + &retry(2)));
        let answer = what_if(&life, &["c".to_owned()]);
        assert!(saved(&answer)[0] > 15_000, "{answer:?}");
    }

    /// A probe during an async one may be in the initcall or within the other probe.
    #[test]
    fn a_probe_of_a_task_that_is_not_known() {
        let log = "\
[    1.000000] calling  5___driver_attach_async_helper+0x0/0xf0 @ 66
[    2.000000] calling  foo_init+0x0/0x10 @ 1
[    2.250000] probe of foo.0 with driver foo returned 0 after 249000 usecs
[    2.251000] initcall foo_init+0x0/0x10 returned 0 after 251000 usecs
[    4.000000] probe of slow.0 with driver slow returned 0 after 2999800 usecs
[    4.000100] initcall 5___driver_attach_async_helper+0x0/0xf0 returned after 3000000 usecs
[    4.100000] Run /sbin/init as init process
";
        let life = Life::new(log::parse(log, None).unwrap().events, Probing::Once);
        let notes = |driver: &str| what_if(&life, &[driver.to_owned()]).notes.join("\n");
        assert!(notes("foo").contains("does not show which task ran some probes"));
        assert!(!notes("foo").contains("asynchronous already"));
        assert!(notes("slow").contains("slow are asynchronous already"));
    }

    #[test]
    fn what_must_not_be() {
        let nested = "9 init m\n9 register type=default mod=m\n9 probe 0\n9 request_module x\n9 add 8\n9 probe 8 drv=f\n\
             9 probe_end 0\n9 add_end 0\n9 probe_end 0\n9 probe 1\n9 add 9\n9 add_end 0\n9 probe_end 0\n\
             9 register_end 0\n9 add 3\n9 probe 3\n9 probe_end 517\n9 add_end 0\n9 init_end 0\n";
        let lines = "9 register type=force drv=f\n9 register_end 0\n".to_owned() + nested;
        let life = test_life::life(&lines);
        let why = &forbidden(&life, &["d"])[0].why;
        let text: Vec<String> = why.iter().map(ToString::to_string).collect();
        for (at, reason) in [
            "request_module() for x",
            "whose driver f",
            "adds d.3 itself",
            "add d.8, d.9",
            "d.3 is deferred",
        ]
        .iter()
        .enumerate()
        {
            assert!(text[at].contains(reason), "{reason}: {text:?}");
        }
        assert_eq!(forbidden(&life, &["f"])[0].why, [Why::Force]);
        // None of them is among the drivers that gain.
        assert!(what_if(&life, &[]).drivers.is_empty());
    }
}
