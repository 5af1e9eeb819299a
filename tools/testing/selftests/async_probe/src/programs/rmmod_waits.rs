// SPDX-License-Identifier: GPL-2.0

//! rmmod of a driver waits for the probes that are under way, and leaves nothing of the driver.

//@ boots: two_nodes

use lifecycle::designs::Design;
use lifecycle::laws::rmmod_waits;
use lifecycle::ProbeType;

use crate::modules::is_loaded;
use crate::samples::{designs, Driver, Sample};
use crate::{ensure, sysfs, Bench, Failure, Order, Test};

const DEVICES: usize = 4;

/// Nothing is left of the driver, and nothing holds the module of the devices.
fn nothing_left(sample: Sample) -> Result<(), Failure> {
    let bus = sample.bus();
    ensure("driver loaded", &is_loaded(bus.module), &false)?;
    ensure("devices bound", &bus.bound(DEVICES), &0)?;
    let references = sysfs::references(bus.devices)?;
    ensure("references to the devices", &references.as_str(), &"0")
}

/// rmmod during the first probe.
fn in_the_middle(bench: &mut Bench, sample: Sample, order: Order) -> Result<(), Failure> {
    let bus = sample.bus();
    bench.take_off(order, DEVICES, Driver::slow(sample))?;
    let probed = if sample.probes_in_caller(order) {
        // The probe that runs is the last by this driver.
        1
    } else {
        DEVICES
    };
    // The registration of a driver schedules the probes. A device that comes later and whose probe
    // has not begun looks for a driver then, and finds none.
    if order == Order::DriverFirst {
        for number in 1..probed {
            bench.wait_for_probe(&bus.device(number))?;
        }
    }
    bench.rmmod(bus.module)?;
    bench.keeps(&rmmod_waits::LAW, 1)?;
    ensure("probes", &bench.probes_by(bus.driver)?, &probed)?;
    bench.join()?;
    nothing_left(sample)
}

/// rmmod right after insmod, wherever the probes are.
fn at_once(bench: &mut Bench, sample: Sample) -> Result<(), Failure> {
    let bus = sample.bus();
    let driver = Driver::slow(sample);
    bench.load(Order::DevicesFirst, DEVICES, driver, "async_probe")?;
    bench.rmmod(bus.module)?;
    nothing_left(sample)?;
    // The devices are free for the next driver.
    let next = match sample {
        Sample::Platform(_) => Sample::from(ProbeType::ForceSynchronous),
        Sample::Bus(_) => Design::Sync.into(),
    };
    bench.insmod(bus.module, &Driver::slow(next).quick().to_string())?;
    ensure("devices bound", &bus.bound(DEVICES), &DEVICES)
}

pub(crate) fn tests() -> Vec<Test> {
    let platform = Sample::from(ProbeType::PreferAsynchronous);
    let samples = || {
        [platform]
            .into_iter()
            .chain(designs().into_iter().map(Sample::from))
    };
    let in_order = samples().map(|sample| (sample, sample.order()));
    let mut tests: Vec<Test> = in_order
        .chain([(platform, Order::DriverFirst)])
        .map(|(sample, order)| {
            Test::new(
                format!("rmmod_waits: {sample}, {order}, in the middle"),
                move |bench| in_the_middle(bench, sample, order),
            )
        })
        .collect();
    tests.extend(samples().map(|sample| {
        Test::new(format!("rmmod_waits: {sample}, at once"), move |bench| {
            at_once(bench, sample)
        })
    }));
    tests
}
