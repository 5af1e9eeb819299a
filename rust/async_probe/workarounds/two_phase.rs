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
//! The driver itself is best probed synchronously, as its probes are quick: asynchronous ones would
//! share the workqueue, of 1024 functions at once on each NUMA node, with the slow rest of other
//! devices.
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
        Core,
        Device, //
    },
    devres,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
};

use crate::abstractions::domain::{
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
/// Sleeps. Callbacks of the bus only, which is what [`Core`] stands for: what is registered with
/// devres while the resources of the device are being released already would not be waited for.
///
/// `rest` is called in task context and may sleep. It must not take the lock of the device, which
/// unbind holds while it waits. Unbind has begun to release the resources of the device then, and
/// those that were registered after the call are gone: so `rest` does not get a `Device<Bound>`,
/// which promises that they are there and that others can be registered. It reaches resources with
/// [`Devres::try_access`](kernel::devres::Devres::try_access).
///
/// # Errors
///
/// `ENOMEM` if memory is short or too many functions are pending; `rest` is not called then.
pub fn schedule<F>(dev: &Device<Core<'_>>, rest: F) -> Result
where
    F: FnOnce(&Device) + Send + 'static,
{
    let domain = Arc::pin_init(Domain::exclusive(), GFP_KERNEL)?;
    let this: &Device = dev;
    let node = Node::of(this);
    let this: ARef<Device> = this.into();

    // First, as it can fail: a function that has been scheduled cannot be called off.
    devres::register(dev, Rest(domain.clone()), GFP_KERNEL)?;
    domain.schedule_on(node, move || rest(&this), GFP_KERNEL)?;
    Ok(())
}

/// The rest of a probe: dropping it waits for the function.
struct Rest(Arc<Domain>);

impl Drop for Rest {
    fn drop(&mut self) {
        self.0.synchronize_full();
    }
}
