// SPDX-License-Identifier: GPL-2.0

//! One allocation after the other fails, in everything that comes and goes: each call returns 0 or
//! ENOMEM, nothing of a call that failed is left, and all works when memory is there again.
//! kmemleak finds at the end memory that was leaked on the way.

//@ plain: it counts allocations

mod calls;
mod failslab;
mod sweep;
mod workers;

use std::process::ExitCode;
use std::thread::sleep;

use lifecycle::designs::Design;
use lifecycle::event::Call;
use lifecycle::laws::register_returns;
use lifecycle::{ProbeType, Probing, What};
use nix::unistd::gettid;

use calls::{
    bind_the_rest, load_devices, load_driver, prepare, succeed, write, COUNT, INIT, MOMENT,
    NO_MEMORY, NO_REASON,
};
use failslab::Failslab;
use sweep::{sweep, Syscall};

use crate::kernel::{self, probing};
use crate::modules::{self, ASYNC_PROBE};
use crate::samples::{driver_of, Sample, BUS};
use crate::{ensure, ktap, Bench, Failure, Test};

type Body = dyn Fn(&mut Bench) -> Result<(), Failure>;

fn nothing(_: &mut Bench) -> Result<(), Failure> {
    Ok(())
}

/// The crate's own module.
fn the_crate(bench: &mut Bench) -> Result<(), Failure> {
    let _failslab = Failslab::new()?;
    let insmod = Syscall::Insmod {
        module: ASYNC_PROBE,
        parameters: String::new(),
    };
    bench.rmmod(ASYNC_PROBE)?;
    let verdict = sweep(bench, &insmod, NO_MEMORY, &nothing, &|bench| {
        bench.rmmod(ASYNC_PROBE)
    });
    if !modules::is_loaded(ASYNC_PROBE) {
        // As the other tests expect it; it is unloaded after them.
        modules::insmod(&bench.module(ASYNC_PROBE), ASYNC_PROBE, "")?
            .map_err(|errno| Failure::assertion("insmod async_probe", errno))?;
    }
    verdict
}

/// The module that brings the devices.
fn devices(bench: &mut Bench, on: Sample) -> Result<(), Failure> {
    let failslab = Failslab::new()?;
    failslab.within(&failslab::code(INIT)?)?;
    let errnos = match on {
        Sample::Platform(_) => NO_REASON,
        Sample::Bus(_) => NO_MEMORY,
    };
    if kernel::has("LOCKDEP") {
        // Without memory for its first files it releases a bus whose lock lockdep does not know
        // yet, and lockdep warns (drivers/base/bus.c, `bus_release()`).
        failslab.without(&failslab::code("bus_register")?)?;
    }
    sweep(bench, &load_devices(on), errnos, &nothing, &|bench| {
        sleep(MOMENT);
        bench.rmmod(on.bus().devices)
    })
}

/// The module of the driver, which finds the devices there.
fn insmod(bench: &mut Bench, on: Sample) -> Result<(), Failure> {
    // One of the allocations is that of an asynchronous function, see `in_the_caller()`.
    bench.excuse(&register_returns::LAW);
    let failslab = Failslab::new()?;
    failslab.within(&failslab::code(INIT)?)?;
    prepare(bench, on)?;
    sweep(bench, &load_driver(on), NO_REASON, &nothing, &|bench| {
        bind_the_rest(bench, on)?;
        bench.rmmod(on.bus().module)
    })
}

/// The driver goes.
fn rmmod(bench: &mut Bench, on: Sample) -> Result<(), Failure> {
    let _failslab = Failslab::new()?;
    prepare(bench, on)?;
    sweep(
        bench,
        &Syscall::Rmmod(on.bus().module),
        NO_MEMORY,
        &|bench| {
            succeed(bench, &load_driver(on))?;
            bind_the_rest(bench, on).map(drop)
        },
        &nothing,
    )
}

/// Devices are bound and unbound by hand.
fn by_hand(bench: &mut Bench, on: Sample, call: Call) -> Result<(), Failure> {
    let _failslab = Failslab::new()?;
    prepare(bench, on)?;
    succeed(bench, &load_driver(on))?;
    bind_the_rest(bench, on)?;
    let device = on.bus().device(0);
    let unbind = write(on, Call::Unbind, &device);
    match call {
        Call::Unbind => sweep(bench, &unbind, NO_MEMORY, &nothing, &|bench| {
            bind_the_rest(bench, on).map(drop)
        }),
        call => sweep(
            bench,
            &write(on, call, &device),
            if call == Call::DriversProbe {
                NO_REASON
            } else {
                NO_MEMORY
            },
            &|bench| {
                if driver_of(&device).is_some() {
                    succeed(bench, &unbind)?;
                }
                Ok(())
            },
            &|bench| bind_the_rest(bench, on).map(drop),
        ),
    }
}

