// SPDX-License-Identifier: GPL-2.0

//! Buses written in Rust.
//!
//! C header: [`include/linux/device/bus.h`](srctree/include/linux/device/bus.h)
//!
//! Adds to upstream: the registration of a `struct bus_type`, with devices and drivers of its own.
//! Unnecessary once the `kernel` crate can register buses.
//!
//! A bus is a type that implements [`Bus`] and a `static` [`BusType`] that belongs to it:
//!
//! ```ignore
//! static MY_BUS: bus::BusType<MyBus> = bus::BusType::new();
//!
//! impl bus::Bus for MyBus {
//!     const NAME: &'static CStr = c"my_bus";
//!     type Data = ();
//!     type DeviceData = Id;
//!     type DriverInfo = [Id];
//!
//!     fn bus_type() -> &'static bus::BusType<Self> {
//!         &MY_BUS
//!     }
//!
//!     fn matches(dev: &bus::Device<Self>, info: &[Id]) -> bool {
//!         info.contains(dev.data())
//!     }
//! }
//! ```
//!
//! [`Registration`] registers it, [`crate::device::Registration`] adds devices, and
//! [`kernel::driver::Registration`] with an [`Adapter`] registers drivers.
//!
//! # Who outlives whom
//!
//! - A module whose code uses a bus is pinned by the module loader, because it uses the symbols of
//!   the bus's module: the module of a bus cannot be unloaded while a module with a driver for the
//!   bus is loaded.
//! - Dropping a [`Registration`] refuses new devices and drivers, has the bus give up its own
//!   devices ([`Bus::closing`]), and then waits until the last driver is unregistered and the last
//!   reference to a device is gone. Only then the bus is unregistered, and the module's text may
//!   go. Whoever keeps a reference to a device for ever keeps the module from being unloaded for
//!   ever.
//! - A device lives as long as there are references to it, whether it is registered or not.

use core::{
    marker::{
        PhantomData,
        PhantomPinned, //
    },
    mem::offset_of,
    ops::Deref,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    device::{
        self,
        AsBusDevice,
        Bound,
        Core,
        CoreInternal,
        DeviceContext,
        Normal, //
    },
    driver,
    error::{
        from_result,
        to_result, //
    },
    fmt,
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        atomic::{
            Acquire,
            Atomic,
            AtomicFlag,
            Full,
            Release, //
        },
    },
    types::Opaque, //
};

use crate::{
    attach::Attach,
    attribute::{
        BusAttributes,
        DeviceAttributes, //
    },
    domain::Node,
    gate::Gate, //
};

/// A bus.
pub trait Bus: Sized + 'static {
    /// The name of the bus, as in `/sys/bus/<name>`.
    const NAME: &'static CStr;

    /// The attributes of the bus.
    const BUS_ATTRIBUTES: Option<&'static BusAttributes<Self>> = None;

    /// The attributes of each device.
    const DEVICE_ATTRIBUTES: Option<&'static DeviceAttributes<Self>> = None;

    /// The data of the bus itself, which its [`Registration`] holds.
    type Data: Send + Sync;

    /// The data of each device.
    ///
    /// Everybody who has a reference to the device may read it, at any time; it is dropped with the
    /// last reference, in a context that may sleep.
    type DeviceData: Send + Sync;

    /// What a driver tells the bus about itself, such as a table of ids.
    type DriverInfo: ?Sized + Sync + 'static;

    /// Returns the `static` of the bus, always the same.
    fn bus_type() -> &'static BusType<Self>;

    /// Whether a driver with `info` can drive `dev`.
    ///
    /// # Context
    ///
    /// Task context, may sleep. The device's lock is held in some cases and not in others
    /// (`drivers/base/dd.c`, `__device_attach()` and `__driver_attach()`), and the device may be
    /// removed at the same time.
    fn matches(dev: &Device<Self>, info: &Self::DriverInfo) -> bool;

    /// Adds variables to the uevents of `dev`.
    ///
    /// # Context
    ///
    /// Task context, may sleep. The device's lock is held when a driver has been bound or unbound,
    /// and not when somebody reads `uevent` in sysfs (`drivers/base/core.c`, `uevent_show()`),
    /// which may be at the same time as a probe.
    ///
    /// # Errors
    ///
    /// An error suppresses the uevent.
    fn uevent(dev: &Device<Self>, env: &mut UeventEnv) -> Result {
        let _ = (dev, env);
        Ok(())
    }

    /// Called before a driver's probe, which does not happen if this fails.
    ///
    /// If it is the driver's probe that fails, nothing else is called: what has to be undone then
    /// is for devres.
    ///
    /// # Context
    ///
    /// As for [`Driver::probe`].
    ///
    /// # Errors
    ///
    /// The probe fails with the error.
    fn before_probe(dev: &Device<Self, Core<'_>>) -> Result {
        let _ = dev;
        Ok(())
    }

    /// Called after a driver's remove, before its data is dropped.
    ///
    /// # Context
    ///
    /// As for [`Driver::unbind`].
    fn after_remove(dev: &Device<Self, Core<'_>>) {
        let _ = dev;
    }

    /// Called for each device when the system shuts down, whether it is bound or not.
    ///
    /// # Context
    ///
    /// Task context, may sleep, with the locks of the device and of its parent held.
    fn shutdown(dev: &Device<Self>) {
        let _ = dev;
    }

    /// Called when the bus is about to be unregistered: it drops the registrations of its devices,
    /// and the references to devices that it holds.
    ///
    /// Making a device fails already ([`Device::new`]), but one that has been made can still be
    /// added. A bus that keeps what others add refuses to keep it from now on, as `slow_bus` does:
    /// it would wait for it for ever.
    ///
    /// # Context
    ///
    /// Task context, may sleep.
    fn closing(data: Pin<&Self::Data>) {
        let _ = data;
    }
}

