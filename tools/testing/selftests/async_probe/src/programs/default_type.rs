// SPDX-License-Identifier: GPL-2.0

//! A DEFAULT driver is synchronous, unless `async_probe` among the parameters of its module or
//! `driver_async_probe=` on the command line asks; FORCE ignores both.
//!
//! Needs two boots for all of its tests: a plain one, and one with
//! `driver_async_probe=slow_platform` on the command line. In each, the tests that need the other
//! are skipped.

//@ boots: plain two_nodes

use std::process::ExitCode;

use lifecycle::laws::default_type;
use lifecycle::laws::designs::{self, Insmod, Probes, Promise};
use lifecycle::ProbeType;

use crate::samples::{Driver, Sample, PLATFORM};
use crate::{ktap, skip, sysfs, Bench, Failure, Order, Test};

const DEVICES: usize = 3;

/// Whether the command line asks for this driver to be probed asynchronously.
#[derive(Clone, Copy, PartialEq)]
enum CommandLine {
    /// It must not ask.
    Silent,
    /// It must ask.
    Asks,
}

impl CommandLine {
    /// Whether the machine was booted this way.
    fn check(self) -> Result<(), Failure> {
        const OPTION: &str = "driver_async_probe=";
        let line = sysfs::read("/proc/cmdline")?;
        // The last one wins, and `*` turns the list around.
        let names: Vec<_> = line
            .split_whitespace()
            .filter_map(|option| option.strip_prefix(OPTION))
            .next_back()
            .map_or(Vec::new(), |names| names.split(',').collect());
        let asks = names.contains(&"*") != names.contains(&PLATFORM.driver);
        match (self, asks) {
            (Self::Silent, true) => {
                skip(format!("the command line has {OPTION}{}", PLATFORM.driver))
            }
            (Self::Asks, false) => skip(format!(
                "needs {OPTION}{} on the command line",
                PLATFORM.driver
            )),
            _ => Ok(()),
        }
    }
}

/// Which modules are loaded with `async_probe`.
#[derive(Clone, Copy)]
struct Asked {
    driver: bool,
    devices: bool,
}

const NONE: Asked = Asked {
    driver: false,
    devices: false,
};
const DRIVER: Asked = Asked {
    driver: true,
    devices: false,
};
const OTHER: Asked = Asked {
    driver: false,
    devices: true,
};

fn default_type(
    bench: &mut Bench,
    order: Order,
    probe_type: ProbeType,
    asked: Asked,
    probes: Probes,
) -> Result<(), Failure> {
    let with = |parameters: String, asked| {
        if asked {
            parameters + " async_probe"
        } else {
            parameters
        }
    };
    let mut modules = [
        (
            PLATFORM.devices,
            with(format!("devices={DEVICES}"), asked.devices),
        ),
        (
            PLATFORM.module,
            with(Driver::slow(probe_type).to_string(), asked.driver),
        ),
    ];
    if order == Order::DriverFirst {
        modules.reverse();
    }
    for (module, parameters) in &modules {
        bench.insmod(module, parameters)?;
    }
    bench.wait_for_ends(DEVICES)?;
    // A log of lines shows of the driver's insmod that it asks, and not what the command line does.
    let default = probe_type == ProbeType::DefaultStrategy;
    let cases = order == Order::DevicesFirst && asked.driver && default;
    bench.keeps(&default_type::LAW, usize::from(cases))?;
    let second_asks = match order {
        Order::DevicesFirst => asked.driver,
        Order::DriverFirst => asked.devices,
    };
    let returns = match probes == Probes::InParallel && second_asks {
        true => Insmod::Returns,
        false => Insmod::Waits,
    };
    let promise = Promise {
        call: returns,
        probes,
    };
    let (life, (call, on)) = (bench.life()?, Sample::from(probe_type).second(order));
    designs::check(&life, call, on, PLATFORM.driver, DEVICES, promise)?;
    Ok(())
}

pub(crate) fn main() -> ExitCode {
    use ProbeType::{DefaultStrategy as Default, ForceSynchronous as Force};
    use Probes::{InCaller, InParallel};

    let mut tests = Vec::new();
    for order in Order::BOTH {
        for (name, line, probe_type, asked, probes) in [
            (
                "DEFAULT is synchronous",
                CommandLine::Silent,
                Default,
                NONE,
                InCaller,
            ),
            (
                "DEFAULT asked by async_probe",
                CommandLine::Silent,
                Default,
                DRIVER,
                InParallel,
            ),
            (
                "DEFAULT, async_probe for the devices",
                CommandLine::Silent,
                Default,
                OTHER,
                InCaller,
            ),
            (
                "FORCE ignores async_probe",
                CommandLine::Silent,
                Force,
                DRIVER,
                InCaller,
            ),
            (
                "DEFAULT asked by the command line",
                CommandLine::Asks,
                Default,
                NONE,
                InParallel,
            ),
            (
                "FORCE ignores the command line",
                CommandLine::Asks,
                Force,
                NONE,
                InCaller,
            ),
        ] {
            tests.push(Test::new(
                format!("default_type: {name}, {order}"),
                move |bench| {
                    line.check()?;
                    default_type(bench, order, probe_type, asked, probes)
                },
            ));
        }
    }
    ktap::run(tests)
}
