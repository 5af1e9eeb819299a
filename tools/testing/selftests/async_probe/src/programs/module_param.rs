// SPDX-License-Identifier: GPL-2.0

//! Module parameters are readable in sysfs; a wrong one is refused by name, and nothing stays
//! loaded.

//@ boots: two_nodes

use nix::errno::Errno;

use crate::modules;
use crate::samples::{ensure_free, PLATFORM};
use crate::{ensure, sysfs, Bench, Failure, Test};

/// A parameter, with the values that it takes in the words of the line in dmesg.
#[derive(Clone, Copy)]
struct Parameter {
    module: &'static str,
    name: &'static str,
    default: &'static str,
    expected: &'static str,
    good: &'static [&'static str],
    bad: &'static [&'static str],
}

static PARAMETERS: [Parameter; 5] = [
    Parameter {
        module: PLATFORM.devices,
        name: "devices",
        default: "8",
        expected: "1..=4096",
        good: &["1", "64"],
        bad: &[
            "0",
            "4097",
            "-1",
            "4294967297",
            "18446744073709551617",
            "",
            "abc",
            "8x",
            "1.5",
        ],
    },
    Parameter {
        module: PLATFORM.module,
        name: "probe_type",
        default: "prefer_asynchronous",
        expected: "one of default_strategy|prefer_asynchronous|force_synchronous|\
                   prefer_async_domain",
        good: &[
            "default_strategy",
            "prefer_asynchronous",
            "force_synchronous",
        ],
        bad: &[
            "",
            "async",
            "PREFER_ASYNCHRONOUS",
            "force_synchronousx",
            "1",
        ],
    },
    Parameter {
        module: PLATFORM.module,
        name: "firmware",
        default: "driver",
        expected: "one of driver|device",
        good: &["driver", "device"],
        bad: &["", "dev", "both"],
    },
    Parameter {
        module: PLATFORM.module,
        name: "phases",
        default: "1",
        expected: "1..=2",
        good: &["1", "2"],
        bad: &["0", "3", ""],
    },
    Parameter {
        module: PLATFORM.module,
        name: "firmware_ms",
        default: "2000",
        expected: "0..=600000",
        good: &["0", "600000"],
        bad: &["600001", "-1", "", "1e3", "2s"],
    },
];

/// The module is not there, nor anything of it.
fn nothing_left(module: &str) -> Result<(), Failure> {
    ensure(
        &format!("{module} loaded"),
        &modules::is_loaded(module),
        &false,
    )?;
    ensure_free(&PLATFORM.device(0))
}

/// A wrong value is refused with EINVAL and one line.
fn refused(bench: &mut Bench, parameter: Parameter) -> Result<(), Failure> {
    let Parameter { module, name, .. } = parameter;
    for value in parameter.bad {
        let from = bench.lines()?.len();
        ensure(
            &format!("insmod {module} {name}={value}"),
            &bench.try_insmod(module, &format!("{name}={value}"))?,
            &Err(Errno::EINVAL),
        )?;
        let line = format!(
            "{module}: parameter {name}={value} is invalid: expected {}",
            parameter.expected
        );
        let lines = &bench.lines()?[from..];
        let found: Vec<_> = lines
            .iter()
            .filter(|text| text.contains(" is invalid: "))
            .collect();
        ensure("lines about the parameter", &found, &vec![&line])?;
        nothing_left(module)?;
    }
    Ok(())
}

/// A parameter without any value is refused too, and so is a second, wrong value after a good one.
fn refused_forms(bench: &mut Bench, parameter: Parameter) -> Result<(), Failure> {
    let Parameter { module, name, .. } = parameter;
    let (good, bad) = (parameter.good[0], parameter.bad[1]);
    for parameters in [name.to_owned(), format!("{name}={good} {name}={bad}")] {
        ensure(
            &format!("insmod {module} {parameters}"),
            &bench.try_insmod(module, &parameters)?,
            &Err(Errno::EINVAL),
        )?;
        nothing_left(module)?;
    }
    Ok(())
}

/// A good value, and the default, are readable in sysfs.
fn readable(bench: &mut Bench, parameter: Parameter) -> Result<(), Failure> {
    let Parameter { module, name, .. } = parameter;
    bench.insmod(module, "")?;
    ensure(
        &format!("default of {name}"),
        &sysfs::parameter(module, name)?.as_str(),
        &parameter.default,
    )?;
    bench.rmmod(module)?;
    for value in parameter.good {
        bench.insmod(module, &format!("{name}={value}"))?;
        ensure(name, &sysfs::parameter(module, name)?.as_str(), value)?;
        bench.rmmod(module)?;
    }
    Ok(())
}

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for parameter in PARAMETERS {
        let name = parameter.name;
        tests.push(Test::new(
            format!("module_param: {name} is readable"),
            move |bench| readable(bench, parameter),
        ));
        tests.push(Test::new(
            format!("module_param: {name} is refused by name when wrong"),
            move |bench| refused(bench, parameter),
        ));
        tests.push(Test::new(
            format!("module_param: {name} is refused without value or when the last is wrong"),
            move |bench| refused_forms(bench, parameter),
        ));
    }
    tests
}