/// The variables of a uevent: `struct kobj_uevent_env`.
#[repr(transparent)]
pub struct UeventEnv(Opaque<bindings::kobj_uevent_env>);

impl UeventEnv {
    /// Adds a variable; `var` reads `NAME=value`.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if the variables have no room for it, which comes with a warning.
    pub fn add(&mut self, var: fmt::Arguments<'_>) -> Result {
        // SAFETY: `self` is a valid environment that nobody else uses; `%pA` prints the
        // `fmt::Arguments` that a pointer leads to.
        to_result(unsafe {
            bindings::add_uevent_var(
                self.0.get(),
                c"%pA".as_char_ptr(),
                core::ptr::from_ref(&var).cast::<c_void>(),
            )
        })
    }
}

/// The `struct bus_type` of a bus, and what there is of it: a `static`.
#[repr(C)]
pub struct BusType<B: Bus> {
    raw: Opaque<bindings::bus_type>,
    /// Whether there is a [`Registration`].
    taken: AtomicFlag,
    /// Entered by each device, until it is released, and by each driver, while it is registered.
    gate: Gate,
    /// Frees a device.
    ///
    /// It is in the `static`, so that it is code of the module of the `static`: any module may make
    /// devices, and be unloaded before the last reference to them is gone.
    free: unsafe fn(NonNull<DeviceHeader>),
    /// The address of the data, while the attributes of the bus are accessible.
    data: Atomic<*const B::Data>,
    _bus: PhantomData<fn() -> B>,
}

// SAFETY: `raw` is only read, by the driver core too; all else is `Sync`.
unsafe impl<B: Bus> Sync for BusType<B> {}

impl<B: Bus> BusType<B> {
    /// Returns the type of the bus `B`.
    #[expect(clippy::new_without_default)]
    pub const fn new() -> Self {
        let mut raw: bindings::bus_type = pin_init::zeroed();

        raw.name = kernel::str::as_char_ptr_in_const_context(B::NAME);
        raw.match_ = Some(Self::match_callback);
        raw.uevent = Some(Self::uevent_callback);
        raw.shutdown = Some(Self::shutdown_callback);
        if let Some(attributes) = B::BUS_ATTRIBUTES {
            raw.bus_groups = attributes.as_raw();
        }
        if let Some(attributes) = B::DEVICE_ATTRIBUTES {
            raw.dev_groups = attributes.as_raw();
        }

        Self {
            raw: Opaque::new(raw),
            taken: AtomicFlag::new(false),
            gate: Gate::new(),
            free: Device::<B>::free,
            data: Atomic::new(core::ptr::null()),
            _bus: PhantomData,
        }
    }

    /// Returns the `struct bus_type`.
    fn as_raw(&self) -> *mut bindings::bus_type {
        self.raw.get()
    }

