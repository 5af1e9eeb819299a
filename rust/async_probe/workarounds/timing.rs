// SPDX-License-Identifier: GPL-2.0

//! Workaround: the dmesg timing interface, lines that tell which task probed which device and when.
//!
//! Unnecessary once the driver core has tracepoints for probe and remove. Today it prints when a
//! probe has ended and how long it took, if `initcall_debug` is set (`drivers/base/dd.c`,
//! `really_probe_debug()`), but not which task ran it, and nothing of remove.
//!
//! Each event is one line of level info that starts with `async_probe: timing: `, with the
//! timestamp of printk, as `Documentation/dmesg-timing.rst` specifies.

use kernel::firmware::Firmware;

use crate::abstractions::adapter;
use crate::abstractions::probe_type::ProbeType;
use crate::abstractions::task;
use crate::prelude::*;

/// Milliseconds with three decimals.
struct Millis(Delta);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros_ceil().max(0);

        write!(f, "{}.{:03}", micros / 1000, micros % 1000)
    }
}

/// Returns the result as a function of C returns it.
fn errno<T>(result: &Result<T>) -> i32 {
    result.as_ref().err().map_or(0, |err| err.to_errno())
}

/// The probe of a device, from its beginning to its end.
///
/// It belongs in the initializer of the driver data, which runs when there is memory for the data,
/// as in `samples/slow_platform_driver.rs`. A probe that has ended well before that can still fail.
#[must_use = "the line `probe_ended` is missing until `end()` is called"]
pub struct Probe<'a> {
    dev: &'a Device<Bound>,
    driver: &'static CStr,
    begin: Instant<Monotonic>,
}

impl<'a> Probe<'a> {
    /// The probe begins now, in the current task: prints `probe_began`.
    pub fn begin(dev: &'a Device<Bound>, driver: &'static CStr) -> Self {
        let task = kernel::current!();

        // SAFETY: The current task is valid. `comm` is always nul-terminated. Another task may
        // write it meanwhile and garble the copy, as in `get_task_comm()`.
        let mut comm = unsafe { (&raw const (*task.as_ptr()).comm).read_volatile() };
        comm[comm.len() - 1] = 0;
        let len = comm.iter().position(|c| *c == 0).unwrap_or(0);

        let (name, task, pid) = (dev.name(), BStr::from_bytes(&comm[..len]), task.pid());
        let cpu = kernel::cpu::CpuId::current().as_u32();
        let is_async = u8::from(task::is_async());

        pr_info!(
            "timing: probe_began dev={name} driver={driver} async={is_async} cpu={cpu} pid={pid} \
             task={task}\n"
        );

        let begin = Instant::now();
        Self { dev, driver, begin }
    }

    /// Returns when the probe began.
    pub fn began(&self) -> Instant<Monotonic> {
        self.begin
    }

