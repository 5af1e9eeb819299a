// SPDX-License-Identifier: GPL-2.0

//! Who attaches a driver of a Rust bus to its devices.
//!
//! The driver core attaches when a driver or a device is registered, in the registering task or,
//! for drivers that prefer it, in the global domain of asynchronous functions. A driver can take
//! that on itself: its bus then answers the driver core that nothing matches, as long as it is the
//! registering task that asks. Everybody else who asks, such as a write to `bind` or to
//! `drivers_probe`, or the retry of a deferred probe, gets the true answer.

use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            AtomicFlag,
            Relaxed, //
        },
    },
};

use crate::{
    bus::{
        Bus,
        Device, //
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
    registering: Atomic<usize>,
    /// Whether the driver core has asked that task for a device that matches.
    wanted: AtomicFlag,
    /// Where the functions run; none if the driver core attaches.
    domain: Option<Pin<KBox<Domain>>>,
}

impl Default for Attach {
    fn default() -> Self {
        Self {
            by: By::DriverCore,
            registering: Atomic::new(0),
            wanted: AtomicFlag::new(false),
            domain: None,
        }
    }
}

impl Attach {
    /// Returns the state of a driver that the current task is about to register.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if memory is short.
    pub(crate) fn registering(by: By) -> Result<Self> {
        Ok(Self {
            by,
            registering: Atomic::new(task::current()),
            wanted: AtomicFlag::new(false),
            domain: Some(KBox::pin_init(Domain::exclusive(), GFP_KERNEL)?),
        })
    }

    /// The driver has been registered.
    pub(crate) fn registered(&self) {
        self.registering.store(0, Relaxed);
    }

    /// Whether the driver core has found a device for the driver while it was registered, which it
    /// only looks for if the bus's `drivers_autoprobe` is set.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Relaxed)
    }

    /// Returns the domain of a driver that the driver core does not attach.
    pub(crate) fn domain(&self) -> Option<&Domain> {
        self.domain.as_deref()
    }

    /// Whether the driver core, which asks, may probe `dev`, which matches. Otherwise somebody else
    /// does so.
    pub(crate) fn is_for_driver_core<B: Bus>(&self, dev: &Device<B>) -> bool {
        let is_registering = self.registering.load(Relaxed) == task::current();

        match self.by {
            By::DriverCore => true,
            By::Driver => {
                if is_registering {
                    self.wanted.store(true, Relaxed);
                }
                !is_registering
            }
            By::Device if is_registering || device::is_added_here(dev) => {
                let Some(domain) = self.domain() else {
                    return true;
                };
                let node = Node::of(dev.as_ref());
                let dev: ARef<Device<B>> = dev.into();

                // Without memory for that, the driver core probes the device here and now.
                domain
                    .schedule_on(node, move || device::attach(&dev), GFP_KERNEL)
                    .is_err()
            }
            By::Device => true,
        }
    }
}
