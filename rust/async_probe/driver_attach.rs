// SPDX-License-Identifier: GPL-2.0

//! One asynchronous function for each driver, which attaches it to all its devices.
//!
//! The design of "driver-core: add driver async_probe support", RFC v2 2/6 of September 2014:
//! registering the driver returns at once, and a work on the unbound workqueue probes one device
//! after the other. When it has ended, a line in dmesg says how long it took:
//!
//! ```text
//! async_probe: bus: 'slow_bus': add driver slow attach completed after 32064711 usecs
//! ```
//!
//! Two things differ from the RFC. The work is a function in an exclusive domain, whose workqueue
//! (`async_wq`) is unbound too. And it is waited for before the driver is unregistered, but not
//! when a single device is unbound: the RFC did that in `__device_release_driver()`, which holds
//! the lock of the device that the work may be waiting for, so that both would wait for ever. That
//! lock alone keeps unbind from overtaking a probe.
//!
//! Unnecessary once nobody wants to compare the designs any more: `PROBE_PREFER_ASYNCHRONOUS`
//! probes devices in parallel.

use core::marker::PhantomData;

use kernel::{
    bindings,
    driver::{
        DriverLayout,
        RegistrationOps, //
    },
    error::to_result,
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    },
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

/// An adapter that attaches the driver asynchronously and leaves all else to `A`, the adapter of
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

/// A driver that stays registered until its domain has been synchronized.
struct Registered(*const bindings::device_driver);

// SAFETY: The driver core lets any task attach a driver.
unsafe impl Send for Registered {}

impl Registered {
    /// Attaches the driver to all devices that match, and says how long that took.
    fn attach(self) {
        let begin = Instant::<Monotonic>::now();

        // SAFETY: By what the type says of itself, the driver is registered.
        let result = to_result(unsafe { bindings::driver_attach(self.0) });

        // SAFETY: As above, and so is its bus; both have names.
        let (bus, driver) = unsafe {
            (
                CStr::from_char_ptr((*(*self.0).bus).name),
                CStr::from_char_ptr((*self.0).name),
            )
        };
        match result {
            Ok(()) => pr_info!(
                "bus: '{}': add driver {} attach completed after {} usecs\n",
                bus,
                driver,
                begin.elapsed().as_micros_ceil()
            ),
            Err(err) => pr_err!("bus: '{bus}': add driver {driver} attach failed: {err:?}\n"),
        }
    }
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
        let attach = unsafe { attach::register::<A, B>(By::Driver, reg, name, module) }?;

        // SAFETY: `reg` is valid.
        let registered = Registered(unsafe { &raw const (*reg.get()).driver });
        if let (true, Some(domain)) = (attach.is_wanted(), attach.domain()) {
            // Without memory for that, the devices are probed here and now.
            if let Err(refused) = domain.schedule(move || registered.attach(), GFP_KERNEL) {
                refused.run_here();
            }
        }
        Ok(())
    }

    unsafe fn unregister(reg: &Opaque<Self::DriverType>) {
        // SAFETY: The caller upholds the same requirements.
        unsafe { attach::unregister::<A, B>(reg) };
    }
}