    /// The probe ends now: prints `probe_ended` and hands `result` on.
    pub fn end<T>(self, result: Result<T>) -> Result<T> {
        let (name, driver) = (self.dev.name(), self.driver);
        let (ret, ms) = (errno(&result), Millis(self.begin.elapsed()));

        pr_info!("timing: probe_ended dev={name} driver={driver} ret={ret} ms={ms}\n");
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
    let (name, bytes) = (dev.name(), firmware.as_ref().map_or(0, Firmware::size));
    let (ret, ms) = (errno(firmware), Millis(begin.elapsed()));

    pr_info!(
        "timing: firmware_arrived dev={name} driver={driver} bytes={bytes} ret={ret} ms={ms}\n"
    );
}

/// The second phase of a probe ([`crate::two_phase`]) has ended: prints `ready`, with the time
/// since `begin`.
pub fn ready(dev: &Device, driver: &'static CStr, begin: Instant<Monotonic>, result: &Result) {
    let (name, ret, ms) = (dev.name(), errno(result), Millis(begin.elapsed()));

    pr_info!("timing: ready dev={name} driver={driver} ret={ret} ms={ms}\n");
}

/// The driver's remove callback runs: prints `removing`.
pub fn removing(dev: &Device<Bound>, driver: &'static CStr) {
    pr_info!("timing: removing dev={} driver={driver}\n", dev.name());
}

/// Prints `unbound` when it is dropped: a field of the driver data.
#[must_use = "the line `unbound` is printed at once when this is dropped"]
pub struct UnboundMark {
    dev: ARef<Device>,
    driver: &'static CStr,
}

impl UnboundMark {
    /// Makes the mark of a device that is being bound to `driver`.
    pub fn new(dev: &Device<Bound>, driver: &'static CStr) -> Self {
        let dev = ARef::from(&**dev);

        Self { dev, driver }
    }
}

impl Drop for UnboundMark {
    fn drop(&mut self) {
        let (name, driver) = (self.dev.name(), self.driver);

        pr_info!("timing: unbound dev={name} driver={driver}\n");
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
    /// `mark` comes from `KBox::<DevresMark>::into_raw()`, and is not used any more.
    unsafe extern "C" fn release(mark: *mut c_void) {
        // SAFETY: By the safety requirements.
        let mark = unsafe { KBox::from_raw(mark.cast::<Self>()) };
        let (name, driver) = (mark.dev.name(), mark.driver);

        pr_info!("timing: devres_released dev={name} driver={driver}\n");
    }
}

/// Has `devres_released` printed when the driver core releases the resources of `dev`, which it
/// does after a failed probe too.
///
/// Callbacks of the driver only, as [`Core`] says: the driver, whose module has the name, is bound
/// for as long as the name is needed. It fails with `ENOMEM` if memory is short. Nothing is printed
/// then.
pub fn mark_devres(dev: &Device<Core<'_>>, driver: &'static CStr) -> Result {
    let mark = DevresMark {
        dev: ARef::from(&***dev),
        driver,
    };
    let mark = KBox::into_raw(KBox::new(mark, GFP_KERNEL)?);

    // SAFETY: `dev` is bound, and devres passes `mark` to `release()` once.
    // `kernel::devres::register()` would call it without memory, too.
    to_result(unsafe {
        bindings::devm_add_action(raw_device(dev), Some(DevresMark::release), mark.cast())
    })
    .inspect_err(|_| {
        // SAFETY: The mark has just been made, and devres has not taken it.
        drop(unsafe { KBox::from_raw(mark) })
    })
}

/// An adapter that prints `registered` and `unregistered` and leaves all else to `A`, the adapter
/// of a bus.
pub type Adapter<A> = adapter::Adapter<A, Print>;

/// The hooks of [`Adapter`].
pub struct Print;

impl<A: RegistrationOps> adapter::Hooks<A> for Print {
    fn register(unregistered: adapter::Unregistered<'_, A>) -> Result<adapter::Registered<'_, A>> {
        let (raw, name) = (unregistered.as_raw(), unregistered.name);
        let begin = Instant::<Monotonic>::now();
        let result = unregistered.register();
        let (ret, ms) = (errno(&result), Millis(begin.elapsed()));

        // SAFETY: The memory outlives the function, and no other task changes the field.
        let probe_type = ProbeType::from_raw(unsafe { (*raw).probe_type });
        let probe_type = probe_type.map_or("unknown", ProbeType::name);
        pr_info!("timing: registered driver={name} probe_type={probe_type} ret={ret} ms={ms}\n");
        result
    }

    fn unregister(driver: adapter::Registered<'_, A>) {
        let name = driver.name();
        let begin = Instant::<Monotonic>::now();

        drop(driver);
        let ms = Millis(begin.elapsed());
        pr_info!("timing: unregistered driver={name} ms={ms}\n");
    }
}

#[kunit_tests(async_probe_timing)]
mod tests {
    use super::*;

    fn prints(delta: Delta, text: &str) -> Result<bool> {
        Ok(CString::try_from_fmt(fmt!("{}", Millis(delta)))?.to_bytes() == text.as_bytes())
    }

    #[test]
    fn millis_have_three_decimals_round_up_and_are_never_negative() -> Result {
        assert!(prints(Delta::from_nanos(0), "0.000")?);
        assert!(prints(Delta::from_micros(7), "0.007")?);
        assert!(prints(Delta::from_micros(999), "0.999")?);
        assert!(prints(Delta::from_micros(2_008_016), "2008.016")?);
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
