// SPDX-License-Identifier: GPL-2.0

//! While `drivers_autoprobe` of the bus is 0, neither a driver nor a device that comes is bound;
//! `drivers_probe` binds one device.

use std::thread::sleep;
use std::time::Duration;

use lifecycle::designs::Design;
use lifecycle::event::Call;
use lifecycle::laws::autoprobe_off;

use crate::samples::{designs, Driver, Sample, BUS};
use crate::{ensure, sysfs, Bench, Failure, Order, Test};

const DEVICES: usize = 3;

/// Long enough for an asynchronous probe to begin.
const MOMENT: Duration = Duration::from_millis(300);

fn autoprobe_off(bench: &mut Bench, design: Design) -> Result<(), Failure> {
    let sample = Sample::from(design);
    bench.insmod(BUS.devices, &sample.devices(DEVICES))?;
    BUS.wait_for_devices(DEVICES)?;
    sysfs::put(format!("{}/drivers_autoprobe", BUS.path), "0")?;
    bench.insmod(BUS.module, &Driver::slow(sample).to_string())?;
    BUS.wait_until_registered()?;
    bench.add(sample.second(Order::DriverFirst).0, 1)?;
    BUS.wait_for_devices(DEVICES + 1)?;
    sleep(MOMENT);
    ensure("devices bound", &BUS.bound(DEVICES + 1), &0)?;

    let device = BUS.device(1);
    bench.write(Call::DriversProbe, &device)?;
    ensure("devices bound", &BUS.bound(DEVICES + 1), &1)?;
    autoprobe_off::check(&bench.life()?, BUS.driver, &device)?;
    Ok(())
}

pub(crate) fn tests() -> Vec<Test> {
    let tests = designs().into_iter().map(|design| {
        Test::new(format!("autoprobe_off: {design}"), move |bench| {
            autoprobe_off(bench, design)
        })
    });
    tests.collect()
}
