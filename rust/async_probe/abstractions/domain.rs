// SPDX-License-Identifier: GPL-2.0

//! Abstraction for upstream: asynchronous function calls, and domains in which tasks wait for them.
//!
//! C header: [`include/linux/async.h`](srctree/include/linux/async.h)
//!
//! # Registered and exclusive domains
//!
//! `async_synchronize_full()` waits for the functions of all *registered* domains. The kernel calls
//! it at the end of boot, when it has loaded a module that was loaded without the parameter
//! `async_probe` (`do_init_module()`), and when a module has exited, before its text is freed
//! (`delete_module()`). So a task that loads or unloads an unrelated module waits for them, too.
//! Only the owner of an *exclusive* domain waits for its functions.
//!
//! # Nothing outlives a domain
//!
//! Dropping a [`Domain`] waits for all its functions. A module can schedule a function in the
//! domain of another, or leak its own domain: rmmod waits for the function, before the module's
//! text is freed (`text.rs`). A function must not drop its own domain: it would wait for itself and
//! never return.
//!
//! # When memory is short
//!
//! `async_schedule_node_domain()` calls the function in the current task if it cannot allocate an
//! entry, or if more than 32768 entries are pending. A caller that holds a lock which the function
//! takes would deadlock, and one that must not wait would wait. [`Domain::schedule`] hands the
//! function back instead, as [`Refused`].

use kernel::alloc::Flags;
use kernel::types::ForeignOwnable;

use super::task;
use super::text;
use crate::prelude::*;

/// The NUMA node on which, or near which, a function runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node(i32);

impl Node {
    /// Any node: `NUMA_NO_NODE`.
    pub const ANY: Self = Self(bindings::NUMA_NO_NODE);

    /// The node of this number. If it is not online, the function runs on any node.
    pub const fn new(number: u16) -> Self {
        // CAST: Each number of 16 bits fits.
        Self(number as i32)
    }

    /// The node of a device: `dev_to_node()`.
    pub fn of(dev: &Device) -> Self {
        // SAFETY: `dev` is valid. `device_add()` may set the node meanwhile, to that of the parent;
        // the driver core, too, reads it without a lock.
        Self(unsafe { bindings::async_probe_dev_to_node(raw_device(dev)) })
    }

    /// Whether there is such a node: `node_online()`.
    fn is_online(self) -> bool {
        // SAFETY: The helper checks the number.
        unsafe { bindings::async_probe_node_online(self.0) }
    }

    /// Sets the node of a device: `set_dev_node()`. If it is not online, the device has none: the
    /// driver core allocates memory on the node of a device without a check.
    ///
    /// # Safety
    ///
    /// `dev` is valid and has not been added yet.
    pub(crate) unsafe fn set(self, dev: *mut bindings::device) {
        let node = if self.is_online() { self } else { Self::ANY };

        // SAFETY: By the safety requirements.
        unsafe { bindings::async_probe_set_dev_node(dev, node.0) }
    }
}

/// The place of a function in the order in which functions were scheduled, in all domains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cookie(bindings::async_cookie_t);

/// A function that was not scheduled, because memory was short or too many were pending.
#[must_use = "the function is dropped, and not called, when this is dropped"]
pub struct Refused<F>(F);

impl<F: FnOnce()> Refused<F> {
    /// Calls the function now, in the current task.
    #[inline]
    pub fn run_here(self) {
        (self.0)()
    }
}

impl<F> From<Refused<F>> for Error {
    /// Drops the function: `ENOMEM`.
    fn from(_: Refused<F>) -> Self {
        ENOMEM
    }
}

/// A function, until a task takes it.
struct Slot<F>(Option<F>);

// The function is only ever moved, never pinned in its slot.
impl<F> Unpin for Slot<F> {}

/// The name of the lock of a function. A literal in a generic function would exist once for each
/// module that uses the function, unlike the class of the lock, and lockdep complains if locks of a
/// class differ in the address of their name.
static LOCK_NAME: &CStr = c"async_probe::domain::Slot";

