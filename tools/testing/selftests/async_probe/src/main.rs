// SPDX-License-Identifier: GPL-2.0

//! All guest programs in one file, as in busybox: the name with which it is called says which of
//! them is meant. So they are linked once, and the guest has their common code once.
//!
//! Each program under `src/programs` is one topic: it makes a list of [`ktap::Test`]s and hands it
//! to [`ktap::run`]. Every test gets a [`Bench`], on which it loads modules, binds devices and
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

use bench::Bench;
use failure::{ensure, skip, Failure};
use ktap::Test;
use order::Order;

/// Declares the programs, each of which is a module with a `main()`.
macro_rules! programs {
    ($($name:ident,)*) => {
        mod programs {
            $(pub(crate) mod $name;)*
        }

        /// The programs, by their names.
        const PROGRAMS: &[(&str, fn() -> ExitCode)] =
            &[$((stringify!($name), programs::$name::main),)*];
    };
}

programs! {
    autoprobe_off,
    bus_lifetime,
    check_driver,
    containment,
    convoy,
    default_type,
    deferral,
    designs,
    domain,
    failed_probe,
    fault_injection,
    firmware_in_probe,
    force_sync,
    gone_before_probe,
    gone_during_probe,
    insmod_waits,
    killed_loader,
    kunit,
    manual_bind_sync,
    measure,
    module_param,
    module_text,
    mutants,
    nested_probe,
    numa,
    order_of_arrival,
    parallel_efficiency,
    pci,
    probe_analyze,
    probe_remove_probe,
    provider_pinned,
    random_lives,
    ready_before_probe,
    reboot_in_flight,
    recorder,
    register_returns,
    rmmod_refused,
    rmmod_waits,
    second_phase,
    second_phase_in_flight,
    shutdown_bound,
    single_slot,
    splats,
    stress,
    surprise_removal,
    two_phase,
    uevent_order,
    unbind_waits,
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
