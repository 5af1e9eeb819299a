// SPDX-License-Identifier: GPL-2.0

//! rmmod of a module whose plain insmod still waits for async probes fails with `EWOULDBLOCK` and
//! loses nothing.

//@ boots: two_nodes

use std::thread::sleep;
use std::time::Duration;

use lifecycle::ProbeType;
use nix::errno::Errno;

use crate::samples::{ensure_bound, Driver, Sample, PLATFORM};
use crate::{ensure, modules, Bench, Failure, Order, Test};

const DEVICES: usize = 3;

/// Until insmod waits for the probes that have begun: far shorter than these take.
const MOMENT: Duration = Duration::from_millis(100);

/// How often rmmod is tried.
const TRIES: usize = 3;

fn rmmod_refused(bench: &mut Bench, order: Order) -> Result<(), Failure> {
    bench.record()?;
    let sample = Sample::from(ProbeType::PreferAsynchronous);
    let (_, second) = sample.second(order);
    let driver = Driver::slow(sample).to_string();
    let devices = format!("devices={DEVICES}");
    match order {
        Order::DevicesFirst => {
            bench.insmod(PLATFORM.devices, &devices)?;
            bench.insmod_in_background(PLATFORM.module, &driver);
        }
        Order::DriverFirst => {
            bench.insmod(PLATFORM.module, &driver)?;
            bench.insmod_in_background(PLATFORM.devices, &devices);
        }
    }
    bench.wait_for_probe(&PLATFORM.device(DEVICES - 1))?;
    sleep(MOMENT);
    for _ in 0..TRIES {
        ensure(
            &format!("rmmod {} while its insmod waits", second),
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
