// SPDX-License-Identifier: GPL-2.0

//! All guest programs in one file, as in busybox: the name with which it is called says which of
//! them is meant. So they are linked once, and the guest has their common code once.
//!
//! Each program under `src/programs` is one topic, and most are a list of [`ktap::Test`]s, which
//! [`ktap::run`] runs. Every test gets a [`Bench`], on which it loads modules, binds devices and
//! reads the log; whatever it leaves behind is cleaned up after it.
//!
//! The programs run as root on any machine that has the modules. They look for them in the
//! directory that the environment variable `ASYNC_PROBE_MODULES` names, in `modules/` beside the
//! program, in `/modules` and below `/lib/modules/$(uname -r)`.

mod bench;
mod failure;
mod firmware_dir;
mod hotplug;
mod kernel;
mod kmemleak;
mod kmsg;
mod ktap;
mod last;
mod lockdep;
mod modules;
mod order;
mod power_off;
mod random;
mod recording;
mod samples;
mod slow;
mod sysfs;
mod test_modules;
mod uevents;

use std::env;
use std::path::Path;
use std::process::ExitCode;

pub(crate) use bench::Bench;
pub(crate) use failure::{ensure, skip, succeeds, unmet, Failure};
pub(crate) use ktap::Test;
pub(crate) use order::Order;

/// What a program does: it is a list of tests, or has a `main()` of its own.
macro_rules! program {
    ($name:ident tests) => {
        || ktap::run(programs::$name::tests())
    };
    ($name:ident main) => {
        programs::$name::main
    };
}

/// Declares the programs, each of which is a module.
macro_rules! programs {
    ($($name:ident::$kind:ident,)*) => {
        mod programs {
            $(pub(crate) mod $name;)*
        }

        const PROGRAMS: &[(&str, fn() -> ExitCode)] =
            &[$((stringify!($name), program!($name $kind)),)*];
    };
}

programs! {
    autoprobe_off::tests,
    bus_lifetime::tests,
    check_driver::main,
    containment::main,
    convoy::tests,
    default_type::tests,
    deferral::tests,
    designs::tests,
    domain::tests,
    failed_probe::tests,
    fault_injection::main,
    firmware_in_probe::tests,
    force_sync::tests,
    gone_before_probe::tests,
    gone_during_probe::tests,
    insmod_waits::tests,
    killed_loader::main,
    kunit::tests,
    manual_bind_sync::tests,
    measure::main,
    module_param::tests,
    module_text::tests,
    mutants::tests,
    nested_probe::tests,
    numa::tests,
    order_of_arrival::tests,
    parallel_efficiency::tests,
    pci::tests,
    probe_analyze::tests,
    probe_remove_probe::tests,
    provider_pinned::tests,
    random_lives::tests,
    ready_before_probe::tests,
    reboot_in_flight::main,
    recorder::tests,
    register_returns::tests,
    rmmod_refused::tests,
    rmmod_waits::tests,
    second_phase::tests,
    second_phase_in_flight::main,
    shutdown_bound::main,
    single_slot::tests,
    splats::main,
    stress::main,
    surprise_removal::tests,
    two_phase::tests,
    uevent_order::tests,
    unbind_waits::tests,
}

fn main() -> ExitCode {
    let called = env::args_os().next().unwrap_or_default();
    let called = Path::new(&called).file_name().unwrap_or_default();
    if let Some((_, main)) = PROGRAMS.iter().find(|(name, _)| called == *name) {
        return main();
    }
    eprintln!("make a link to this file, by the name of one of the programs, and call that:");
    for (name, _) in PROGRAMS {
        eprintln!("  {name}");
    }
    ExitCode::from(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_is_a_program() {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        // Where cargo takes each file for a program.
        assert!(!src.join("bin").exists());
        let sources = src.join("programs");
        let mut names: Vec<String> = std::fs::read_dir(sources)
            .unwrap()
            .map(|entry| entry.unwrap().path().with_extension(""))
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        let programs: Vec<&str> = PROGRAMS.iter().map(|(name, _)| *name).collect();
        assert_eq!(programs, names);
    }
}
