// SPDX-License-Identifier: GPL-2.0

//! Workaround: one asynchronous function for each driver, which attaches it to all its devices.
//!
//! Unnecessary, other than to compare the designs: `PROBE_PREFER_ASYNCHRONOUS` probes in parallel.
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
//! (`async_wq`) is unbound too. And unregistering the driver waits for the function, but unbinding
//! a single device does not: the RFC waited in `__device_release_driver()`, with the lock of the
//! device held, for which the work may be waiting. The lock alone keeps unbind from overtaking a
//! probe.

use super::attach;
use crate::abstractions::adapter;
use crate::abstractions::bus;
use crate::prelude::*;

/// An adapter that attaches the driver asynchronously and leaves all else to `A`, the adapter of
/// a driver for the bus `B`.
pub type Adapter<A, B> = adapter::Adapter<A, OneForTheDriver<B>>;

/// The hooks of [`Adapter`].
pub struct OneForTheDriver<B>(PhantomData<B>);

/// A driver that stays registered until its domain has been synchronized.
struct Attached(*const bindings::device_driver);

// SAFETY: The driver core lets any task attach a driver.
unsafe impl Send for Attached {}

impl Attached {
    /// Attaches the driver to all devices that match, and says how long that took.
    fn attach(self) {
        let begin = Instant::<Monotonic>::now();

        // SAFETY: The driver and its bus are registered, as the type says, and both have names.
        let (result, bus, driver) = unsafe {
            (
                to_result(bindings::driver_attach(self.0)),
                CStr::from_char_ptr((*(*self.0).bus).name),
                CStr::from_char_ptr((*self.0).name),
            )
        };
        match result {
            Ok(()) => pr_info!(
                "bus: '{bus}': add driver {driver} attach completed after {} usecs\n",
                begin.elapsed().as_micros_ceil()
            ),
            Err(err) => pr_err!("bus: '{bus}': add driver {driver} attach failed: {err:?}\n"),
        }
    }
}

impl<A, B: bus::Bus> adapter::Hooks<A> for OneForTheDriver<B>
where
    A: RegistrationOps<DriverType = bus::DriverStruct<B>>,
{
    fn register(driver: adapter::Unregistered<'_, A>) -> Result<adapter::Registered<'_, A>> {
        let (driver, attach) = attach::register(attach::By::Driver, driver)?;

        if attach.wanted.load(Relaxed) {
            let attached = Attached(driver.as_raw());

            // Without memory for the function, the current task probes the devices.
            if let Err(refused) = attach
                .domain
                .schedule(move || attached.attach(), GFP_KERNEL)
            {
                refused.run_here();
            }
        }
        Ok(driver)
    }
}
