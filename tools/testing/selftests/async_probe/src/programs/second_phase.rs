// SPDX-License-Identifier: GPL-2.0

//! A second phase is a part of the probe: it may use the device, it does not run if the probe fails
//! or defers, unbind, rmmod and suspend wait for it, and consumers that deferred are retried when
//! it has ended.

use std::thread::sleep;
use std::time::{Duration, Instant};

use lifecycle::event::Call;
use lifecycle::laws::mutant::Console;
use lifecycle::laws::{second_phase_in_flight, suspend_in_flight};
use nix::errno::Errno;

use crate::kernel::probing;
use crate::samples::{ensure_bound, PLATFORM};
use crate::test_modules::TWO_PHASE_TEST;
use crate::{ensure, skip, sysfs, unmet, Bench, Failure, Test};

/// How long the second phase of the test module takes.
const SECOND_PHASE: Duration = Duration::from_millis(500);

/// Far longer than an image of hibernation is made.
const IMAGE_MADE: Duration = Duration::from_secs(2);

/// Far longer than all that is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Loads the devices, and the driver in this scenario.
fn load(bench: &mut Bench, devices: usize, scenario: &str) -> Result<(), Failure> {
    bench.insmod(PLATFORM.devices, &format!("devices={devices}"))?;
    bench.insmod(TWO_PHASE_TEST, &format!("scenario={scenario}"))
}

/// How often the kernel probes a device.
fn lives() -> usize {
    probing().lives() as usize
}

/// How many lines of the log are these of this device.
fn said(bench: &mut Bench, number: usize, what: &str) -> Result<usize, Failure> {
    let line = format!("{} {}: {what}", PLATFORM.driver, PLATFORM.device(number));
    let lines = bench.lines()?.iter();
    Ok(lines.filter(|said| **said == line).count())
}

