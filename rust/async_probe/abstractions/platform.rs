// SPDX-License-Identifier: GPL-2.0

//! Abstraction for upstream: creating platform devices.
//!
//! C header: [`include/linux/platform_device.h`](srctree/include/linux/platform_device.h)

use kernel::platform;

use super::patience;
use crate::prelude::*;

/// The instance part of a platform device's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Id {
    /// The name stands alone: `PLATFORM_DEVID_NONE`.
    None,
    /// The kernel picks a free number and marks it: `name.N.auto`, `PLATFORM_DEVID_AUTO`.
    Auto,
    /// `name.N`, with at most [`i32::MAX`].
    Index(u32),
}

impl Id {
    /// Returns the `id` argument of `platform_device_alloc()`.
    ///
    /// Fails with `EINVAL` for an index above [`i32::MAX`].
    fn into_raw(self) -> Result<i32> {
        match self {
            Self::None => Ok(bindings::PLATFORM_DEVID_NONE),
            Self::Auto => Ok(bindings::PLATFORM_DEVID_AUTO),
            Self::Index(index) => i32::try_from(index).map_err(|_| EINVAL),
        }
    }
}

/// The registration of a platform device.
///
/// Dropping it unregisters the device with `platform_device_unregister()`, which waits for a probe
/// of the device that runs, and unbinds the driver.
///
/// A callback of the device, such as probe, must not drop it: `device_del()` takes the lock of the
/// device, which the callback holds, and never returns.
///
/// # Examples
///
/// ```
/// use async_probe::platform::*;
///
/// // `/sys/bus/platform/devices/doctest_device.7`, until it is dropped.
/// let device = DeviceRegistration::new(c"doctest_device", Id::Index(7))?;
///
/// assert!(device.as_ref().as_ref().name() == c"doctest_device.7");
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// The pointer is that of a platform device which `platform_device_add()` has added, and of which
/// this object owns one reference.
#[must_use = "the device is unregistered at once when this is dropped"]
pub struct DeviceRegistration(NonNull<bindings::platform_device>);

impl DeviceRegistration {
    /// Creates a platform device and adds it to the system.
    ///
    /// Drivers that match are probed, before the function returns or asynchronously, as their probe
    /// type says. A probe that fails does not make the registration fail.
    ///
    /// Context: May sleep.
    /// Errors:
    /// - `EINVAL` if the index of `id` is above [`i32::MAX`], or if `name` is empty.
    /// - `ENOMEM` if memory is short.
    /// - `EEXIST` if a device of that name exists already.
    pub fn new(name: &CStr, id: Id) -> Result<Self> {
        let id = id.into_raw()?;

        if name.is_empty() {
            return Err(EINVAL);
        }

        // SAFETY: `name` is a valid C string, which the function copies.
        let pdev = unsafe { bindings::platform_device_alloc(name.as_char_ptr(), id) };
        let pdev = NonNull::new(pdev).ok_or(ENOMEM)?;

        // SAFETY: `pdev` has not been added yet.
        to_result(unsafe { bindings::platform_device_add(pdev.as_ptr()) }).inspect_err(|_| {
            // SAFETY: The reference of `platform_device_alloc()` is dropped once. The device must
            // not be freed, as other tasks may have taken references meanwhile.
            unsafe { bindings::platform_device_put(pdev.as_ptr()) }
        })?;

        // INVARIANT: `pdev` has been added, with the reference of `platform_device_alloc()`.
        Ok(Self(pdev))
    }
}

impl AsRef<platform::Device> for DeviceRegistration {
    fn as_ref(&self) -> &platform::Device {
        // CAST: `platform::Device` is a transparent wrapper of `struct platform_device`.
        // SAFETY: By the type invariant the device is valid as long as `self` is.
        unsafe { self.0.cast().as_ref() }
    }
}

impl Drop for DeviceRegistration {
    fn drop(&mut self) {
        let dev: &platform::Device = (*self).as_ref();
        patience::wait_for_lock(dev.as_ref());

        // SAFETY: By the type invariant, the device has been added, and this object owns the
        // reference that the function drops.
        unsafe { bindings::platform_device_unregister(self.0.as_ptr()) }
    }
}

// SAFETY: `platform_device_unregister()` may be called from any task.
unsafe impl Send for DeviceRegistration {}

// SAFETY: A shared reference only gives access to `platform::Device`, which is `Sync`.
unsafe impl Sync for DeviceRegistration {}

#[kunit_tests(async_probe_platform)]
mod tests {
    use super::*;

    #[test]
    fn only_special_ids_are_special() {
        assert_eq!(Id::None.into_raw(), Ok(-1));
        assert_eq!(Id::Auto.into_raw(), Ok(-2));
        assert_eq!(Id::Index(0).into_raw(), Ok(0));
        assert_eq!(Id::Index(0x7fff_ffff).into_raw(), Ok(i32::MAX));
        assert_eq!(Id::Index(0x8000_0000).into_raw(), Err(EINVAL));
        assert_eq!(Id::Index(u32::MAX).into_raw(), Err(EINVAL));
    }
}
