// SPDX-License-Identifier: GPL-2.0

//! Abstraction for upstream: drivers for the devices of a Rust bus.

use super::bus_type::Attacher;
use super::bus_type::Bus;
use super::bus_type::Device;
use super::bus_type::DriverStruct;
use crate::abstractions::adapter::Unregistered;
use crate::abstractions::text;
use crate::prelude::*;

/// A table of ids of a bus, with information for the driver.
pub type IdTable<B, Info> = &'static [(<B as Bus>::DeviceId, Info)];

/// A driver for the devices of a Rust bus.
pub trait Driver {
    /// The bus.
    type Bus: Bus;

    /// The data of each device that is bound to the driver.
    type Data<'bound>: Send + 'bound;

    /// The information about each kind of device.
    type IdInfo: Sync + 'static;

    /// The kinds of devices that the driver can drive.
    const ID_TABLE: IdTable<Self::Bus, Self::IdInfo>;

    /// Probes a device. `id_info` is that of the first entry of the table that matches.
    ///
    /// Context: Task context, may sleep, with the device's lock held. If the driver is probed
    /// asynchronously, several devices are probed at once.
    fn probe<'bound>(
        dev: &'bound Device<Self::Bus, Core<'_>>,
        id_info: &'bound Self::IdInfo,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound;

    /// Unbinds a device, before `data` is dropped.
    ///
    /// Context: Task context, may sleep, with the device's lock held.
    fn unbind<'bound>(_dev: &'bound Device<Self::Bus, Core<'_>>, _data: Pin<&Self::Data<'bound>>) {}
}

/// Declares a module that exposes a single driver of a Rust bus.
///
/// Takes the fields of [`kernel::module_platform_driver!`]. With `alias: ["<bus>:<id>"]`, udev
/// loads the module for devices with that id.
#[macro_export]
macro_rules! module_bus_driver {
    ($($f:tt)*) => {
        ::kernel::module_driver!(<T>, $crate::bus::Adapter<T>, { $($f)* });
    };
}

/// An adapter for the registration of drivers of a Rust bus.
///
/// Errors:
/// - `EINVAL` if the name is empty.
/// - `ENODEV` if the bus is not registered, or is about to be unregistered.
/// - `EBUSY` if the bus has a driver of that name already; `EEXIST` if one is registered at the
///   same time.
/// - `ENOMEM` if memory is short.
pub struct Adapter<T: Driver>(PhantomData<T>);

// SAFETY: `DriverStruct` is `repr(C)`, and embeds a `struct device_driver` at the offset. `T::Data`
// is the type of the driver data.
unsafe impl<T: Driver> DriverLayout for Adapter<T> {
    type DriverType = DriverStruct<T::Bus>;
    type DriverData<'bound> = T::Data<'bound>;
    const DEVICE_DRIVER_OFFSET: usize = offset_of!(Self::DriverType, raw);
}

// SAFETY: A call to `unregister()` is valid after `register()` has been successful.
unsafe impl<T: Driver> RegistrationOps for Adapter<T> {
    unsafe fn register(
        reg: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        let bus = T::Bus::bus_type();
        let drv = reg.get();

        let register = || {
            if name.is_empty() {
                return Err(EINVAL);
            }
            // Not `module`, which may be any module.
            let address = Self::probe_callback as usize;
            let user = text::User::new(text::Object::Driver(name), address, Some(&bus.door));
            let user = KBox::pin_init(user, GFP_KERNEL)?;

            // SAFETY: `drv` is initialized, and no other task knows it before it is registered.
            let raw = unsafe {
                let raw = Opaque::cast_into(&raw const (*drv).raw);

                (*drv).drives = Some(|dev| Self::id_info(dev).is_some());
                (*drv).user = Some(user);
                (*raw).name = name.as_char_ptr();
                (*raw).bus = bus.as_raw();
                (*raw).owner = module.as_ptr();
                (*raw).mod_name = name.as_char_ptr();
                (*raw).probe = Some(Self::probe_callback);
                (*raw).remove = Some(Self::remove_callback);
                if (*drv).attacher.is_some() {
                    // The strategy probes, and the driver core must not. This is the innermost
                    // adapter: it overrides the probe type that another one has set.
                    (*raw).probe_type = bindings::probe_type_PROBE_FORCE_SYNCHRONOUS;
                }
                raw
            };

            // SAFETY: By the safety requirements, `raw` is valid until it is unregistered.
            to_result(unsafe { bindings::driver_register(raw) })
        };

        register().inspect_err(|_| {
            // SAFETY: The driver is not registered. As for a driver in C, a match callback may
            // still run for it: a `bus_add_driver()` that fails for want of memory does not wait
            // for the callbacks that it has begun (`klist_del()`).
            unsafe { Self::clear(drv) }
        })
    }

    unsafe fn unregister(reg: &Opaque<Self::DriverType>) {
        let drv = reg.get();

        // SAFETY: The driver is registered, hence the field does not change.
        if let Some(attacher) = unsafe { &(*drv).attacher } {
            attacher.synchronize();
        }

        // SAFETY: By the safety requirements, the driver is registered.
        unsafe { bindings::driver_unregister(Opaque::cast_into(&raw const (*drv).raw)) };

        // Functions that have been scheduled meanwhile find no driver any more. Dropping their
        // domain waits for them.
        //
        // SAFETY: The driver is not registered any more, hence no other task uses the memory.
        unsafe { Self::clear(drv) }
    }
}

impl<T: Driver> Adapter<T> {
    /// Drops what the memory of a driver owns, which nothing else drops.
    ///
    /// # Safety
    ///
    /// `drv` is initialized, and the driver is not registered.
    unsafe fn clear(drv: *mut DriverStruct<T::Bus>) {
        // SAFETY: By the safety requirements.
        unsafe {
            (*drv).attacher = None;
            (*drv).user = None;
        }
    }

    /// Returns the information about a device, if its id is in the table.
    fn id_info(dev: &Device<T::Bus>) -> Option<&'static T::IdInfo> {
        let mut table = T::ID_TABLE.iter();

        table
            .find(|(id, _)| T::Bus::id(dev) == id)
            .map(|(_, info)| info)
    }

    extern "C" fn probe_callback(dev: *mut bindings::device) -> c_int {
        // SAFETY: The driver core calls with a device of the bus, whose lock it holds.
        let dev = unsafe { Device::<T::Bus, CoreInternal<'_>>::from_raw(dev) };

        from_result(|| {
            let info = Self::id_info(dev).ok_or(ENODEV)?;
            dev.as_ref().set_drvdata(T::probe(dev, info))?;
            Ok(0)
        })
    }

    extern "C" fn remove_callback(dev: *mut bindings::device) -> c_int {
        // SAFETY: The driver core calls with a device of the bus, whose lock it holds, after a
        // successful probe, which has set the data.
        unsafe {
            let dev = Device::<T::Bus, CoreInternal<'_>>::from_raw(dev);

            T::unbind(dev, dev.as_ref().drvdata_borrow::<T::Data<'_>>());
        }
        0
    }
}

impl<B: Bus, A: RegistrationOps<DriverType = DriverStruct<B>>> Unregistered<'_, A> {
    /// Has `attacher` attach the driver, in the place of the driver core.
    pub(crate) fn set_attacher(&mut self, attacher: Arc<dyn Attacher<B>>) {
        // SAFETY: The driver core does not know the driver before it is registered.
        unsafe { (*self.memory().get()).attacher = Some(attacher) };
    }
}
