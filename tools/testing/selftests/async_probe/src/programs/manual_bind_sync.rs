// SPDX-License-Identifier: GPL-2.0

//! A write to sysfs `bind` or `drivers_probe` returns after the probe, which ran in the writer's
//! task, with any probe type and in any design.

//@ boots: two_nodes

use lifecycle::event::Call;
use lifecycle::laws::manual_bind_sync;
use lifecycle::ProbeType;

use crate::samples::{ensure_bound, ensure_free, Driver, Sample};
use crate::{Bench, Failure, Order, Test};

fn manual_bind_sync(
    bench: &mut Bench,
    sample: Sample,
    order: Order,
    call: Call,
) -> Result<(), Failure> {
    let device = sample.bus().device(0);
    // Asked by async_probe too, which must not reach this far either.
    bench.load(order, 1, Driver::slow(sample), "async_probe")?;
    bench.wait_for_ends(1)?;
    bench.write(Call::Unbind, &device)?;
    ensure_free(&device)?;
    bench.write(call, &device)?;
    ensure_bound(&device)?;
    bench.keeps(&manual_bind_sync::LAW, 1)?;
    manual_bind_sync::check_write(&bench.life()?, call, &device)?;
    Ok(())
}

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    let samples = Sample::all().map(|sample| (sample, sample.order()));
    let other = (ProbeType::PreferAsynchronous.into(), Order::DriverFirst);
    for (sample, order) in samples.chain([other]) {
        for call in [Call::Bind, Call::DriversProbe] {
            tests.push(Test::new(
                format!("manual_bind_sync: {call}, {sample}, {order}"),
                move |bench| manual_bind_sync(bench, sample, order, call),
            ));
        }
    }
    tests
}
