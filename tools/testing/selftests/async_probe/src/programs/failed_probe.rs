// SPDX-License-Identifier: GPL-2.0

//! A failed probe calls no remove and leaves nothing bound; the other devices are untouched and
//! the device can be bound later.

//@ boots: two_nodes

use lifecycle::event::Call;
use lifecycle::laws::failed_probe;
use lifecycle::ProbeType;
use nix::errno::Errno;

use crate::firmware_dir::FirmwareDir;
use crate::samples::{ensure_bound, ensure_free, write, Driver, Sample};
use crate::{ensure, Bench, Failure, Order, Test};

const DEVICES: usize = 3;

fn failed_probe(bench: &mut Bench, sample: Sample, order: Order) -> Result<(), Failure> {
    let bus = sample.bus();
    let failing = bus.device(1);
    FirmwareDir::machine_must_lack(&failing)?;
    for number in [0, 2] {
        bench.firmware().put_good(&bus.device(number))?;
    }
    bench.load(order, DEVICES, Driver::slow(sample).own_files(), "")?;
    bench.wait_for_ends(DEVICES)?;
    bus.wait_until_bound(DEVICES - 1, DEVICES)?;
    bus.wait_until_registered()?;
    ensure_free(&failing)?;

    // Without its firmware a bind fails again, and says why.
    ensure(
        "bind without firmware",
        &write(Call::Bind, &failing)?,
        &Err(Errno::ENOENT),
    )?;
    ensure_free(&failing)?;

    bench.firmware().put_good(&failing)?;
    bench.write(Call::Bind, &failing)?;
    for number in 0..DEVICES {
        ensure_bound(&bus.device(number))?;
    }
    // The failures of the load and of the first bind.
    bench.keeps(&failed_probe::LAW, 2)?;
    let expected = (0..DEVICES).map(|number| {
        let ret = if number == 1 {
            -(Errno::ENOENT as i32)
        } else {
            0
        };
        (bus.device(number), Some(ret))
    });
    ensure(
        "the first probe of each device",
        &bench.first_results(bus.driver)?,
        &expected.collect(),
    )
}

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    // The command line may ask a DEFAULT driver to be one of the others.
    let default = Sample::from(ProbeType::DefaultStrategy);
    for sample in Sample::all().filter(|sample| *sample != default) {
        for order in Order::BOTH {
            tests.push(Test::new(
                format!("failed_probe: missing firmware, {sample}, {order}"),
                move |bench| failed_probe(bench, sample, order),
            ));
        }
    }
    tests
}
