// SPDX-License-Identifier: GPL-2.0

//! Abstraction for upstream: devices of a Rust bus, registered synchronously or asynchronously.
//!
//! C header: [`include/linux/device.h`](srctree/include/linux/device.h)
//!
//! Adds to upstream: `device_add()` for devices of a bus written in Rust, and the model of
//! libnvdimm (`drivers/nvdimm/bus.c`, `nd_async_device_register()`).

use super::bus_type::Bus;
use super::bus_type::Device;
use super::bus_type::DeviceHeader;
use super::bus_type::DeviceStruct;
use crate::abstractions::domain::Domain;
use crate::abstractions::domain::Node;
use crate::abstractions::patience;
use crate::abstractions::task;
use crate::abstractions::text;
use crate::prelude::*;

impl<B: Bus> Device<B> {
    /// Makes a device that has no parent and is not registered: `device_initialize()`. Asynchronous
    /// probes of the device run on `node`. A value as `data` is passed as `Ok(value)`.
    ///
    /// Context: Sleeps.
    /// Errors:
    /// - `EINVAL` if the name is empty.
    /// - `ENODEV` if the bus is not registered, or is about to be unregistered.
    /// - `ENOMEM` if memory is short.
    /// - The error of `data`.
    #[track_caller]
    pub fn new(
        name: fmt::Arguments<'_>,
        node: Node,
        data: impl PinInit<B::DeviceData, Error>,
    ) -> Result<ARef<Self>> {
        Self::make(name, None, node, data)
    }

    /// Makes a device, which keeps the text of the caller's module: its data may need it.
    #[track_caller]
    fn make(
        name: fmt::Arguments<'_>,
        parent: Option<&device::Device>,
        node: Node,
        data: impl PinInit<B::DeviceData, Error>,
    ) -> Result<ARef<Self>> {
        let bus = B::bus_type();
        // As `device_add()` does. A function that adds the device runs on that node, too.
        let node = match parent {
            Some(parent) if node == Node::ANY => Node::of(parent),
            _ => node,
        };

        // A `static` in the module that calls this.
        let address = core::ptr::from_ref(core::panic::Location::caller()) as usize;
        let this = KBox::pin_init::<Error>(
            try_pin_init!(&this in DeviceStruct::<B> {
                header <- try_pin_init!(DeviceHeader {
                    dev: Opaque::zeroed(),
                    adding: Atomic::new(0),
                    ready: AtomicFlag::new(false),
                    wanted: AtomicFlag::new(false),
                    drop_data: bus.drop_data,
                    _parent: parent.map(ARef::from),
                    work: Opaque::zeroed(),
                    _user <- text::User::new(
                        text::Object::Device(this.as_ptr().cast()), address, Some(&bus.door)
                    ),
                }),
                data <- data,
            }),
            GFP_KERNEL,
        )?;

        // SAFETY: The memory stays where it is until `release()` frees it.
        let this = KBox::into_raw(unsafe { Pin::into_inner_unchecked(this) });
        let dev: *mut bindings::device = this.cast();
        let name: *const fmt::Arguments<'_> = &name;

        // From `device_initialize()` on, the device must not be freed, only put.
        //
        // SAFETY: `dev` is zeroed, no other task knows it, and it keeps a reference to its parent.
        // The object owns the reference of `device_initialize()`.
        // INVARIANT: The device has just been initialized.
        let this = unsafe {
            bindings::device_initialize(dev);
            (*dev).bus = bus.as_raw();
            (*dev).release = Some(release);
            (*dev).parent = parent.map_or(core::ptr::null_mut(), raw_device);
            node.set(dev);
            ARef::from_raw(NonNull::new_unchecked(this.cast::<Self>()))
        };

        // SAFETY: `dev` is initialized and not added; `%pA` prints `name`.
        to_result(unsafe {
            bindings::dev_set_name(dev, c"%pA".as_char_ptr(), name.cast::<c_void>())
        })?;
        if (*this).as_ref().name().is_empty() {
            return Err(EINVAL);
        }
        Ok(this)
    }
}

/// Has the device freed, as the last reference to it is dropped, in any context.
///
/// # Safety
///
/// `dev` is a device that `Device::make()` has made, and that is not used any more.
unsafe extern "C" fn release(dev: *mut bindings::device) {
    let header: *mut DeviceHeader = dev.cast();

    // SAFETY: By the safety requirements, `header` leads to the `DeviceHeader` of a device that is
    // not used any more. Dropping the data may sleep, hence a work does it; `system_dfl_wq` exists
    // since early in the boot.
    unsafe {
        bindings::init_work_with_key(
            (*header).work.get(),
            Some(free_work),
            false,
            c"async_probe::bus::free".as_char_ptr(),
            static_lock_class!().as_ptr(),
        );
        bindings::queue_work_on(
            bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int,
            bindings::system_dfl_wq,
            (*header).work.get(),
        );
    }
}

