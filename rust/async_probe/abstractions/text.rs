// SPDX-License-Identifier: GPL-2.0

//! Abstraction for upstream: objects that need the text of a module, for which rmmod waits.
//!
//! To Rust, the text and the statics of a module live forever, but they go when the module is
//! unloaded. Safe code can keep an object that needs them: it can leak the object, keep it in a
//! `static`, or give it to another module. Each such object of this crate has a [`User`]. When the
//! module has exited, and before its text is freed (`delete_module()`), a notifier waits until the
//! module has no user.
//!
//! Unnecessary once upstream closes the hole for its own objects: today a module that leaks a
//! [`kernel::driver::Registration`] leaves the driver core with callbacks that are gone.

use kernel::{
    alloc::Flags,
    bindings, fmt,
    list::{
        impl_list_arc_safe,
        impl_list_item,
        List,
        ListArc,
        ListLinks, //
    },
    prelude::*,
    str::CString,
    sync::{
        new_spinlock,
        Arc,
        SpinLock, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
};

use super::{
    notifier::Notifier,
    patience,
    shared::{
        Place,
        Shared, //
    },
};
use crate::bindings::async_probe_within_module;

/// An object that needs the text of a module.
#[pin_data]
struct Entry {
    #[pin]
    links: ListLinks,
    kind: &'static str,
    name: Option<CString>,
    /// An address in the text or the data of the module.
    address: usize,
    /// The address of the bus that waits for the object, or zero.
    bus: usize,
}

impl_list_arc_safe! {
    impl ListArcSafe<0> for Entry { untracked; }
}

impl_list_item! {
    impl ListItem<0> for Entry { using ListLinks { self.links }; }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_fmt(fmt!("{} {}", self.kind, &**name)),
            None => f.write_str(self.kind),
        }
    }
}

/// All users, and the notifier.
#[pin_data]
pub(crate) struct Users {
    #[pin]
    list: SpinLock<List<Entry>>,
    #[pin]
    notifier: Notifier,
}

static USERS: Place<Users> = Place::new();

/// Returns the initializer of the list, which `async_probe.ko` keeps as long as it is loaded.
pub(crate) fn users() -> impl PinInit<Shared<Users>, Error> {
    Shared::new(
        &USERS,
        try_pin_init!(Users {
            list <- new_spinlock!(List::new()),
            // It comes before notifiers that take from the module what its code needs.
            //
            // SAFETY: The functions are those of one chain, whose arguments `notify()` takes.
            notifier <- unsafe {
                Notifier::new(
                    bindings::register_module_notifier,
                    bindings::unregister_module_notifier,
                    notify,
                )
            },
        }),
    )
}

impl Users {
    /// Returns the first user for which `is_it` holds.
    fn find(&self, is_it: impl Fn(&Entry) -> bool) -> Option<Arc<Entry>> {
        let list = self.list.lock();
        let found = list.iter().find(|entry| is_it(entry));

        found.map(Into::into)
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

    let user = || {
        // SAFETY: By the safety requirements, `module` is valid.
        users.find(|entry| unsafe { async_probe_within_module(entry.address, module) })
    };
    patience::wait(
        || user().is_none(),
        || {
            if let Some(user) = user() {
                // SAFETY: `module` is valid, and has a name.
                let name = unsafe { CStr::from_char_ptr((&raw const (*module).name).cast()) };

                pr_warn!("rmmod of {name} waits: {user} needs its text\n");
            }
        },
    );
    while user().is_some() {
        fsleep(Delta::from_millis(10));
    }
    0
}

/// Keeps the text of a module from being freed, until it is dropped.
pub(crate) struct User(Arc<Entry>);

impl User {
    /// Makes an object a user of the module in whose text or data `address` is. The bus at the
    /// address `bus`, if that is not zero, waits for it.
    ///
    /// # Errors
    ///
    /// - `ENOMEM` if memory is short.
    /// - `ENODEV` if this crate is built in, and is not initialized yet.
    pub(crate) fn new(
        kind: &'static str,
        name: Option<CString>,
        address: usize,
        bus: usize,
        flags: Flags,
    ) -> Result<Self> {
        let users = USERS.get()?;
        let entry = ListArc::pin_init::<Error>(
            try_pin_init!(Entry {
                links <- ListLinks::new(),
                kind,
                name,
                address,
                bus,
            }),
            flags,
        )?;
        let this = Self(entry.clone_arc());

        users.list.lock().push_back(entry);
        Ok(this)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let Ok(users) = USERS.get() else {
            return;
        };

        // SAFETY: The entry is in no other list.
        let entry = unsafe { users.list.lock().remove(&self.0) };
        drop(entry);
    }
}

/// Prints the first user that belongs to the bus at the address `bus`, whose unregistration waits.
pub(crate) fn warn_of_bus(name: &CStr, bus: usize) {
    let user = USERS
        .get()
        .ok()
        .and_then(|users| users.find(|entry| entry.bus == bus));

    if let Some(user) = user {
        pr_warn!("bus {name} waits to be unregistered: {user} is still there\n");
    }
}
