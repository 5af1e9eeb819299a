// SPDX-License-Identifier: GPL-2.0

//! A write to sysfs `bind` or `drivers_probe` returns after the probe, which ran in the writer's
//! task, whatever the probe type.

use std::process::ExitCode;

use lifecycle::event::Call;
use lifecycle::laws::manual_bind_sync;
use lifecycle::ProbeType;
use selftests::bench::Driver;
use selftests::{ensure, ktap, sysfs, Bench, Failure, Order, Test};

fn manual_bind_sync(
    bench: &mut Bench,
    order: Order,
    probe_type: ProbeType,
    call: Call,
) -> Result<(), Failure> {
    let device = sysfs::device(0);
    // Asked by async_probe too, which must not reach this far either.
    bench.load(order, 1, Driver::slow(probe_type), "async_probe")?;
    bench.wait_for_ends(1)?;
    bench.write(Call::Unbind, &device)?;
    ensure("driver after unbind", &sysfs::driver_of(&device), &None)?;
    bench.write(call, &device)?;
    ensure(
        "driver after the write",
        &sysfs::driver_of(&device).as_deref(),
        &Some(sysfs::DRIVER),
    )?;
    manual_bind_sync::check(bench.events()?, call, &device)?;
    Ok(())
}

fn main() -> ExitCode {
    let mut tests = Vec::new();
    for call in [Call::Bind, Call::DriversProbe] {
        for probe_type in ProbeType::ALL {
            for order in Order::BOTH {
                tests.push(Test::new(
                    format!("manual_bind_sync: {call}, {probe_type}, {order}"),
                    move |bench| manual_bind_sync(bench, order, probe_type, call),
                ));
            }
        }
    }
    ktap::run(tests)
}
