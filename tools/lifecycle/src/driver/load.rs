// SPDX-License-Identifier: GPL-2.0

//! What a recording says of the loads of a module: its insmod, and the probes of its drivers.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::event::Call;
use crate::life::{How, Kind, Life, Probe, Span};
use crate::{Micros, ProbeType};

/// One insmod of the module, and what came until the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Load {
    /// How long insmod took, if it has returned.
    pub took: Option<Micros>,
    /// Its result, if it has returned.
    pub ret: Option<i32>,
    /// What each driver has asked for.
    pub probe_types: BTreeMap<String, ProbeType>,
    /// All probes of the drivers, in the order in which they began. Their times count from the
    /// beginning of insmod; a device that was there before has none of its own.
    pub probes: Vec<Probe>,
}

impl Load {
    /// What the driver of this name has asked for, if it was registered.
    pub fn probe_type(&self, driver: &str) -> Option<ProbeType> {
        self.probe_types.get(driver).copied()
    }

    /// The probes that no writer to sysfs asked for.
    pub fn initial(&self) -> impl Iterator<Item = &Probe> {
        self.probes.iter().filter(|probe| probe.how != How::Manual)
    }

    /// The devices that were bound without a write to sysfs.
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
    let probes = life.probes();
    let mut loads = Vec::new();
    for (number, insmod) in insmods.iter().enumerate() {
        let next = insmods.get(number + 1);
        let until = insmod.begin..next.map_or(Micros(u64::MAX), |next| next.begin);
        let ours = |driver: Option<&str>, begin: Micros| {
            drivers.contains(&driver.unwrap_or_default()) && until.contains(&begin)
        };
        loads.push(Load {
            took: insmod.end.map(|end| end - insmod.begin),
            ret: insmod.ret,
            probe_types: life
                .of(Kind::Register)
                .filter(|(_, span)| ours(span.driver.as_deref(), span.begin))
                .filter_map(|(_, span)| Some((span.driver.clone()?, span.facts.probe_type?)))
                .collect(),
            probes: probes
                .iter()
                .filter(|probe| ours(probe.driver.as_deref(), probe.began))
                .map(|probe| probe.clone().since(insmod.begin))
                .collect(),
        });
    }
    loads
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laws::test_life::recording;

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
        assert_eq!(loads(&life(&events), "other", &["d"]), []);
        let load = &loads(&life(&events), "m", &["other"])[0];
        assert_eq!((load.probe_type("other"), load.probes.len()), (None, 0));
    }
}
