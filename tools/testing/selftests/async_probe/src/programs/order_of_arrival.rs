// SPDX-License-Identifier: GPL-2.0

//! Devices before the driver and the driver before the devices give the same set of bound devices.

//@ boots: two_nodes

use std::collections::BTreeSet;

use lifecycle::laws::order_of_arrival::{self, bound};
use lifecycle::Life;

use crate::samples::{driver_of, Driver, Sample};
use crate::{ensure, Bench, Failure, Order, Test};

const DEVICES: usize = 5;

/// Loads in this order, compares the log with sysfs, and unloads; in the reverse order, where the
/// devices do not have to stay until the driver is gone.
fn arrive(bench: &mut Bench, order: Order, sample: Sample) -> Result<Life, Failure> {
    let bus = sample.bus();
    let (from, ended) = (bench.printed()?.len(), bench.events()?.len());
    bench.load(order, DEVICES, Driver::slow(sample).quick(), "")?;
    bench.wait_for_ends_since(ended, DEVICES)?;
    let life = bench.life_since(from)?;
    bus.wait_until_bound(bound(&life).len(), DEVICES)?;
    let in_sysfs: BTreeSet<String> = (0..DEVICES)
        .map(|number| bus.device(number))
        .filter(|device| driver_of(device).is_some())
        .collect();
    let in_sysfs: BTreeSet<_> = in_sysfs.iter().map(String::as_str).collect();
    ensure("devices bound in sysfs", &in_sysfs, &bound(&life))?;

    let mut modules = [bus.module, bus.devices];
    if matches!(sample, Sample::Platform(_)) && order == Order::DriverFirst {
        modules.reverse();
    }
    for module in modules {
        bench.rmmod(module)?;
    }
    ensure("devices in sysfs", &bus.devices(), &Vec::new())?;
    Ok(life)
}

fn order_of_arrival(bench: &mut Bench, sample: Sample) -> Result<(), Failure> {
    let devices_first = arrive(bench, Order::DevicesFirst, sample)?;
    let driver_first = arrive(bench, Order::DriverFirst, sample)?;
    order_of_arrival::check(&devices_first, &driver_first, DEVICES)?;
    Ok(())
}

pub(crate) fn tests() -> Vec<Test> {
    let tests = Sample::all().map(|sample| {
        Test::new(format!("order_of_arrival: {sample}"), move |bench| {
            order_of_arrival(bench, sample)
        })
    });
    tests.collect()
}
