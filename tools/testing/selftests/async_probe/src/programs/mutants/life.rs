// SPDX-License-Identifier: GPL-2.0

//! A recording of this run that has a case for every edit.

use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use lifecycle::event::Call;
use lifecycle::{Event, ProbeType};
use nix::errno::Errno;
use recorder::Recorder;

use super::live::{write, BASE, DEVICE, DRIVER};
use crate::recording::{events, judge};
use crate::samples::{Driver, PLATFORM};
use crate::test_modules::NESTED_TEST;
use crate::{Bench, Failure};

/// Long enough for a probe to begin, and far shorter than it takes.
const MOMENT: Duration = Duration::from_millis(100);

static RECORDING: OnceLock<Vec<Event>> = OnceLock::new();

/// The recording, made when it is wanted for the first time.
pub(crate) fn recorded(bench: &mut Bench) -> Result<Vec<Event>, Failure> {
    if let Some(known) = RECORDING.get() {
        return Ok(known.clone());
    }
    let recorder = Recorder::take_over(false)?;
    lives(bench)?;
    let recording = judge(events(recorder)?)?;
    Ok(RECORDING.get_or_init(|| recording.life.events).clone())
}

fn lives(bench: &mut Bench) -> Result<(), Failure> {
    let slow = Driver::slow(ProbeType::PreferAsynchronous).to_string();
    let in_flight = format!("{slow} async_probe");

    // Plainly, with rmmod and an unrelated module meanwhile; then unbound, and bound by hand.
    bench.insmod(PLATFORM.devices, "devices=3")?;
    bench.insmod_in_background(PLATFORM.module, &slow);
    bench.wait_for_probe(&PLATFORM.device(2))?;
    // Before its init has returned the error is another.
    sleep(MOMENT);
    bench.rmmod_refused(PLATFORM.module, Errno::EWOULDBLOCK)?;
    bench.insmod("unrelated", "")?;
    bench.join()?;
    bench.write(Call::Unbind, &PLATFORM.device(0))?;
    bench.write(Call::Bind, &PLATFORM.device(0))?;
    bench.rmmod(PLATFORM.module)?;

    // In flight: unbind.
    bench.insmod(PLATFORM.module, &in_flight)?;
    sleep(MOMENT);
    bench.write(Call::Unbind, &PLATFORM.device(2))?;
    bench.rmmod(PLATFORM.module)?;

    // A probe that adds a device.
    bench.insmod(NESTED_TEST, "")?;
    bench.rmmod(NESTED_TEST)?;
    bench.rmmod(PLATFORM.devices)?;

    // In flight: a device. The samples wait for its probe before they remove it.
    bench.insmod(BASE, "devices=1 slow_ms=300")?;
    bench.insmod(DRIVER, "async_probe")?;
    bench.wait_for_probe(DEVICE)?;
    write(Call::Unplug, DEVICE)?;
    bench.rmmod(DRIVER)?;
    bench.rmmod(BASE)?;

    // A probe that fails, and one that creates a kernel thread.
    bench.insmod(BASE, "fails kthread")?;
    bench.insmod(DRIVER, "")?;
    bench.rmmod(DRIVER)?;
    bench.rmmod(BASE)
}
