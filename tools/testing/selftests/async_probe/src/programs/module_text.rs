// SPDX-License-Identifier: GPL-2.0

//! The text of a module stays while an object needs it that the module has given away: rmmod waits,
//! and dmesg names the object after 10 seconds. So does it name the object for which the
//! unregistration of a bus or of a device waits.

//@ boots: two_nodes

use std::thread::sleep;
use std::time::{Duration, Instant};

use lifecycle::ProbeType;

use crate::samples::{Driver, PLATFORM};
use crate::test_modules::{BUS_TEST, TEXT_PROVIDER, TEXT_USER};
use crate::{ensure, kmemleak, modules, skip, sysfs, unmet, Bench, Failure, Test};

/// How long the functions of the test module take.
const FUNCTION: Duration = Duration::from_secs(12);

/// Demands that the log has this line, once.
fn says(bench: &mut Bench, line: &str) -> Result<(), Failure> {
    let lines = bench.lines()?.iter();
    let times = lines.filter(|said| *said == line).count();
    ensure(&format!("how often dmesg says \"{line}\""), &times, &1)
}

/// The bus of another module keeps a reference to a device of the module.
fn device(bench: &mut Bench) -> Result<(), Failure> {
    bench.insmod(TEXT_PROVIDER, "")?;
    bench.insmod(TEXT_USER, "scenario=device")?;
    bench.rmmod_in_background(TEXT_USER);
    sleep(FUNCTION);
    let kept = sysfs::read("/sys/bus/text/kept")?;
    ensure("kept", &kept.as_str(), &"the data of text_user")?;
    let is_loaded = || modules::is_loaded(TEXT_USER);
    ensure("whether text_user is loaded", &is_loaded(), &true)?;
    says(
        bench,
        "async_probe: rmmod of text_user waits: device kept needs its text",
    )?;
    sysfs::put("/sys/bus/text/drop", "1")?;
    bench.join()?;
    ensure("whether text_user is loaded", &is_loaded(), &false)
}

/// A function of the module runs in the domain of another module.
fn function(bench: &mut Bench, scenario: &str, line: &str) -> Result<(), Failure> {
    bench.insmod(TEXT_PROVIDER, "")?;
    bench.insmod(TEXT_USER, &format!("scenario={scenario}"))?;
    let begin = Instant::now();
    bench.rmmod(TEXT_USER)?;
    if begin.elapsed() < FUNCTION - Duration::from_secs(1) {
        return unmet(
            "rmmod to wait for the function",
            format!("{:?}", begin.elapsed()),
        );
    }
    says(bench, "text_user: ends")?;
    says(bench, line)
}

/// The unregistration of a bus waits for a device.
fn bus(bench: &mut Bench) -> Result<(), Failure> {
    bench.insmod(BUS_TEST, "scenario=waits_long")?;
    says(
        bench,
        "async_probe: bus async_probe_test waits to be unregistered: device test.0 is still there",
    )
}

/// The unregistration of a device waits for its probe.
fn probe(bench: &mut Bench) -> Result<(), Failure> {
    let driver = Driver {
        firmware_ms: 12_000,
        ..Driver::slow(ProbeType::PreferAsynchronous)
    };
    bench.insmod(PLATFORM.devices, "devices=1")?;
    bench.insmod_in_background(PLATFORM.module, &driver.to_string());
    bench.wait_for_probe(&PLATFORM.device(0))?;
    bench.rmmod(PLATFORM.devices)?;
    bench.join()?;
    says(
        bench,
        "slow_platform slow_platform.0: waits to be unregistered: its probe or its driver holds its lock",
    )
}

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("module_text: rmmod waits for a device", device),
        Test::new("module_text: rmmod waits for a function", |bench| {
            let line =
                "async_probe: rmmod of text_user waits: an asynchronous function needs its text";
            function(bench, "function", line)
        }),
        Test::new("module_text: rmmod waits for a driver", |bench| {
            let line = "async_probe: rmmod of text_user waits: driver text_driver needs its text";
            function(bench, "driver", line)
        }),
        Test::new("module_text: rmmod waits for a bus", |bench| {
            if kmemleak::is_there() {
                return skip("the type of a bus on the heap is never freed, as kmemleak would say");
            }
            let line = "async_probe: rmmod of text_user waits: bus heap needs its text";
            function(bench, "bus", line)
        }),
        Test::new("module_text: a bus names the device that it waits for", bus),
        Test::new(
            "module_text: a device that is unregistered names its probe",
            probe,
        ),
    ]
}
