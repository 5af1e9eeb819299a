// SPDX-License-Identifier: GPL-2.0

//! The unit tests of the crate and the examples in its documentation, which KUnit runs when their
//! modules are loaded: each that the sources have has run and passed.

//@ plain: the crate is loaded before the tests begin
//@ boots: kunit

use std::fs;

use lifecycle::kunit::{declared, examples, judge, Case, Verdict};

use crate::kmsg::Log;
use crate::modules::{insmod, is_loaded, rmmod, Modules, ASYNC_PROBE};
use crate::{kernel, skip, unmet, Failure, Test};

/// A file of the crate: its path, and what it has.
macro_rules! source {
    ($path:literal) => {
        (
            $path,
            include_str!(concat!("../../../../../../rust/async_probe/", $path)),
        )
    };
}

/// The files of the crate that have unit tests, or examples.
const SOURCES: &[(&str, &str)] = &[
    source!("abstractions/bus.rs"),
    source!("abstractions/bus/attribute.rs"),
    source!("abstractions/domain.rs"),
    source!("abstractions/module_param.rs"),
    source!("abstractions/platform.rs"),
    source!("abstractions/probe_type.rs"),
    source!("workarounds/timing.rs"),
    source!("workarounds/two_phase.rs"),
];

/// The module with the examples. It is not built for Linux 7.2.
const DOCTESTS: &str = "doctests";

/// The option of the command line that lets KUnit run tests, where that is not the default; sysfs
/// does not show it.
const ENABLE: &str = "kunit.enable=1";

fn is_enabled() -> bool {
    let line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    kernel::has("KUNIT_DEFAULT_ENABLED") || line.split_whitespace().any(|word| word == ENABLE)
}

/// Loads the crate, and judges the lines that KUnit prints meanwhile.
fn load() -> Result<Vec<Verdict>, Failure> {
    if !kernel::has("KUNIT") {
        return skip("the kernel has no CONFIG_KUNIT=y");
    }
    if !is_enabled() {
        return skip(format!("{ENABLE} is not on the kernel's command line"));
    }
    if is_loaded(ASYNC_PROBE) {
        return skip("async_probe is loaded already: rmmod it first");
    }
    let mut log = Log::open()?;
    let modules = Modules::find()?;
    let sources = SOURCES.iter();
    let mut cases: Vec<Case> = sources.flat_map(|(_, source)| declared(source)).collect();
    if modules.path(DOCTESTS).exists() {
        insmod(&modules.path(DOCTESTS), DOCTESTS, "")?
            .map_err(|errno| Failure::assertion("insmod doctests", errno))?;
        rmmod(DOCTESTS)?.map_err(|errno| Failure::assertion("rmmod doctests", errno))?;
        let sources = SOURCES.iter();
        cases.extend(sources.flat_map(|(path, source)| examples(path, source)));
    }
    modules.release()?;
    log.catch_up()?;
    Ok(judge(log.lines().iter().map(String::as_str), &cases))
}

/// The failure that stopped it, as the result of a test.
fn again(failure: &Failure) -> Failure {
    match failure {
        Failure::Skip(reason) => Failure::Skip(reason.clone()),
        other => Failure::assertion("the crate to be loaded", other),
    }
}

pub(crate) fn tests() -> Vec<Test> {
    match load() {
        Ok(verdicts) => verdicts.into_iter().map(test).collect(),
        Err(failure) => vec![Test::new("kunit: load", move |_| Err(again(&failure)))],
    }
}

fn test(verdict: Verdict) -> Test {
    Test::new(
        format!("kunit: {}", verdict.name),
        move |_| match &verdict.broken {
            None => Ok(()),
            Some(broken) => unmet("the case to pass", broken),
        },
    )
}
