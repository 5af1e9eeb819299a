// SPDX-License-Identifier: GPL-2.0

//! A device whose probe says `EPROBE_DEFER` is probed again after another device has been bound, in
//! every design in which drivers are attached, and on the platform bus.

//@ boots: two_nodes

use lifecycle::errno::EPROBE_DEFER;
use lifecycle::event::Call;
use lifecycle::laws::deferral;
use lifecycle::life::{Kind, Span};

use crate::samples::{driver_of, Bus, BUS, PLATFORM};
use crate::test_modules::DRIVER_TEST;
use crate::{ensure, sysfs, unmet, Bench, Failure, Order, Test};

/// The device was deferred before its supplier was bound, and has been bound since.
fn tried_again(bench: &mut Bench, device: &str, supplier: &str) -> Result<(), Failure> {
    bench.keeps(&deferral::LAW, 1)?;
    let life = bench.life()?;
    let probes = |name: &str| -> Vec<&Span> {
        let probes = life.of(Kind::Probe).map(|(_, probe)| probe);
        probes.filter(|probe| probe.on == name).collect()
    };
    let mut supplied = probes(supplier).into_iter();
    let bound = supplied.find(|probe| probe.ret == Some(0));
    let Some(bound) = bound.and_then(|probe| probe.ended) else {
        let expected = format!("{supplier} to be bound");
        return unmet(expected, "it is not");
    };
    let (before, after): (Vec<&Span>, Vec<&Span>) = probes(device)
        .into_iter()
        .partition(|probe| probe.began < bound);
    let deferred = before.iter().any(|probe| probe.ret == Some(EPROBE_DEFER));
    ensure(
        &format!("{device} deferred before {supplier} is bound"),
        &deferred,
        &true,
    )?;
    ensure(
        &format!("the last probe of {device} after {supplier} is bound"),
        &after.last().map(|probe| probe.ret),
        &Some(Some(0)),
    )
}

fn deferral(
    bench: &mut Bench,
    scenario: &str,
    bus: &'static Bus,
    design: &str,
    order: Order,
) -> Result<(), Failure> {
    let (device, supplier) = (bus.device(0), bus.device(1));
    let driver = (DRIVER_TEST, format!("scenario={scenario} design={design}"));
    let mut modules = vec![(bus.devices, "devices=2".to_owned()), driver];
    if *bus == PLATFORM {
        if order == Order::DriverFirst {
            modules.reverse();
        }
        // The module of the driver uses that of the sample bus.
        modules.insert(0, (BUS.devices, "devices=0".to_owned()));
    } else if order == Order::DriverFirst {
        "devices=0".clone_into(&mut modules[0].1);
    }
    for (module, parameters) in modules {
        bench.insmod(module, &parameters)?;
    }
    if *bus == BUS && order == Order::DriverFirst {
        bench.add(Call::Add, 2)?;
    }
    bench.wait_for_ends(3)?;
    tried_again(bench, &device, &supplier)?;
    sysfs::wait_for("both devices to be bound", || {
        [&device, &supplier]
            .iter()
            .all(|device| driver_of(device).is_some())
    })
}

/// A driver that is unloaded while a device is deferred leaves nothing.
fn unloaded(bench: &mut Bench, design: &str) -> Result<(), Failure> {
    bench.insmod(BUS.devices, "devices=1")?;
    bench.insmod(DRIVER_TEST, &format!("scenario=deferral design={design}"))?;
    bench.wait_for_ends(1)?;
    bench.rmmod(DRIVER_TEST)?;
    ensure("driver", &driver_of(&BUS.device(0)), &None)
}

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for design in ["sync", "prefer_async", "driver_attach", "exclusive_attach"] {
        for order in Order::BOTH {
            tests.push(Test::new(
                format!("deferral: {design}, {order}"),
                move |bench| deferral(bench, "deferral", &BUS, design, order),
            ));
        }
        tests.push(Test::new(
            format!("deferral: {design}, the driver goes"),
            move |bench| unloaded(bench, design),
        ));
    }
    for design in ["sync", "prefer_async"] {
        for order in Order::BOTH {
            tests.push(Test::new(
                format!("deferral: platform, {design}, {order}"),
                move |bench| deferral(bench, "platform_deferral", &PLATFORM, design, order),
            ));
        }
    }
    tests
}