/// The work that frees a device: code of `async_probe.ko`, as the modules of the bus and of the
/// device may be freed as soon as the header, and with it the [`text::User`], is dropped.
///
/// # Safety
///
/// `work` is that of a [`DeviceHeader`] whose device is not used any more.
unsafe extern "C" fn free_work(work: *mut bindings::work_struct) {
    // SAFETY: By the safety requirements. `make()` has made the memory as a `KBox`.
    unsafe {
        let header: *mut DeviceHeader = work.byte_sub(offset_of!(DeviceHeader, work)).cast();

        ((*header).drop_data)(header);
        core::ptr::drop_in_place(header);
        bindings::kfree(header.cast());
    }
}

/// The value of `DeviceHeader::adding` once `device_add()` has returned: no task.
const DONE: usize = usize::MAX;

/// Whether the current task is the one that is adding `dev` just now.
///
/// An [`Attacher`](super::Attacher) asks in the last step of `device_add()`, when the driver core
/// looks for drivers of the device (`bus_probe_device()`): it does not fail any more.
pub(crate) fn is_added_here<B: Bus>(dev: &Device<B>) -> bool {
    let header = dev.header();
    let here = header.adding.load(Relaxed) == task::current();

    if here {
        header.ready.store(true, Relaxed);
    }
    here
}

/// Has the driver core look for a driver of `dev`, and probe, unless the device is bound, or is not
/// registered any more: `device_attach()`, which sleeps.
pub(crate) fn attach<B: Bus>(dev: &Device<B>) {
    let header = dev.header();

    // A driver that is registered meanwhile is matched with a device before `device_add()` has
    // returned, which may still fail, and free the memory that `device_attach()` needs. The task
    // that adds the device attaches it then. Either that task sees `wanted`, or this one `ready`.
    if !header.ready.load(Relaxed) {
        header.wanted.xchg(true, Full);
        if !header.ready.load(Relaxed) {
            return;
        }
    }

    // The driver core has reported a probe that fails.
    //
    // SAFETY: `dev` has been added, or its addition cannot fail any more.
    let _ = unsafe { bindings::device_attach(dev.as_raw()) };
}

/// The registration of a device of a Rust bus.
///
/// Dropping it unregisters the device with `device_del()`, which waits for a probe of the device
/// that runs, and unbinds the driver. A probe that has been scheduled does not happen any more.
///
/// A callback of the device, such as probe, must not drop it: `device_del()` takes the lock of the
/// device, which the callback holds, and never returns. Nor must one of its attributes.
#[must_use = "the device is unregistered at once when this is dropped"]
pub struct Registration<B: Bus>(ARef<Device<B>>);

impl<B: Bus> Registration<B> {
    /// Adds `dev`, which comes from [`Device::new`], to its bus: `device_add()`.
    ///
    /// Drivers that match are probed, before the function returns or asynchronously, as they
    /// prefer. A probe that fails does not make the registration fail.
    ///
    /// Context: Sleeps.
    /// Errors:
    /// - `EEXIST` if a device of that name exists already.
    /// - `ENOMEM` if memory is short.
    /// - `EBUSY` if the device has been added before, even if that has failed.
    pub fn new(dev: ARef<Device<B>>) -> Result<Self> {
        let header = dev.header();

        // It never becomes zero again, even if `device_add()` fails.
        if header.adding.cmpxchg(0, task::current(), Full).is_err() {
            return Err(EBUSY);
        }

        // SAFETY: `dev` has been initialized by `Device::new()`, and is added once.
        let result = to_result(unsafe { bindings::device_add(dev.as_raw()) });

        if result.is_ok() {
            header.ready.store(true, Relaxed);
            if header.wanted.xchg(false, Full) {
                // A driver may have been registered after `device_add()` looked for one.
                attach(&dev);
            }
        }
        header.adding.store(DONE, Relaxed);
        result.map(|()| Self(dev))
    }

    /// Makes a device with a parent, and else as [`Device::new`] does, and adds it to its bus.
    ///
    /// A device has to be unregistered before its parent is. The parent is bound, and hence
    /// registered, while the device is being added: the driver core does not protect the directory
    /// of the parent in sysfs (`fs/sysfs/dir.c`, `sysfs_remove_dir()`). Without a node of its own
    /// the device has that of its parent.
    ///
    /// Context: Sleeps.
    /// Errors: Those of [`Device::new`] and of [`Self::new`].
    #[track_caller]
    pub fn new_child(
        parent: &device::Device<Bound>,
        name: fmt::Arguments<'_>,
        node: Node,
        data: impl PinInit<B::DeviceData, Error>,
    ) -> Result<Self> {
        Self::new(Device::make(name, Some(parent), node, data)?)
    }

