// SPDX-License-Identifier: GPL-2.0

//! A DEFAULT driver is synchronous, unless `async_probe` among the parameters of its module or
//! `driver_async_probe=` on the command line asks; FORCE ignores both.
//!
//! Needs two boots for all of its tests: a plain one, and one with
//! `driver_async_probe=slow_platform` on the command line. In each, the tests that need the other
//! are skipped.

//@ boots: plain two_nodes

use lifecycle::laws::default_type::{self, is_named};
use lifecycle::laws::designs::{Insmod, Probes, Promise};
use lifecycle::ProbeType;

use crate::samples::{Driver, Sample, PLATFORM};
use crate::{skip, sysfs, Bench, Failure, Order, Test};

const DEVICES: usize = 3;

/// The command line must ask for this driver to be probed asynchronously, or must not.
fn command_line(must_ask: bool) -> Result<(), Failure> {
    const OPTION: &str = "driver_async_probe=";
    let (line, driver) = (sysfs::read("/proc/cmdline")?, PLATFORM.driver);
    // The last one wins.
    let mut lists = line
        .split_whitespace()
        .filter_map(|option| option.strip_prefix(OPTION));
    let asks = lists
        .next_back()
        .is_some_and(|list| is_named(list, Some(driver)));
    match (must_ask, asks) {
        (false, true) => skip(format!("the command line has {OPTION}{driver}")),
        (true, false) => skip(format!("needs {OPTION}{driver} on the command line")),
        _ => Ok(()),
    }
}

/// One of the modules may be loaded with `async_probe`.
fn default_type(
    bench: &mut Bench,
    order: Order,
    probe_type: ProbeType,
    asks: Option<&str>,
    probes: Probes,
) -> Result<(), Failure> {
    let mut modules = [
        (PLATFORM.devices, format!("devices={DEVICES}")),
        (PLATFORM.module, Driver::slow(probe_type).to_string()),
    ];
    if order == Order::DriverFirst {
        modules.reverse();
    }
    for (module, parameters) in &modules {
        let more = if asks == Some(module) {
            " async_probe"
        } else {
            ""
        };
        bench.insmod(module, &format!("{parameters}{more}"))?;
    }
    bench.wait_for_ends(DEVICES)?;
    // A log of lines shows of the driver's insmod that it asks, and not what the command line does.
    let cases = order == Order::DevicesFirst
        && asks == Some(PLATFORM.module)
        && probe_type == ProbeType::DefaultStrategy;
    bench.keeps(&default_type::LAW, usize::from(cases))?;
    let sample = Sample::from(probe_type);
    let second_asks = asks == Some(sample.second(order).1);
    let promise = Promise {
        call: match probes == Probes::InParallel && second_asks {
            true => Insmod::Returns,
            false => Insmod::Waits,
        },
        probes,
    };
    bench.keeps_promise(sample, order, DEVICES, promise)
}

pub(crate) fn tests() -> Vec<Test> {
    use ProbeType::{DefaultStrategy as Default, ForceSynchronous as Force};
    use Probes::{InCaller, InParallel};

    let mut tests = Vec::new();
    for order in Order::BOTH {
        for (name, must_ask, probe_type, asks, probes) in [
            ("DEFAULT is synchronous", false, Default, None, InCaller),
            (
                "DEFAULT asked by async_probe",
                false,
                Default,
                Some(PLATFORM.module),
                InParallel,
            ),
            (
                "DEFAULT, async_probe for the devices",
                false,
                Default,
                Some(PLATFORM.devices),
                InCaller,
            ),
            (
                "FORCE ignores async_probe",
                false,
                Force,
                Some(PLATFORM.module),
                InCaller,
            ),
            (
                "DEFAULT asked by the command line",
                true,
                Default,
                None,
                InParallel,
            ),
            (
                "FORCE ignores the command line",
                true,
                Force,
                None,
                InCaller,
            ),
        ] {
            tests.push(Test::new(
                format!("default_type: {name}, {order}"),
                move |bench| {
                    command_line(must_ask)?;
                    default_type(bench, order, probe_type, asks, probes)
                },
            ));
        }
    }
    tests
}
