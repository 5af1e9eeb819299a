// SPDX-License-Identifier: GPL-2.0

//! The dmesg timing interface: who was probed when, by whom and for how long.
//!
//! Each event is one line of level info that starts with `async_probe: timing: `; the time of the
//! event is the timestamp that printk puts before it. `Documentation/dmesg-timing.rst` specifies
//! the lines, scripts and the tools of this project rely on them.
//!
//! Adds to upstream: the driver core prints when a probe has ended and how long it took, if
//! `initcall_debug` is set (`drivers/base/dd.c`, `really_probe_debug()`), but not who ran it, and
//! nothing of remove. Unnecessary once the driver core has tracepoints for probe and remove.

use core::marker::PhantomData;

use kernel::{
    bindings,
    cpu::CpuId,
    current,
    device::{
        Bound,
        Device, //
    },
    driver::{
        DriverLayout,
        RegistrationOps, //
    },
    error::to_result,
    firmware::Firmware,
    fmt,
    prelude::*,
    str::BStr,
    sync::aref::ARef,
    time::{
        Delta,
        Instant,
        Monotonic, //
    },
    types::Opaque, //
};

use crate::{
    probe_type::{
        device_driver,
        ProbeType, //
    },
    task, //
};

/// Milliseconds with three decimals.
struct Millis(Delta);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros_ceil().max(0);

        write!(f, "{}.{:03}", micros / 1000, micros % 1000)
    }
}

/// What a result looks like as the return value of a C function.
fn errno<T>(result: &Result<T>) -> i32 {
    result.as_ref().err().map_or(0, |err| err.to_errno())
}

/// The probe of a device, from its beginning to its end.
///
/// It belongs into the initializer of the driver data, which is called when there is memory for it.
/// A probe that has ended well before fails without memory all the same, and the log does not have
/// that.
///
/// # Examples
///
/// ```ignore
/// let probe = timing::Probe::begin(dev, c"my_driver");
/// probe.end(do_probe(dev))
/// ```
pub struct Probe<'a> {
    dev: &'a Device<Bound>,
    driver: &'static CStr,
    begin: Instant<Monotonic>,
}

impl<'a> Probe<'a> {
    /// The probe begins now, in the current task: prints `probe_began`.
    pub fn begin(dev: &'a Device<Bound>, driver: &'static CStr) -> Self {
        let task = current!();

        // SAFETY: The current task is valid. `comm` is always nul-terminated; that somebody may
        // rename the task meanwhile can garble the copy, not more, as in `get_task_comm()`.
        let mut comm = unsafe { (&raw const (*task.as_ptr()).comm).read_volatile() };
        comm[comm.len() - 1] = 0;
        let len = comm.iter().position(|c| *c == 0).unwrap_or(0);

        pr_info!(
            "timing: probe_began dev={} driver={} async={} cpu={} pid={} task={}\n",
            dev.name(),
            driver,
            u8::from(task::is_async()),
            CpuId::current().as_u32(),
            task.pid(),
            BStr::from_bytes(&comm[..len]),
        );

        Self {
            dev,
            driver,
            begin: Instant::now(),
        }
    }

    /// Returns when the probe began.
    pub fn began(&self) -> Instant<Monotonic> {
        self.begin
    }

    /// The probe ends now: prints `probe_ended` and hands `result` on.
    pub fn end<T>(self, result: Result<T>) -> Result<T> {
        pr_info!(
            "timing: probe_ended dev={} driver={} ret={} ms={}\n",
            self.dev.name(),
            self.driver,
            errno(&result),
            Millis(self.begin.elapsed()),
        );
        result
    }
}

/// The request of a firmware file, which began at `begin`, has returned: prints `firmware_arrived`.
pub fn firmware_arrived(
    dev: &Device,
    driver: &'static CStr,
    begin: Instant<Monotonic>,
    firmware: &Result<Firmware>,
) {
    pr_info!(
        "timing: firmware_arrived dev={} driver={} bytes={} ret={} ms={}\n",
        dev.name(),
        driver,
        firmware.as_ref().map_or(0, Firmware::size),
        errno(firmware),
        Millis(begin.elapsed()),
    );
}

/// What a probe has left to an asynchronous function ([`crate::two_phase`]) has ended: prints
/// `ready`, with the time since `begin`.
pub fn ready(dev: &Device, driver: &'static CStr, begin: Instant<Monotonic>, result: &Result) {
    pr_info!(
        "timing: ready dev={} driver={} ret={} ms={}\n",
        dev.name(),
        driver,
        errno(result),
        Millis(begin.elapsed()),
    );
}

/// The driver's remove callback runs: prints `removing`.
pub fn removing(dev: &Device<Bound>, driver: &'static CStr) {
    pr_info!("timing: removing dev={} driver={}\n", dev.name(), driver);
}

/// Prints `unbound` when it is dropped: a field of the driver data.
pub struct UnboundMark {
    dev: ARef<Device>,
    driver: &'static CStr,
}

impl UnboundMark {
    /// Makes the mark of a device that is being bound to `driver`.
    pub fn new(dev: &Device<Bound>, driver: &'static CStr) -> Self {
        let dev: &Device = dev;

        Self {
            dev: dev.into(),
            driver,
        }
    }
}

impl Drop for UnboundMark {
    fn drop(&mut self) {
        pr_info!(
            "timing: unbound dev={} driver={}\n",
            self.dev.name(),
            self.driver
        );
    }
}

