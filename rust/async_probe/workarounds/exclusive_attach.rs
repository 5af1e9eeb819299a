// SPDX-License-Identifier: GPL-2.0

//! Workaround: one asynchronous function for each device, in an exclusive domain of the driver.
//!
//! Unnecessary once the driver core probes a driver's devices in a domain of the driver
//! (`scripts/series/driver_domain`).
//!
//! Devices are probed in parallel, as with `PROBE_PREFER_ASYNCHRONOUS`, but in a domain that only
//! the driver itself waits for. So neither the task that loads the driver's module waits for the
//! probes, nor one that loads or unloads another module. Unregistering the driver waits for them.
//!
//! It works for drivers of a Rust bus, which has to cooperate (`attach.rs`). Each function calls
//! `device_attach()`, so that deferred probes are retried, and `wait_for_device_probe()`, before
//! the root file system is mounted, waits for the probes that run, but not for those that have not
//! begun yet: a root file system on such a device needs `rootwait` on the command line.
//!
//! A [`crate::probe_type`] has no effect on such a driver: the bus registers it with
//! `PROBE_FORCE_SYNCHRONOUS`, so that the functions themselves probe. The retry of a deferred probe
//! is synchronous, in the one worker that the driver core has for that.
//!
//! If a program relies on the devices being bound when the module is loaded, it must wait for the
//! bind uevents instead.

use super::attach;
use crate::abstractions::adapter;
use crate::abstractions::bus;
use crate::prelude::*;

/// An adapter that attaches each device asynchronously and leaves all else to `A`, the adapter of
/// a driver for the bus `B`.
pub type Adapter<A, B> = adapter::Adapter<A, OneForEachDevice<B>>;

/// The hooks of [`Adapter`].
pub struct OneForEachDevice<B>(PhantomData<B>);

impl<A, B: bus::Bus> adapter::Hooks<A> for OneForEachDevice<B>
where
    A: RegistrationOps<DriverType = bus::DriverStruct<B>>,
{
    fn register(driver: adapter::Unregistered<'_, A>) -> Result<adapter::Registered<'_, A>> {
        attach::register(attach::By::Device, driver).map(|(driver, _)| driver)
    }
}
