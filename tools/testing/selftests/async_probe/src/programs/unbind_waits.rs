// SPDX-License-Identifier: GPL-2.0

//! Unbind during a probe waits for it; then remove, drop of the driver data, release of devres.

//@ boots: two_nodes

use lifecycle::designs::Design;
use lifecycle::event::Call;
use lifecycle::laws::unbind_waits;
use lifecycle::{Event, ProbeType, What};

use crate::firmware_dir::FirmwareDir;
use crate::samples::{ensure_bound, ensure_free, write, Driver, Sample, PLATFORM};
use crate::{Bench, Failure, Order, Test};

const DEVICES: usize = 2;

/// Unbinds device 0, whose probe is under way: nothing is left of the binding.
fn unbind(bench: &mut Bench, sample: Sample) -> Result<(), Failure> {
    let bus = sample.bus();
    let device = bus.device(0);
    bench.write(Call::Unbind, &device)?;
    ensure_free(&device)?;
    bench.keeps(&unbind_waits::LAW, 1)?;
    bench.join()?;
    bench.wait_for_ends(DEVICES)?;
    bus.wait_until_bound(DEVICES - 1, DEVICES)?;
    ensure_bound(&bus.device(1))
}

/// Where the driver comes second, it has no `unbind` in sysfs before its registration returns
/// (`drivers/base/bus.c`, `bus_add_driver()`), which it does after the probes that it makes itself.
fn in_flight(bench: &mut Bench, sample: Sample, order: Order) -> Result<(), Failure> {
    bench.take_off(order, DEVICES, Driver::slow(sample))?;
    unbind(bench, sample)
}

/// The probe is that of a bind in another task.
fn manual_bind(bench: &mut Bench) -> Result<(), Failure> {
    let device = PLATFORM.device(0);
    let driver = Driver::slow(ProbeType::PreferAsynchronous).own_files();
    FirmwareDir::machine_must_lack(&device)?;
    // Only the device with a file is bound at first.
    bench.firmware().put_good(&PLATFORM.device(1))?;
    bench.load(Order::DevicesFirst, DEVICES, driver, "")?;
    ensure_free(&device)?;

    bench.firmware().put_good(&device)?;
    let of_bind = device.clone();
    bench.in_background(move || write(Call::Bind, &of_bind));
    bench.wait("the second probe of device 0 to begin", |events| {
        let began = |event: &&Event| {
            matches!(&event.what, What::ProbeBegan { device: of, .. } if *of == device)
        };
        events.iter().filter(began).count() == 2
    })?;
    unbind(bench, driver.sample)
}

pub(crate) fn tests() -> Vec<Test> {
    let driver_first = Sample::all().map(|sample| (sample, Order::DriverFirst));
    // These probe when the registration has returned.
    let devices_first = [
        ProbeType::PreferAsynchronous.into(),
        Design::DriverAttach.into(),
    ]
    .map(|sample: Sample| (sample, Order::DevicesFirst));
    let mut tests: Vec<Test> = driver_first
        .chain(devices_first)
        .map(|(sample, order)| {
            Test::new(format!("unbind_waits: {sample}, {order}"), move |bench| {
                in_flight(bench, sample, order)
            })
        })
        .collect();
    tests.push(Test::new("unbind_waits: during a manual bind", manual_bind));
    tests
}
