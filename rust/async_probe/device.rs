// SPDX-License-Identifier: GPL-2.0

//! Registration of devices of a Rust bus, synchronous and asynchronous.
//!
//! C header: [`include/linux/device.h`](srctree/include/linux/device.h)
//!
//! Adds to upstream: `device_add()` for devices of a bus written in Rust, and the model of
//! libnvdimm (`drivers/nvdimm/bus.c`, `nd_async_device_register()`), in which devices are
//! registered asynchronously, in an exclusive domain, and probed synchronously by whoever registers
//! them.

use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Full,
            Relaxed, //
        },
        static_lock_class,
        Arc,
        Completion,
        SpinLock, //
    },
};

use crate::{
    bus::{
        Bus,
        Device, //
    },
    domain::{
        Domain,
        Node,
        Refused, //
    },
    task, //
};

/// What `DeviceHeader::adding` is once `device_add()` has returned: no task.
const DONE: usize = usize::MAX;

/// Whether the current task is the one that is adding `dev` just now.
///
/// It is asked when the driver core looks for drivers of the device, which is the last that
/// `device_add()` does (`bus_probe_device()`): it does not fail any more.
pub(crate) fn is_added_here<B: Bus>(dev: &Device<B>) -> bool {
    let header = dev.header();
    let here = header.adding.load(Relaxed) == task::current();

    if here {
        header.ready.store(true, Relaxed);
    }
    here
}

/// Has the driver core look for a driver of `dev`, and probe: `device_attach()`.
///
/// Sleeps.
///
/// Nothing happens if the device is bound, or is not registered any more.
pub(crate) fn attach<B: Bus>(dev: &Device<B>) {
    let header = dev.header();

    // A driver that is registered meanwhile is matched with a device before `device_add()` is done,
    // which may still fail, and free what `device_attach()` needs: who adds the device sees to it
    // then. Either that task sees what is noted here, or it is seen here that the device is ready.
    if !header.ready.load(Relaxed) {
        header.wanted.xchg(true, Full);
        if !header.ready.load(Relaxed) {
            return;
        }
    }

    // What the probe has returned, the driver core has reported.
    //
    // SAFETY: `dev` is a valid device that has been added, or whose addition cannot fail any more.
    let _ = unsafe { bindings::device_attach(dev.as_raw()) };
}

/// The registration of a device of a Rust bus.
///
/// Dropping it unregisters the device: a driver that is bound to it is unbound first, a probe that
/// runs is waited for, and one that has been scheduled does not happen any more. So it must not be
/// dropped by a callback of the device itself, such as probe, or by one of its attributes.
pub struct Registration<B: Bus>(ARef<Device<B>>);

impl<B: Bus> Registration<B> {
    /// Adds `dev`, which comes from [`Device::new`], to its bus: `device_add()`.
    ///
    /// Drivers that match are probed: in this task before the function returns, or asynchronously,
    /// as they prefer. That a probe fails is no error of the registration.
    ///
    /// # Context
    ///
    /// Sleeps.
    ///
    /// # Errors
    ///
    /// - `EEXIST` if a device of that name exists already.
    /// - `EINVAL` if the name is empty, which comes with a warning (`kobject_add_internal()`).
    /// - `ENOENT` if the parent is not registered any more.
    /// - `ENOMEM` if memory is short.
    /// - `EBUSY` if the device has been added before, be it in vain. A device is added once, for
    ///   life.
    pub fn new(dev: ARef<Device<B>>) -> Result<Self> {
        let header = dev.header();

        // Never zero again, whatever comes of it.
        if header.adding.cmpxchg(0, task::current(), Full).is_err() {
            return Err(EBUSY);
        }

        // SAFETY: `dev` has been initialized by `Device::new()`, and is added once.
        let result = to_result(unsafe { bindings::device_add(dev.as_raw()) });

        if result.is_ok() {
            header.ready.store(true, Relaxed);
            if header.wanted.xchg(false, Full) {
                // Once more, in case that the driver came when `device_add()` had looked for one.
                attach(&dev);
            }
        }
        header.adding.store(DONE, Relaxed);
        result.map(|()| Self(dev))
    }

    /// Returns the device.
    pub fn device(&self) -> &Device<B> {
        &self.0
    }
}

impl<B: Bus> Drop for Registration<B> {
    fn drop(&mut self) {
        // SAFETY: The device has been added. Our reference to it is dropped with the field.
        unsafe { bindings::device_del(self.0.as_raw()) }
    }
}

