// SPDX-License-Identifier: GPL-2.0

//! What is reported of a driver: as text, and for programs.

use std::collections::{BTreeMap, BTreeSet};

use lifecycle::driver::Verdict::{Already, Forbidden};
use lifecycle::driver::{advise, loads, text, Advice, Facts, Load, Named};
use lifecycle::event::Call;
use lifecycle::laws::nothing_outlives;
use lifecycle::parse::recording;
use lifecycle::{errno, Event, Micros, What};
use serde::Serialize;

use super::evidence::{Evidence, Fault};
use super::fault::{faults, only_one, statics};
use super::laws::{judge_all, Law};
use super::life::{negative, Driver, Life};
use super::symbols::Symbols;
use crate::config::Config;
use crate::console::Splat;

/// The version of `report.json`. It changes when a reader of the one before would go wrong.
const VERSION: u32 = 2;

const WIDTH: usize = 80;

/// What gives a driver another device.
const ANOTHER: &str =
    "A module that registers another (WITH), a parameter (PARAMS) or DEVICE gives it \
                       one.";

/// What was checked, on what.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Subject {
    pub module: String,
    pub parameters: String,
    /// What was loaded with it, as it was named.
    pub with: String,
    /// Devices of QEMU's, as they were named.
    pub devices: String,
    /// The kernel, as `uname -r` prints it.
    pub kernel: String,
    /// The machine, in words.
    pub machine: String,
    /// The kinds of faults that this kernel does not see, and the kernel that does.
    pub unseen: Vec<(&'static str, &'static str)>,
}

/// What an option of the kernel lets one see, and the lab's kernel that has it.
const SEES: &[(&str, &str, &str)] = &[
    (
        "CONFIG_KASAN=y",
        "accesses to freed memory that leave no trace in it",
        "debug",
    ),
    (
        "CONFIG_PROVE_LOCKING=y",
        "locks that a probe still holds when it returns, or takes in the wrong order",
        "debug",
    ),
    (
        "CONFIG_DEBUG_KMEMLEAK=y",
        "memory and IDAs that are left",
        "debug",
    ),
    (
        "CONFIG_DEBUG_SHIRQ=y",
        "memory that is freed before free_irq() of the shared interrupt that uses it",
        "debug",
    ),
    (
        "CONFIG_DMA_API_DEBUG=y",
        "mappings for DMA that a driver of a PCI device leaves",
        "debug",
    ),
    (
        "CONFIG_KCSAN=y",
        "accesses without a lock that leave the same values",
        "debug-kcsan",
    ),
];

/// What a kernel of this configuration does not see.
pub(crate) fn unseen(config: &Config) -> Vec<(&'static str, &'static str)> {
    let others = SEES.iter().filter(|(option, ..)| !config.holds(option));
    others.map(|(_, what, kernel)| (*what, *kernel)).collect()
}

/// What one driver is advised.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Advised {
    pub driver: Driver,
    /// Which of those of its name it is.
    #[serde(skip)]
    pub named: Named,
    #[serde(flatten)]
    pub advice: Advice,
}

/// The report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub version: u32,
    /// What was checked, on what.
    #[serde(flatten)]
    pub subject: Subject,
    /// The faults of the driver.
    pub faults: Vec<Fault>,
    /// The laws, by name.
    pub laws: Vec<Law>,
    /// A plain insmod.
    pub plain: Option<Load>,
    /// One with `async_probe`.
    pub async_probe: Option<Load>,
    /// How long the insmod or rmmod of an unrelated module has waited for the probes.
    pub unrelated_waited: Option<Micros>,
    /// The drivers, and what they are advised.
    pub drivers: Vec<Advised>,
    /// That only one device at a time can be bound, if the probe itself refuses others.
    pub only_one: Option<String>,
    /// What else was seen.
    pub notes: Vec<String>,
    /// The files of the recordings, beside the report.
    pub recordings: Vec<String>,
}

/// A part of the life, read.
pub(crate) type Parts = BTreeMap<String, Vec<Event>>;

