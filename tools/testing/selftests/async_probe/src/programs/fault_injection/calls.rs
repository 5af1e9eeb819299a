// SPDX-License-Identifier: GPL-2.0

//! The calls in which allocations fail.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use lifecycle::designs::Design;
use lifecycle::event::Call;
use nix::errno::Errno;

use super::sweep::Syscall;
use crate::samples::{driver_of, ensure_bound, Driver, Sample};
use crate::{ensure, Bench, Failure};

/// How many devices there are.
pub(crate) const COUNT: usize = 2;

/// Longer than probes take that load no firmware.
pub(crate) const MOMENT: Duration = Duration::from_millis(200);

/// The error of a call without memory.
pub(crate) const NO_MEMORY: &[Errno] = &[Errno::ENOMEM];

/// The errors of calls that have lost the reason in `drivers/base`:
///
/// - `platform_device_add()` ignores that `dev_set_name()` has found no memory for the name, and
///   `device_add()` refuses a device without a name.
/// - `module_add_driver()` finds no directory `/sys/module/<module>/drivers`, for which there was
///   no memory.
/// - `drivers_probe_store()` has one error for all.
pub(crate) const NO_REASON: &[Errno] = &[Errno::ENOMEM, Errno::EINVAL];

/// Calls the init of a module. The steps before that are the same for all modules.
pub(crate) const INIT: &str = "do_one_initcall";

pub(crate) fn load_devices(sample: Sample) -> Syscall {
    Syscall::Insmod {
        module: sample.bus().devices,
        parameters: sample.devices(COUNT),
    }
}

pub(crate) fn load_driver(sample: Sample) -> Syscall {
    Syscall::Insmod {
        module: sample.bus().module,
        parameters: Driver::slow(sample).quick().to_string(),
    }
}

pub(crate) fn write(sample: Sample, call: Call, text: &str) -> Syscall {
    Syscall::Write {
        path: sample.bus().file(call),
        text: text.to_owned(),
        call,
    }
}

/// Makes a call that succeeds.
pub(crate) fn succeed(bench: &mut Bench, syscall: &Syscall) -> Result<(), Failure> {
    let outcome = syscall.make(bench, 0)?;
    ensure(&format!("{syscall:?}"), &outcome.result, &Ok(()))
}

/// Binds each device that has no driver; returns how many had none. Where the init of the module
/// has failed in a worker, there is no driver; its directory may still be there, but without files.
pub(crate) fn bind_the_rest(bench: &mut Bench, sample: Sample) -> Result<usize, Failure> {
    sleep(MOMENT);
    let bind = sample.bus().file(Call::Bind);
    if sample == Design::ModuleInit.into() && !Path::new(&bind).exists() {
        return Ok(COUNT);
    }
    let mut unbound = 0;
    for device in (0..COUNT).map(|number| sample.bus().device(number)) {
        if driver_of(&device).is_none() {
            unbound += 1;
            succeed(bench, &write(sample, Call::DriversProbe, &device))?;
        }
        ensure_bound(&device)?;
    }
    Ok(unbound)
}

/// Loads the modules that are there before a test.
pub(crate) fn prepare(bench: &mut Bench, sample: Sample) -> Result<(), Failure> {
    succeed(bench, &load_devices(sample))?;
    // Some are registered by asynchronous functions.
    sample.bus().wait_for_devices(COUNT)
}
