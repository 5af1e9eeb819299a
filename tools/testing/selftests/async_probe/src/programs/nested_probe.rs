// SPDX-License-Identifier: GPL-2.0

//! A device that an asynchronous probe adds is probed in the worker that adds it, if its driver is
//! synchronous, and before the addition returns.

use lifecycle::laws::{force_sync, nested_probe, ready_before_probe};
use lifecycle::life::Kind;

use crate::samples::PLATFORM;
use crate::test_modules::NESTED_TEST;
use crate::{ensure, Bench, Failure, Test};

const DEVICES: usize = 3;

/// Plainly loaded, or with `async_probe`.
fn nested(bench: &mut Bench, parameters: &str) -> Result<(), Failure> {
    bench.record()?;
    bench.insmod(PLATFORM.devices, &format!("devices={DEVICES}"))?;
    bench.insmod(NESTED_TEST, parameters)?;
    PLATFORM.wait_until_bound(DEVICES, DEVICES)?;
    bench.rmmod(NESTED_TEST)?;
    let life = bench.recording()?.life;
    for law in [
        &nested_probe::LAW,
        &force_sync::LAW,
        &ready_before_probe::LAW,
    ] {
        law.demand(&life, DEVICES)?;
    }
    let asynchronous = life
        .of(Kind::Probe)
        .filter(|(_, probe)| probe.driver.as_deref() == Some(PLATFORM.driver))
        .filter(|(_, probe)| probe.asynchronous == Some(true));
    ensure("asynchronous outer probes", &asynchronous.count(), &DEVICES)
}

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("nested_probe: plain insmod", |bench| nested(bench, "")),
        Test::new("nested_probe: insmod with async_probe", |bench| {
            nested(bench, "async_probe")
        }),
    ]
}