impl Report {
    /// The report of a life on so many processors, which may take turns.
    pub(crate) fn of(
        subject: Subject,
        life: &Life,
        parts: &Parts,
        (cpus, turns): (u64, bool),
        (splats, blocked): (&[Splat], Vec<String>),
        symbols: &Symbols,
    ) -> Self {
        let lives: BTreeMap<&str, lifecycle::Life> = life
            .parts
            .iter()
            .filter_map(|part| {
                let probing = recording::probing(&part.recording);
                let events = parts.get(&part.name)?.clone();
                Some((part.name.as_str(), lifecycle::Life::new(events, probing)))
            })
            .collect();
        let laws = judge_all(&lives);
        let faults = faults(&Evidence {
            module: &subject.module,
            told: life,
            parts: &lives,
            laws: &laws,
            splats,
            blocked,
            symbols,
        });
        // What breaks a law is told apart.
        let others = faults.iter().filter(|fault| fault.law.is_none());
        let others = others.map(|fault| fault.what.clone());
        let complaints: Vec<String> = others.collect();
        let broken: Vec<_> = laws
            .iter()
            .filter(|law| law.broken.is_some())
            .map(|law| law.law)
            .collect();
        let names: Vec<_> = life
            .drivers
            .iter()
            .map(|driver| driver.name.as_str())
            .collect();
        let all = |part: &str| {
            let life = lives.get(part);
            life.map_or(vec![], |life| loads(life, &subject.module, &names))
        };
        let first = |part: &str| all(part).into_iter().next();
        let (plain, async_probe) = (first("load"), first("async_probe"));
        let again = all("in_flight").into_iter().find(|load| load.is_plain);
        let unrelated_waited = lives.get("in_flight").and_then(|life| {
            life.waits
                .iter()
                .filter(|wait| wait.doing.ends_with(" of unrelated") && !wait.on.is_empty())
                .filter_map(|wait| Some(wait.end? - wait.begin))
                .max()
        });
        let computed = life
            .first("computed")
            .and_then(|micros| micros.parse().ok());
        let shared = statics(life, [&plain, &again, &async_probe].map(Option::as_ref));
        let mut drivers = Vec::new();
        for driver in &life.drivers {
            let (Some(plain), Some(recorded)) = (plain.as_ref(), lives.get("load")) else {
                continue;
            };
            let named = named(driver, plain, &drivers);
            let mut advice = advise(&Facts {
                driver: &named,
                devices: driver.devices,
                plain,
                life: recorded,
                asynchronous: async_probe.as_ref(),
                again: again.as_ref(),
                broken: &broken,
                complaints: &complaints,
                convoy: unrelated_waited,
                computed: computed.map(Micros),
                cpus,
                turns,
            });
            if !shared.is_empty() && advice.verdict != Already {
                if advice.verdict != Forbidden {
                    // How long its probes take stays true, and no prediction does.
                    advice.why.truncate(1);
                }
                advice.verdict = Forbidden;
                advice.why.extend(shared.iter().cloned());
            }
            drivers.push(Advised {
                driver: driver.clone(),
                named,
                advice,
            });
        }
        let by_itself = only_one(life).filter(|fault| fault.seen.is_empty());
        Self {
            version: VERSION,
            faults,
            laws,
            plain,
            async_probe,
            unrelated_waited,
            drivers,
            only_one: by_itself.map(|fault| {
                format!(
                    "{}: its own probe refuses it, and no registration in it",
                    fault.what
                )
            }),
            notes: notes(life, parts, lives.values())
                .iter()
                .map(|note| symbols.name(note))
                .collect(),
            recordings: life
                .parts
                .iter()
                .map(|part| format!("{}.txt", part.name))
                .collect(),
            subject,
        }
    }

    /// The laws that are broken.
    pub(crate) fn broken(&self) -> impl Iterator<Item = &Law> {
        self.laws.iter().filter(|law| law.broken.is_some())
    }

    /// Whether a device was bound.
    pub(crate) fn has_bound(&self) -> bool {
        self.drivers.iter().any(|of| of.driver.devices > 0)
            || self
                .plain
                .as_ref()
                .is_some_and(|load| !load.bound().is_empty())
    }

