// SPDX-License-Identifier: GPL-2.0

//! One asynchronous function for each device, in an exclusive domain of the driver.
//!
//! Devices are probed in parallel, as with `PROBE_PREFER_ASYNCHRONOUS`, but in a domain that only
//! the driver itself waits for. So nobody else does: neither the task that loads the driver's
//! module, nor one that loads or unloads any other module. Unregistering the driver waits for the
//! probes.
//!
//! It works for drivers of a Rust bus, because the bus has to cooperate (`attach.rs`). Each
//! function calls `device_attach()`, so that deferred probes are retried, and
//! `wait_for_device_probe()`, which goes before the root file system is mounted, waits for the
//! probes that run. It does not wait for those that have not begun yet: a root file system on such
//! a device needs `rootwait` on the kernel command line.
//!
//! Where a driver of another [`crate::probe_type`] is wrapped, the probe type has no effect: the
//! driver is registered with `PROBE_FORCE_SYNCHRONOUS`, so that the functions themselves probe. The
//! retry of a deferred probe is synchronous, in the one worker that the driver core has for that.
//!
//! A driver must not be used this way if something relies on its devices being bound when its
//! module is loaded; what can be waited for instead is the bind uevent.

use core::marker::PhantomData;

use kernel::{
    driver::{
        DriverLayout,
        RegistrationOps, //
    },
    prelude::*,
    types::Opaque, //
};

use crate::{
    attach::{
        self,
        By, //
    },
    bus::{
        Bus,
        DriverStruct, //
    },
};

/// An adapter that attaches each device asynchronously and leaves all else to `A`, the adapter of
/// a driver for the bus `B`.
pub struct Adapter<A, B>(PhantomData<(A, B)>);

// SAFETY: The layout is that of `A`, whose implementation gives the same guarantees.
unsafe impl<A, B: Bus> DriverLayout for Adapter<A, B>
where
    A: DriverLayout<DriverType = DriverStruct<B>>,
{
    type DriverType = A::DriverType;
    type DriverData<'bound> = A::DriverData<'bound>;
    const DEVICE_DRIVER_OFFSET: usize = A::DEVICE_DRIVER_OFFSET;
}

// SAFETY: `unregister()` may be called whenever `A::unregister()` may be called, as both functions
// go on to `A`.
unsafe impl<A, B: Bus> RegistrationOps for Adapter<A, B>
where
    A: RegistrationOps<DriverType = DriverStruct<B>>,
{
    unsafe fn register(
        reg: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        // SAFETY: The caller upholds the same requirements.
        unsafe { attach::register::<A, B>(By::Device, reg, name, module) }.map(|_| ())
    }

    unsafe fn unregister(reg: &Opaque<Self::DriverType>) {
        // SAFETY: The caller upholds the same requirements.
        unsafe { attach::unregister::<A, B>(reg) };
    }
}
