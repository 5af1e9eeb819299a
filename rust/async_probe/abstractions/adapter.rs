// SPDX-License-Identifier: GPL-2.0

//! Abstraction for upstream: an adapter around the adapter of any bus.
//!
//! [`kernel::driver::Registration`] registers a driver through an adapter of its bus. An
//! [`Adapter`] wraps that adapter, and its [`Hooks`] see the driver before and after it is
//! registered and unregistered. It knows nothing of the bus.

use crate::prelude::*;

/// Returns the `struct device_driver` that the memory of a driver embeds.
#[inline]
fn device_driver<A: DriverLayout>(memory: &Opaque<A::DriverType>) -> *mut bindings::device_driver {
    // CAST: A `struct device_driver` lies at that offset.
    // SAFETY: By the safety requirements of `DriverLayout`, the offset lies within the memory.
    unsafe { memory.get().byte_add(A::DEVICE_DRIVER_OFFSET).cast() }
}

/// A driver that is about to be registered, whose memory is initialized.
pub struct Unregistered<'a, A: RegistrationOps> {
    memory: &'a Opaque<A::DriverType>,
    pub(crate) name: &'static CStr,
    module: &'static ThisModule,
}

impl<'a, A: RegistrationOps> Unregistered<'a, A> {
    /// Returns the memory of the driver.
    #[inline]
    pub(crate) fn memory(&self) -> &'a Opaque<A::DriverType> {
        self.memory
    }

    /// Returns the `struct device_driver`.
    #[inline]
    pub(crate) fn as_raw(&self) -> *mut bindings::device_driver {
        device_driver::<A>(self.memory)
    }

    /// Sets the probe type, a value of `enum probe_type`.
    #[inline]
    pub(crate) fn set_probe_type(&mut self, probe_type: bindings::probe_type) {
        // SAFETY: The driver core does not know the driver before it is registered.
        unsafe { (*self.as_raw()).probe_type = probe_type };
    }

    /// Registers the driver as `A` does, or fails with the error of [`RegistrationOps::register`].
    #[inline]
    pub(crate) fn register(self) -> Result<Registered<'a, A>> {
        // SAFETY: `Adapter::register()` has the same requirements of its caller. Where it succeeds,
        // it has forgotten the `Registered`, and where it fails, that has been dropped.
        unsafe { A::register(self.memory, self.name, self.module) }?;
        Ok(Registered(self.memory))
    }
}

/// A driver that is registered. Dropping it unregisters the driver.
#[must_use = "the driver is unregistered at once when this is dropped"]
pub struct Registered<'a, A: RegistrationOps>(&'a Opaque<A::DriverType>);

impl<A: RegistrationOps> Registered<'_, A> {
    /// Returns the `struct device_driver`.
    #[inline]
    pub(crate) fn as_raw(&self) -> *mut bindings::device_driver {
        device_driver::<A>(self.0)
    }

    /// Returns the name of the driver.
    #[inline]
    pub(crate) fn name(&self) -> &'static CStr {
        // SAFETY: The name of a registered driver is the one that `RegistrationOps::register()` was
        // given, whose lifetime is `'static`.
        unsafe { CStr::from_char_ptr((*self.as_raw()).name) }
    }
}

impl<A: RegistrationOps> Drop for Registered<'_, A> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The driver is registered.
        unsafe { A::unregister(self.0) }
    }
}

/// The part that an [`Adapter`] has when a driver is registered and unregistered.
///
/// Only this crate implements it: the module is private.
pub trait Hooks<A: RegistrationOps> {
    /// Registers the driver, with [`Unregistered::register`], or fails without doing so.
    fn register(driver: Unregistered<'_, A>) -> Result<Registered<'_, A>>;

    /// Unregisters the driver: drops it.
    #[inline]
    fn unregister(driver: Registered<'_, A>) {
        drop(driver);
    }
}

/// An adapter that calls the hooks `H` and leaves all else to `A`, the adapter of a bus.
pub struct Adapter<A, H>(PhantomData<(A, H)>);

// SAFETY: The layout is that of `A`, whose implementation gives the same guarantees.
unsafe impl<A: DriverLayout, H> DriverLayout for Adapter<A, H> {
    type DriverType = A::DriverType;
    type DriverData<'bound> = A::DriverData<'bound>;
    const DEVICE_DRIVER_OFFSET: usize = A::DEVICE_DRIVER_OFFSET;
}

// SAFETY: A call of `unregister()` is valid if a call of `A::unregister()` is: both follow a
// successful call of `A::register()`.
unsafe impl<A: RegistrationOps, H: Hooks<A>> RegistrationOps for Adapter<A, H> {
    #[inline]
    unsafe fn register(
        reg: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        let registered = H::register(Unregistered {
            memory: reg,
            name,
            module,
        })?;

        // It stays registered until `unregister()`.
        core::mem::forget(registered);
        Ok(())
    }

    #[inline]
    unsafe fn unregister(reg: &Opaque<Self::DriverType>) {
        H::unregister(Registered(reg));
    }
}