    /// The devices that drivers on PCI have bound.
    pub(crate) fn bound_on_pci(&self) -> BTreeSet<&str> {
        let is_on_pci = self.drivers.iter().any(|of| of.driver.bus == "pci");
        let plain = self.plain.iter().filter(|_| is_on_pci);
        let bound = plain.flat_map(|load| load.bound());
        // As the kernel names them: 0000:00:02.0.
        bound
            .filter(|device| device.matches(':').count() == 2)
            .collect()
    }

    /// The drivers that have had no second device.
    fn alone(&self) -> impl Iterator<Item = String> + '_ {
        let drivers = self.drivers.iter().filter(|of| {
            let plain = self.plain.iter().flat_map(|plain| plain.of(&of.named));
            let probed: BTreeSet<&str> = plain.map(|probe| probe.device.as_str()).collect();
            of.driver.devices == 1 && probed.len() <= 1
        });
        drivers.map(|of| format!("{} on {}", of.driver.name, of.driver.bus))
    }

    /// With what the probes have failed, if all have.
    pub(crate) fn failures(&self) -> Option<String> {
        let probes = self.plain.as_ref().filter(|_| !self.has_bound())?.initial();
        let mut results: BTreeSet<String> = BTreeSet::new();
        for probe in probes {
            if probe.has_bound() {
                return None;
            }
            results.insert(probe.result());
        }
        let results: Vec<String> = results.into_iter().collect();
        (!results.is_empty()).then(|| results.join(", "))
    }

    /// Whether there is more to tell than that nothing came of it.
    pub(crate) fn tells(&self) -> bool {
        self.has_bound()
            || !self.faults.is_empty()
            || self.laws.iter().any(|law| law.cases > 0)
            || self.broken().count() > 0
    }

    /// How many faults there are, and which.
    pub(crate) fn faulty(&self) -> String {
        let Subject {
            module, parameters, ..
        } = &self.subject;
        let verdict = match self.faults.len() {
            0 => "no fault was seen".to_owned(),
            1 => "one fault".to_owned(),
            count => format!("{count} faults"),
        };
        let first = format!("{module} {parameters}").trim_end().to_owned() + ": " + &verdict;
        let mut out = wrapped(&first, "");
        for Fault { what, seen, .. } in &self.faults {
            out += &wrapped(what, "  ");
            out.extend(seen.iter().map(|line| wrapped(line, "    ")));
        }
        out.extend(self.only_one.iter().map(|what| wrapped(what, "  ")));
        out
    }

    /// The report for a terminal of 80 columns. Ends with a line feed.
    pub(crate) fn text(&self) -> String {
        let Subject {
            with,
            devices,
            kernel,
            machine,
            unseen,
            ..
        } = &self.subject;
        let mut lines = Vec::new();
        if !with.is_empty() {
            lines.push(format!("with {with}"));
        }
        if !devices.is_empty() {
            lines.push(format!("on {devices}"));
        }
        lines.push(format!("Linux {kernel}, {machine}"));
        let mut out = self.faulty();
        for Advised { driver, advice, .. } in &self.drivers {
            let Driver { bus, name, .. } = driver;
            let mut others = self.drivers.iter().map(|of| &of.driver);
            let on = match others.any(|of| of.name == *name && of.bus != *bus) {
                true => format!(" on {bus}"),
                false => String::new(),
            };
            let what = &advice.verdict;
            out += &wrapped(&format!("{name}{on} {what}: {}", advice.in_brief()), "  ");
        }
        out.extend(lines.iter().map(|line| wrapped(line, "")));

        let (of_use, others): (Vec<_>, Vec<_>) = self
            .laws
            .iter()
            .partition(|law| law.broken.is_some() || law.cases > 0);
        let rows: Vec<_> = of_use
            .into_iter()
            .map(|law| (law.law, law.broken.is_none().then_some(law.cases)))
            .collect();
        out += &format!("\n{}", text::laws(&rows));
        let others: Vec<&str> = others.iter().map(|law| law.law).collect();
        out += &wrapped(&format!("no case: {}", others.join(", ")), "");
        if let Some(plain) = &self.plain {
            let mut table = vec![("plain", plain)];
            table.extend(self.async_probe.iter().map(|load| ("async_probe", load)));
            out += &format!("\n{}", text::loads(&table));
            out +=
                "\nAll times are in milliseconds; added, began and all bound count from insmod.\n";
        }
        for Advised {
            driver,
            named,
            advice,
        } in &self.drivers
        {
            let Driver { bus, name, .. } = driver;
            let asks = advice
                .probe_type
                .map_or(String::new(), |probe_type| format!(", {probe_type}"));
            let verdict = &advice.verdict;
            out += &format!(
                "\n{}",
                wrapped(&format!("{name} on {bus}{asks}: {verdict}"), "")
            );
            out.extend(
                self.plain
                    .as_ref()
                    .and_then(|plain| text::probes(plain, named)),
            );
            out.extend(advice.why.iter().map(|line| wrapped(line, "  ")));
        }
        if !self.notes.is_empty() {
            out += "\nSeen besides:\n";
            out.extend(self.notes.iter().map(|note| wrapped(note, "  ")));
        }
        let alone: Vec<String> = self.alone().collect();
        if !alone.is_empty() {
            let what = format!(
                "Not tried: two devices at once of {}, which has bound one. {ANOTHER}",
                alone.join(" or ")
            );
            out += &format!("\n{}", wrapped(&what, ""));
        }
        for kernel in ["debug", "debug-kcsan"] {
            let of = unseen.iter().filter(|(_, sees)| *sees == kernel);
            let what: Vec<&str> = of.map(|(what, _)| *what).collect();
            if !what.is_empty() {
                let what = format!("Seen with KERNELS={kernel} only: {}.", what.join("; "));
                out += &format!("\n{}", wrapped(&what, ""));
            }
        }
        for broken in self.broken().filter_map(|law| law.broken.as_ref()) {
            out.push('\n');
            out.extend(broken.lines().map(|line| wrapped(line, "  ")));
        }
        out
    }
}

