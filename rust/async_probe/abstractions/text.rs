// SPDX-License-Identifier: GPL-2.0

//! Abstraction for upstream: objects that need the text of a module, for which rmmod waits.
//!
//! To Rust, the text and the statics of a module live forever, but they go when the module is
//! unloaded. Safe code can keep an object that needs them: it can leak the object, keep it in a
//! `static`, or give it to another module. Each such object of this crate has a [`User`]. When the
//! module has exited, and before its text is freed (`delete_module()`), a notifier waits until the
//! module has no user. The list of notifiers is locked for reading meanwhile: a task that registers
//! a module notifier waits, too, and so does each insmod and rmmod after it. Likewise, a bus waits
//! for the users that have come through its [`Door`].
//!
//! Unnecessary once upstream closes the hole for its own objects: today a module that leaks a
//! [`kernel::driver::Registration`] leaves the driver core with callbacks that are gone.

use super::notifier::Notifier;
use super::patience;
use super::shared::Place;
use super::shared::Shared;
use super::task;
use crate::prelude::*;

/// The tasks that have dropped a bus or a driver, and may not have left the text of its module yet.
#[derive(Clone, Copy, PartialEq)]
enum Droppers {
    None,
    One(usize),
    Several,
}

impl Droppers {
    /// Returns them and one more.
    fn and(self, task: usize) -> Self {
        match self {
            Self::None => Self::One(task),
            Self::One(first) if first == task => self,
            _ => Self::Several,
        }
    }
}

/// All users, and the notifier.
#[pin_data]
pub(crate) struct Users {
    #[pin]
    lock: SpinLock<Droppers>,
    /// A list of [`User`]s, which the lock protects.
    #[pin]
    list: Opaque<bindings::list_head>,
    /// Held while a task waits for `Droppers`.
    #[pin]
    waits: Mutex<()>,
    #[pin]
    notifier: Notifier,
}

// SAFETY: The lock protects the list; all else is `Send`.
unsafe impl Send for Users {}

// SAFETY: As above.
unsafe impl Sync for Users {}

static USERS: Place<Users> = Place::new();

/// Returns the initializer of the list, which `async_probe.ko` keeps as long as it is loaded.
pub(crate) fn users() -> impl PinInit<Shared<Users>, Error> {
    Shared::new(
        &USERS,
        try_pin_init!(Users {
            lock <- new_spinlock!(Droppers::None),
            // SAFETY: The memory is valid for writes.
            list <- Opaque::ffi_init(|list| unsafe { bindings::INIT_LIST_HEAD(list) }),
            waits <- new_mutex!(()),
            // It comes before notifiers that take from the module what its code needs.
            //
            // SAFETY: The functions are those of one chain, whose arguments `notify()` takes.
            notifier <- unsafe {
                Notifier::new(
                    bindings::register_module_notifier,
                    bindings::unregister_module_notifier,
                    Some(notify),
                )
            },
        }),
    )
}

impl Users {
    /// Whether `is_it` holds for a user; `with` is called with the first one.
    fn find(&self, is_it: impl Fn(&User) -> bool, with: impl FnOnce(&User)) -> bool {
        // Declared first, so that the last reference to a device is dropped without the lock.
        let _device;
        let _guard = self.lock.lock();
        let head = self.list.get();

        // SAFETY: The list is initialized. All its entries are `User`s, which stay in it while the
        // lock is held.
        unsafe {
            let mut links = (*head).next;

            while links != head {
                let user = &*links.byte_sub(offset_of!(User, links)).cast::<User>();

                if is_it(user) {
                    _device = user.device();
                    with(user);
                    return true;
                }
                links = (*links).next;
            }
        }
        false
    }

    /// Waits until `is_its` holds for no user. After 10 seconds, `warn` is called with one.
    fn wait(&self, is_its: impl Fn(&User) -> bool, warn: impl FnOnce(&User)) {
        patience::wait(
            || !self.find(&is_its, |_| ()),
            || _ = self.find(&is_its, warn),
        );
    }

    /// Waits until each other task that has dropped a bus or a driver has left the text of its
    /// module. Mostly that is the task which has called the exit function of the module: this one.
    fn wait_for_droppers(&self) {
        // A second task waits until the first has waited.
        let _guard = self.waits.lock();
        let droppers = core::mem::replace(&mut *self.lock.lock(), Droppers::None);

        if droppers.and(task::current()) == Droppers::Several {
            task::synchronize();
        }
    }
}

