// SPDX-License-Identifier: GPL-2.0

//! Workaround: asynchronous initialization of whole modules, in groups by init level.
//!
//! Unnecessary, other than to compare the designs: a driver that must not delay the loading of its
//! module can have its devices probed asynchronously, by the driver core.
//!
//! The design of "driver-core: add asynch module loading support", RFC v1 of August 2014
//! (`module_init_async()`): an asynchronous function runs the init of a module, so that the task
//! that loads the module goes on at once. The functions are grouped by the init levels of
//! `include/linux/init.h`: before one begins, it waits for the lower levels, one after the other,
//! until no function of the level is pending or running.
//!
//! - The initialization is an ordinary function, not in a section that is freed after loading.
//! - Unloading the module waits for it, and keeps it from beginning if it has not yet.
//! - An initialization that fails cannot make the loading fail any more: dmesg has a line, and the
//!   module stays, with nothing initialized.

use core::marker::PhantomData;

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        static_lock_class,
        Arc,
        Mutex, //
    },
};

use crate::abstractions::domain::{
    Cookie,
    Domain, //
};

/// An init level, as in `include/linux/init.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `pure_initcall()`
    Pure,
    /// `core_initcall()`
    Core,
    /// `postcore_initcall()`
    Postcore,
    /// `arch_initcall()`
    Arch,
    /// `subsys_initcall()`
    Subsys,
    /// `fs_initcall()`
    Fs,
    /// `device_initcall()`, the level of `module_init()`
    Device,
    /// `late_initcall()`
    Late,
}

/// The number of levels.
const LEVELS: usize = Level::Late as usize + 1;

/// The domains of the levels.
static DOMAINS: Atomic<*const [Domain; LEVELS]> = Atomic::new(core::ptr::null());

/// The domains of the levels, which `async_probe.ko` keeps as long as it is loaded.
#[pin_data(PinnedDrop)]
pub(crate) struct Levels {
    #[pin]
    domains: [Domain; LEVELS],
}

impl Levels {
    /// Returns the initializer of the only instance.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            domains <- pin_init::pin_init_array_from_fn(|_| Domain::exclusive()),
            _: {
                // SAFETY: `this` is valid.
                DOMAINS.store(unsafe { &raw const (*this.as_ptr()).domains }, Release);
            },
        })
    }

    /// Returns the domains of the levels below `level`, and the one of `level`; none if they are
    /// not initialized yet.
    fn domains(level: Level) -> Option<(&'static [Domain], &'static Domain)> {
        // SAFETY: The domains are initialized when `async_probe.ko` is loaded, and stay until it is
        // unloaded. The caller's module uses its symbols, and pins it.
        let domains = unsafe { DOMAINS.load(Acquire).as_ref() }?;

        Some((domains.get(..level as usize)?, domains.get(level as usize)?))
    }
}

#[pinned_drop]
impl PinnedDrop for Levels {
    fn drop(self: Pin<&mut Self>) {
        DOMAINS.store(core::ptr::null(), Release);
    }
}

/// The state of an initialization.
enum State<M> {
    /// It has not begun.
    Pending,
    /// It has succeeded.
    Done { _module: Pin<KBox<M>> },
    /// It has failed, or must not begin any more.
    Gone,
}

/// The name of the lock of a [`Shared`], as in `domain.rs`.
static LOCK_NAME: &CStr = c"async_probe::module_init::Shared";

/// The state, shared with the function.
#[pin_data]
struct Shared<M> {
    #[pin]
    state: Mutex<State<M>>,
}

/// A module whose initialization runs asynchronously: a field of the actual module.
///
/// Dropping it waits for the initialization, if that has begun, and drops the module `M`. It also
/// waits for the initializations of the same level that were scheduled before, and for all of the
/// lower levels, as the initialization itself does. The initialization of another module at the
/// same or a lower level must not drop it: each would wait for the other and never return.
///
/// While the function waits, it keeps its place in the workqueue, see [`Domain::synchronize_full`].
#[must_use = "the initialization is undone at once when this is dropped"]
pub struct AsyncInit<M> {
    shared: Arc<Shared<M>>,
    domain: &'static Domain,
    cookie: Cookie,
    _module: PhantomData<M>,
}

impl<M: kernel::InPlaceModule + Send> AsyncInit<M> {
    /// Schedules the initialization of `M`, at `level`.
    ///
    /// # Context
    ///
    /// Sleeps, but not until `M` is initialized.
    ///
    /// # Errors
    ///
    /// - `ENOMEM` if memory is short or too many functions are pending.
    /// - `ENODEV` if this crate is built in, and is not initialized yet.
    ///
    /// `M` is not initialized then.
    pub fn new(level: Level, module: &'static ThisModule) -> Result<Self>
    where
        M: 'static,
    {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                state <- Mutex::new(State::Pending, LOCK_NAME, static_lock_class!()),
            }),
            GFP_KERNEL,
        )?;
        let (lower, domain) = Levels::domains(level).ok_or(ENODEV)?;

        let cookie = domain.schedule(
            {
                let shared: Arc<Shared<M>> = shared.clone();

                move || {
                    lower.iter().for_each(Domain::synchronize_full);
                    shared.init(module);
                }
            },
            GFP_KERNEL,
        )?;

        Ok(Self {
            shared,
            domain,
            cookie,
            _module: PhantomData,
        })
    }
}

impl<M: kernel::InPlaceModule> Shared<M> {
    /// Initializes the module, unless it must not begin any more.
    fn init(&self, module: &'static ThisModule) {
        let mut state = self.state.lock();

        if matches!(*state, State::Pending) {
            *state = match KBox::pin_init(M::init(module), GFP_KERNEL) {
                Ok(_module) => State::Done { _module },
                Err(err) => {
                    pr_err!(
                        "asynchronous init of {} failed: {:?}\n",
                        core::any::type_name::<M>(),
                        err
                    );
                    State::Gone
                }
            };
        }
    }
}

impl<M> Drop for AsyncInit<M> {
    fn drop(&mut self) {
        let state = core::mem::replace(&mut *self.shared.state.lock(), State::Gone);

        // Drops the module, without the lock.
        drop(state);

        // The function is code of the module that is being unloaded.
        self.domain.synchronize_through(self.cookie);
    }
}
