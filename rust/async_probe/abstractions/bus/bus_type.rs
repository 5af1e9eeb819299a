// SPDX-License-Identifier: GPL-2.0

//! Abstraction for upstream: a bus, and the memory of its devices and drivers.

use super::attribute;
use crate::abstractions::text;
use crate::prelude::*;

/// A bus.
pub trait Bus: Sized + 'static {
    /// The name of the bus, as in `/sys/bus/<name>`.
    const NAME: &'static CStr;

    /// The attributes of the bus.
    const BUS_ATTRIBUTES: Option<&'static attribute::BusAttributes<Self::Data>> = None;

    /// The attributes of each device.
    const DEVICE_ATTRIBUTES: Option<&'static attribute::DeviceAttributes<Device<Self>>> = None;

    /// The data of the bus itself, which its [`Registration`](super::Registration) holds.
    type Data: Send + Sync + 'static;

    /// The data of each device, to which each reference to the device gives access, at any time. It
    /// is dropped with the last reference, in a context that may sleep.
    type DeviceData: Send + Sync + 'static;

    /// The id of a kind of device, of which each driver has a table.
    type DeviceId: fmt::Display + PartialEq + Sync + 'static;

    /// Returns the type of the bus, always the same.
    fn bus_type() -> &'static BusType<Self>;

    /// Returns the id of a device. Drivers that have it in their table match the device.
    ///
    /// Context: Task context, may sleep. The device's lock is held in some cases and not in others
    /// (`drivers/base/dd.c`, `__device_attach()` and `__driver_attach()`), and the device may be
    /// removed at the same time.
    fn id(dev: &Device<Self>) -> &Self::DeviceId;

    /// Adds variables to the uevents of `dev`: by default [`UeventEnv::add_modalias`].
    ///
    /// Context: Task context, may sleep. The device's lock is held when a driver has been bound or
    /// unbound, and not when a task reads `uevent` in sysfs (`uevent_show()`), even during a probe.
    /// Errors: An error suppresses the uevent.
    fn uevent(dev: &Device<Self>, env: &mut UeventEnv) -> Result {
        env.add_modalias(dev)
    }

    /// Called when the bus is about to be unregistered: it drops the registrations of its devices,
    /// and the references to devices that it holds.
    ///
    /// Making a device fails already ([`Device::new`]), but a device that has been made can still
    /// be added. A bus that keeps registrations has to refuse them from now on, as `slow_bus` does:
    /// its unregistration waits for each device that it keeps.
    ///
    /// Context: Task context, may sleep.
    fn closing(data: Pin<&Self::Data>);
}

/// The variables of a uevent: `struct kobj_uevent_env`.
#[repr(transparent)]
pub struct UeventEnv(Opaque<bindings::kobj_uevent_env>);

impl UeventEnv {
    /// Adds `MODALIAS=<name of the bus>:<id of the device>`, by which udev loads a driver whose
    /// module has this `alias`. Errors: Those of [`Self::add`].
    pub fn add_modalias<B: Bus>(&mut self, dev: &Device<B>) -> Result {
        self.add(fmt!("MODALIAS={}:{}", B::NAME, B::id(dev)))
    }

    /// Adds a variable; `var` reads `NAME=value`.
    /// Errors: `ENOMEM` if the variables have no room for it, which comes with a warning.
    pub fn add(&mut self, var: fmt::Arguments<'_>) -> Result {
        let var: *const fmt::Arguments<'_> = &var;

        // SAFETY: `self` is a valid environment that no other task uses; `%pA` prints `var`.
        to_result(unsafe {
            bindings::add_uevent_var(self.0.get(), c"%pA".as_char_ptr(), var.cast::<c_void>())
        })
    }
}

/// The `struct bus_type` of a bus, and its state: mostly a `static`.
#[repr(C)]
pub struct BusType<B: Bus> {
    pub(super) head: attribute::BusHead<B::Data>,
    /// Whether there is a [`Registration`](super::Registration).
    pub(super) taken: AtomicFlag,
    /// For each device, until it is freed, and for each driver, while it is registered.
    pub(super) door: text::Door,
    /// Drops the data of a device: code of the module that has called [`BusType::new()`].
    pub(super) drop_data: unsafe fn(*mut DeviceHeader),
    _bus: PhantomData<fn() -> B>,
}

// SAFETY: The driver core, too, only reads the `struct bus_type`; all else is `Sync`.
unsafe impl<B: Bus> Sync for BusType<B> {}