    /// Returns the data of the bus that `raw` points to.
    ///
    /// # Safety
    ///
    /// `raw` points to the `raw` of a `BusType<B>`, whose attributes are accessible for the
    /// duration of `'a`.
    pub(crate) unsafe fn data<'a>(raw: *const bindings::bus_type) -> Pin<&'a B::Data> {
        // SAFETY: By the safety requirements; `raw` is the first field.
        let this = unsafe { &*raw.cast::<Self>() };
        let data = this.data.load(Acquire);

        // SAFETY: The data is pinned, set before the attributes become accessible, and dropped
        // after the last access to them.
        unsafe { Pin::new_unchecked(&*data) }
    }

    extern "C" fn match_callback(
        dev: *mut bindings::device,
        drv: *const bindings::device_driver,
    ) -> c_int {
        // SAFETY: The driver core calls with a device and a driver of the bus that are valid for
        // the duration of the call. All devices of the bus are `DeviceStruct<B>`s, all its drivers
        // are `DriverStruct<B>`s.
        let (dev, drv) = unsafe {
            (
                Device::<B>::from_raw(dev),
                &*drv
                    .byte_sub(offset_of!(DriverStruct<B>, driver))
                    .cast::<DriverStruct<B>>(),
            )
        };
        let Some(info) = drv.info else {
            return 0;
        };

        (B::matches(dev, info) && drv.attach.is_for_driver_core(dev)).into()
    }

    extern "C" fn uevent_callback(
        dev: *const bindings::device,
        env: *mut bindings::kobj_uevent_env,
    ) -> c_int {
        // SAFETY: The driver core calls with a device of the bus, and with an environment that is
        // ours for the duration of the call.
        let (dev, env) = unsafe {
            (
                Device::<B>::from_raw(dev.cast_mut()),
                &mut *env.cast::<UeventEnv>(),
            )
        };

        from_result(|| B::uevent(dev, env).map(|()| 0))
    }

    extern "C" fn shutdown_callback(dev: *mut bindings::device) {
        // SAFETY: The driver core calls with a device of the bus, which need not be bound.
        let dev = unsafe { Device::<B>::from_raw(dev) };

        B::shutdown(dev);
    }
}

/// The registration of a bus.
///
/// See the [documentation of the module](self) for what dropping it waits for. A module therefore
/// keeps it *behind* its own devices and drivers, as fields are dropped in order.
///
/// # Invariants
///
/// `bus` is registered, and its `data` points to `data`, which stays where it is.
#[pin_data(PinnedDrop)]
pub struct Registration<B: Bus> {
    #[pin]
    data: B::Data,
    bus: &'static BusType<B>,
    /// The attributes of the bus find `data` by its address, whether it needs to be pinned itself
    /// or not.
    #[pin]
    _pin: PhantomPinned,
}

impl<B: Bus> Registration<B> {
    /// Registers the bus.
    ///
    /// # Context
    ///
    /// Sleeps.
    ///
    /// # Errors
    ///
    /// - `EBUSY` if the bus is registered already.
    /// - `EINVAL` if the name is empty, which comes with a warning (`kobject_add_internal()`).
    /// - `ENOMEM` if memory is short.
    /// - `EEXIST` if another bus has the same name.
    /// - The error of `data`.
    pub fn new<E>(data: impl PinInit<B::Data, E>) -> impl PinInit<Self, Error>
    where
        Error: From<E>,
    {
        try_pin_init!(&this in Self {
            data <- data,
            // SAFETY: `this` is valid, and `data` has just been initialized.
            bus: Self::register(unsafe { &raw const (*this.as_ptr()).data })?,
            _pin: PhantomPinned,
        })
    }

    /// Registers the bus with `data`, which stays valid until the bus is unregistered.
    fn register(data: *const B::Data) -> Result<&'static BusType<B>> {
        let this = B::bus_type();

        if this.taken.xchg(true, Full) {
            return Err(EBUSY);
        }

        this.data.store(data, Release);

        // SAFETY: The bus type is a `static`, and it is not registered.
        to_result(unsafe { bindings::bus_register(this.as_raw()) })
            .inspect_err(|_| this.taken.store(false, Release))?;

