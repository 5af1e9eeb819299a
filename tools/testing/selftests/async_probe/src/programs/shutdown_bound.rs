// SPDX-License-Identifier: GPL-2.0

//! Power-off shuts down a device that is bound and one that is being probed, and leaves out one
//! that has been unbound. With `initcall_debug` the driver core says which it shuts down. A wrong
//! driver beside it breaks the law.

//@ plain: the recording would end with the machine
//@ boots: hotplug
//@ powers off

use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use lifecycle::event::Call;
use lifecycle::ProbeType;

use crate::samples::{self, Driver, PLATFORM};
use crate::{power_off, sysfs, Bench, Failure};

const DEVICES: usize = 3;
const NAME: &str = "shutdown_bound: power-off with devices bound, unbound and in their probes";

fn shut_down(bench: &mut Bench) -> Result<(), Failure> {
    let driver = Driver::slow(ProbeType::ForceSynchronous);
    bench.insmod(PLATFORM.devices, &format!("devices={DEVICES}"))?;
    bench.insmod(PLATFORM.module, &driver.to_string())?;
    for number in [1, 2] {
        bench.write(Call::Unbind, &PLATFORM.device(number))?;
    }
    bench.in_background(|| samples::write(Call::Bind, &PLATFORM.device(1)));
    sleep(Duration::from_millis(u64::from(driver.firmware_ms / 5)));
    bench.insmod("mutants", "mutant=notifier_shuts_down devices=1")?;
    bench.insmod("mutant_driver", "")?;
    bench.rmmod("mutant_driver")?;
    sysfs::put("/sys/module/kernel/parameters/initcall_debug", "Y")
}

pub(crate) fn main() -> ExitCode {
    power_off::run(NAME, shut_down)
}
