// SPDX-License-Identifier: GPL-2.0

//! rmmod of a module whose plain insmod still waits for async probes fails with `EWOULDBLOCK` and
//! loses nothing.

//@ plain: it records itself, and there is one recorder at a time
//@ boots: two_nodes

use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use lifecycle::ProbeType;
use nix::errno::Errno;
use selftests::bench::Driver;
use selftests::recorder::Recorder;
use selftests::{ensure, ktap, modules, sysfs, Bench, Failure, Order, Test};

const DEVICES: usize = 3;

/// Until insmod waits for the probes that have begun: far shorter than these take.
const MOMENT: Duration = Duration::from_millis(100);

/// How often rmmod is tried.
const TRIES: usize = 3;

fn rmmod_refused(bench: &mut Bench, order: Order) -> Result<(), Failure> {
    let recorder = Recorder::start()?;
    let driver = Driver::slow(ProbeType::PreferAsynchronous).to_string();
    let devices = format!("devices={DEVICES}");
    match order {
        Order::DevicesFirst => {
            bench.insmod(modules::DEVICES, &devices)?;
            bench.insmod_in_background(modules::DRIVER, &driver);
        }
        Order::DriverFirst => {
            bench.insmod(modules::DRIVER, &driver)?;
            bench.insmod_in_background(modules::DEVICES, &devices);
        }
    }
    bench.wait_for_probe(&sysfs::device(DEVICES - 1))?;
    sleep(MOMENT);
    for _ in 0..TRIES {
        ensure(
            &format!("rmmod {} while its insmod waits", order.second()),
            &modules::rmmod(order.second())?,
            &Err(Errno::EWOULDBLOCK),
        )?;
    }
    bench.join()?;
    for number in 0..DEVICES {
        ensure(
            "the driver of a device afterwards",
            &sysfs::driver_of(&sysfs::device(number)).as_deref(),
            &Some(sysfs::DRIVER),
        )?;
    }
    for module in [modules::DRIVER, modules::DEVICES] {
        bench.rmmod(module)?;
    }
    recorder.judge()?.demand("rmmod_refused", TRIES)
}

fn main() -> ExitCode {
    let tests = Order::BOTH.map(|order| {
        Test::new(format!("rmmod_refused: {order}"), move |bench| {
            rmmod_refused(bench, order)
        })
    });
    ktap::run(tests.into())
}