impl<B: Bus> BusType<B> {
    /// Returns the type of the bus `B`.
    #[expect(clippy::new_without_default)]
    pub const fn new() -> Self {
        let mut raw: bindings::bus_type = pin_init::zeroed();

        raw.name = kernel::str::as_char_ptr_in_const_context(B::NAME);
        raw.match_ = Some(Self::match_callback);
        raw.uevent = Some(Self::uevent_callback);
        if let Some(attributes) = B::BUS_ATTRIBUTES {
            raw.bus_groups = attributes.as_raw();
        }
        if let Some(attributes) = B::DEVICE_ATTRIBUTES {
            raw.dev_groups = attributes.as_raw();
        }

        Self {
            head: attribute::BusHead {
                raw: Opaque::new(raw),
                data: Atomic::new(core::ptr::null()),
            },
            taken: AtomicFlag::new(false),
            door: text::Door::new(),
            drop_data: Device::<B>::drop_data,
            _bus: PhantomData,
        }
    }

    pub(super) fn as_raw(&self) -> *mut bindings::bus_type {
        self.head.raw.get()
    }

    extern "C" fn match_callback(
        dev: *mut bindings::device,
        drv: *const bindings::device_driver,
    ) -> c_int {
        // SAFETY: The driver core calls with a device and a driver of the bus that are valid during
        // the call. All devices of the bus are `DeviceStruct<B>`s. All its drivers are at offset 0
        // of `DriverStruct<B>`s, whose other fields do not change while they are registered.
        let (dev, drv) = unsafe { (Device::<B>::from_raw(dev), &*drv.cast::<DriverStruct<B>>()) };

        let is_for_driver_core = |attacher: &Arc<dyn Attacher<B>>| attacher.is_for_driver_core(dev);
        let matches = drv.drives.is_some_and(|drives| drives(dev))
            && drv.attacher.as_ref().is_none_or(is_for_driver_core);
        matches.into()
    }

    extern "C" fn uevent_callback(
        dev: *const bindings::device,
        env: *mut bindings::kobj_uevent_env,
    ) -> c_int {
        // CAST: `UeventEnv` is a transparent wrapper.
        let env = env.cast::<UeventEnv>();

        // SAFETY: The driver core calls with a device of the bus, and with an environment that no
        // other task uses during the call.
        let (dev, env) = unsafe { (Device::<B>::from_raw(dev.cast_mut()), &mut *env) };

        from_result(|| B::uevent(dev, env).map(|()| 0))
    }
}

/// The part of a device's memory that does not depend on its bus.
#[repr(C)]
#[pin_data]
pub(crate) struct DeviceHeader {
    pub(super) dev: Opaque<bindings::device>,
    /// The task that adds the device, as a number, while it does so.
    pub(super) adding: Atomic<usize>,
    /// Whether adding the device cannot fail any more.
    pub(super) ready: AtomicFlag,
    /// Whether a function has tried to attach it before that.
    pub(super) wanted: AtomicFlag,
    /// Drops the data of the device: code of the bus's module.
    pub(super) drop_data: unsafe fn(*mut DeviceHeader),
    /// The parent. `device_add()` takes a reference of its own, but not before.
    pub(super) _parent: Option<ARef<device::Device>>,
    /// Keeps the text of the module that has made the device, and its data.
    #[pin]
    pub(super) _user: text::User,
    /// Frees the device in a context that may sleep.
    pub(super) work: Opaque<bindings::work_struct>,
}

/// The memory of a device.
#[repr(C)]
#[pin_data]
pub(super) struct DeviceStruct<B: Bus> {
    #[pin]
    pub(super) header: DeviceHeader,
    #[pin]
    pub(super) data: B::DeviceData,
}

/// A device of a Rust bus.
///
/// # Invariants
///
/// An initialized `struct device` in the memory of a `DeviceStruct<B>`.
#[repr(transparent)]
pub struct Device<B: Bus, Ctx: DeviceContext = Normal>(
    Opaque<DeviceStruct<B>>,
    PhantomData<(fn() -> B, Ctx)>,
);

impl<B: Bus, Ctx: DeviceContext> Device<B, Ctx> {
    /// Converts a pointer to the embedded `struct device`.
    ///
    /// # Safety
    ///
    /// `dev` points to the device of a `DeviceStruct<B>`. During `'a` it has references, and the
    /// promises of `Ctx` hold.
    pub(super) unsafe fn from_raw<'a>(dev: *mut bindings::device) -> &'a Self {
        // SAFETY: By the safety requirements; the device is at offset 0.
        unsafe { &*dev.cast::<Self>() }
    }

    pub(super) fn as_raw(&self) -> *mut bindings::device {
        self.0.get().cast()
    }