        // Not before: others find the bus before `bus_register()` has initialized its lists of
        // devices and drivers.
        //
        // SAFETY: Whoever sets `taken` is the only one to open and shut the gate, which is shut.
        unsafe { this.gate.open() };
        Ok(this)
    }

    /// Returns the data of the bus.
    pub fn data(self: Pin<&Self>) -> Pin<&B::Data> {
        // SAFETY: `data` is structurally pinned.
        unsafe { self.map_unchecked(|this| &this.data) }
    }
}

#[pinned_drop]
impl<B: Bus> PinnedDrop for Registration<B> {
    fn drop(self: Pin<&mut Self>) {
        let this = self.bus;

        // SAFETY: We have registered the bus and opened the gate.
        unsafe { this.gate.shut() };
        B::closing(self.as_ref().data());
        // SAFETY: The gate has been shut.
        unsafe { this.gate.wait() };

        // SAFETY: The bus is registered, and has neither devices nor drivers any more.
        unsafe { bindings::bus_unregister(this.as_raw()) };
        this.taken.store(false, Release);
    }
}

/// The part of a device's memory that does not depend on its bus.
#[repr(C)]
pub(crate) struct DeviceHeader {
    /// The device itself.
    pub(crate) dev: Opaque<bindings::device>,
    /// The task that adds the device, as a number, while it does so.
    pub(crate) adding: Atomic<usize>,
    /// Whether adding the device cannot fail any more.
    pub(crate) ready: AtomicFlag,
    /// Whether somebody wanted to attach it before.
    pub(crate) wanted: AtomicFlag,
    /// Frees the device: code of the bus's module.
    free: unsafe fn(NonNull<DeviceHeader>),
    /// The gate of the bus.
    gate: &'static Gate,
    /// The parent: `device_add()` takes a reference to it of its own, but not before.
    _parent: Option<ARef<device::Device>>,
    /// Frees the device in a context that may sleep.
    work: Opaque<bindings::work_struct>,
}

/// The memory of a device.
#[repr(C)]
#[pin_data]
struct DeviceStruct<B: Bus> {
    header: DeviceHeader,
    #[pin]
    data: B::DeviceData,
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
    /// `dev` points to the device of a `DeviceStruct<B>`, and for the duration of `'a` it has
    /// references and what `Ctx` promises holds.
    pub(crate) unsafe fn from_raw<'a>(dev: *mut bindings::device) -> &'a Self {
        // SAFETY: By the safety requirements; the device is at offset 0.
        unsafe { &*dev.cast::<Self>() }
    }

    /// Returns the `struct device`.
    pub(crate) fn as_raw(&self) -> *mut bindings::device {
        self.0.get().cast()
    }

    /// Returns the part of the memory that does not depend on the bus.
    pub(crate) fn header(&self) -> &DeviceHeader {
        // SAFETY: By the type invariant. The fields are only shared.
        unsafe { &*self.0.get().cast::<DeviceHeader>() }
    }

    /// Returns the data of the device.
    pub fn data(&self) -> &B::DeviceData {
        // SAFETY: By the type invariant. The data is only shared.
        unsafe { &(*self.0.get()).data }
    }
}

impl<B: Bus> Device<B> {
    /// Makes a device without a parent, that is not registered: `device_initialize()`.
    ///
    /// Its probes run on `node`, if they are asynchronous.
    ///
    /// # Context
    ///
    /// Sleeps.
    ///
    /// # Errors
    ///
    /// - `ENODEV` if the bus is not registered, or is about to be unregistered.
    /// - `ENOMEM` if memory is short.
    /// - The error of `data`.
    pub fn new<E>(
        name: fmt::Arguments<'_>,
        node: Node,
        data: impl PinInit<B::DeviceData, E>,
    ) -> Result<ARef<Self>>
    where
        Error: From<E>,
    {
        Self::make(name, None, node, data)
    }

