// SPDX-License-Identifier: GPL-2.0

//! Workaround: probes in two phases, a quick one and the slow rest.
//!
//! Unnecessary once the driver core probes a driver's devices in a domain of the driver, and
//! exports `driver_deferred_probe_trigger()`.
//!
//! The probe function does the part after which the device counts as bound, schedules the rest and
//! returns. The rest runs in an exclusive domain, so that loading a slow driver delays no `insmod`,
//! on any bus and without a module parameter. `samples/slow_platform_driver.rs` is an example.
//!
//! # The rest is a part of the probe
//!
//! As a probe does, the rest runs with the lock of the device held, and its parent is not suspended
//! meanwhile. So all that takes this lock waits for the second phase:
//!
//! - Unbind, and with it the unloading of the driver's module, and the removal of the device
//!   (`__device_driver_lock()`). A rest that has not begun is dropped then, and never runs.
//! - System suspend and hibernation (`dpm_prepare()`), power-off and reboot (`device_shutdown()`).
//!   Before they stop any task or device, they wait for all second phases, for 30 seconds at most
//!   (`power.rs`).
//!
//! As for a probe, the waits for the lock have no limit, and the rest cannot be cancelled: it has
//! to limit its own waits. It must not register a notifier for suspend or reboot, even through
//! another object (`watchdog_register_device()`): the chain is locked while its call waits.
//!
//! On a bus that locks the parent of a device, too (USB, `need_parent_lock`), the rest must not
//! take that lock. If the probe fails, or defers, after it has scheduled the rest, the rest does
//! not run. When it has run, the driver core retries the probes of consumers that have deferred.
//!
//! # The price
//!
//! The device is bound before it is ready: the driver has to cope with users that come in between,
//! and with a rest that fails. `wait_for_device_probe()` does not wait for the rest, and suppliers
//! of the device may be suspended meanwhile (`pm_runtime_get_suppliers()` is not exported).
//!
//! The driver itself is best probed synchronously, as its probes are quick: asynchronous ones share
//! the workqueue, of 1024 functions at once on each NUMA node, with the rest of other devices.

use super::power::InFlight;
use crate::abstractions::domain::Domain;
use crate::abstractions::domain::Node;
use crate::abstractions::shared::Place;
use crate::abstractions::shared::Shared;
use crate::prelude::*;

/// The domain of all second phases.
static DOMAIN: Place<Domain> = Place::new();

/// Returns the initializer of the domain, which `async_probe.ko` keeps as long as it is loaded.
pub(crate) fn domain() -> impl PinInit<Shared<Domain>, Error> {
    Shared::new(&DOMAIN, Domain::exclusive())
}

/// Schedules `rest` to be called when the probe of `dev` has ended, on the node of `dev`.
///
/// Context: Sleeps. Callbacks of the bus only, as [`Core`] says. `rest` is called as a probe is: in
/// task context, with the lock of the device held, and may sleep.
///
/// Errors: `rest` is not called if the function fails:
/// - `ENOMEM` if memory is short or too many functions are pending.
/// - `ENODEV` if this crate is built in, and is not initialized yet.
///
/// # Examples
///
/// ```
/// use async_probe::{platform::*, two_phase};
/// use kernel::{device::Core, driver, platform, sync::atomic::*, time::*};
///
/// static READY: AtomicFlag = AtomicFlag::new(false);
///
/// struct Slow;
///
/// impl platform::Driver for Slow {
///     type IdInfo = ();
///     type Data<'bound> = Self;
///
///     fn probe<'bound>(
///         pdev: &'bound platform::Device<Core<'_>>,
///         _id_info: Option<&'bound Self::IdInfo>,
///     ) -> impl PinInit<Self, Error> + 'bound {
///         // A real driver writes firmware in the second phase.
///         two_phase::schedule(pdev.as_ref(), |_dev| READY.store(true, Relaxed)).map(|()| Self)
///     }
/// }
///
/// # let module = kernel::module::this_module::<crate::LocalModule>();
/// let driver = driver::Registration::<platform::Adapter<Slow>>::new(c"doctest_phases", module);
/// let _driver = KBox::pin_init(driver, GFP_KERNEL)?;
/// let _device = DeviceRegistration::new(c"doctest_phases", Id::None)?;
///
/// // The device is bound, and the driver makes it ready.
/// while !READY.load(Relaxed) {
///     delay::fsleep(Delta::from_millis(1));
/// }
/// # Ok::<(), Error>(())
/// ```
pub fn schedule(
    dev: &Device<Core<'_>>,
    rest: impl FnOnce(&Device<Bound>) + Send + 'static,
) -> Result {
    schedule_rest(dev, KBox::new(Some(rest), GFP_KERNEL)?)
}

