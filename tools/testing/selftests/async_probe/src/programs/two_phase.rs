// SPDX-License-Identifier: GPL-2.0

//! The platform driver with `phases=2`: insmod returns at once, unbind and rmmod in the middle
//! wait, and firmware that fails is reported by `ready`.

//@ boots: two_nodes

use lifecycle::errno::ENOENT;
use lifecycle::event::Call;
use lifecycle::laws::{rmmod_waits, two_phase};
use lifecycle::{Event, ProbeType, What};

use crate::firmware_dir::FirmwareDir;
use crate::samples::{ensure_bound, Driver, PLATFORM};
use crate::{ensure, Bench, Failure, Order, Test};

const DEVICES: usize = 3;

/// A driver in two phases.
fn driver(probe_type: ProbeType) -> Driver {
    Driver::slow(probe_type).two_phases()
}

fn returns(bench: &mut Bench, order: Order, probe_type: ProbeType) -> Result<(), Failure> {
    let driver = driver(probe_type);
    bench.load(order, DEVICES, driver, "")?;
    for number in 0..DEVICES {
        ensure_bound(&PLATFORM.device(number))?;
    }
    bench.wait_until_ready(DEVICES)?;
    let (_, module) = driver.sample.second(order);
    two_phase::check_insmod(&bench.life()?, module, PLATFORM.driver, DEVICES)?;
    Ok(())
}

/// Loads devices and driver, up to the second phases of all devices: one that has not begun does
/// not run when its device is unbound.
fn take_off(bench: &mut Bench) -> Result<(), Failure> {
    let driver = driver(ProbeType::PreferAsynchronous);
    bench.load(Order::DevicesFirst, DEVICES, driver, "")?;
    bench.wait("all second phases to have begun", |events| {
        let begun = |event: &&Event| matches!(event.what, What::FirmwareArrived { .. });
        events.iter().filter(begun).count() == DEVICES
    })
}

fn unbind(bench: &mut Bench) -> Result<(), Failure> {
    let device = PLATFORM.device(0);
    take_off(bench)?;
    bench.write(Call::Unbind, &device)?;
    bench.wait_until_ready(DEVICES)?;
    bench.keeps(&two_phase::LAW, 1)?;
    two_phase::check_unbind(
        &bench.life()?,
        Call::Unbind,
        &device,
        PLATFORM.driver,
        DEVICES,
        &device,
    )?;
    // It can be bound again.
    bench.write(Call::Bind, &device)
}

/// rmmod of the driver or of the devices.
fn rmmod(bench: &mut Bench, module: &'static str) -> Result<(), Failure> {
    take_off(bench)?;
    bench.rmmod(module)?;
    bench.keeps(&two_phase::LAW, DEVICES)?;
    let life = bench.life()?;
    for number in 0..DEVICES {
        two_phase::check_unbind(
            &life,
            Call::Rmmod,
            module,
            PLATFORM.driver,
            DEVICES,
            &PLATFORM.device(number),
        )?;
    }
    if module == PLATFORM.module {
        bench.keeps(&rmmod_waits::LAW, 1)?;
        ensure("probes", &bench.probes_by(PLATFORM.driver)?, &DEVICES)?;
    }
    Ok(())
}

/// One device has no firmware: it is bound all the same, and says how its second phase went.
fn failed(bench: &mut Bench) -> Result<(), Failure> {
    let failing = PLATFORM.device(1);
    FirmwareDir::machine_must_lack(&failing)?;
    for number in [0, 2] {
        bench.firmware().put_good(&PLATFORM.device(number))?;
    }
    let driver = driver(ProbeType::PreferAsynchronous).own_files();
    bench.load(Order::DevicesFirst, DEVICES, driver, "")?;
    bench.wait_until_ready(DEVICES)?;
    for number in 0..DEVICES {
        let name = PLATFORM.device(number);
        let rets: Vec<_> = bench
            .events()?
            .iter()
            .filter_map(|event| match &event.what {
                What::Ready { device, ret, .. } if *device == name => Some(*ret),
                _ => None,
            })
            .collect();
        let expected = if name == failing { ENOENT } else { 0 };
        ensure(&format!("ready of {name}"), &rets, &vec![expected])?;
        ensure_bound(&name)?;
    }
    Ok(())
}

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for order in Order::BOTH {
        for probe_type in [ProbeType::PreferAsynchronous, ProbeType::ForceSynchronous] {
            tests.push(Test::new(
                format!("two_phase: insmod returns at once, {probe_type}, {order}"),
                move |bench| returns(bench, order, probe_type),
            ));
        }
    }
    tests.push(Test::new("two_phase: unbind in the middle waits", unbind));
    for module in [PLATFORM.module, PLATFORM.devices] {
        tests.push(Test::new(
            format!("two_phase: rmmod of {module} in the middle waits"),
            move |bench| rmmod(bench, module),
        ));
    }
    tests.push(Test::new("two_phase: ready tells of a failure", failed));
    tests
}
