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
//! `wait_for_device_probe()` waits for the probes that run, which is what a root file system on
//! such a device needs. Nobody waits for those that have not begun yet.
//!
//! A driver must not be used this way if something relies on its devices being bound when its
//! module is loaded; what can be waited for instead is the bind uevent.

use core::marker::PhantomData;

use kernel::{
    bindings,
    driver::{
        DriverLayout,
        RegistrationOps, //
    },
    prelude::*,
    types::Opaque, //
};

use crate::{
    attach::{
        Attach,
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
// forward to `A`.
unsafe impl<A, B: Bus> RegistrationOps for Adapter<A, B>
where
    A: RegistrationOps<DriverType = DriverStruct<B>>,
{
    unsafe fn register(
        reg: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        let drv = reg.get();
        let attach = Attach::registering(By::Device)?;

        // SAFETY: `drv` is initialized, and nobody else knows it before it is registered.
        unsafe {
            (*drv).attach = attach;
            (*drv).driver.probe_type = bindings::probe_type_PROBE_FORCE_SYNCHRONOUS;
        }

        // SAFETY: The caller upholds the same requirements.
        let result = unsafe { A::register(reg, name, module) };

        if result.is_ok() {
            // SAFETY: From here on the field is only read.
            unsafe { (*drv).attach.registered() };
        } else {
            // SAFETY: The driver is not registered, hence `drv` is ours. Functions that have been
            // scheduled find no driver.
            unsafe { (*drv).attach = Attach::default() };
        }
        result
    }

    unsafe fn unregister(reg: &Opaque<Self::DriverType>) {
        // SAFETY: The driver is registered, hence the field is only read.
        if let Some(domain) = unsafe { (*reg.get()).attach.domain() } {
            domain.synchronize_full();
        }

        // SAFETY: The caller upholds the same requirements.
        unsafe { A::unregister(reg) };

        // Devices that came meanwhile have had functions scheduled, which find no driver any more.
        //
        // SAFETY: The driver is not registered any more, hence the memory is ours.
        unsafe { (*reg.get()).attach = Attach::default() };
    }
}