/// The rest of a probe: code of the driver's module.
trait Rest: Send {
    /// Runs it, once.
    fn run(&mut self, dev: &Device<Bound>);
}

impl<F: FnOnce(&Device<Bound>) + Send> Rest for Option<F> {
    fn run(&mut self, dev: &Device<Bound>) {
        if let Some(function) = self.take() {
            function(dev);
        }
    }
}

/// A second phase. The rest is taken, run and dropped with the lock of the device held.
type Phase = Mutex<Option<(KBox<dyn Rest>, InFlight)>>;

/// Drops a rest that has not run when the driver core releases the resources of the device: when
/// the probe has failed, or the device is unbound.
struct Cancel(Arc<Phase>);

impl Drop for Cancel {
    fn drop(&mut self) {
        cancel(&self.0);
    }
}

/// As [`schedule`]. The function that it schedules is code of `async_probe.ko`: it may still run,
/// and find no rest, when the driver's module is gone.
fn schedule_rest(dev: &Device<Core<'_>>, rest: KBox<dyn Rest>) -> Result {
    let phase = Arc::pin_init(new_mutex!(Some((rest, InFlight::new()))), GFP_KERNEL)?;
    let (node, unbound) = (Node::of(dev), ARef::<Device>::from(&***dev));

    kernel::devres::register(dev, Cancel(phase.clone()), GFP_KERNEL)?;

    let function = phase.clone();
    let scheduled = DOMAIN.get().and_then(|domain| {
        Ok(domain.schedule_on(node, move || run(&function, &unbound), GFP_KERNEL)?)
    });
    scheduled.map(|_| ()).inspect_err(|_| cancel(&phase))
}

/// Drops the rest, if it has not run.
fn cancel(phase: &Phase) {
    let rest = phase.lock().take();

    // Without the lock of the phase.
    drop(rest);
}

/// Runs the rest, if it has not been dropped.
fn run(phase: &Phase, dev: &Device) {
    let raw = raw_device(dev);

    // SAFETY: `dev` is valid.
    unsafe { bindings::async_probe_device_lock(raw) };
    let rest = phase.lock().take();
    let is_due = rest.is_some();

    if let Some((mut rest, _in_flight)) = rest {
        // SAFETY: The driver core drops the rest when it unbinds the device, with the lock of
        // the device held. So the device is bound, and its parent registered.
        unsafe {
            bindings::async_probe_resume_parent(raw);
            rest.run(dev.as_bound());
            bindings::async_probe_release_parent(raw);
        }
    }

    // SAFETY: This task has locked the device.
    unsafe { bindings::async_probe_device_unlock(raw) };
    if is_due {
        retry_deferred();
    }
}

/// Has the driver core retry all deferred probes, as it does when a device is bound
/// (`driver_bound()`): binds a device that has no other purpose.
fn retry_deferred() {
    static WANTED: Atomic<i32> = Atomic::new(0);
    static NUMBER: Atomic<usize> = Atomic::new(0);

    // The task that is retrying does so once more, for all tasks that come meanwhile.
    let mut wanted = WANTED.fetch_add(1, Full) + 1;
    if wanted > 1 {
        return;
    }
    while wanted > 0 {
        let number = NUMBER.fetch_add(1, Relaxed);
        let result = CString::try_from_fmt(fmt!("async_probe.{number}"))
            .and_then(|name| kernel::faux::Registration::new(&name, None));
        if let Err(err) = result {
            pr_warn!("deferred probes are not retried now: {:?}\n", err);
        }
        wanted = WANTED.fetch_add(-wanted, Full) - wanted;
    }
}