/// The part of a scheduled function that depends on its type: code of the module that schedules it.
trait Call: Send + Sync {
    /// Calls the function, if no task has taken it.
    fn call(&self);
}

impl<F: FnOnce() + Send> Call for SpinLock<Slot<F>> {
    fn call(&self) {
        let function = self.lock().0.take();

        if let Some(function) = function {
            function();
        }
    }
}

/// A scheduled function, shared between the task that schedules it and the one that runs it.
#[pin_data]
struct Job {
    call: Arc<dyn Call>,
    /// The task that is about to schedule the function, as a number; zero once it has done so.
    scheduler: Atomic<usize>,
    /// Whether that task was called itself, and left the function where it is.
    refused: AtomicFlag,
    /// Behind `call`, whose text it keeps.
    #[pin]
    _user: text::User,
}

impl Job {
    /// The `async_func_t` of a job: code of `async_probe.ko`.
    ///
    /// # Safety
    ///
    /// `data` comes from `Arc::<Job>::into_foreign()`, and is passed on once.
    unsafe extern "C" fn run(data: *mut c_void, _cookie: bindings::async_cookie_t) {
        // SAFETY: By the safety requirements, this is the reference that was given away.
        let job = unsafe { Arc::<Self>::from_foreign(data.cast()) };

        if job.scheduler.load(Relaxed) == task::current() {
            // `async_schedule_node_domain()` calls this in the scheduling task: leave the function
            // to `schedule_on()`. A worker that runs a function which it has scheduled itself finds
            // zero here.
            job.refused.store(true, Relaxed);
            return;
        }
        job.call.call();
    }
}

/// A domain of asynchronous functions: `struct async_domain`.
///
/// # Examples
///
/// ```
/// use async_probe::domain::Domain;
/// use kernel::sync::atomic::*;
///
/// static CALLS: Atomic<u32> = Atomic::new(0);
///
/// let domain = KBox::pin_init(Domain::exclusive(), GFP_KERNEL)?;
///
/// for _ in 0..4 {
///     domain.schedule(|| _ = CALLS.fetch_add(1, Relaxed), GFP_KERNEL)?;
/// }
/// domain.synchronize_full();
/// assert_eq!(CALLS.load(Relaxed), 4);
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// The domain is initialized, and stays where it is until it is dropped.
#[pin_data(PinnedDrop)]
#[must_use = "dropping a domain waits for its functions"]
pub struct Domain {
    #[pin]
    inner: Opaque<bindings::async_domain>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: A domain may be used from any task.
unsafe impl Send for Domain {}

// SAFETY: `kernel/async.c` serializes all access to a domain with a lock of its own.
unsafe impl Sync for Domain {}

impl Domain {
    fn new(registered: bool) -> impl PinInit<Self> {
        pin_init!(Self {
            inner <- Opaque::ffi_init(|slot: *mut bindings::async_domain| {
                let mut flags = bindings::async_domain::default();
                flags.set_registered(registered.into());

                // SAFETY: `slot` is valid for writes.
                unsafe {
                    slot.write(flags);
                    bindings::INIT_LIST_HEAD(&raw mut (*slot).pending);
                }
            }),
            _pin: PhantomPinned,
        })
    }

    /// Returns an initializer of a registered domain: `ASYNC_DOMAIN`.
    pub fn registered() -> impl PinInit<Self> {
        Self::new(true)
    }

    /// Returns an initializer of an exclusive domain: `ASYNC_DOMAIN_EXCLUSIVE`.
    pub fn exclusive() -> impl PinInit<Self> {
        Self::new(false)
    }

    /// Schedules `function` on any node, as [`Self::schedule_on`] does.
    #[inline]
    pub fn schedule<F: FnOnce() + Send + 'static>(
        &self,
        function: F,
        flags: Flags,
    ) -> Result<Cookie, Refused<F>> {
        self.schedule_on(Node::ANY, function, flags)
    }