/// Which of the drivers of its name a driver is: the one on its bus, or the one that has bound one
/// of its devices, or the first that is left.
fn named(driver: &Driver, plain: &Load, others: &[Advised]) -> Named {
    let of_name = plain.drivers.iter().filter(|of| of.name == driver.name);
    let all = (0..of_name.count()).map(|number| Named {
        name: driver.name.clone(),
        number,
    });
    let mut free = all.filter(|named| !others.iter().any(|other| other.named == *named));
    let has = |named: &Named| {
        let mut probes = plain.of(named).filter(|probe| probe.has_bound());
        probes.any(|probe| driver.has.contains(&probe.device))
    };
    let on_bus = |named: &Named| {
        let registered = plain.registered(named).and_then(|of| of.bus);
        driver.at.is_some() && registered == driver.at
    };
    let own = free.clone().find(on_bus).or_else(|| free.clone().find(has));
    own.or_else(|| free.next())
        .unwrap_or_else(|| Named::the_first(&driver.name))
}

/// What else was seen, in sentences.
fn notes<'a>(
    life: &Life,
    parts: &Parts,
    lives: impl Iterator<Item = &'a lifecycle::Life>,
) -> Vec<String> {
    let mut notes = Vec::new();
    for driver in life.drivers.iter().filter(|driver| driver.fixed) {
        notes.push(format!(
            "{} on {} has no bind and unbind in sysfs (suppress_bind_attrs): its devices were not \
             bound again.",
            driver.name, driver.bus
        ));
    }
    for event in parts.get("load").map_or(&[][..], Vec::as_slice) {
        let What::CallReturned { call, on, ret, .. } = &event.what else {
            continue;
        };
        if matches!(call, Call::Bind | Call::Unbind) && *ret != 0 {
            notes.push(format!("{call} of {on}: {}.", errno::name(*ret)));
        }
    }
    for (what, words) in &life.said {
        let (first, rest) = words.split_once(' ').unwrap_or((words, ""));
        notes.push(match what.as_str() {
            "refused_async" => format!("insmod with async_probe fails: {}.", negative(words)),
            "bound_to_stay" => format!(
                "{first} cannot be unloaded ({}): the driver was not tried before its devices.",
                negative(rest)
            ),
            "command" => format!("The command {} failed: {rest}.", first.to_uppercase()),
            "lacks" => lacks(words),
            "untried" => format!("Not tried: {words}, as the kernel has no CONFIG_PM_SLEEP_DEBUG."),
            "unwatched" => {
                format!("This kernel does not show whether the driver takes these back: {words}.")
            }
            "unsettled" => format!("Something was still under way after {first} seconds."),
            _ => continue,
        });
    }
    notes.dedup();
    notes.extend(lives.filter_map(nothing_outlives::unwaited).take(1));
    notes
}

