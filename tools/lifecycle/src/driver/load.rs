// SPDX-License-Identifier: GPL-2.0

//! What a recording says of the loads of a module: its insmod, and the probes of its drivers.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::event::Call;
use crate::life::{How, Kind, Life, Probe, Span};
use crate::{simulate, Micros, ProbeType};

/// A driver: its name, which several drivers of a module may have on several buses, and its number
/// among the drivers of that name that the module registers, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its number.
    pub number: usize,
}

impl Named {
    /// The first of a name.
    pub fn the_first(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            number: 0,
        }
    }
}

/// A driver that a load has registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Registered {
    /// Its name.
    pub name: String,
    /// What it has asked for, if that is recorded.
    pub probe_type: Option<ProbeType>,
    /// Where it is in memory.
    #[serde(skip)]
    pub by: Option<u64>,
    /// Where its bus is in memory.
    #[serde(skip)]
    pub bus: Option<u64>,
}

/// One insmod of the module, and what came until the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Load {
    /// Its span.
    #[serde(skip)]
    pub insmod: usize,
    /// Whether it did not ask for asynchronous probes.
    #[serde(skip)]
    pub is_plain: bool,
    /// How long insmod took, if it has returned.
    pub took: Option<Micros>,
    /// Its result, if it has returned.
    pub ret: Option<i32>,
    /// The drivers, in the order in which they were registered.
    pub drivers: Vec<Registered>,
    /// All probes of the drivers, in the order in which they began. Their times count from the
    /// beginning of insmod; a device that was there before has none of its own.
    pub probes: Vec<Probe>,
    /// When a device was first bound or unbound by hand, or the module unloaded: what comes then
    /// is not the load's.
    pub touched: Option<Micros>,
    /// The devices that were added and are there until then, and the devices whose probes added
    /// them.
    #[serde(skip)]
    pub added: BTreeMap<String, Option<String>>,
    /// The devices that were there no longer then.
    #[serde(skip)]
    pub gone: BTreeSet<String>,
    /// How long its flush waits for async functions that are no probes.
    pub others: Vec<(String, Micros)>,
}

impl Load {
    /// The registration of a driver.
    pub fn registered(&self, driver: &Named) -> Option<&Registered> {
        let mut named = self.drivers.iter().filter(|of| of.name == driver.name);
        named.nth(driver.number)
    }

    /// What a driver has asked for, if it was registered.
    pub fn probe_type(&self, driver: &Named) -> Option<ProbeType> {
        self.registered(driver)?.probe_type
    }

    /// The probes of a driver.
    pub fn of<'l>(&'l self, driver: &'l Named) -> impl Iterator<Item = &'l Probe> {
        let by = self.registered(driver).and_then(|driver| driver.by);
        self.probes.iter().filter(move |probe| {
            probe.driver.as_ref() == Some(&driver.name) && (by.is_none() || probe.by == by)
        })
    }

    /// Whether a probe is the load's own: no writer to sysfs asked for it or set it off.
    pub fn is_own(&self, probe: &Probe) -> bool {
        probe.how != How::Manual && self.touched.is_none_or(|touched| probe.began < touched)
    }

    /// The probes of the load.
    pub fn initial(&self) -> impl Iterator<Item = &Probe> {
        self.probes.iter().filter(|probe| self.is_own(probe))
    }

    /// The devices that the load has bound.
    pub fn bound(&self) -> BTreeSet<&str> {
        self.initial()
            .filter(|probe| probe.has_bound() && !self.gone.contains(&probe.device))
            .map(|probe| probe.device.as_str())
            .collect()
    }

    /// From the beginning of insmod until the last initial probe had ended.
    pub fn all_ended(&self) -> Option<Micros> {
        self.initial().filter_map(Probe::ended).max()
    }
}

/// The loads of a module whose drivers have these names.
pub fn loads(life: &Life, module: &str, drivers: &[&str]) -> Vec<Load> {
    let insmods = life.of(Kind::Call(Call::Insmod));
    let insmods: Vec<(usize, &Span)> = insmods.filter(|(_, span)| span.on == module).collect();
    let probes = life.probes();
    let mut loads = Vec::new();
    for (number, (at, insmod)) in insmods.iter().enumerate() {
        let next = insmods.get(number + 1);
        let until = next.map_or(usize::MAX, |(_, next)| next.began);
        let ours = |driver: Option<&str>, began: usize| {
            drivers.contains(&driver.unwrap_or_default()) && (insmod.began..until).contains(&began)
        };
        let by_hand = |span: &&Span| match span.kind {
            Kind::Call(Call::Bind | Call::Unbind | Call::DriversProbe) => true,
            Kind::Call(Call::Rmmod) => span.on == module,
            _ => false,
        };
        let after = life.spans[*at..].iter();
        let touched = after.take_while(|span| span.began < until).find(by_hand);
        let place = touched.map_or(until, |touched| touched.began);
        let (added, gone) = devices(life, insmod.began..place, insmod.task);
        let mut inits = life.inside(Kind::Init, *at);
        let flush = inits.find_map(|(init, _)| life.loader_waits(init));
        loads.push(Load {
            insmod: *at,
            is_plain: insmod.facts.async_probe != Some(true),
            took: insmod.end.map(|end| end - insmod.begin),
            ret: insmod.ret,
            drivers: life
                .each(Kind::Register)
                .filter(|span| ours(span.driver.as_deref(), span.began))
                .map(|span| Registered {
                    name: span.on.clone(),
                    probe_type: span.facts.probe_type,
                    by: span.facts.by,
                    bus: span.facts.bus,
                })
                .collect(),
            probes: probes
                .iter()
                .filter(|probe| ours(probe.driver.as_deref(), life.spans[probe.span].began))
                .map(|probe| probe.clone().since(insmod.begin))
                .collect(),
            touched: touched.map(|touched| touched.begin - insmod.begin),
            added,
            gone,
            others: flush.map_or(vec![], |flush| simulate::others(life, flush)),
        });
    }
    loads
}

