// SPDX-License-Identifier: GPL-2.0

//! Registering a PREFER driver, or its devices, returns before any of the slow probes ends.

use lifecycle::designs::Design;
use lifecycle::event::Call;
use lifecycle::laws::designs::{Insmod, Probes, Promise};
use lifecycle::laws::register_returns;
use lifecycle::ProbeType;

use crate::samples::{Driver, Sample};
use crate::{Bench, Failure, Order, Test};

const DEVICES: usize = 4;

fn register_returns(bench: &mut Bench, sample: Sample, order: Order) -> Result<(), Failure> {
    bench.load(order, DEVICES, Driver::slow(sample), "")?;
    bench.wait_for_ends(DEVICES)?;
    if order == Order::DevicesFirst {
        bench.keeps(&register_returns::LAW, 1)?;
        register_returns::check_slow(&bench.life()?, sample.bus().driver, DEVICES)?;
    }
    // All probes run at once. An insmod waits for them, a write to `add` of the bus does not.
    let promise = Promise {
        call: match sample.second(order).0 {
            Call::Insmod => Insmod::Waits,
            _ => Insmod::Returns,
        },
        probes: Probes::InParallel,
    };
    bench.keeps_promise(sample, order, DEVICES, promise)
}

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for sample in [
        ProbeType::PreferAsynchronous.into(),
        Design::PreferAsync.into(),
    ] {
        for order in Order::BOTH {
            tests.push(Test::new(
                format!("register_returns: {sample}, {order}"),
                move |bench| register_returns(bench, sample, order),
            ));
        }
    }
    tests
}
