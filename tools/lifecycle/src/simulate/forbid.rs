// SPDX-License-Identifier: GPL-2.0

//! Which drivers must not be probed asynchronously as they are, as far as a life shows it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use derive_more::Display;
use serde::Serialize;

use super::script::{probe_types, EPROBE_DEFER};
use crate::life::{Kind, Life, Span};
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
    let types = probe_types(life);
    let forced = |driver: Option<&str>| {
        driver.is_some_and(|driver| types.get(driver) == Some(&ProbeType::ForceSynchronous))
    };
    let mut why: HashMap<&str, Vec<Why>> = HashMap::new();
    let mut names: HashMap<&str, BTreeMap<&str, BTreeSet<&str>>> = HashMap::new();
    let mut last: BTreeMap<(&str, &str), Option<i32>> = BTreeMap::new();
    for (at, span) in life.spans.iter().enumerate() {
        match span.kind {
            Kind::Probe => {
                let Some(driver) = span.driver.as_deref() else {
                    continue;
                };
                last.insert((driver, &span.on), span.ret);
                let outer = life.within(at, |outer| outer.kind == Kind::Probe);
                let outer = outer.and_then(|outer| life.spans[outer].driver.as_deref());
                if let Some(outer) = outer.filter(|_| forced(Some(driver))) {
                    let child = Why::SynchronousChild(span.on.clone(), driver.to_owned());
                    let of = why.entry(outer).or_default();
                    if !of
                        .iter()
                        .any(|why| matches!(why, Why::SynchronousChild(..)))
                    {
                        of.push(child);
                    }
                }
                if let Some(device) = added_by_init(life, at) {
                    let of = why.entry(driver).or_default();
                    if !of.iter().any(|why| matches!(why, Why::InitAddsDevice(_))) {
                        of.push(Why::InitAddsDevice(device.to_owned()));
                    }
                }
            }
            Kind::RequestModule => {
                let probe = life.within(at, |outer| outer.kind == Kind::Probe);
                let driver = probe.and_then(|probe| life.spans[probe].driver.as_deref());
                if let Some(driver) = driver {
                    let of = why.entry(driver).or_default();
                    if !of.iter().any(|why| matches!(why, Why::RequestsModule(_))) {
                        of.push(Why::RequestsModule(span.on.clone()));
                    }
                }
            }
            Kind::Add => {
                let probe = life.within(at, |outer| outer.kind == Kind::Probe);
                let probe = probe.map(|probe| &life.spans[probe]);
                if let Some((probe, driver)) =
                    probe.and_then(|of| Some((of, of.driver.as_deref()?)))
                {
                    if !has_the_name_of(&span.on, &probe.on) {
                        let of = names.entry(driver).or_default();
                        of.entry(&probe.on).or_default().insert(&span.on);
                    }
                }
            }
            _ => {}
        }
    }
    for (driver, by_device) in &names {
        if let Some(named) = named_in_order(by_device) {
            why.entry(driver)
                .or_default()
                .push(Why::NamedInOrder(named));
        }
    }
    for ((driver, device), ret) in last {
        if ret == Some(-EPROBE_DEFER) {
            let of = why.entry(driver).or_default();
            if !of.iter().any(|why| matches!(why, Why::DeferredAtTheEnd(_))) {
                of.push(Why::DeferredAtTheEnd(device.to_owned()));
            }
        }
    }
    let mut forbidden = Vec::new();
    for driver in drivers {
        let mut of = why.remove(driver).unwrap_or_default();
        if forced(Some(driver)) {
            of.insert(0, Why::Force);
        }
        if !of.is_empty() {
            forbidden.push(Forbidden {
                driver: (*driver).to_owned(),
                why: of,
            });
        }
    }
    forbidden
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
    let registered = life
        .inside(Kind::Register, init)
        .any(|(_, of)| of.same_driver(span));
    let by_init = |span: &Span| span.kind == Kind::Init;
    (life.spans[add].kind == Kind::Add && by_init(&life.spans[init]) && registered)
        .then_some(span.on.as_str())
}

/// Whether a name is made of another one: `0000:00:03.0:wq` or `rig.1.sub` of a device of that
/// name.
fn has_the_name_of(child: &str, parent: &str) -> bool {
    child.contains(parent)
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
    let mut named = stems.into_values().find(|names| {
        let different: BTreeSet<_> = names.iter().collect();
        different.len() > 1
    })?;
    named.truncate(3);
    Some(named.into_iter().map(str::to_owned).collect())
}
