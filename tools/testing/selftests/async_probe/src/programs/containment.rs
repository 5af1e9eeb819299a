// SPDX-License-Identifier: GPL-2.0

//! A probe that oopses stops no other device and no other module.
//!
//! Nothing of what has died can be unloaded, and power-off waits for its probe, so the machine is
//! reset.

//@ plain: the recording would be judged with a probe that never ends
//@ boots: alone
//@ last: a device stays locked

use std::process::{Command, ExitCode};
use std::thread::{self, sleep};
use std::time::Duration;

use lifecycle::event::Call;
use lifecycle::laws::containment::CONSOLE;
use lifecycle::ProbeType;

use crate::kernel::{has, probing};
use crate::samples::{Driver, PLATFORM};
use crate::{ensure, kmsg, ktap, modules, sysfs, Bench, Failure, Test};

const DEVICES: usize = 2;
/// The driver whose probe dies, and its device.
const DYING: &str = "kthread_probe";
/// A driver whose init waits for the lock that the dead task holds.
const MUTANT: &str = "mutant_driver";
const BASE: &str = "mutants";
const DIES: Duration = Duration::from_millis(500);
/// By then the lab has read the results.
const RESET: &str = "sleep 60; echo b >/proc/sysrq-trigger";

fn containment(bench: &mut Bench) -> Result<(), Failure> {
    sysfs::put("/proc/sys/kernel/panic_on_oops", "0")?;
    bench.insmod(PLATFORM.devices, &format!("devices={DEVICES}"))?;
    let reset = Command::new("sh").args(["-c", RESET]).spawn();
    reset.map_err(|error| Failure::io("run", "sh", error))?;
    let path = bench.module(DYING);
    // On arm64, and where KASAN looks at the address first, no line has `BUG:`.
    let is_bug = cfg!(target_arch = "x86_64") && !has("KASAN");
    kmsg::expecting(if is_bug { "BUG" } else { "oops" }, || {
        // The task does not come back.
        thread::spawn(move || modules::insmod(&path, DYING, "oops=1"));
        sleep(DIES);
        Ok(())
    })?;
    let driver = Driver::slow(ProbeType::ForceSynchronous)
        .quick()
        .to_string();
    bench.insmod(PLATFORM.module, &driver)?;
    bench.write(Call::Unbind, &PLATFORM.device(0))?;
    bench.write(Call::Bind, &PLATFORM.device(0))?;
    bench.rmmod(PLATFORM.module)?;
    bench.rmmod(PLATFORM.devices)?;
    // Five calls, and the probes of all devices and of the one that is bound again.
    let probes = (DEVICES + 1) * probing().lives() as usize;
    let cases = bench.judge_console(&CONSOLE)?;
    ensure("cases of containment", &cases, &Ok(5 + probes))?;

    if has("KASAN") {
        // It complains, as the task that waits looks at the one that is gone
        // (kernel/locking/mutex.c, mutex_spin_on_owner()).
        return Ok(());
    }
    let [base, driver] = [BASE, MUTANT].map(|module| bench.module(module));
    thread::spawn(move || {
        let _ = modules::insmod(&base, BASE, "mutant=init_waits_for_the_dead");
        let _ = modules::insmod(&driver, MUTANT, "");
    });
    sleep(DIES);
    let broken = format!("insmod of {MUTANT} never ends, after an oops");
    let seen = bench.judge_console(&CONSOLE)?;
    ensure("what the law says of a mutant", &seen, &Err(broken))
}

pub(crate) fn main() -> ExitCode {
    ktap::run_unwatched(vec![Test::new(
        "containment: a probe that oopses",
        containment,
    )])
}
