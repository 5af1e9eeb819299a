// SPDX-License-Identifier: GPL-2.0

//! A plain insmod that sets off asynchronous probes returns after they have ended, with
//! `async_probe` it returns before. That goes for the driver's module and for the devices'.

use lifecycle::designs::Design;
use lifecycle::event::Call;
use lifecycle::laws::designs::{Insmod, Probes, Promise};
use lifecycle::laws::insmod_waits;
use lifecycle::ProbeType;

use crate::samples::{Driver, Sample};
use crate::{Bench, Failure, Order, Test};

const DEVICES: usize = 3;

fn insmod_waits(
    bench: &mut Bench,
    sample: Sample,
    order: Order,
    parameter: &str,
    insmod: Insmod,
) -> Result<(), Failure> {
    bench.load(order, DEVICES, Driver::slow(sample), parameter)?;
    bench.wait_for_ends(DEVICES)?;
    // A log of lines shows it of an insmod that registers the driver.
    let cases = order == Order::DevicesFirst && insmod == Insmod::Waits;
    bench.keeps(&insmod_waits::LAW, usize::from(cases))?;
    let promise = Promise {
        call: insmod,
        probes: Probes::InParallel,
    };
    bench.keeps_promise(sample, order, DEVICES, promise)
}

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for sample in [
        Sample::from(ProbeType::PreferAsynchronous),
        Design::PreferAsync.into(),
    ] {
        for order in Order::BOTH {
            // The devices of the sample bus can be the last without an insmod.
            if sample.second(order).0 != Call::Insmod {
                continue;
            }
            for (name, parameter, insmod) in [
                ("plain waits", "", Insmod::Waits),
                ("async_probe=0 waits", "async_probe=0", Insmod::Waits),
                ("async_probe returns", "async_probe", Insmod::Returns),
            ] {
                tests.push(Test::new(
                    format!("insmod_waits: {name}, {sample}, {order}"),
                    move |bench| insmod_waits(bench, sample, order, parameter, insmod),
                ));
            }
        }
    }
    tests
}
