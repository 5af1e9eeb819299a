// SPDX-License-Identifier: GPL-2.0

//! A kernel with `CONFIG_DEBUG_TEST_DRIVER_REMOVE` tries each probe: it removes the device at once
//! and probes it again, and only then it is bound. One without probes once.

use lifecycle::event::Call;
use lifecycle::laws::probe_remove_probe::{second_succeeds, LAW};
use lifecycle::{Event, ProbeType, Probing, What};

use crate::firmware_dir::FirmwareDir;
use crate::kernel::probing;
use crate::samples::{designs, Driver, Sample, PLATFORM};
use crate::{ensure, skip, Bench, Failure, Order, Test};

const DEVICES: usize = 3;

/// The driver has been tried so often, and its second probes have succeeded. The recording has as
/// many trials.
fn tried(bench: &mut Bench, driver: &str, trials: usize) -> Result<(), Failure> {
    bench.keeps(&LAW, trials)?;
    let seen = second_succeeds(&bench.life()?, driver)?;
    ensure("trials in the log", &seen, &trials)?;
    bench.recording()?.demand(LAW.name, trials)
}

fn everywhere(bench: &mut Bench, sample: Sample, order: Order) -> Result<(), Failure> {
    bench.record()?;
    let bus = sample.bus();
    bench.load(order, DEVICES, Driver::slow(sample), "")?;
    bus.wait_until_bound(DEVICES, DEVICES)?;
    bench.wait_for_ends(DEVICES)?;
    bench.rmmod(bus.module)?;
    tried(bench, bus.driver, DEVICES)
}

/// The writer gets the result of the second probe.
fn by_hand(bench: &mut Bench) -> Result<(), Failure> {
    bench.record()?;
    let device = PLATFORM.device(0);
    let driver = Driver::slow(ProbeType::PreferAsynchronous);
    bench.load(Order::DevicesFirst, DEVICES, driver, "")?;
    bench.write(Call::Unbind, &device)?;
    bench.write(Call::Bind, &device)?;
    tried(bench, PLATFORM.driver, DEVICES + 1)
}

/// The second phase of the first life is dropped: the lock of the device is held from the first
/// probe to the second.
fn two_phases(bench: &mut Bench) -> Result<(), Failure> {
    bench.record()?;
    let driver = Driver::slow(ProbeType::PreferAsynchronous).two_phases();
    let ready = |events: &[Event]| {
        let ready = |event: &&Event| matches!(event.what, What::Ready { .. });
        events.iter().filter(ready).count()
    };
    bench.load(Order::DevicesFirst, DEVICES, driver, "")?;
    bench.wait("all devices to be ready", |events| ready(events) == DEVICES)?;
    bench.rmmod(PLATFORM.module)?;
    ensure("second phases", &ready(bench.printed()?), &DEVICES)?;
    tried(bench, PLATFORM.driver, DEVICES)
}

/// A probe that fails at once has no trial.
fn failed(bench: &mut Bench) -> Result<(), Failure> {
    let failing = PLATFORM.device(1);
    FirmwareDir::machine_must_lack(&failing)?;
    bench.record()?;
    for number in [0, 2] {
        bench.firmware().put_good(&PLATFORM.device(number))?;
    }
    let driver = Driver::slow(ProbeType::PreferAsynchronous).own_files();
    bench.load(Order::DevicesFirst, DEVICES, driver, "")?;
    let probes = bench
        .printed()?
        .iter()
        .filter(|event| matches!(event.what, What::ProbeBegan { .. }));
    ensure("probes", &probes.count(), &(2 * DEVICES - 1))?;
    tried(bench, PLATFORM.driver, DEVICES - 1)
}

/// On a kernel without the option no probe is tried.
fn once(bench: &mut Bench) -> Result<(), Failure> {
    bench.record()?;
    let driver = Driver::slow(ProbeType::PreferAsynchronous).quick();
    bench.load(Order::DevicesFirst, DEVICES, driver, "")?;
    bench.recording()?.demand(LAW.name, DEVICES)
}

/// The tests on a kernel without the option.
fn without() -> Vec<Test> {
    vec![
        Test::new("probe_remove_probe: not without the option", once),
        Test::new("probe_remove_probe: with the option", |_| {
            skip("the kernel does not have CONFIG_DEBUG_TEST_DRIVER_REMOVE")
        }),
    ]
}

/// Those on a kernel with it.
fn with() -> Vec<Test> {
    let mut tests = Vec::new();
    let platform = [ProbeType::PreferAsynchronous, ProbeType::ForceSynchronous].map(Sample::from);
    let platform = platform
        .into_iter()
        .flat_map(|one| Order::BOTH.map(|order| (one, order)));
    let bus = designs()
        .into_iter()
        .map(|design| (design.into(), Order::DevicesFirst));
    for (sample, order) in platform.chain(bus) {
        tests.push(Test::new(
            format!("probe_remove_probe: {sample}, {order}"),
            move |bench| everywhere(bench, sample, order),
        ));
    }
    tests.push(Test::new("probe_remove_probe: a manual bind", by_hand));
    tests.push(Test::new("probe_remove_probe: two phases", two_phases));
    tests.push(Test::new("probe_remove_probe: a failed probe", failed));
    tests
}

pub(crate) fn tests() -> Vec<Test> {
    match probing() {
        Probing::Once => without(),
        Probing::Twice => with(),
    }
}