    /// Returns the part of the memory that does not depend on the bus.
    pub(super) fn header(&self) -> &DeviceHeader {
        // SAFETY: By the type invariant. The fields are only shared.
        unsafe { &*self.0.get().cast::<DeviceHeader>() }
    }

    /// Returns the data of the device.
    #[inline]
    pub fn data(&self) -> &B::DeviceData {
        // SAFETY: By the type invariant. The data is only shared.
        unsafe { &(*self.0.get()).data }
    }
}

impl<B: Bus> Device<B> {
    /// # Safety
    ///
    /// The last reference to the device is gone, and `header` is that of a `DeviceStruct<B>`.
    unsafe fn drop_data(header: *mut DeviceHeader) {
        // SAFETY: By the safety requirements, the data is not used any more.
        unsafe { core::ptr::drop_in_place(&raw mut (*header.cast::<DeviceStruct<B>>()).data) }
    }
}

// SAFETY: `struct device` is at offset 0 of `DeviceStruct`, whose first field is `DeviceHeader`.
unsafe impl<B: Bus, Ctx: DeviceContext> AsBusDevice<Ctx> for Device<B, Ctx> {
    const OFFSET: usize = 0;
}

impl<B: Bus, Ctx: DeviceContext> AsRef<device::Device<Ctx>> for Device<B, Ctx> {
    #[inline]
    fn as_ref(&self) -> &device::Device<Ctx> {
        // SAFETY: By the type invariant, `self` is a valid device. The promises of `Ctx` hold for
        // both references.
        unsafe { device::Device::from_raw(self.as_raw()) }
    }
}

// `kernel::impl_device_context_deref!` takes types with one generic parameter only.
macro_rules! impl_deref {
    ([$($lt:lifetime)?] $src:ty => $dst:ty) => {
        impl<$($lt,)? B: Bus> core::ops::Deref for Device<B, $src> {
            type Target = Device<B, $dst>;

            #[inline]
            fn deref(&self) -> &Self::Target {
                // SAFETY: By the type invariant; the promises of `$src` include those of `$dst`.
                unsafe { Self::Target::from_raw(self.as_raw()) }
            }
        }
    };
}

impl_deref!(['a] CoreInternal<'a> => Core<'a>);
impl_deref!(['a] Core<'a> => Bound);
impl_deref!([] Bound => Normal);

// SAFETY: A device has references for as long as there are Rust references to it.
unsafe impl<B: Bus> kernel::sync::aref::AlwaysRefCounted for Device<B> {
    fn inc_ref(&self) {
        // SAFETY: A shared reference guarantees that the count is not zero.
        unsafe { bindings::get_device(self.as_raw()) };
    }

    unsafe fn dec_ref(this: NonNull<Self>) {
        // SAFETY: By the safety requirements, the caller gives the reference up.
        unsafe { bindings::put_device(this.cast().as_ptr()) }
    }
}

// SAFETY: The last reference may be dropped by any task.
unsafe impl<B: Bus> Send for Device<B> {}

// SAFETY: All methods may be called by several tasks at once, and the data of the device is `Sync`.
unsafe impl<B: Bus> Sync for Device<B> {}

// SAFETY: As above; the context makes no difference.
unsafe impl<B: Bus> Sync for Device<B, Bound> {}

/// A strategy that attaches a driver to its devices in the place of the driver core. The bus asks
/// it while the driver is registered.
pub(crate) trait Attacher<B: Bus>: Send + Sync {
    /// Whether the driver core may probe `dev`, which matches the driver. Otherwise the strategy
    /// probes it.
    ///
    /// Context: As for [`Bus::id`].
    fn is_for_driver_core(&self, dev: &Device<B>) -> bool;

    /// Waits for the probes of the strategy. The driver is unregistered next.
    fn synchronize(&self);
}

/// The memory of a driver, which [`kernel::driver::Registration`] registers.
#[repr(C)]
pub struct DriverStruct<B: Bus> {
    /// First: `match_callback()` relies on offset 0.
    pub(super) raw: Opaque<bindings::device_driver>,
    /// Whether the driver has the id of a device in its table.
    pub(super) drives: Option<fn(&Device<B>) -> bool>,
    /// The strategy that attaches the driver; none if the driver core does.
    pub(super) attacher: Option<Arc<dyn Attacher<B>>>,
    /// Keeps the text of the driver's module while the driver is registered.
    pub(super) user: Option<Pin<KBox<text::User>>>,
}

impl<B: Bus> Default for DriverStruct<B> {
    fn default() -> Self {
        Self {
            raw: Opaque::zeroed(),
            drives: None,
            attacher: None,
            user: None,
        }
    }
}
