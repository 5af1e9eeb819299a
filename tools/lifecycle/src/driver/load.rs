// SPDX-License-Identifier: GPL-2.0

//! What a recording says of the loads of a module: its insmod, and the probes of its drivers.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::event::Call;
use crate::life::{Kind, Life, Span};
use crate::{Micros, ProbeType};

/// Who runs a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// An async worker.
    Async,
    /// Who registers the driver or adds the device.
    Sync,
    /// Who writes to `bind` or `drivers_probe`.
    Manual,
}

/// One probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// The device.
    pub device: String,
    /// The driver.
    pub driver: String,
    /// Who ran it.
    pub how: How,
    /// From the beginning of insmod until the device was added; none if it was there already.
    pub added: Option<Micros>,
    /// How long it was waited for, if something but a person had set it off.
    pub waited: Option<Micros>,
    /// From the beginning of insmod until it began.
    pub began: Micros,
    /// How long it took, if it has ended.
    pub took: Option<Micros>,
    /// How much of that went by in requests for firmware, if there were any.
    pub firmware: Option<Micros>,
    /// Its result, if it has ended.
    pub ret: Option<i32>,
    /// How long the remove took that followed, if one did.
    pub remove: Option<Micros>,
}

impl Probe {
    /// When it ended, from the beginning of insmod.
    pub fn ended(&self) -> Option<Micros> {
        Some(self.began + self.took?)
    }

    /// Whether it has bound its device.
    pub fn has_bound(&self) -> bool {
        self.ret == Some(0)
    }
}

/// One insmod of the module, and what came until the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Load {
    /// How long insmod took, if it has returned.
    pub took: Option<Micros>,
    /// Its result, if it has returned.
    pub ret: Option<i32>,
    /// What each driver has asked for.
    pub probe_types: BTreeMap<String, ProbeType>,
    /// All probes of the drivers, in the order in which they began.
    pub probes: Vec<Probe>,
}

impl Load {
    /// What the driver of this name has asked for, if it was registered.
    pub fn probe_type(&self, driver: &str) -> Option<ProbeType> {
        self.probe_types.get(driver).copied()
    }

    /// The probes that nobody asked for in sysfs.
    pub fn initial(&self) -> impl Iterator<Item = &Probe> {
        self.probes.iter().filter(|probe| probe.how != How::Manual)
    }

    /// The devices that were bound without anybody asking for it in sysfs.
    pub fn bound(&self) -> BTreeSet<&str> {
        self.initial()
            .filter(|probe| probe.has_bound())
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
    let insmods: Vec<&Span> = life
        .of(Kind::Call(Call::Insmod))
        .map(|(_, span)| span)
        .filter(|span| span.on == module)
        .collect();
    let mut loads = Vec::new();
    for (number, insmod) in insmods.iter().enumerate() {
        let next = insmods
            .get(number + 1)
            .map_or(Micros(u64::MAX), |next| next.begin);
        let ours = |span: &Span| {
            let driver = span.driver.as_deref().unwrap_or_default();
            drivers.contains(&driver) && (insmod.begin..next).contains(&span.begin)
        };
        loads.push(Load {
            took: insmod.end.map(|end| end - insmod.begin),
            ret: insmod.ret,
            probe_types: life
                .of(Kind::Register)
                .filter(|(_, span)| ours(span))
                .filter_map(|(_, span)| Some((span.driver.clone()?, span.facts.probe_type?)))
                .collect(),
            probes: life
                .of(Kind::Probe)
                .filter(|(_, span)| ours(span))
                .map(|(at, _)| probe(life, at, insmod.begin, next))
                .collect(),
        });
    }
    loads
}

/// A probe, seen from the beginning of an insmod until the next.
fn probe(life: &Life, at: usize, loaded: Micros, next: Micros) -> Probe {
    let probe = &life.spans[at];
    let of_device = |kind: Kind| {
        life.spans
            .iter()
            .filter(move |span| span.kind == kind && span.device == probe.device)
    };
    let length = |span: &Span| Some(span.end? - span.begin);
    let end = probe.end.unwrap_or(life.end);
    // The next probe of the same device has its own remove.
    let again = of_device(Kind::Probe)
        .map(|again| again.begin)
        .filter(|again| probe.begin < *again)
        .min()
        .unwrap_or(next);
    let firmware: Vec<_> = of_device(Kind::Firmware)
        .filter(|request| (probe.begin..=end).contains(&request.begin))
        .filter_map(length)
        .collect();
    Probe {
        device: probe.on.clone(),
        driver: probe.driver.clone().unwrap_or_default(),
        how: how(life, probe),
        added: of_device(Kind::Add)
            .find(|add| (loaded..=probe.begin).contains(&add.begin))
            .map(|add| add.begin - loaded),
        waited: of_device(Kind::Waiting)
            .find(|wait| wait.end == Some(probe.begin))
            .and_then(length),
        began: probe.begin - loaded,
        took: length(probe),
        firmware: (!firmware.is_empty()).then(|| firmware.into_iter().sum()),
        ret: probe.ret,
        remove: of_device(Kind::Remove)
            .find(|remove| (end..again).contains(&remove.begin))
            .and_then(length),
    }
}

/// Who has run a probe.
fn how(life: &Life, probe: &Span) -> How {
    if probe.asynchronous == Some(true) {
        return How::Async;
    }
    let mut by_hand = false;
    let mut outer = probe.parent;
    while let Some(span) = outer.map(|outer| &life.spans[outer]) {
        match span.kind {
            Kind::Init => return How::Sync,
            Kind::Bind | Kind::Attach => by_hand = true,
            _ => {}
        }
        outer = span.parent;
    }
    if by_hand {
        How::Manual
    } else {
        How::Sync
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laws::recorded::tests_support::recording;

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

    fn life(events: &[crate::Event]) -> Life {
        Life::new(events.to_vec(), crate::Probing::Once)
    }

    #[test]
    fn a_life() {
        let events = recording(LIFE);
        let loads = loads(&life(&events), "m", &["d"]);
        let [first, second] = loads.as_slice() else {
            panic!("{loads:?}");
        };
        assert_eq!((first.took, first.ret), (Some(Micros(13_000)), Some(0)));
        assert_eq!(first.probe_type("d"), Some(ProbeType::PreferAsynchronous));
        assert_eq!(first.bound(), BTreeSet::from(["d.0"]));
        assert_eq!(first.all_ended(), Some(Micros(10_000)));

        let [good, bad, again] = first.probes.as_slice() else {
            panic!("{first:?}");
        };
        assert_eq!(good.how, How::Sync);
        assert_eq!((good.added, good.waited), (None, Some(Micros(1_000))));
        assert_eq!(
            (good.began, good.took),
            (Micros(5_000), Some(Micros(3_000)))
        );
        assert_eq!(good.firmware, Some(Micros(1_000)));
        assert_eq!(good.remove, Some(Micros(2_000)));

        assert_eq!((bad.added, bad.ret), (Some(Micros(2_000)), Some(-2)));
        assert_eq!(bad.waited, Some(Micros(5_000)), "for the first device");
        assert_eq!((bad.firmware, bad.remove), (None, None));

        assert_eq!((again.how, again.remove), (How::Manual, None));
        assert_eq!((second.ret, second.probes.len()), (Some(-19), 0));
    }

    #[test]
    fn of_others_nothing() {
        let events = recording(LIFE);
        assert_eq!(loads(&life(&events), "nobody", &["d"]), []);
        let load = &loads(&life(&events), "m", &["nobody"])[0];
        assert_eq!((load.probe_type("nobody"), load.probes.len()), (None, 0));
    }
}