    /// Makes a device that has `parent` as its parent; otherwise as [`Self::new`].
    ///
    /// It keeps a reference to its parent, but does not keep it registered: a device has to be
    /// unregistered before its parent is. Without a node of its own it has that of its parent.
    ///
    /// # Safety
    ///
    /// The parent is registered, and stays so, while the device is being added, be it by
    /// [`Registration::new`](crate::device::Registration::new), or by the function of an
    /// [`AsyncRegistration`](crate::device::AsyncRegistration): the driver core does not protect
    /// the parent's directory in sysfs meanwhile (`fs/sysfs/dir.c`, `sysfs_remove_dir()`).
    /// libnvdimm synchronizes its domain before it unregisters a parent (`drivers/nvdimm/bus.c`,
    /// `nd_synchronize()`).
    pub unsafe fn new_child<E>(
        name: fmt::Arguments<'_>,
        parent: &device::Device,
        node: Node,
        data: impl PinInit<B::DeviceData, E>,
    ) -> Result<ARef<Self>>
    where
        Error: From<E>,
    {
        Self::make(name, Some(parent), node, data)
    }

    /// Makes a device.
    fn make<E>(
        name: fmt::Arguments<'_>,
        parent: Option<&device::Device>,
        node: Node,
        data: impl PinInit<B::DeviceData, E>,
    ) -> Result<ARef<Self>>
    where
        Error: From<E>,
    {
        let bus = B::bus_type();
        // As `device_add()` does, but a function that adds the device is to run there, too.
        let node = match parent {
            Some(parent) if node == Node::ANY => Node::of(parent),
            _ => node,
        };

        let this = KBox::pin_init::<Error>(
            try_pin_init!(DeviceStruct::<B> {
                header: DeviceHeader {
                    dev: Opaque::zeroed(),
                    adding: Atomic::new(0),
                    ready: AtomicFlag::new(false),
                    wanted: AtomicFlag::new(false),
                    free: bus.free,
                    gate: &bus.gate,
                    _parent: parent.map(ARef::from),
                    work: Opaque::zeroed(),
                },
                data <- data,
            }),
            GFP_KERNEL,
        )?;
        bus.gate.enter()?;

        // SAFETY: The memory stays where it is until `release()` frees it.
        let this = KBox::into_raw(unsafe { Pin::into_inner_unchecked(this) });
        let dev: *mut bindings::device = this.cast();

        // SAFETY: `dev` is zeroed and ours, and keeps a reference to its parent. It must not be
        // freed from here on, only put.
        unsafe {
            bindings::device_initialize(dev);
            (*dev).bus = bus.as_raw();
            (*dev).release = Some(release);
            (*dev).parent = parent.map_or(core::ptr::null_mut(), |parent| {
                core::ptr::from_ref(parent).cast_mut().cast()
            });
            node.set(dev);
        }

        // SAFETY: `this` is not null, and the reference of `device_initialize()` is ours.
        // INVARIANT: The device has just been initialized.
        let this = unsafe { ARef::from_raw(NonNull::new_unchecked(this.cast::<Self>())) };

        // SAFETY: `dev` is initialized and not added; `%pA` prints the `fmt::Arguments`.
        to_result(unsafe {
            bindings::dev_set_name(
                dev,
                c"%pA".as_char_ptr(),
                core::ptr::from_ref(&name).cast::<c_void>(),
            )
        })?;
        Ok(this)
    }

    /// `DeviceHeader::free`.
    ///
    /// # Safety
    ///
    /// The last reference to the device is gone, and `header` is that of a `DeviceStruct<B>`.
    unsafe fn free(header: NonNull<DeviceHeader>) {
        // SAFETY: `make()` has made the memory as a `KBox`, and by the safety requirements nobody
        // uses it any more.
        drop(unsafe { KBox::from_raw(header.cast::<DeviceStruct<B>>().as_ptr()) });
    }
}

/// Has the device freed, as the last reference to it is gone: `device::release`.
///
/// Any context.
///
/// # Safety
///
/// `dev` is a device that `Device::make()` has made, and nobody uses it any more.
unsafe extern "C" fn release(dev: *mut bindings::device) {
    let header: *mut DeviceHeader = dev.cast();

    // SAFETY: The driver core calls with a device that has this release function, which are those
    // of `Device::make()`. Nobody else uses it any more. The free function may sleep, hence it is
    // called from a work; `system_dfl_wq` exists since early in the boot.
    unsafe {
        bindings::init_work_with_key(
            (*header).work.get(),
            Some(free_work),
            false,
            c"async_probe::bus::free".as_char_ptr(),
            kernel::static_lock_class!().as_ptr(),
        );
        bindings::queue_work_on(
            bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int,
            bindings::system_dfl_wq,
            (*header).work.get(),
        );
    }
}

