// SPDX-License-Identifier: GPL-2.0

//! rmmod of a module whose plain insmod still waits for async probes fails with `EWOULDBLOCK` and
//! loses nothing.

//@ boots: two_nodes

use std::thread::sleep;
use std::time::Duration;

use lifecycle::ProbeType;
use nix::errno::Errno;

use crate::samples::{ensure_bound, Driver, PLATFORM};
use crate::{ensure, modules, Bench, Failure, Order, Test};

const DEVICES: usize = 3;

/// Until insmod waits for the probes that have begun: far shorter than these take.
const MOMENT: Duration = Duration::from_millis(100);

/// How often rmmod is tried.
const TRIES: usize = 3;

fn rmmod_refused(bench: &mut Bench, order: Order) -> Result<(), Failure> {
    bench.record()?;
    let driver = Driver::slow(ProbeType::PreferAsynchronous).to_string();
    let devices = format!("devices={DEVICES}");
    let mut modules = [(PLATFORM.devices, devices), (PLATFORM.module, driver)];
    if order == Order::DriverFirst {
        modules.reverse();
    }
    let [(first, of_first), (second, of_second)] = modules;
    bench.insmod(first, &of_first)?;
    bench.insmod_in_background(second, &of_second);
    bench.wait_for_probe(&PLATFORM.device(DEVICES - 1))?;
    sleep(MOMENT);
    for _ in 0..TRIES {
        ensure(
            &format!("rmmod {second} while its insmod waits"),
            &modules::rmmod(second)?,
            &Err(Errno::EWOULDBLOCK),
        )?;
    }
    bench.join()?;
    for number in 0..DEVICES {
        ensure_bound(&PLATFORM.device(number))?;
    }
    for module in [PLATFORM.module, PLATFORM.devices] {
        bench.rmmod(module)?;
    }
    bench.recording()?.demand("rmmod_refused", TRIES)
}

pub(crate) fn tests() -> Vec<Test> {
    let tests = Order::BOTH.map(|order| {
        Test::new(format!("rmmod_refused: {order}"), move |bench| {
            rmmod_refused(bench, order)
        })
    });
    tests.into()
}