/// Waits until the device has said this so often.
fn wait_for(bench: &mut Bench, number: usize, what: &str, times: usize) -> Result<(), Failure> {
    let begin = Instant::now();
    while said(bench, number, what)? < times {
        if begin.elapsed() > PATIENCE {
            return unmet(
                format!("{} to say {what}, {times} times", PLATFORM.device(number)),
                said(bench, number, what)?,
            );
        }
        sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Unbind in the middle of a second phase that then asks for firmware, which devres has to free.
fn bound_again(bench: &mut Bench) -> Result<(), Failure> {
    let device = PLATFORM.device(0);
    bench.record()?;
    load(bench, 1, "firmware")?;
    sleep(SECOND_PHASE / 5);
    bench.write(Call::Unbind, &device)?;
    ensure(
        "second phases when unbind returns",
        &said(bench, 0, "second phase")?,
        &1,
    )?;
    ensure("missing firmware", &said(bench, 0, "no firmware")?, &0)?;
    bench.write(Call::Bind, &device)?;
    wait_for(bench, 0, "second phase", 2)?;
    bench.recording()?.demand("bound_again", 1)
}

/// More second phases than run at once, all of which ask for firmware: each device is bound again.
fn reloaded(bench: &mut Bench) -> Result<(), Failure> {
    const AT_ONCE: usize = 16;
    const DEVICES: usize = 100;
    bench.occupy_all_but(AT_ONCE)?;
    load(bench, DEVICES, "crowd")?;
    bench.rmmod(TWO_PHASE_TEST)?;
    bench.insmod(TWO_PHASE_TEST, "scenario=crowd")?;
    ensure("devices that are bound", &PLATFORM.bound(DEVICES), &DEVICES)
}

/// A probe that schedules a second phase and then defers is retried.
fn defers(bench: &mut Bench) -> Result<(), Failure> {
    load(bench, 2, "defers")?;
    // The first is retried when the second is bound, and again when its second phase has ended.
    wait_for(bench, 0, "first phase", 1)?;
    wait_for(bench, 0, "second phase", 1)?;
    wait_for(bench, 1, "second phase", 1)?;
    sleep(SECOND_PHASE * 2);
    // That of the probe that deferred has not run.
    ensure("second phases", &said(bench, 0, "second phase")?, &1)?;
    ensure_bound(&PLATFORM.device(0))
}

/// A consumer is retried when the second phase of its supplier ends, though nothing is bound then.
fn consumer(bench: &mut Bench) -> Result<(), Failure> {
    load(bench, 2, "consumer")?;
    ensure("consumers", &said(bench, 1, "consumer bound")?, &0)?;
    wait_for(bench, 0, "second phase", 1)?;
    // Not by the timer that retries all deferred probes once, 10 seconds after a driver was loaded
    // at boot (`drivers/base/dd.c`, `deferred_probe_timeout_work_func()`).
    sleep(SECOND_PHASE);
    ensure("consumers", &said(bench, 1, "consumer bound")?, &lives())?;
    ensure_bound(&PLATFORM.device(1))
}

/// A second phase that has not begun does not run when its device is unbound.
fn not_begun(bench: &mut Bench) -> Result<(), Failure> {
    bench.occupy_workers()?;
    load(bench, 1, "firmware")?;
    ensure("first phases", &said(bench, 0, "first phase")?, &lives())?;
    bench.rmmod(TWO_PHASE_TEST)?;
    bench.free_workers()?;
    sleep(SECOND_PHASE * 2);
    ensure("second phases", &said(bench, 0, "second phase")?, &0)
}

/// Enters this state, as a test, in the middle of probes, or second phases, of so many seconds, and
/// demands that the law was kept, once for each device. A test of hibernation would compute for 5
/// seconds (`kernel/power/hibernate.c`, `hibernation_debug_sleep()`), so that is no test: without
/// swap space it ends when its image is made.
fn suspend(
    bench: &mut Bench,
    state: &str,
    phases: u32,
    seconds: u32,
    law: &Console,
) -> Result<(), Failure> {
    const STATE: &str = "/sys/power/state";
    const TEST: &str = "/sys/power/pm_test";
    const DEVICES: usize = 2;
    let io = |path: &'static str, text: &str| {
        std::fs::write(path, text).map_err(|error| Failure::Skip(format!("{path}: {error}")))
    };
    let states = std::fs::read_to_string(STATE).unwrap_or_default();
    if !states.split_whitespace().any(|of| of == state) {
        return skip(format!("{STATE}: no {state}"));
    }
    let is_test = state != "disk";
    if !is_test && sysfs::read("/proc/swaps")?.lines().count() > 1 {
        return skip("swap space: this machine would be switched off");
    }
    if is_test {
        io("/sys/module/suspend/parameters/pm_test_delay", "1")?;
        io(TEST, "devices")?;
    }
    bench.insmod(PLATFORM.devices, &format!("devices={DEVICES}"))?;
    let driver = format!("phases={phases} firmware_ms={seconds}000 async_probe");
    bench.insmod(PLATFORM.module, &driver)?;
    sleep(SECOND_PHASE);
    let suspended = std::fs::write(STATE, state);
    if is_test {
        io(TEST, "none")?;
        suspended.map_err(|error| Failure::io("write", STATE, error))?;
    } else {
        let errno = suspended.err().and_then(|error| error.raw_os_error());
        ensure(
            "hibernation without swap",
            &errno,
            &Some(Errno::ENODEV as i32),
        )?;
        // The clock of the trace goes on from before the image was made, and stands still until it
        // has caught up with the last event (`arch/x86/kernel/tsc.c`,
        // `tsc_restore_sched_clock_state()`): two CPUs are then in no order.
        sleep(IMAGE_MADE);
    }
    ensure("cases of the law", &bench.judge_console(law)?, &Ok(DEVICES))
}

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("second_phase: a device is bound again", bound_again),
        Test::new("second_phase: a hundred devices are bound again", reloaded),
        Test::new("second_phase: a probe that defers is retried", defers),
        Test::new("second_phase: consumers are retried", consumer),
        Test::new("second_phase: one that has not begun is dropped", not_begun),
        Test::new(
            "second_phase: suspend waits before it freezes tasks",
            |bench| suspend(bench, "freeze", 2, 3, &second_phase_in_flight::CONSOLE),
        ),
        Test::new(
            "second_phase: hibernation waits before it freezes tasks",
            |bench| suspend(bench, "disk", 2, 3, &second_phase_in_flight::CONSOLE),
        ),
        Test::new("second_phase: suspend gives up after 30 seconds", |bench| {
            suspend(bench, "freeze", 2, 40, &second_phase_in_flight::CONSOLE)?;
            let line = "async_probe: second phases that have not ended after 30 seconds: 2";
            let lines = bench.lines()?.iter();
            ensure(line, &lines.filter(|said| *said == line).count(), &1)
        }),
        Test::new("second_phase: suspend waits for probes", |bench| {
            suspend(bench, "freeze", 1, 3, &suspend_in_flight::CONSOLE)
        }),
        Test::new("second_phase: hibernation waits for probes", |bench| {
            suspend(bench, "disk", 1, 3, &suspend_in_flight::CONSOLE)
        }),
    ]
}