/// The work that frees a device.
///
/// It is code of `async_probe.ko`, and the last that it does with the bus is to leave the gate: the
/// bus's module may be gone as soon as it has done so.
///
/// # Safety
///
/// `work` is that of a [`DeviceHeader`], and nobody uses the device any more.
unsafe extern "C" fn free_work(work: *mut bindings::work_struct) {
    // SAFETY: `release()` has queued the `work` of a `DeviceHeader`, which nobody else uses.
    let header = unsafe { work.byte_sub(offset_of!(DeviceHeader, work)) }.cast::<DeviceHeader>();

    // SAFETY: As above.
    let (free, gate) = unsafe { ((*header).free, (*header).gate) };

    // SAFETY: The last reference is gone; `header` is not null.
    unsafe { free(NonNull::new_unchecked(header)) };
    gate.leave();
}

// SAFETY: `struct device` is at offset 0 of `DeviceStruct`, whose first field is `DeviceHeader`.
unsafe impl<B: Bus, Ctx: DeviceContext> AsBusDevice<Ctx> for Device<B, Ctx> {
    const OFFSET: usize = 0;
}

impl<B: Bus, Ctx: DeviceContext> AsRef<device::Device<Ctx>> for Device<B, Ctx> {
    fn as_ref(&self) -> &device::Device<Ctx> {
        // SAFETY: By the type invariant, `self` is a valid device, and what `Ctx` says of the one
        // reference holds for the other.
        unsafe { device::Device::from_raw(self.as_raw()) }
    }
}

// `kernel::impl_device_context_deref!` takes types with one generic parameter only.
macro_rules! impl_deref {
    ([$($lt:lifetime)?] $src:ty => $dst:ty) => {
        impl<$($lt,)? B: Bus> Deref for Device<B, $src> {
            type Target = Device<B, $dst>;

            fn deref(&self) -> &Self::Target {
                let this: *const Self = self;

                // CAST: Both types are transparent wrappers of the same type.
                // SAFETY: `this` comes from a reference, and `$src` promises what `$dst` does.
                unsafe { &*this.cast::<Self::Target>() }
            }
        }
    };
}

