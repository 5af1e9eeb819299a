// SPDX-License-Identifier: GPL-2.0

//! The bind uevent follows the end of the probe, the unbind uevent follows the remove: who waits for
//! them finds the device bound, or free.

//@ plain: it records itself, and there is one recorder at a time
//@ boots: two_nodes

use std::process::ExitCode;
use std::time::Duration;

use lifecycle::event::Call;
use lifecycle::{ProbeType, What};
use selftests::bench::{good_image, Driver};
use selftests::firmware_dir::FirmwareDir;
use selftests::recorder::Recorder;
use selftests::uevents::{Uevent, Uevents};
use selftests::{ensure, ktap, modules, sysfs, Bench, Failure, Order, Test};

const DEVICES: usize = 3;

/// Far longer than any probe here.
const PATIENCE: Duration = Duration::from_secs(30);

/// Enough for what is on its way.
const MOMENT: Duration = Duration::from_millis(100);

/// Waits for a uevent of one of our devices.
fn next(uevents: &Uevents, action: &str) -> Result<Uevent, Failure> {
    loop {
        let uevent = uevents
            .next(PATIENCE)?
            .ok_or_else(|| Failure::assertion(format!("a uevent {action}"), "none"))?;
        if uevent.name.starts_with("slow_platform.") && uevent.action == action {
            return Ok(uevent);
        }
    }
}

/// What a daemon finds that waits for uevents, and not for insmod.
fn instead_of_insmod(
    bench: &mut Bench,
    probe_type: ProbeType,
    parameter: &str,
) -> Result<(), Failure> {
    let recorder = Recorder::start()?;
    let uevents = Uevents::open()?;
    let driver = Driver::slow(probe_type);
    bench.insmod(modules::DEVICES, &format!("devices={DEVICES}"))?;
    bench.insmod_in_background(modules::DRIVER, format!("{driver} {parameter}").trim_end());
    for _ in 0..DEVICES {
        let device = next(&uevents, "bind")?.name;
        ensure(
            &format!("driver of {device} at its bind uevent"),
            &sysfs::driver_of(&device).as_deref(),
            &Some(sysfs::DRIVER),
        )?;
        let ended = bench.events()?.iter().any(
            |event| matches!(&event.what, What::ProbeEnded { device: of, ret: 0, .. } if *of == device),
        );
        ensure(&format!("the end of the probe of {device}"), &ended, &true)?;
    }
    bench.join()?;

    let device = sysfs::device(0);
    bench.write(Call::Unbind, &device)?;
    ensure(
        "the unbind uevent",
        &next(&uevents, "unbind")?.name,
        &device,
    )?;
    ensure(
        "driver at the unbind uevent",
        &sysfs::driver_of(&device),
        &None,
    )?;
    bench.write(Call::Bind, &device)?;
    ensure("the bind uevent", &next(&uevents, "bind")?.name, &device)?;

    bench.rmmod(modules::DRIVER)?;
    for _ in 0..DEVICES {
        let device = next(&uevents, "unbind")?.name;
        ensure(
            "driver at the unbind uevent",
            &sysfs::driver_of(&device),
            &None,
        )?;
    }
    ensure("more uevents", &uevents.next(MOMENT)?.filter(ours), &None)?;
    bench.rmmod(modules::DEVICES)?;

    let recording = recorder.judge()?;
    // Each device is bound and unbound, device 0 twice.
    recording.demand("uevent_order", 2 * (DEVICES + 1))
}

fn ours(uevent: &Uevent) -> bool {
    uevent.name.starts_with("slow_platform.")
}

/// A probe that fails is nobody's business.
fn failed_probe(bench: &mut Bench) -> Result<(), Failure> {
    let failing = sysfs::device(0);
    if FirmwareDir::machine_has(&failing) {
        return Err(Failure::Skip(format!(
            "/lib/firmware has firmware for {failing}"
        )));
    }
    let recorder = Recorder::start()?;
    let uevents = Uevents::open()?;
    bench.firmware().put(&sysfs::device(1), &good_image())?;
    let driver = Driver::slow(ProbeType::PreferAsynchronous).own_files();
    bench.load(Order::DevicesFirst, 2, driver, "")?;
    ensure(
        "the bind uevent",
        &next(&uevents, "bind")?.name,
        &sysfs::device(1),
    )?;
    ensure("more uevents", &uevents.next(MOMENT)?.filter(ours), &None)?;
    for module in [modules::DRIVER, modules::DEVICES] {
        bench.rmmod(module)?;
    }
    recorder.judge()?.demand("uevent_order", 3)
}

fn main() -> ExitCode {
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
    ktap::run(tests)
}