/// The devices that the loader or a probe adds between these places and that stay, with those whose
/// probes add them, and the devices that go.
fn devices(
    life: &Life,
    places: std::ops::Range<usize>,
    loader: Option<usize>,
) -> (BTreeMap<String, Option<String>>, BTreeSet<String>) {
    let mut added = BTreeMap::new();
    let mut gone = BTreeSet::new();
    let first = life.spans.partition_point(|span| span.began < places.start);
    for (at, span) in life.spans.iter().enumerate().skip(first) {
        if places.end <= span.began {
            break;
        }
        match span.kind {
            Kind::Add if span.ret.is_none_or(|ret| ret == 0) => {
                let probe = life.around(Kind::Probe, at);
                // Other tasks add devices, too: those of consoles, for one.
                if probe.is_none() && span.task != loader {
                    continue;
                }
                gone.remove(&span.on);
                added.insert(span.on.clone(), probe.map(|probe| probe.on.clone()));
            }
            // A command of the user's takes its devices back before the module is unloaded.
            Kind::Del if span.task == loader || is_workers(life, span) => {
                added.remove(&span.on);
                gone.insert(span.on.clone());
            }
            _ => {}
        }
    }
    (added, gone)
}

/// Whether a worker of the kernel does this.
fn is_workers(life: &Life, span: &Span) -> bool {
    span.task.is_some_and(|task| life.tasks[task].is_worker())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laws::test_life::life;

    /// Each line comes 1 ms after the one before.
    const LIFE: &str = "
        call insmod m 9
        9 init m
        9 add 1
        9 add_end 0
        9 register
        9 probe 0
        9 firmware f 0
        9 firmware_end 0
        9 probe_end 0
        9 probe 1
        9 probe_end -2
        9 register_end 0
        9 init_end 0
        return insmod m 9 0
        9 release 0
        9 remove 0
        9 cleanup 0
        9 release_end
        9 bind 0
        9 probe 0
        9 probe_end 0
        9 bind_end 0
        call insmod m 9
        return insmod m 9 -19
    ";

    #[test]
    fn a_life() {
        let loads = loads(&life(LIFE), "m", &["d"]);
        let [first, second] = loads.as_slice() else {
            panic!("{loads:?}");
        };
        assert_eq!((first.took, first.ret), (Some(Micros(13_000)), Some(0)));
        let driver = Named::the_first("d");
        let prefer = Some(ProbeType::PreferAsynchronous);
        assert_eq!(first.probe_type(&driver), prefer);
        assert_eq!(first.bound(), BTreeSet::from(["d.0"]));
        assert_eq!(first.all_ended(), Some(Micros(10_000)));

        let [good, bad, again] = first.probes.as_slice() else {
            panic!("{first:?}");
        };
        assert_eq!(good.how, How::Sync);
        assert_eq!((good.added, good.waited), (None, Some(Micros(1_000))));
        assert_eq!(good.began, Micros(5_000));
        assert_eq!(good.took, Some(Micros(3_000)));
        assert_eq!(good.firmware, Some(Micros(1_000)));
        assert_eq!(good.remove, Some(Micros(2_000)));

        assert_eq!((bad.added, bad.ret), (Some(Micros(2_000)), Some(-2)));
        assert_eq!(bad.waited, Some(Micros(5_000)), "for the first device");
        assert_eq!((bad.firmware, bad.remove), (None, None));

        assert_eq!((again.how, again.remove), (How::Manual, None));
        assert_eq!((second.ret, second.probes.len()), (Some(-19), 0));
    }

    #[test]
    fn what_the_user_takes_back() {
        let bound = |pid: u32| {
            let gone = format!("return insmod m 9 0\n{pid} del 0\n{pid} del_end");
            let lines = LIFE.replace("return insmod m 9 0", &gone);
            loads(&life(&lines), "m", &["d"])[0].bound().len()
        };
        assert_eq!((bound(9), bound(31)), (0, 1));
    }

    #[test]
    fn of_others_nothing() {
        let life = life(LIFE);
        assert_eq!(loads(&life, "other", &["d"]), []);
        let load = &loads(&life, "m", &["other"])[0];
        let other = Named::the_first("other");
        assert_eq!((load.probe_type(&other), load.probes.len()), (None, 0));
    }
}