    /// Returns the device.
    pub fn device(&self) -> &Device<B> {
        &self.0
    }
}

impl<B: Bus> Drop for Registration<B> {
    fn drop(&mut self) {
        patience::wait_for_lock((*self.0).as_ref());

        // SAFETY: The device has been added. The field drops the reference to it.
        unsafe { bindings::device_del(self.0.as_raw()) }
    }
}

/// The state of an asynchronous registration.
enum State<B: Bus> {
    /// Its function has not run yet.
    Pending,
    /// Its function is adding the device.
    Adding,
    /// The device is registered.
    Added { _registration: Registration<B> },
    /// The device could not be added, or must not be added any more.
    Gone,
}

/// The name of the lock of a [`Shared`], as in `domain.rs`.
static LOCK_NAME: &CStr = c"async_probe::device::Shared";

/// The state, shared with the function.
#[pin_data]
struct Shared<B: Bus> {
    dev: ARef<Device<B>>,
    #[pin]
    state: SpinLock<State<B>>,
    /// Completed when the device is not being added any more. The lock is not held meanwhile:
    /// probes run, and may wait for other registrations of the bus, whose locks are of its class.
    #[pin]
    added: Completion,
}

impl<B: Bus> Shared<B> {
    /// Puts `new` in the place of the state.
    fn replace(&self, new: State<B>) -> State<B> {
        core::mem::replace(&mut *self.state.lock(), new)
    }

    /// Adds the device, unless it must not be added any more; called once.
    fn add(&self) {
        let State::Pending = self.replace(State::Adding) else {
            // `remove()` has changed the state, and does not look at it again.
            return;
        };

        let state = match Registration::new(self.dev.clone()) {
            Ok(_registration) => State::Added { _registration },
            Err(err) => {
                dev_err!(&*self.dev, "cannot be added: {:?}\n", err);
                State::Gone
            }
        };
        self.replace(state);
        self.added.complete_all();
    }

    /// Removes the device, or keeps it from being added; called once.
    fn remove(&self) {
        let mut state = self.replace(State::Gone);

        if matches!(state, State::Adding) {
            patience::wait_for_lock((*self.dev).as_ref());
            self.added.wait_for_completion();
            state = self.replace(State::Gone);
        }

        // Unregisters the device, without the lock.
        drop(state);
    }
}

/// The asynchronous registration of a device of a Rust bus: `nd_async_device_register()`.
///
/// A function in a domain adds the device. So the task that makes the registration goes on at once,
/// and many devices are added, and probed by drivers that probe synchronously, in parallel.
///
/// Dropping it unregisters the device. A device that has not been added yet is never added, and so
/// never probed. For a device that is being added, and probed, it waits; libnvdimm synchronizes the
/// whole domain for that. A callback of the device, such as probe, must not drop it: it would wait
/// for itself and never return. It does not wait until the function has returned: rmmod does.
#[must_use = "the device is unregistered at once when this is dropped"]
pub struct AsyncRegistration<B: Bus>(Arc<Shared<B>>);

impl<B: Bus> AsyncRegistration<B> {
    /// Schedules the registration of `dev` in `domain`, on the device's node.
    /// [`Domain::synchronize_full`] waits until the device has been added.
    ///
    /// Context: Sleeps, but not until the device is added.
    /// Errors: `ENOMEM` if memory is short or too many functions are pending; the device is not
    /// added then.
    pub fn new(domain: &Domain, dev: ARef<Device<B>>) -> Result<Self> {
        let node = Node::of((*dev).as_ref());
        let shared = Arc::pin_init(
            pin_init!(Shared {
                dev,
                state <- SpinLock::new(State::Pending, LOCK_NAME, static_lock_class!()),
                added <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let this = Self(shared.clone());

        domain.schedule_on(node, move || shared.add(), GFP_KERNEL)?;
        Ok(this)
    }

    /// Unregisters the device in a function in `domain`: `nd_device_unregister()` with `ND_ASYNC`.
    ///
    /// Until its function runs, the device is added, bound and probed as before, while libnvdimm
    /// calls `kill_device()` at once. Until `then` is called, no other device can have its name.
    ///
    /// Context: Sleeps. Without memory to schedule it, or with too many functions pending, the
    /// device is unregistered and `then` called by the current task: it must not hold a lock that
    /// either takes.
    pub fn unregister_async(self, domain: &Domain, then: impl FnOnce() + Send + 'static) {
        let unregister = move || {
            drop(self);
            then();
        };

        if let Err(refused) = domain.schedule(unregister, GFP_KERNEL) {
            refused.run_here();
        }
    }
}

impl<B: Bus> Drop for AsyncRegistration<B> {
    fn drop(&mut self) {
        self.0.remove();
    }
}
