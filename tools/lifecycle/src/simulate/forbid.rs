// SPDX-License-Identifier: GPL-2.0

//! Which drivers must not be probed asynchronously as they are, as far as a life shows it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem::discriminant;

use derive_more::Display;
use serde::Serialize;

use super::script::can_be_asynchronous;
use crate::errno::EPROBE_DEFER;
use crate::laws::default_type::is_named;
use crate::life::{Kind, Life};
use crate::ProbeType;

/// A driver that must not be asynchronous.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Forbidden {
    /// Its name.
    pub driver: String,
    /// The reasons.
    pub why: Vec<Why>,
}

/// A reason.
#[derive(Clone, Debug, Display, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It asks for `PROBE_FORCE_SYNCHRONOUS`.
    #[display(
        "it asks for PROBE_FORCE_SYNCHRONOUS: its author relies on its devices being bound when the \
         registration returns"
    )]
    Force,
    /// It is asked for by `driver_async_probe=`, and was synchronous all the same: so much does
    /// `driver_allows_async_probing()` (`drivers/base/dd.c`) let a driver decide.
    #[display(
        "driver_async_probe= asks for it already, and its probe of {_0} was synchronous: it asks for \
         PROBE_FORCE_SYNCHRONOUS"
    )]
    Ignored(String),
    /// Its probe calls `request_module()`, which an async function must not wait for
    /// (`kernel/module/kmod.c`, `__request_module()` warns).
    #[display(
        "its probe calls request_module() for {_0}, and an asynchronous function must not wait for a \
         module to be loaded"
    )]
    RequestsModule(String),
    /// Its probe adds a device whose driver insists on being synchronous: the device, the driver.
    #[display("its probe adds {_0}, whose driver {_1} asks for PROBE_FORCE_SYNCHRONOUS")]
    SynchronousChild(String, String),
    /// What its probes add is named in the order of the probes.
    #[display(
        "its probes add {}: the names may depend on the order of the probes", _0.join(", ")
    )]
    NamedInOrder(Vec<String>),
    /// Its init registers it and then adds its device.
    #[display(
        "its module adds {_0} itself after it has registered the driver, and may rely on its being \
         bound then"
    )]
    InitAddsDevice(String),
    /// Its devices stay deferred.
    #[display("the probe of {_0} is deferred to the end of the log")]
    DeferredAtTheEnd(String),
}

/// Of these drivers, those that must not be, in the same order.
pub fn forbidden(life: &Life, drivers: &[&str]) -> Vec<Forbidden> {
    let types: HashMap<&str, ProbeType> = life
        .each(Kind::Register)
        .filter_map(|span| Some((span.driver.as_deref()?, span.facts.probe_type?)))
        .collect();
    let forced = |driver: &str| types.get(driver) == Some(&ProbeType::ForceSynchronous);
    let mut all: HashMap<&str, Vec<Why>> = HashMap::new();
    // Of each reason the first is told.
    let mut add = |driver, reason: Why| {
        let of = all.entry(driver).or_default();
        if !of
            .iter()
            .any(|why| discriminant(why) == discriminant(&reason))
        {
            of.push(reason);
        }
    };
    let mut names: HashMap<&str, BTreeMap<&str, BTreeSet<&str>>> = HashMap::new();
    let mut last: BTreeMap<(&str, &str), Option<i32>> = BTreeMap::new();
    for (at, span) in life.spans.iter().enumerate() {
        let outer = life.around(Kind::Probe, at);
        let outer = outer.and_then(|outer| Some((outer, outer.driver.as_deref()?)));
        match (span.kind, outer) {
            (Kind::Probe, outer) => {
                let Some(driver) = span.driver.as_deref() else {
                    continue;
                };
                last.insert((driver, &span.on), span.ret);
                let is_named = life
                    .asked
                    .as_deref()
                    .is_some_and(|list| is_named(list, Some(driver)));
                let is_told = span.asynchronous == Some(false) && !forced(driver);
                if is_named && is_told && can_be_asynchronous(life, at) {
                    add(driver, Why::Ignored(span.on.clone()));
                }
                if let Some((_, outer)) = outer.filter(|_| forced(driver)) {
                    let child = Why::SynchronousChild(span.on.clone(), driver.to_owned());
                    add(outer, child);
                }
                if let Some(device) = added_by_init(life, at) {
                    add(driver, Why::InitAddsDevice(device.to_owned()));
                }
            }
            (Kind::RequestModule, Some((_, driver))) => {
                add(driver, Why::RequestsModule(span.on.clone()));
            }
            // `0000:00:03.0:wq` or `rig.1.sub` is named after the device that is probed.
            (Kind::Add, Some((probe, driver))) if !span.on.contains(&probe.on) => {
                let of = names.entry(driver).or_default();
                of.entry(&probe.on).or_default().insert(&span.on);
            }
            _ => {}
        }
    }
    for (driver, by_device) in &names {
        if let Some(named) = named_in_order(by_device) {
            add(driver, Why::NamedInOrder(named));
        }
    }
    for ((driver, device), ret) in last {
        if ret == Some(EPROBE_DEFER) {
            add(driver, Why::DeferredAtTheEnd(device.to_owned()));
        }
    }
    let reasons = |driver: &&str| {
        let force = forced(driver).then_some(Why::Force);
        let others = all.remove(*driver).unwrap_or_default();
        let why: Vec<Why> = force.into_iter().chain(others).collect();
        let driver = (*driver).to_owned();
        (!why.is_empty()).then_some(Forbidden { driver, why })
    };
    drivers.iter().filter_map(reasons).collect()
}

/// The device that an init or an initcall added itself, after it had registered its driver: the
/// probe is part of that.
fn added_by_init(life: &Life, probe: usize) -> Option<&str> {
    let add = life.within(probe, |outer| {
        matches!(
            outer.kind,
            Kind::Add | Kind::Register | Kind::Probe | Kind::AsyncWork
        )
    })?;
    let init = life.within(add, |outer| {
        matches!(outer.kind, Kind::Init | Kind::Probe | Kind::AsyncWork)
    })?;
    let span = &life.spans[probe];
    let mut registered = life.inside(Kind::Register, init);
    let by_init = life.spans[add].kind == Kind::Add
        && life.spans[init].kind == Kind::Init
        && registered.any(|(_, of)| of.same_driver(span));
    by_init.then_some(span.on.as_str())
}

/// The name without its number, and the number.
fn numbered(name: &str) -> Option<(&str, &str)> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (stem.len() < name.len()).then(|| name.split_at(stem.len()))
}

/// The names that number what the devices of a driver have, one name each: the devices of one
/// driver have names of one stem, with another number.
fn named_in_order(by_device: &BTreeMap<&str, BTreeSet<&str>>) -> Option<Vec<String>> {
    let mut stems: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for names in by_device.values() {
        let of_device: BTreeMap<&str, &str> = names
            .iter()
            .filter_map(|name| Some((numbered(name)?.0, *name)))
            .collect();
        for (stem, name) in of_device {
            stems.entry(stem).or_default().push(name);
        }
    }
    let differ = |names: &Vec<&str>| names.iter().any(|name| *name != names[0]);
    let named = stems.into_values().find(differ)?;
    Some(named.into_iter().take(3).map(str::to_owned).collect())
}