    /// Schedules `function` to be called by a worker on `node`, or near it.
    ///
    /// The functions of a domain may run in parallel and in any order. The workqueue, which all
    /// domains share, runs at most 1024 at once on each NUMA node (`WQ_DFL_ACTIVE`).
    ///
    /// Context: Task context; sleeps only if `flags` allow it.
    /// Errors: [`Refused`], with the function, if memory is short or more than 32768 functions are
    /// pending. The current task never calls the function.
    pub fn schedule_on<F: FnOnce() + Send + 'static>(
        &self,
        node: Node,
        function: F,
        flags: Flags,
    ) -> Result<Cookie, Refused<F>> {
        let lock = SpinLock::new(Slot(None), LOCK_NAME, static_lock_class!());
        let Ok(call) = Arc::pin_init(lock, flags) else {
            return Err(Refused(function));
        };
        call.lock().0 = Some(function);

        let address = <SpinLock<Slot<F>> as Call>::call as fn(&_) as usize;
        let Some(cookie) = self.schedule_call(node, call.clone(), address, flags) else {
            // The function is there, as it has not been called.
            let function = call.lock().0.take();
            return function.map_or(Ok(Cookie(0)), |function| Err(Refused(function)));
        };
        Ok(Cookie(cookie))
    }

    /// Schedules a call, whose text is that of the module in which `address` is; none if refused.
    fn schedule_call(
        &self,
        node: Node,
        call: Arc<dyn Call>,
        address: usize,
        flags: Flags,
    ) -> Option<bindings::async_cookie_t> {
        let job = Arc::pin_init(
            try_pin_init!(Job {
                call,
                scheduler: Atomic::new(task::current()),
                refused: AtomicFlag::new(false),
                _user <- text::User::new(text::Object::Function, address, None),
            }),
            flags,
        )
        .ok()?;

        // SAFETY: `run()` gets the pointer that `into_foreign()` returns, once. By the type
        // invariant, the domain is initialized, and it is not dropped before the function has
        // returned.
        let cookie = unsafe {
            bindings::async_schedule_node_domain(
                Some(Job::run),
                job.clone().into_foreign().cast(),
                node.0,
                self.inner.get(),
            )
        };
        job.scheduler.store(0, Relaxed);
        (!job.refused.load(Relaxed)).then_some(cookie)
    }

    /// Waits until all functions of the domain have returned: `async_synchronize_full_domain()`.
    ///
    /// Context: Sleeps. A function of the domain must not call this: it would wait for itself and
    /// never return. A function of another domain that waits keeps its place in the workqueue. If
    /// all 1024 places of a node are taken by functions that wait for functions without a place,
    /// none of them ever returns (`kernel/async.c`, `async_init()`).
    pub fn synchronize_full(&self) {
        // SAFETY: By the type invariant, the domain is initialized.
        unsafe { bindings::async_synchronize_full_domain(self.inner.get()) }
    }

    /// Waits until all functions of the domain that were scheduled before the one of `cookie` have
    /// returned: `async_synchronize_cookie_domain()`, which sleeps.
    pub fn synchronize_cookie(&self, cookie: Cookie) {
        // SAFETY: By the type invariant, the domain is initialized.
        unsafe { bindings::async_synchronize_cookie_domain(cookie.0, self.inner.get()) }
    }

    /// Waits as [`Self::synchronize_cookie`] does, and for the function of `cookie` itself, too.
    pub fn synchronize_through(&self, cookie: Cookie) {
        self.synchronize_cookie(Cookie(cookie.0.saturating_add(1)));
    }
}

#[pinned_drop]
impl PinnedDrop for Domain {
    fn drop(self: Pin<&mut Self>) {
        self.synchronize_full();
    }
}

#[kunit_tests(async_probe_domain)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_online_or_not() {
        assert!(Node::new(0).is_online());
        assert!(!Node::new(u16::MAX).is_online());
        assert!(!Node::ANY.is_online());
    }
}
