// SPDX-License-Identifier: GPL-2.0

//! The kernel refuses to unload a module while another one uses it, and unloads it when that is
//! gone.

use lifecycle::designs::Design;
use nix::errno::Errno;

use crate::modules::ASYNC_PROBE;
use crate::samples::{designs, Driver, BUS, PLATFORM};
use crate::{ensure, sysfs, Bench, Failure, Test};

/// No other module uses the crate's.
fn is_free() -> Result<(), Failure> {
    let references = sysfs::references(ASYNC_PROBE)?;
    ensure("references to async_probe", &references.as_str(), &"0")
}

fn bus(bench: &mut Bench, design: Design) -> Result<(), Failure> {
    is_free()?;
    bench.insmod(BUS.devices, "devices=2")?;
    bench.rmmod_refused(ASYNC_PROBE, Errno::EWOULDBLOCK)?;
    bench.insmod(BUS.module, &format!("{} async_probe", Driver::slow(design)))?;
    // While devices are probed, and afterwards.
    for probes in [0, 2] {
        bench.wait_for_ends(probes)?;
        for module in [ASYNC_PROBE, BUS.devices] {
            bench.rmmod_refused(module, Errno::EWOULDBLOCK)?;
        }
    }
    BUS.wait_until_bound(2, 2)?;
    bench.rmmod(BUS.module)?;
    bench.rmmod_refused(ASYNC_PROBE, Errno::EWOULDBLOCK)?;
    bench.rmmod(BUS.devices)?;
    is_free()
}

/// The platform samples use the crate's module, too.
fn platform(bench: &mut Bench) -> Result<(), Failure> {
    for module in [PLATFORM.devices, PLATFORM.module] {
        is_free()?;
        bench.insmod(module, "")?;
        bench.rmmod_refused(ASYNC_PROBE, Errno::EWOULDBLOCK)?;
        bench.rmmod(module)?;
    }
    is_free()
}

pub(crate) fn tests() -> Vec<Test> {
    let tests = designs().into_iter().map(|design| {
        Test::new(format!("provider_pinned: bus, {design}"), move |bench| {
            bus(bench, design)
        })
    });
    let last = Test::new("provider_pinned: platform", platform);
    tests.into_iter().chain([last]).collect()
}
