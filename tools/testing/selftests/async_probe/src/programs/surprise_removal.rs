// SPDX-License-Identifier: GPL-2.0

//! Several devices of one driver are plugged in and out while they are probed: each that is
//! unplugged is removed once, after its probe, and the others are left alone.

//@ boots: hotplug

use lifecycle::laws::surprise_removal;

use crate::hotplug::Slot;
use crate::{ensure, skip, sysfs, Bench, Failure, Test};

const MODULE: &str = "slow_pci_driver";
/// What that driver drives.
const MODEL: &str = "pci-testdev";
const SLOTS: [Slot; 3] = [Slot(0x10), Slot(0x11), Slot(0x12)];

fn is_bound(slot: Slot) -> bool {
    sysfs::driver_on("/sys/bus/pci", &slot.device()).as_deref() == Some(MODULE)
}

/// Loads the driver, and plugs devices in: their probes, of 8 seconds, are under way then.
fn take_off(bench: &mut Bench) -> Result<(), Failure> {
    if !bench.module(MODULE).exists() {
        return skip(format!("{MODULE} is not built"));
    }
    bench.firmware().put_good("slow_pci")?;
    bench.record()?;
    bench.insmod(MODULE, "")?;
    for slot in SLOTS {
        slot.plug(MODEL)?;
    }
    // The link to the driver is there before the probe begins.
    sysfs::wait_for("the probes to begin", || SLOTS.into_iter().all(is_bound))
}

/// Plugs out what is left, and judges.
fn land(bench: &mut Bench, cases: usize) -> Result<(), Failure> {
    for slot in SLOTS.into_iter().filter(|slot| slot.is_taken()) {
        slot.unplug()?;
    }
    bench.rmmod(MODULE)?;
    bench.recording()?.demand(surprise_removal::LAW.name, cases)
}

/// One of three, in the middle of its probe.
fn one(bench: &mut Bench) -> Result<(), Failure> {
    take_off(bench)?;
    SLOTS[0].unplug()?;
    let bound = SLOTS.map(is_bound);
    ensure("devices that are bound", &bound, &[false, true, true])?;
    // The other probes began at about the same time: they end before their devices go.
    std::thread::sleep(std::time::Duration::from_secs(1));
    land(bench, 1)
}

/// One, and a new one in its slot, which is a device of its own; the others are probed meanwhile.
fn again(bench: &mut Bench) -> Result<(), Failure> {
    take_off(bench)?;
    for _ in 0..2 {
        SLOTS[1].unplug()?;
        SLOTS[1].plug(MODEL)?;
        sysfs::wait_for("a probe to begin", || is_bound(SLOTS[1]))?;
    }
    land(bench, 3)
}

/// The driver is unloaded after the device is unplugged.
fn all(bench: &mut Bench) -> Result<(), Failure> {
    take_off(bench)?;
    land(bench, 1)
}

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("surprise_removal: one of three devices", one),
        Test::new("surprise_removal: a new device in the same slot", again),
        Test::new("surprise_removal: all devices", all),
    ]
}
