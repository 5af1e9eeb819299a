// SPDX-License-Identifier: GPL-2.0

//! Devices before the driver and the driver before the devices give the same set of bound devices.

use std::collections::BTreeSet;
use std::process::ExitCode;

use lifecycle::laws::order_of_arrival::{self, bound};
use lifecycle::{Event, ProbeType};
use selftests::bench::Driver;
use selftests::{ensure, ktap, modules, sysfs, Bench, Failure, Order, Test};

const DEVICES: usize = 5;

/// Loads in this order, compares what the log says with what sysfs says, and unloads in the
/// reverse order.
fn arrive(bench: &mut Bench, order: Order, probe_type: ProbeType) -> Result<Vec<Event>, Failure> {
    let from = bench.events()?.len();
    let driver = Driver::slow(probe_type).quick();
    bench.load(order, DEVICES, driver, "")?;
    let events = bench.events()?[from..].to_vec();
    let in_sysfs: BTreeSet<_> = (0..DEVICES)
        .map(sysfs::device)
        .filter(|device| sysfs::driver_of(device).is_some() && sysfs::driver_lists(device))
        .collect();
    let in_sysfs: BTreeSet<_> = in_sysfs.iter().map(String::as_str).collect();
    ensure("devices bound in sysfs", &in_sysfs, &bound(&events))?;

    let mut modules = [modules::DRIVER, modules::DEVICES];
    if order == Order::DriverFirst {
        modules.reverse();
    }
    for module in modules {
        bench.rmmod(module)?;
    }
    Ok(events)
}

fn order_of_arrival(bench: &mut Bench, probe_type: ProbeType) -> Result<(), Failure> {
    let devices_first = arrive(bench, Order::DevicesFirst, probe_type)?;
    let driver_first = arrive(bench, Order::DriverFirst, probe_type)?;
    order_of_arrival::check(&devices_first, &driver_first, DEVICES)?;
    Ok(())
}

fn main() -> ExitCode {
    let tests = ProbeType::ALL.map(|probe_type| {
        Test::new(format!("order_of_arrival: {probe_type}"), move |bench| {
            order_of_arrival(bench, probe_type)
        })
    });
    ktap::run(tests.into())
}
