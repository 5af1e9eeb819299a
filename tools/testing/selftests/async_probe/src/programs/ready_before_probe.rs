// SPDX-License-Identifier: GPL-2.0

//! A driver that is loaded while its devices are being added probes none of them before it has been
//! announced, and each of them in the end.

use std::thread::sleep;
use std::time::Duration;

use lifecycle::laws::ready_before_probe;
use lifecycle::ProbeType;

use crate::samples::{Driver, PLATFORM};
use crate::{Bench, Failure, Test};

const DEVICES: usize = 32;

/// How much later the driver is loaded than the devices, in microseconds: all of them are added
/// within 3 ms.
const LATER: [u64; 4] = [0, 300, 1000, 2500];

fn at_once(bench: &mut Bench, probe_type: ProbeType) -> Result<(), Failure> {
    bench.record()?;
    let driver = Driver::slow(probe_type).quick().to_string();
    for later in LATER {
        bench.insmod_in_background(PLATFORM.devices, &format!("devices={DEVICES}"));
        sleep(Duration::from_micros(later));
        bench.insmod(PLATFORM.module, &driver)?;
        bench.join()?;
        PLATFORM.wait_until_bound(DEVICES, DEVICES)?;
        bench.rmmod(PLATFORM.module)?;
        bench.rmmod(PLATFORM.devices)?;
        // The kernel's log has room for one of them.
        bench.events()?;
    }
    let life = bench.recording()?.life;
    Ok(ready_before_probe::LAW.demand(&life, LATER.len() * DEVICES)?)
}

pub(crate) fn tests() -> Vec<Test> {
    let test = |probe_type: ProbeType| {
        Test::new(
            format!("ready_before_probe: two loaders at once, {probe_type}"),
            move |bench| at_once(bench, probe_type),
        )
    };
    vec![
        test(ProbeType::PreferAsynchronous),
        test(ProbeType::ForceSynchronous),
    ]
}