/// What has become of an asynchronous registration.
enum State<B: Bus> {
    /// Its function has not run yet.
    Pending(ARef<Device<B>>),
    /// Its function is adding the device.
    Adding,
    /// The device is registered.
    Added { _registration: Registration<B> },
    /// The device could not be added, or is not wanted any more.
    Gone,
}

/// The name of the lock of a [`Shared`], as in `domain.rs`.
static LOCK_NAME: &CStr = c"async_probe::device::Shared";

/// The state, shared with the function.
#[pin_data]
struct Shared<B: Bus> {
    #[pin]
    state: SpinLock<State<B>>,
    /// Completed when the device is not being added any more.
    ///
    /// It is not the lock that is held so long: probes run meanwhile, and may wait for other
    /// registrations, of the same bus too, whose locks would be of the same class.
    #[pin]
    added: Completion,
}

impl<B: Bus> Shared<B> {
    /// Puts `new` in the place of the state.
    fn replace(&self, new: State<B>) -> State<B> {
        core::mem::replace(&mut *self.state.lock(), new)
    }

    /// Adds the device, unless it is not wanted any more; called once.
    fn add(&self) {
        let State::Pending(dev) = self.replace(State::Adding) else {
            // `remove()` has been here, and nobody looks at the state again.
            return;
        };

        let state = match Registration::new(dev.clone()) {
            Ok(_registration) => State::Added { _registration },
            Err(err) => {
                dev_err!(&*dev, "cannot be added: {:?}\n", err);
                State::Gone
            }
        };
        self.replace(state);
        self.added.complete_all();
    }

    /// Removes the device, or sees to it that it is not added; called once.
    fn remove(&self) {
        let mut state = self.replace(State::Gone);

        if matches!(state, State::Adding) {
            self.added.wait_for_completion();
            state = self.replace(State::Gone);
        }

        // Unregisters the device, without the lock.
        drop(state);
    }
}

/// The asynchronous registration of a device of a Rust bus: `nd_async_device_register()`.
///
/// A function in a domain adds the device, so that whoever makes the registration goes on at once,
/// and many devices are added, and probed by drivers that probe synchronously, in parallel.
///
/// Dropping it unregisters the device. A device that has not been added yet is never added, and so
/// never probed; one that is just being added, and probed, is waited for. libnvdimm synchronizes
/// the whole domain for that, here it concerns the one device. So it must not be dropped by a
/// callback of the device itself, such as probe: it would wait for itself, for ever.
///
/// What is waited for is the device, not the function, which is code of the module that makes the
/// registration, and may still have to return. As always, a module that uses the domain of another
/// waits for it before it exits ([`Domain::synchronize_full`]).
pub struct AsyncRegistration<B: Bus>(Arc<Shared<B>>);

impl<B: Bus> AsyncRegistration<B> {
    /// Schedules the registration of `dev` in `domain`, on the device's node.
    ///
    /// [`Domain::synchronize_full`] waits until the device has been added.
    ///
    /// # Context
    ///
    /// Sleeps, but not until the device is added.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if memory is short or too many functions are pending; the device is not added then.
    pub fn new(domain: &Domain, dev: ARef<Device<B>>) -> Result<Self> {
        let node = Node::of((*dev).as_ref());
        let shared = Arc::pin_init(
            pin_init!(Shared {
                state <- SpinLock::new(State::Pending(dev), LOCK_NAME, static_lock_class!()),
                added <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let this = Self(shared.clone());

        domain.schedule_on(node, move || shared.add(), GFP_KERNEL)?;
        Ok(this)
    }

    /// Unregisters the device asynchronously, in `domain`: `nd_device_unregister()` with
    /// `ND_ASYNC`.
    ///
    /// Until its function runs, the device is added, bound and probed as before, while libnvdimm
    /// calls `kill_device()` at once. Until `then` is called, the device has its name, and no other
    /// can be added with that name.
    ///
    /// # Context
    ///
    /// Sleeps. Without memory to schedule it, or with too many functions pending, the device is
    /// unregistered and `then` called by the current task: it must not hold a lock that either
    /// takes.
    pub fn unregister_async<F>(self, domain: &Domain, then: F)
    where
        F: FnOnce() + Send + 'static,
    {
        let unregister = move || {
            drop(self);
            then();
        };

        if let Err(refused) = domain.schedule(unregister, GFP_KERNEL) {
            Refused::run_here(refused);
        }
    }
}

impl<B: Bus> Drop for AsyncRegistration<B> {
    fn drop(&mut self) {
        self.0.remove();
    }
}
