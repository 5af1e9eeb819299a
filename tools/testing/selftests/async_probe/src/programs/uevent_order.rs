// SPDX-License-Identifier: GPL-2.0

//! The bind uevent follows the end of the probe, the unbind uevent follows the remove: a
//! daemon that waits for them finds the device bound, or free.

//@ boots: two_nodes

use std::time::Duration;

use lifecycle::event::Call;
use lifecycle::{ProbeType, What};

use crate::firmware_dir::FirmwareDir;
use crate::samples::{driver_of, ensure_bound, ensure_free, Driver, PLATFORM};
use crate::uevents::{Uevent, Uevents};
use crate::{ensure, Bench, Failure, Order, Test};

const DEVICES: usize = 3;

/// Far longer than any probe here.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longer than a uevent takes.
const MOMENT: Duration = Duration::from_millis(100);

/// Waits for a uevent of one of our devices.
fn next(uevents: &Uevents, action: &str) -> Result<Uevent, Failure> {
    loop {
        let uevent = uevents
            .next(PATIENCE)?
            .ok_or_else(|| Failure::assertion(format!("a uevent {action}"), "none"))?;
        if PLATFORM.owns(&uevent.name) && uevent.action == action {
            return Ok(uevent);
        }
    }
}

/// A daemon that waits for uevents, and not for insmod, finds the devices bound, or free.
fn instead_of_insmod(
    bench: &mut Bench,
    probe_type: ProbeType,
    parameter: &str,
) -> Result<(), Failure> {
    bench.record()?;
    let uevents = Uevents::open()?;
    let driver = Driver::slow(probe_type);
    bench.insmod(PLATFORM.devices, &format!("devices={DEVICES}"))?;
    bench.insmod_in_background(PLATFORM.module, format!("{driver} {parameter}").trim_end());
    for _ in 0..DEVICES {
        let device = next(&uevents, "bind")?.name;
        ensure_bound(&device)?;
        let ended = bench.events()?.iter().any(
            |event| matches!(&event.what, What::ProbeEnded { device: of, ret: 0, .. } if *of == device),
        );
        ensure(&format!("the end of the probe of {device}"), &ended, &true)?;
    }
    bench.join()?;

    let device = PLATFORM.device(0);
    bench.write(Call::Unbind, &device)?;
    ensure(
        "the unbind uevent",
        &next(&uevents, "unbind")?.name,
        &device,
    )?;
    ensure_free(&device)?;
    bench.write(Call::Bind, &device)?;
    ensure("the bind uevent", &next(&uevents, "bind")?.name, &device)?;

    bench.rmmod(PLATFORM.module)?;
    for _ in 0..DEVICES {
        let device = next(&uevents, "unbind")?.name;
        ensure("driver at the unbind uevent", &driver_of(&device), &None)?;
    }
    ensure("more uevents", &uevents.next(MOMENT)?.filter(ours), &None)?;
    bench.rmmod(PLATFORM.devices)?;

    let recording = bench.recording()?;
    // Each device is bound and unbound, device 0 twice.
    recording.demand("uevent_order", 2 * (DEVICES + 1))
}

fn ours(uevent: &Uevent) -> bool {
    PLATFORM.owns(&uevent.name)
}

/// A probe that fails sends no uevent.
fn failed_probe(bench: &mut Bench) -> Result<(), Failure> {
    let failing = PLATFORM.device(0);
    FirmwareDir::machine_must_lack(&failing)?;
    bench.record()?;
    let uevents = Uevents::open()?;
    bench.firmware().put_good(&PLATFORM.device(1))?;
    let driver = Driver::slow(ProbeType::PreferAsynchronous).own_files();
    bench.load(Order::DevicesFirst, 2, driver, "")?;
    ensure(
        "the bind uevent",
        &next(&uevents, "bind")?.name,
        &PLATFORM.device(1),
    )?;
    ensure("more uevents", &uevents.next(MOMENT)?.filter(ours), &None)?;
    for module in [PLATFORM.module, PLATFORM.devices] {
        bench.rmmod(module)?;
    }
    bench.recording()?.demand("uevent_order", 3)
}

pub(crate) fn tests() -> Vec<Test> {
    use ProbeType::{ForceSynchronous, PreferAsynchronous};
    let mut tests = Vec::new();
    for (name, probe_type, parameter) in [
        ("async probes", PreferAsynchronous, ""),
        (
            "async probes, insmod with async_probe",
            PreferAsynchronous,
            "async_probe",
        ),
        ("sync probes", ForceSynchronous, ""),
    ] {
        tests.push(Test::new(format!("uevent_order: {name}"), move |bench| {
            instead_of_insmod(bench, probe_type, parameter)
        }));
    }
    tests.push(Test::new("uevent_order: a failed probe", failed_probe));
    tests
}
