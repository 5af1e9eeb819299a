// SPDX-License-Identifier: GPL-2.0

//! The probes of a FORCE driver run one after the other in the registering task; register and
//! insmod return after the last.

use lifecycle::designs::Design;
use lifecycle::laws::designs::{Insmod, Probes, Promise};
use lifecycle::laws::force_sync;
use lifecycle::ProbeType;

use crate::samples::{Driver, Sample};
use crate::{Bench, Failure, Order, Test};

const DEVICES: usize = 3;

fn force_sync(bench: &mut Bench, sample: Sample, order: Order) -> Result<(), Failure> {
    bench.load(order, DEVICES, Driver::slow(sample), "async_probe")?;
    bench.keeps(&force_sync::LAW, DEVICES)?;
    let promise = Promise {
        call: Insmod::Waits,
        probes: Probes::InCaller,
    };
    bench.keeps_promise(sample, order, DEVICES, promise)
}

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for sample in [ProbeType::ForceSynchronous.into(), Design::Sync.into()] {
        for order in Order::BOTH {
            tests.push(Test::new(
                format!("force_sync: {sample}, {order}"),
                move |bench| force_sync(bench, sample, order),
            ));
        }
    }
    tests
}
