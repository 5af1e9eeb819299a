// SPDX-License-Identifier: GPL-2.0

//! Probes in two phases: a quick synchronous one, and the slow rest.
//!
//! The probe function does what has to be done before the device counts as bound, schedules the
//! rest and returns. The rest runs in an exclusive domain of the device, so that nobody waits for
//! it but unbind, and with it the unloading of the driver's module. So loading a slow driver delays
//! neither its own `insmod` nor any other, on any bus and without a module parameter.
//!
//! The price is that the device is bound before it is ready: the driver has to cope with users that
//! come in between, and with a rest that fails.
//!
//! # Examples
//!
//! ```ignore
//! fn probe<'bound>(
//!     pdev: &'bound platform::Device<Core<'_>>,
//!     _info: Option<&'bound Self::IdInfo>,
//! ) -> impl PinInit<Self, Error> + 'bound {
//!     two_phase::schedule(pdev.as_ref(), |dev| load_firmware(dev))?;
//!     Ok(Self)
//! }
//! ```

use kernel::{
    device::{
        Bound,
        Core,
        Device, //
    },
    devres,
    prelude::*,
    sync::aref::ARef, //
};

use crate::domain::{
    Domain,
    Node, //
};

/// Schedules `rest` to be called after, or while, `dev` is bound; on the node of `dev`.
///
/// When the driver core releases the resources of `dev`, which it does after it has dropped the
/// driver data, or if the probe fails, it waits until `rest` has returned. Resources of `dev` that
/// devres manages and that were registered before are still there then.
///
/// # Context
///
/// Sleeps. Callbacks of the bus only, which is what [`Core`] stands for, and that is what makes it
/// sound: resources that are registered later, while those of the device are being released already,
/// would not be waited for.
///
/// `rest` is called in task context and may sleep. It must not take the lock of the device, which
/// unbind holds while it waits.
///
/// # Errors
///
/// `ENOMEM` if memory is short or too many functions are pending; `rest` is not called then.
pub fn schedule<F>(dev: &Device<Core<'_>>, rest: F) -> Result
where
    F: FnOnce(&Device<Bound>) + Send + 'static,
{
    let domain = KBox::pin_init(Domain::exclusive(), GFP_KERNEL)?;
    let unbound: &Device = dev;
    let this: ARef<Device> = unbound.into();

    domain.schedule_on(
        Node::of(unbound),
        move || {
            // SAFETY: A callback of the bus schedules the function, hence the device is bound, and
            // its resources have not been released. It stays so until the domain has been dropped,
            // be it by devres or because devres cannot take it.
            rest(unsafe { this.as_bound() })
        },
        GFP_KERNEL,
    )?;

    devres::register(dev, Rest { _domain: domain }, GFP_KERNEL)
}

/// The rest of a probe: dropping it waits for the function.
struct Rest {
    _domain: Pin<KBox<Domain>>,
}