/// Devices come to a bus whose driver is there, and go.
fn comes_and_goes(bench: &mut Bench, design: Design, call: Call) -> Result<(), Failure> {
    let _failslab = Failslab::new()?;
    let on = Sample::Bus(design);
    bench.insmod(BUS.devices, "devices=0")?;
    succeed(bench, &load_driver(on))?;
    sleep(MOMENT);
    let (add, remove) = match call {
        Call::Add | Call::Remove => (Call::Add, Call::Remove),
        _ => (Call::AddAsync, Call::RemoveAsync),
    };
    let (add, remove) = (write(on, add, "1"), write(on, remove, "0"));
    let gone = |bench: &mut Bench| {
        sleep(MOMENT);
        if !BUS.devices().is_empty() {
            succeed(bench, &remove)?;
        }
        BUS.wait_for_devices(0)
    };
    match call {
        Call::Add | Call::AddAsync => sweep(bench, &add, NO_MEMORY, &nothing, &gone),
        _ => sweep(
            bench,
            &remove,
            NO_MEMORY,
            &|bench| {
                succeed(bench, &add)?;
                BUS.wait_for_devices(1)?;
                sleep(MOMENT);
                Ok(())
            },
            &|_| {
                sleep(MOMENT);
                BUS.wait_for_devices(0)
            },
        ),
    }
}

/// Without memory for an entry, `async_schedule_node_domain()` calls the function in its caller:
/// the task that loads the driver probes the device, or all devices that the function is for.
fn in_the_caller(bench: &mut Bench, on: Sample) -> Result<(), Failure> {
    // Without memory, the function runs in the task that schedules it (kernel/async.c).
    bench.excuse(&register_returns::LAW);
    let failslab = Failslab::new()?;
    failslab.within(&failslab::code("async_schedule_node_domain")?)?;
    prepare(bench, on)?;
    let here = gettid().as_raw().unsigned_abs();
    let mut seen = 0;
    for nth in 1.. {
        let from = bench.events()?.len();
        modules::wait_until_gone(on.bus().module);
        let outcome = load_driver(on).make(bench, nth)?;
        ensure("insmod", &outcome.result, &Ok(()))?;
        sleep(MOMENT);
        seen += bench.events()?[from..]
            .iter()
            .filter(|event| matches!(&event.what, What::ProbeBegan { pid, .. } if *pid == here))
            .count();
        let unbound = bind_the_rest(bench, on)?;
        ensure("devices that were not bound", &unbound, &0)?;
        bench.rmmod(on.bus().module)?;
        if !outcome.failed {
            break;
        }
    }
    // Other allocations have failed, too, which are not needed.
    ensure("probes in the caller", &seen, &COUNT)
}

pub(crate) fn main() -> ExitCode {
    if let Err(reason) = Failslab::is_there() {
        return ktap::skip(&reason);
    }
    if probing() == Probing::Twice {
        return ktap::skip(
            "CONFIG_DEBUG_TEST_DRIVER_REMOVE: the driver core itself fails between two probes, and no \
             log tells the second from the next: KERNEL=debug",
        );
    }
    let mut tests = Vec::new();
    let mut test = |name: String, body: Box<Body>| {
        tests.push(Test::new(format!("fault_injection: {name}"), body));
    };
    test("insmod async_probe".into(), Box::new(the_crate));
    for on in [
        Sample::Platform(ProbeType::PreferAsynchronous),
        Sample::Bus(Design::Sync),
        Sample::Bus(Design::DeviceRegister),
    ] {
        test(
            format!("insmod {} {}", on.bus().devices, on.devices(COUNT)),
            Box::new(move |bench| devices(bench, on)),
        );
    }
    for on in Sample::all() {
        test(
            format!("insmod {on}"),
            Box::new(move |bench| insmod(bench, on)),
        );
        test(
            format!("rmmod {on}"),
            Box::new(move |bench| rmmod(bench, on)),
        );
    }
    for on in [
        Sample::Platform(ProbeType::PreferAsynchronous),
        Sample::Bus(Design::ExclusiveAttach),
    ] {
        for call in [Call::Bind, Call::Unbind, Call::DriversProbe] {
            test(
                format!("{call} {on}"),
                Box::new(move |bench| by_hand(bench, on, call)),
            );
        }
    }
    for design in [Design::Sync, Design::PreferAsync, Design::ExclusiveAttach] {
        for call in [Call::Add, Call::AddAsync, Call::Remove, Call::RemoveAsync] {
            test(
                format!("{call} {design}"),
                Box::new(move |bench| comes_and_goes(bench, design, call)),
            );
        }
    }
    let asynchronous = [
        Sample::Platform(ProbeType::PreferAsynchronous),
        Sample::Bus(Design::PreferAsync),
        Sample::Bus(Design::DriverAttach),
        Sample::Bus(Design::ExclusiveAttach),
    ];
    for on in asynchronous {
        test(
            format!("{on} without memory to schedule"),
            Box::new(move |bench| in_the_caller(bench, on)),
        );
        test(
            format!("{on} in workers"),
            Box::new(move |bench| workers::sweep(bench, on)),
        );
    }
    // Its init runs in a worker, or not at all.
    let on = Sample::Bus(Design::ModuleInit);
    test(
        format!("{on} in workers"),
        Box::new(move |bench| workers::sweep(bench, on)),
    );
    ktap::run(tests)
}
