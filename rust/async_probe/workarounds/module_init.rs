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
//! - Unloading the module waits for it, and keeps it from beginning if it has not yet.
//! - An initialization that fails cannot make the loading fail any more: dmesg has a line, and the
//!   module stays, with nothing initialized.

use crate::abstractions::domain::Cookie;
use crate::abstractions::domain::Domain;
use crate::abstractions::shared::Place;
use crate::abstractions::shared::Shared;
use crate::prelude::*;

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

/// The domains of the levels.
pub(crate) type Levels = [Domain; Level::Late as usize + 1];

static LEVELS: Place<Levels> = Place::new();

/// Returns the initializer of the domains, which `async_probe.ko` keeps as long as it is loaded.
pub(crate) fn levels() -> impl PinInit<Shared<Levels>, Error> {
    Shared::new(
        &LEVELS,
        pin_init::pin_init_array_from_fn(|_| Domain::exclusive()),
    )
}

/// The state of an initialization, shared with its function.
enum State<M> {
    /// It has not begun.
    Pending,
    /// It has succeeded.
    Done { _module: Pin<KBox<M>> },
    /// It has failed, or must not begin any more.
    Gone,
}

/// The name of the lock of a [`State`], as in `domain.rs`.
static LOCK_NAME: &CStr = c"async_probe::module_init::State";

/// A module whose initialization runs asynchronously: a field of the actual module.
///
/// Dropping it waits for the initialization, if that has begun, and drops the module `M`. It also
/// waits for the initializations of the same level that were scheduled before, and for all of the
/// lower levels, as the initialization itself does, which keeps its place in the workqueue
/// ([`Domain::synchronize_full`]). The initialization of another module at the same or a lower
/// level must not drop it: each would wait for the other and never return.
#[must_use = "the initialization is undone at once when this is dropped"]
pub struct AsyncInit<M> {
    state: Arc<Mutex<State<M>>>,
    domain: &'static Domain,
    cookie: Cookie,
}

impl<M: kernel::InPlaceModule + Send + 'static> AsyncInit<M> {
    /// Schedules the initialization of `M`, at `level`. Sleeps, but not until `M` is initialized.
    ///
    /// Errors: `M` is not initialized then:
    /// - `ENOMEM` if memory is short or too many functions are pending.
    /// - `ENODEV` if this crate is built in, and is not initialized yet.
    pub fn new(level: Level, module: &'static ThisModule) -> Result<Self> {
        let state = Mutex::new(State::Pending, LOCK_NAME, static_lock_class!());
        let state: Arc<Mutex<State<M>>> = Arc::pin_init(state, GFP_KERNEL)?;
        let domains = LEVELS.get()?;
        let (lower, domain) = (&domains[..level as usize], &domains[level as usize]);
        let shared = state.clone();
        let function = move || {
            lower.iter().for_each(Domain::synchronize_full);
            Self::init(&shared, module);
        };
        let cookie = domain.schedule(function, GFP_KERNEL)?;

        Ok(Self {
            state,
            domain,
            cookie,
        })
    }

    /// Initializes the module, unless it must not begin any more.
    fn init(state: &Mutex<State<M>>, module: &'static ThisModule) {
        let mut state = state.lock();

        if matches!(*state, State::Pending) {
            *state = match KBox::pin_init(M::init(module), GFP_KERNEL) {
                Ok(_module) => State::Done { _module },
                Err(err) => {
                    let name = core::any::type_name::<M>();

                    pr_err!("asynchronous init of {name} failed: {err:?}\n");
                    State::Gone
                }
            };
        }
    }
}

impl<M> Drop for AsyncInit<M> {
    fn drop(&mut self) {
        let state = core::mem::replace(&mut *self.state.lock(), State::Gone);

        // Drops the module, without the lock.
        drop(state);

        // The function is code of the module that is being unloaded.
        self.domain.synchronize_through(self.cookie);
    }
}