/// What `request_module()` has not found, and what that is.
pub(crate) fn lacks(words: &str) -> String {
    let (name, modules) = words.split_once(' ').unwrap_or((words, ""));
    format!(
        "request_module() has asked for {name}, which is {modules}, and not found it: the guest has \
         only what is named. WITH={} before the module that asks loads it.",
        modules.split(' ').next().unwrap_or(modules)
    )
}

/// Lines of at most 80 columns, all but the first further in.
fn wrapped(text: &str, indent: &str) -> String {
    let further = format!("{indent}  ");
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(indent)
        .subsequent_indent(&further);
    textwrap::fill(text, options) + "\n"
}

#[cfg(test)]
mod tests {
    use lifecycle::Probing;

    use super::*;

    #[test]
    fn what_was_seen_besides() {
        for (told, note) in [
            (
                "fixed platform d",
                "d on platform has no bind and unbind in sysfs",
            ),
            ("refused_async 22", "insmod with async_probe fails: EINVAL."),
            (
                "bound_to_stay rig 16",
                "rig cannot be unloaded (EBUSY): the driver was not",
            ),
            (
                "command after exit status: 1",
                "The command AFTER failed: exit status: 1.",
            ),
            (
                "untried suspend",
                "Not tried: suspend, as the kernel has no",
            ),
            (
                "unsettled 5",
                "Something was still under way after 5 seconds.",
            ),
            (
                "lacks usbfunc:acm usb_f_acm",
                "usbfunc:acm, which is usb_f_acm, and not found",
            ),
        ] {
            let life = Life::read(&format!("check: driver 1 platform d\ncheck: {told}\n"));
            let notes = notes(&life, &Parts::new(), [].iter());
            assert!(notes.len() == 1 && notes[0].contains(note), "{notes:?}");
        }
    }

    #[test]
    fn what_was_not_tried() {
        let console = include_str!("../../../../lifecycle/tests/consoles/dump.txt");
        let mut ended = Life::read("check: part load\n");
        ended.died(console, "7.3.4", Probing::Once);
        for (devices, is_alone) in [(0, false), (1, true), (2, false)] {
            let mut life = Life::read(&format!("check: driver {devices} platform err_dwork\n"));
            life.parts.clone_from(&ended.parts);
            let parts = life.parts.iter();
            let parts = parts.map(|part| (part.name.clone(), part.events().unwrap()));
            let subject = Subject {
                module: "err_dwork".to_owned(),
                unseen: vec![("memory that is left", "debug")],
                ..Subject::default()
            };
            let seen = (&[][..], vec![]);
            let symbols = Symbols::default();
            let report = Report::of(subject, &life, &parts.collect(), (2, true), seen, &symbols);
            let text = report.text();
            let alone = "Not tried: two devices at once of err_dwork on platform";
            assert_eq!(text.contains(alone), is_alone, "{text}");
            assert!(
                text.contains("Seen with KERNELS=debug only: memory that is left."),
                "{text}"
            );
            // Its probe has not ended.
            assert_eq!(report.failures().is_some(), devices == 0, "{text}");
        }
    }
}
