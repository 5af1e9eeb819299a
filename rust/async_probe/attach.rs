// SPDX-License-Identifier: GPL-2.0

//! Who attaches a driver of a Rust bus to its devices.
//!
//! The driver core attaches when a driver or a device is registered, in the registering task or,
//! for drivers that prefer it, in the global domain of asynchronous functions. A driver can take
//! that on itself: its bus then answers the driver core that nothing matches, as long as it is the
//! registering task that asks. Everybody else who asks, such as a write to `bind` or to
//! `drivers_probe`, or the retry of a deferred probe, gets the true answer.

use kernel::{
    bindings,
    driver::RegistrationOps,
    error::to_result,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            AtomicFlag,
            Full,
            Relaxed, //
        },
    },
    types::Opaque, //
};

use crate::{
    bus::{
        Bus,
        Device,
        DriverStruct, //
    },
    device,
    domain::{
        Domain,
        Node, //
    },
    task, //
};

/// Who attaches a driver.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum By {
    /// The driver core.
    DriverCore,
    /// One function for all devices, [`crate::driver_attach`].
    Driver,
    /// One function for each device, [`crate::exclusive_attach`].
    Device,
}

/// How a driver is attached: a part of the driver's memory.
pub(crate) struct Attach {
    by: By,
    /// The task that registers the driver, as a number, while it does so.
    registrar: Atomic<usize>,
    /// Whether the driver core has asked for a device that matches before `open` was set.
    wanted: AtomicFlag,
    /// Whether the driver is registered for good.
    ///
    /// Until then nothing is scheduled for it: if its registration fails in the end, the driver
    /// core does not wait for probes that others run.
    open: AtomicFlag,
    /// Where the functions run; none if the driver core attaches.
    domain: Option<Pin<KBox<Domain>>>,
}

impl Default for Attach {
    fn default() -> Self {
        Self {
            by: By::DriverCore,
            registrar: Atomic::new(0),
            wanted: AtomicFlag::new(false),
            open: AtomicFlag::new(false),
            domain: None,
        }
    }
}

impl Attach {
    /// Whether the driver core has found a device for the driver while it was registered, which it
    /// only looks for if the bus's `drivers_autoprobe` is set.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Relaxed)
    }

    /// Returns the domain of a driver that the driver core does not attach.
    pub(crate) fn domain(&self) -> Option<&Domain> {
        self.domain.as_deref()
    }

    /// Whether the driver core, which asks, may probe `dev`, which matches.
    ///
    /// Otherwise somebody else does so.
    #[inline]
    pub(crate) fn is_for_driver_core<B: Bus>(&self, dev: &Device<B>) -> bool {
        self.by == By::DriverCore || self.answer(dev)
    }

    /// The same for a driver that the driver core does not attach.
    ///
    /// Not inlined, so that the match callback of other drivers is short.
    #[inline(never)]
    fn answer<B: Bus>(&self, dev: &Device<B>) -> bool {
        match self.by {
            By::Driver if self.is_registrar() => {
                self.wanted.store(true, Relaxed);
                false
            }
            By::Device if self.is_registrar() || device::is_added_here(dev) => {
                !self.is_left_to_registrar() && self.schedule(dev)
            }
            _ => true,
        }
    }

    /// Whether the current task is the one that is registering the driver just now.
    fn is_registrar(&self) -> bool {
        self.registrar.load(Relaxed) == task::current()
    }

    /// If the driver is not registered for good yet, notes that there is a device for it, and
    /// leaves the device to [`register`].
    fn is_left_to_registrar(&self) -> bool {
        if self.open.load(Acquire) {
            return false;
        }

        // Either `register()` sees what is noted here, or it is seen here that the driver is open.
        self.wanted.xchg(true, Full);
        !self.open.load(Relaxed)
    }

    /// Schedules the attachment of `dev`.
    ///
    /// Without memory for that, the answer is that the driver core may probe the device here and
    /// now.
    fn schedule<B: Bus>(&self, dev: &Device<B>) -> bool {
        let Some(domain) = self.domain() else {
            return true;
        };
        let node = Node::of(dev.as_ref());
        let dev: ARef<Device<B>> = dev.into();

        domain
            .schedule_on(node, move || device::attach(&dev), GFP_KERNEL)
            .is_err()
    }
}

/// Registers a driver that is attached by whom `by` says, by means of `A`.
///
/// The driver core itself probes none of its devices meanwhile.
///
/// # Safety
///
/// As for [`RegistrationOps::register`].
///
/// # Errors
///
/// `ENOMEM` if memory is short, and those of `A`.
pub(crate) unsafe fn register<'a, A, B: Bus>(
    by: By,
    reg: &'a Opaque<DriverStruct<B>>,
    name: &'static CStr,
    module: &'static ThisModule,
) -> Result<&'a Attach>
where
    A: RegistrationOps<DriverType = DriverStruct<B>>,
{
    let drv = reg.get();
    let attach = Attach {
        by,
        registrar: Atomic::new(task::current()),
        wanted: AtomicFlag::new(false),
        open: AtomicFlag::new(false),
        domain: Some(KBox::pin_init(Domain::exclusive(), GFP_KERNEL)?),
    };

    // SAFETY: `drv` is initialized, and nobody else knows it before it is registered.
    unsafe {
        (*drv).attach = attach;
        (*drv).driver.probe_type = bindings::probe_type_PROBE_FORCE_SYNCHRONOUS;
    }

    // SAFETY: The caller upholds the same requirements.
    if let Err(err) = unsafe { A::register(reg, name, module) } {
        // SAFETY: The driver is not registered, hence the memory is ours, as much as any driver's:
        // a `bus_add_driver()` that fails for want of memory does not wait for those who match the
        // driver with a device just then (`klist_del()`).
        unsafe { (*drv).attach = Attach::default() };
        return Err(err);
    }

    // SAFETY: From here on, until the driver is unregistered, the field is only read.
    let attach = unsafe { &(*drv).attach };
    attach.open.xchg(true, Full);
    if by == By::Device && attach.is_wanted() {
        // Now each device that matches is scheduled; the driver core itself probes none.
        //
        // SAFETY: The driver is registered.
        to_result(unsafe { bindings::driver_attach(&raw const (*drv).driver) }).ok();
    }
    attach.registrar.store(0, Relaxed);
    Ok(attach)
}

/// Waits for the functions of a driver that [`register`] has registered, and unregisters it by
/// means of `A`.
///
/// # Safety
///
/// As for [`RegistrationOps::unregister`].
pub(crate) unsafe fn unregister<A, B: Bus>(reg: &Opaque<DriverStruct<B>>)
where
    A: RegistrationOps<DriverType = DriverStruct<B>>,
{
    // SAFETY: The driver is registered, hence the field is only read.
    if let Some(domain) = unsafe { (*reg.get()).attach.domain() } {
        domain.synchronize_full();
    }

    // SAFETY: The caller upholds the same requirements.
    unsafe { A::unregister(reg) };

    // For devices that came meanwhile functions have been scheduled, which find no driver any more.
    // Dropping their domain waits for them.
    //
    // SAFETY: The driver is not registered any more, hence the memory is ours.
    unsafe { (*reg.get()).attach = Attach::default() };
}