impl_deref!(['a] CoreInternal<'a> => Core<'a>);
impl_deref!(['a] Core<'a> => Bound);
impl_deref!([] Bound => Normal);

// SAFETY: A device has references for as long as there are Rust references to it.
unsafe impl<B: Bus> AlwaysRefCounted for Device<B> {
    fn inc_ref(&self) {
        // SAFETY: A shared reference guarantees that the count is not zero.
        unsafe { bindings::get_device(self.as_raw()) };
    }

    unsafe fn dec_ref(this: NonNull<Self>) {
        // SAFETY: By the safety requirements, the reference is ours to drop.
        unsafe { bindings::put_device(this.cast().as_ptr()) }
    }
}

impl<B: Bus> From<&Device<B, Bound>> for ARef<Device<B>> {
    fn from(dev: &Device<B, Bound>) -> Self {
        let dev: &Device<B> = dev;

        dev.into()
    }
}

// SAFETY: The last reference may be dropped by any task.
unsafe impl<B: Bus> Send for Device<B> {}

// SAFETY: All methods of `Device<B>` may be called by several tasks at once, and its data is
// `Sync`.
unsafe impl<B: Bus> Sync for Device<B> {}

// SAFETY: As for `Device<B>`; the context makes no difference.
unsafe impl<B: Bus> Sync for Device<B, Bound> {}

/// The memory of a driver: what [`kernel::driver::Registration`] registers.
#[repr(C)]
pub struct DriverStruct<B: Bus> {
    pub(crate) driver: bindings::device_driver,
    info: Option<&'static B::DriverInfo>,
    /// The gate of the bus, which the driver enters while it is registered.
    gate: Option<&'static Gate>,
    pub(crate) attach: Attach,
}

impl<B: Bus> Default for DriverStruct<B> {
    fn default() -> Self {
        Self {
            driver: Default::default(),
            info: None,
            gate: None,
            attach: Attach::default(),
        }
    }
}

/// A driver for the devices of a Rust bus.
pub trait Driver {
    /// The bus.
    type Bus: Bus;

    /// The data of each device that is bound to the driver.
    type Data<'bound>: Send + 'bound;

    /// What the driver tells the bus about itself.
    const INFO: &'static <Self::Bus as Bus>::DriverInfo;

    /// Probes a device.
    ///
    /// # Context
    ///
    /// Task context, may sleep, with the device's lock held. If the driver is probed
    /// asynchronously, several devices are probed at once.
    fn probe<'bound>(
        dev: &'bound Device<Self::Bus, Core<'_>>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound;

    /// Unbinds a device, before `data` is dropped.
    ///
    /// # Context
    ///
    /// Task context, may sleep, with the device's lock held.
    fn unbind<'bound>(dev: &'bound Device<Self::Bus, Core<'_>>, data: Pin<&Self::Data<'bound>>) {
        let _ = (dev, data);
    }
}

/// An adapter for the registration of drivers of a Rust bus.
///
/// # Errors
///
/// The registration fails with:
///
/// - `ENODEV` if the bus is not registered, or is about to be unregistered.
/// - `EBUSY` if the bus has a driver of that name already; `EEXIST` if one is registered at the
///   same time.
/// - `ENOMEM` if memory is short.
pub struct Adapter<T: Driver>(PhantomData<T>);

// SAFETY:
// - `DriverStruct` is `repr(C)`.
// - `T::Data` is the type of the driver data.
// - `DEVICE_DRIVER_OFFSET` is the offset of the embedded `struct device_driver`.
unsafe impl<T: Driver> driver::DriverLayout for Adapter<T> {
    type DriverType = DriverStruct<T::Bus>;
    type DriverData<'bound> = T::Data<'bound>;
    const DEVICE_DRIVER_OFFSET: usize = offset_of!(Self::DriverType, driver);
}

// SAFETY: A call to `unregister()` is valid after `register()` has been successful.
unsafe impl<T: Driver> driver::RegistrationOps for Adapter<T> {
    unsafe fn register(
        reg: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        let bus = T::Bus::bus_type();
        let drv = reg.get();

        bus.gate.enter()?;

        // SAFETY: `drv` is initialized, and nobody else knows it before it is registered.
        unsafe {
            (*drv).info = Some(T::INFO);
            (*drv).gate = Some(&bus.gate);
            (*drv).driver.name = name.as_char_ptr();
            (*drv).driver.bus = bus.as_raw();
            (*drv).driver.owner = module.as_ptr();
            (*drv).driver.mod_name = name.as_char_ptr();
            (*drv).driver.probe = Some(Self::probe_callback);
            (*drv).driver.remove = Some(Self::remove_callback);
            // Whatever adapters there are between this one and the one that attaches.
            if (*drv).attach.domain().is_some() {
                (*drv).driver.probe_type = bindings::probe_type_PROBE_FORCE_SYNCHRONOUS;
            }
        }

        // SAFETY: By the safety requirements, `drv` is valid until it is unregistered.
        to_result(unsafe { bindings::driver_register(&raw mut (*drv).driver) })
            .inspect_err(|_| bus.gate.leave())
    }

    unsafe fn unregister(reg: &Opaque<Self::DriverType>) {
        // SAFETY: By the safety requirements, the driver is registered.
        unsafe { bindings::driver_unregister(&raw mut (*reg.get()).driver) };

        // SAFETY: The driver is not registered any more, hence the memory is ours.
        if let Some(gate) = unsafe { (*reg.get()).gate.take() } {
            gate.leave();
        }
    }
}

impl<T: Driver> Adapter<T> {
    extern "C" fn probe_callback(dev: *mut bindings::device) -> c_int {
        // SAFETY: The driver core calls with a device of the bus, whose lock it holds.
        let dev = unsafe { Device::<T::Bus, CoreInternal<'_>>::from_raw(dev) };

        from_result(|| {
            T::Bus::before_probe(dev)?;

            let data = T::probe(dev);
            dev.as_ref().set_drvdata(data)?;
            Ok(0)
        })
    }

    extern "C" fn remove_callback(dev: *mut bindings::device) -> c_int {
        // SAFETY: The driver core calls with a device of the bus, whose lock it holds.
        let dev = unsafe { Device::<T::Bus, CoreInternal<'_>>::from_raw(dev) };

        // SAFETY: The driver core only calls after a successful probe, which has set the data.
        let data = unsafe { dev.as_ref().drvdata_borrow::<T::Data<'_>>() };

        T::unbind(dev, data);
        T::Bus::after_remove(dev);
        0
    }
}
