// SPDX-License-Identifier: GPL-2.0

//! Workaround: functions of a driver attach it to its devices, in the place of the driver core.
//!
//! Unnecessary once the driver core probes a driver's devices in a domain of the driver.
//!
//! The driver core attaches when a driver or a device is registered, in the registering task or,
//! for drivers that prefer it, in the global domain of asynchronous functions. The strategies of
//! this module take that on themselves: the bus answers the driver core that nothing matches, as
//! long as the registering task asks. Any other task gets the true answer: one that writes to
//! `bind` or to `drivers_probe`, or that retries a deferred probe.

use crate::abstractions::adapter;
use crate::abstractions::bus;
use crate::abstractions::bus::Bus;
use crate::abstractions::domain::Domain;
use crate::abstractions::domain::Node;
use crate::abstractions::task;
use crate::prelude::*;

/// How many functions attach a driver.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum By {
    /// One for all devices, [`super::driver_attach`].
    Driver,
    /// One for each device, [`super::exclusive_attach`].
    Device,
}

/// How a driver is attached.
#[pin_data]
pub(super) struct Attach {
    by: By,
    /// The task that registers the driver, as a number, while it does so.
    registrar: Atomic<usize>,
    /// Whether the driver core has asked for a device that matches before `open` was set, which it
    /// only does if the bus's `drivers_autoprobe` is set.
    pub(super) wanted: AtomicFlag,
    /// Whether the registration of the driver has succeeded. Until then no function is scheduled:
    /// if it fails in the end, the driver core does not wait for the probes of other tasks.
    open: AtomicFlag,
    /// Where the functions run.
    #[pin]
    pub(super) domain: Domain,
}

impl Attach {
    /// Whether the current task is the one that is registering the driver just now.
    fn is_registrar(&self) -> bool {
        self.registrar.load(Relaxed) == task::current()
    }

    /// If the registration has not succeeded yet, notes that there is a device for the driver, and
    /// leaves the device to [`register`].
    fn is_left_to_registrar(&self) -> bool {
        if self.open.load(Acquire) {
            return false;
        }

        // Either `register()` sees `wanted`, or this task sees `open`.
        self.wanted.xchg(true, Full);
        !self.open.load(Relaxed)
    }

    /// Schedules the attachment of `dev`. Without memory for that, the answer is that the driver
    /// core may probe the device in the current task.
    fn schedule<B: Bus>(&self, dev: &bus::Device<B>) -> bool {
        let node = Node::of(dev.as_ref());
        let dev: ARef<bus::Device<B>> = dev.into();

        self.domain
            .schedule_on(node, move || bus::device::attach(&dev), GFP_KERNEL)
            .is_err()
    }
}

impl<B: Bus> bus::Attacher<B> for Attach {
    fn is_for_driver_core(&self, dev: &bus::Device<B>) -> bool {
        match self.by {
            By::Driver if self.is_registrar() => {
                self.wanted.store(true, Relaxed);
                false
            }
            By::Device if self.is_registrar() || bus::device::is_added_here(dev) => {
                !self.is_left_to_registrar() && self.schedule(dev)
            }
            _ => true,
        }
    }

    fn synchronize(&self) {
        self.domain.synchronize_full();
    }
}

/// Registers a driver that functions attach, as `by` says, and returns how it is attached. The
/// driver core itself probes none of its devices meanwhile.
///
/// Errors: `ENOMEM` if memory is short, and those of `A`.
pub(super) fn register<A, B: Bus>(
    by: By,
    mut driver: adapter::Unregistered<'_, A>,
) -> Result<(adapter::Registered<'_, A>, Arc<Attach>)>
where
    A: RegistrationOps<DriverType = bus::DriverStruct<B>>,
{
    let attach = Arc::pin_init(
        pin_init!(Attach {
            by,
            registrar: Atomic::new(task::current()),
            wanted: AtomicFlag::new(false),
            open: AtomicFlag::new(false),
            domain <- Domain::exclusive(),
        }),
        GFP_KERNEL,
    )?;

    driver.set_attacher(attach.clone());
    let driver = driver.register()?;

    attach.open.xchg(true, Full);
    if by == By::Device && attach.wanted.load(Relaxed) {
        // Now each device that matches is scheduled; the driver core itself probes none.
        //
        // SAFETY: The driver is registered.
        let _ = unsafe { bindings::driver_attach(driver.as_raw()) };
    }
    attach.registrar.store(0, Relaxed);
    Ok((driver, attach))
}