/// Waits until a module that has exited has no user.
///
/// # Safety
///
/// `module` is a valid `struct module` if `action` is `MODULE_STATE_GOING`.
unsafe extern "C" fn notify(
    _notifier: *mut bindings::notifier_block,
    action: c_ulong,
    module: *mut c_void,
) -> c_int {
    let module = module.cast::<bindings::module>();
    let Ok(users) = USERS.get() else {
        return 0;
    };
    if action != bindings::module_state_MODULE_STATE_GOING as c_ulong {
        return 0;
    }

    let is_its = |user: &User| {
        // SAFETY: By the safety requirements, `module` is valid.
        unsafe { bindings::async_probe_within_module(user.address, module) }
    };
    let warn = |user: &User| {
        // SAFETY: `module` is valid, and has a name.
        let name = unsafe { CStr::from_char_ptr((&raw const (*module).name).cast()) };

        pr_warn!("rmmod of {name} waits: {user} needs its text\n");
    };

    users.wait(is_its, warn);
    users.wait_for_droppers();
    0
}

/// The users of a bus, for which its unregistration waits: a part of a `static`.
pub(crate) struct Door(AtomicFlag);

impl Door {
    pub(crate) const fn new() -> Self {
        Self(AtomicFlag::new(false))
    }

    pub(crate) fn open(&self) {
        self.0.store(true, Relaxed);
    }

    /// Shuts the door: from now on no user comes in.
    pub(crate) fn shut(&self) {
        if let Ok(users) = USERS.get() {
            let _guard = users.lock.lock();

            self.0.store(false, Relaxed);
        }
    }

    /// Waits, sleeping, until the last user has gone. After 10 seconds a line in dmesg names one.
    pub(crate) fn wait(&self, bus: &CStr) {
        let Ok(users) = USERS.get() else {
            return;
        };
        let is_its = |user: &User| user.door.is_some_and(|door| core::ptr::eq(door, self));
        let warn = |user: &User| {
            pr_warn!("bus {bus} waits to be unregistered: {user} is still there\n");
        };

        users.wait(is_its, warn);
    }
}

/// An object that needs the text of a module; a bus or a driver has a name.
pub(crate) enum Object {
    Bus(&'static CStr),
    /// A device, whose memory outlives the user.
    Device(*mut bindings::device),
    Driver(&'static CStr),
    Function,
}

/// Keeps the text of a module from being freed, until it is dropped.
///
/// # Invariants
///
/// `links` is in the list of [`Users`].
#[pin_data(PinnedDrop)]
pub(crate) struct User {
    object: Object,
    /// An address in the text or the data of the module.
    address: usize,
    door: Option<&'static Door>,
    #[pin]
    links: Opaque<bindings::list_head>,
}

// SAFETY: The lock of the list protects `links`; any task may use the memory of a device.
unsafe impl Send for User {}

// SAFETY: As above.
unsafe impl Sync for User {}

impl User {
    /// Makes `object` a user of the module in whose text or data `address` is, and of the bus that
    /// has the door.
    ///
    /// Errors: `ENODEV` if the door is shut, or if this crate is built in, and is not initialized
    /// yet.
    pub(crate) fn new(
        object: Object,
        address: usize,
        door: Option<&'static Door>,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            object,
            address,
            door,
            // Last: from here on other tasks find it.
            links <- Opaque::try_ffi_init(move |links| {
                let users = USERS.get()?;
                let _guard = users.lock.lock();

                if door.is_some_and(|door| !door.0.load(Relaxed)) {
                    return Err(ENODEV);
                }
                // SAFETY: The entry is in no list, and stays where it is until it is dropped.
                unsafe { bindings::list_add_tail(links, users.list.get()) };
                Ok(())
            }),
        })
    }

    /// Returns the device, unless it has no name yet, or its last reference is gone.
    fn device(&self) -> Option<ARef<Device>> {
        let Object::Device(dev) = self.object else {
            return None;
        };

        // SAFETY: The memory of the device is valid, and zeroed before it is initialized. A name
        // does not change before the last reference is gone. The object owns the reference that the
        // function takes.
        unsafe {
            if (&raw const (*dev).kobj.name).read_volatile().is_null() {
                return None;
            }
            let kobj = bindings::kobject_get_unless_zero(&raw mut (*dev).kobj);

            (!kobj.is_null()).then(|| ARef::from_raw(NonNull::new_unchecked(dev.cast())))
        }
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.object {
            Object::Bus(name) => f.write_fmt(fmt!("bus {name}")),
            Object::Driver(name) => f.write_fmt(fmt!("driver {name}")),
            Object::Function => f.write_str("an asynchronous function"),
            Object::Device(_) => match self.device() {
                Some(dev) => f.write_fmt(fmt!("device {}", dev.name())),
                None => f.write_str("a device"),
            },
        }
    }
}

#[pinned_drop]
impl PinnedDrop for User {
    fn drop(self: Pin<&mut Self>) {
        if let Ok(users) = USERS.get() {
            let mut droppers = users.lock.lock();

            // SAFETY: By the type invariant.
            unsafe { bindings::async_probe_list_del(self.links.get()) };

            // All else is dropped by code of `async_probe.ko`.
            if let Object::Bus(_) | Object::Driver(_) = self.object {
                *droppers = droppers.and(task::current());
            }
        }
    }
}
