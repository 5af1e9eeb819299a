// SPDX-License-Identifier: GPL-2.0

//! Every design of the sample bus's driver binds all devices, in parallel or one after the other as
//! it says, and lets the call that sets off the probes return early or late as it says, in both
//! orders of arrival.

//@ boots: two_nodes

use lifecycle::designs::Design;
use lifecycle::event::Call;
use lifecycle::laws::designs;
use nix::errno::Errno;

use crate::kernel::probing;
use crate::samples::{designs, promise, Driver, BUS};
use crate::slow::slow_ms;
use crate::test_modules::DRIVER_TEST;
use crate::{ensure, sysfs, unmet, Bench, Failure, Order, Test};

const DEVICES: usize = 4;

/// The design keeps its promise.
fn keeps_its_promise(bench: &mut Bench, design: Design, order: Order) -> Result<(), Failure> {
    bench.load(order, DEVICES, Driver::slow(design), "")?;
    bench.wait_for_ends(DEVICES)?;
    bench.keeps_promise(design.into(), order, DEVICES, promise(design, order))?;
    BUS.wait_until_bound(DEVICES, DEVICES)
}

/// A probe type that is set below the design has no effect.
fn stands_above_a_probe_type(bench: &mut Bench, design: Design) -> Result<(), Failure> {
    bench.insmod(BUS.devices, &format!("devices={DEVICES}"))?;
    bench.insmod(DRIVER_TEST, &format!("scenario=fields design={design}"))?;
    bench.wait_for_ends(DEVICES)?;
    let promise = promise(design, Order::DevicesFirst);
    let life = bench.life()?;
    designs::check(&life, Call::Insmod, DRIVER_TEST, "fields", DEVICES, promise)?;
    Ok(())
}

/// The line of the attach work comes once, after the last probe, and tells how long it took.
fn says_how_long(bench: &mut Bench) -> Result<(), Failure> {
    const LINE: &str = "async_probe: bus: 'slow_bus': add driver slow attach completed after ";
    let driver = Driver::slow(Design::DriverAttach);
    bench.take_off(Order::DevicesFirst, DEVICES, driver)?;
    // It waits for the work.
    bench.rmmod(BUS.module)?;
    let lines = bench.lines()?;
    let ended = lines
        .iter()
        .rposition(|line| line.contains(" probe_ended "));
    let usecs: Vec<(bool, u64)> = lines
        .iter()
        .enumerate()
        .filter_map(|(at, line)| {
            let usecs = line.strip_prefix(LINE)?.strip_suffix(" usecs")?;
            Some((ended < Some(at), usecs.parse().ok()?))
        })
        .collect();
    let at_least = DEVICES as u64 * u64::from(slow_ms() * probing().lives()) * 1000;
    match usecs[..] {
        [(true, usecs)] if (at_least..at_least * 3 / 2).contains(&usecs) => Ok(()),
        _ => unmet(
            format!("`{LINE}N usecs` once, last, N {at_least} or a little more"),
            format!("{usecs:?}"),
        ),
    }
}

/// The bus adds its variables to the uevents of its devices; by `MODALIAS` udev finds the driver.
fn uevent(bench: &mut Bench) -> Result<(), Failure> {
    bench.insmod(BUS.devices, "devices=3")?;
    for number in 0..3 {
        let uevent = sysfs::read(&format!("{}/devices/slow.{number}/uevent", BUS.path))?;
        ensure(
            "the uevent variables",
            &uevent.as_str(),
            &format!("MODALIAS=slow_bus:slow\nSLOW_BUS_INDEX={number}").as_str(),
        )?;
    }
    let path = bench.module(BUS.module);
    let driver = std::fs::read(&path).map_err(|error| Failure::io("read", &path, error))?;
    let alias = b"alias=slow_bus:slow\0";
    let has_alias = driver.windows(alias.len()).any(|text| text == alias);
    ensure("whether the driver has the alias", &has_alias, &true)
}

/// A kernel without the series `driver_domain` refuses the design; no device is probed otherwise
/// than was asked for.
fn lacks_the_domain(bench: &mut Bench) -> Result<(), Failure> {
    bench.insmod(BUS.devices, "devices=1")?;
    ensure(
        "insmod",
        &bench.try_insmod(BUS.module, "design=driver_domain")?,
        &Err(Errno::EOPNOTSUPP),
    )
}

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = vec![
        Test::new("designs: driver_attach says how long", says_how_long),
        Test::new("designs: uevent variables", uevent),
    ];
    for design in [Design::DriverAttach, Design::ExclusiveAttach] {
        tests.push(Test::new(
            format!("designs: {design}, above a probe type"),
            move |bench| stands_above_a_probe_type(bench, design),
        ));
    }
    let designs = designs();
    if !designs.contains(&Design::DriverDomain) {
        let name = "designs: driver_domain, on a kernel that lacks it";
        tests.push(Test::new(name, lacks_the_domain));
    }
    for design in designs {
        for order in Order::BOTH {
            tests.push(Test::new(
                format!("designs: {design}, {order}"),
                move |bench| keeps_its_promise(bench, design, order),
            ));
        }
    }
    tests
}
