// SPDX-License-Identifier: GPL-2.0

//! Of two asynchronous drivers that match one device, the second is skipped while the first is
//! pending.

use lifecycle::event::Call;
use lifecycle::laws::single_slot;

use crate::samples::{driver_of, BUS};
use crate::test_modules::DRIVER_TEST;
use crate::{ensure, sysfs, Bench, Failure, Test};

fn skipped(bench: &mut Bench) -> Result<(), Failure> {
    let device = BUS.device(0);
    bench.insmod(BUS.devices, "devices=1")?;
    bench.occupy_workers()?;
    bench.insmod(DRIVER_TEST, "scenario=single_slot async_probe")?;
    bench.free_workers()?;
    bench.wait_for_ends(1)?;
    ensure("driver", &driver_of(&device), &None)?;

    bench.write(Call::DriversProbe, &device)?;
    ensure(
        "driver after drivers_probe",
        &driver_of(&device).as_deref(),
        &Some("second"),
    )?;
    single_slot::check_skipped(&bench.life()?, &device, "first", "second")?;
    Ok(())
}

/// A device that comes later is offered to both.
fn later(bench: &mut Bench) -> Result<(), Failure> {
    let device = BUS.device(0);
    bench.insmod(BUS.devices, "devices=0")?;
    bench.insmod(DRIVER_TEST, "scenario=single_slot")?;
    bench.add(Call::Add, 1)?;
    bench.wait_for_ends(2)?;
    sysfs::wait_for("the second driver to be bound", || {
        driver_of(&device).as_deref() == Some("second")
    })
}

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("single_slot: the second is skipped", skipped),
        Test::new("single_slot: a device that comes later gets both", later),
    ]
}