/// A resource that devres manages.
struct DevresMark {
    dev: ARef<Device>,
    driver: &'static CStr,
}

impl DevresMark {
    /// The driver core releases the resource: prints `devres_released`.
    ///
    /// # Safety
    ///
    /// `mark` comes from `KBox::<DevresMark>::into_raw()`, and nobody uses it any more.
    unsafe extern "C" fn release(mark: *mut c_void) {
        // SAFETY: By the safety requirements.
        let mark = unsafe { KBox::from_raw(mark.cast::<Self>()) };

        pr_info!(
            "timing: devres_released dev={} driver={}\n",
            mark.dev.name(),
            mark.driver
        );
    }
}

/// Has `devres_released` printed when the driver core releases the resources of `dev`, which it
/// does after a failed probe too.
///
/// # Errors
///
/// `ENOMEM` if memory is short. Nothing is printed then.
pub fn mark_devres(dev: &Device<Bound>, driver: &'static CStr) -> Result {
    let unbound: &Device = dev;
    let mark = DevresMark {
        dev: unbound.into(),
        driver,
    };
    let mark = KBox::into_raw(KBox::new(mark, GFP_KERNEL)?);

    // CAST: `Device` is a transparent wrapper of `struct device`.
    // SAFETY: `dev` is bound, and `mark` is what `release()` takes, once.
    // `kernel::devres::register()` would call it without memory, too.
    let result = to_result(unsafe {
        bindings::devm_add_action(
            core::ptr::from_ref(unbound).cast_mut().cast(),
            Some(DevresMark::release),
            mark.cast(),
        )
    });
    if result.is_err() {
        // SAFETY: The mark has just been made, and nobody has got it.
        drop(unsafe { KBox::from_raw(mark) });
    }
    result
}

/// An adapter that prints `registered` and `unregistered` and leaves all else to `A`, the adapter
/// of a bus.
///
/// It stands inside a [`probe_type::Adapter`](crate::probe_type::Adapter), so that it sees the
/// probe type.
pub struct Adapter<A>(PhantomData<A>);

// SAFETY: The layout is that of `A`, whose implementation gives the same guarantees.
unsafe impl<A: DriverLayout> DriverLayout for Adapter<A> {
    type DriverType = A::DriverType;
    type DriverData<'bound> = A::DriverData<'bound>;
    const DEVICE_DRIVER_OFFSET: usize = A::DEVICE_DRIVER_OFFSET;
}

/// Prints `registered`.
fn registered(
    driver: &CStr,
    probe_type: bindings::probe_type,
    begin: Instant<Monotonic>,
    result: &Result,
) {
    pr_info!(
        "timing: registered driver={} probe_type={} ret={} ms={}\n",
        driver,
        ProbeType::from_raw(probe_type).map_or("unknown", ProbeType::name),
        errno(result),
        Millis(begin.elapsed()),
    );
}

/// Prints `unregistered`.
fn unregistered(driver: &CStr, begin: Instant<Monotonic>) {
    pr_info!(
        "timing: unregistered driver={} ms={}\n",
        driver,
        Millis(begin.elapsed())
    );
}

// SAFETY: `unregister` may be called whenever `A::unregister` may be called, as both functions
// forward to `A`.
unsafe impl<A: RegistrationOps> RegistrationOps for Adapter<A> {
    unsafe fn register(
        reg: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        let drv = device_driver::<A>(reg);
        // SAFETY: `drv` points into `reg`, which is initialized and not registered yet.
        let probe_type = unsafe { (*drv).probe_type };
        let begin = Instant::now();

        // SAFETY: The caller upholds the same requirements.
        let result = unsafe { A::register(reg, name, module) };

        registered(name, probe_type, begin, &result);
        result
    }

    unsafe fn unregister(reg: &Opaque<Self::DriverType>) {
        let drv = device_driver::<A>(reg);
        // SAFETY: `drv` points into `reg`, which is registered, hence its name is the one that was
        // given to `register()` and lives for ever.
        let name = unsafe { CStr::from_char_ptr((*drv).name) };
        let begin = Instant::now();

        // SAFETY: The caller upholds the same requirements.
        unsafe { A::unregister(reg) };

        unregistered(name, begin);
    }
}

#[kunit_tests(async_probe_timing)]
mod tests {
    use super::*;

    fn prints(delta: Delta, text: &str) -> Result<bool> {
        let printed = kernel::str::CString::try_from_fmt(fmt!("{}", Millis(delta)))?;

        Ok(printed.to_bytes() == text.as_bytes())
    }

    #[test]
    fn millis_have_three_decimals() -> Result {
        assert!(prints(Delta::from_nanos(0), "0.000")?);
        assert!(prints(Delta::from_micros(7), "0.007")?);
        assert!(prints(Delta::from_micros(999), "0.999")?);
        assert!(prints(Delta::from_micros(2_008_016), "2008.016")?);
        Ok(())
    }

    #[test]
    fn millis_round_up_and_are_never_negative() -> Result {
        assert!(prints(Delta::from_nanos(1), "0.001")?);
        assert!(prints(Delta::from_nanos(999_001), "1.000")?);
        assert!(prints(Delta::from_millis(-5), "0.000")?);
        Ok(())
    }

    #[test]
    fn results_are_those_of_c() {
        assert_eq!(errno(&Ok(3)), 0);
        assert_eq!(errno::<()>(&Err(ENODEV)), -19);
    }
}
