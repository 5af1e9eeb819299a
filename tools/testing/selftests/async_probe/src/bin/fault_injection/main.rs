// SPDX-License-Identifier: GPL-2.0

//! One allocation after the other fails, in everything that comes and goes: each call returns 0 or ENOMEM,
//! nothing of a call that failed is left, and all works when memory is there again. What is leaked on the
//! way, kmemleak finds at the end.

//@ plain: it counts allocations

mod failslab;
mod sweep;
mod workers;

use std::path::Path;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use lifecycle::event::Call;
use lifecycle::{ProbeType, Probing, What};
use nix::errno::Errno;
use nix::unistd::gettid;
use selftests::bench::Driver;
use selftests::kernel::probing;
use selftests::modules::{self, ASYNC_PROBE, DEVICES, DRIVER};
use selftests::slow_bus::{self, Design, BUS_MODULE, DRIVER_MODULE};
use selftests::{ensure, ktap, sysfs, Bench, Failure, Test};

use failslab::Failslab;
use sweep::{sweep, Syscall};

/// How many devices there are.
const COUNT: usize = 2;

/// Long enough for probes that load no firmware, and for what follows them.
const MOMENT: Duration = Duration::from_millis(200);

/// What a call says without memory.
const NO_MEMORY: &[Errno] = &[Errno::ENOMEM];

/// What the registration of a platform device says: `platform_device_add()` ignores that `dev_set_name()` has
/// found no memory for the name, and `device_add()` refuses a device without a name with EINVAL.
const PLATFORM_DEVICE: &[Errno] = &[Errno::ENOMEM, Errno::EINVAL];

/// What calls the init of a module. What comes before that is the same for all modules.
const INIT: &str = "do_one_initcall";

/// A bus with a driver.
#[derive(Clone, Copy, Debug)]
pub(crate) enum On {
    Platform(ProbeType),
    Bus(Design),
}

impl On {
    pub(crate) fn devices_module(self) -> &'static str {
        match self {
            Self::Platform(_) => DEVICES,
            Self::Bus(_) => BUS_MODULE,
        }
    }

    pub(crate) fn driver_module(self) -> &'static str {
        match self {
            Self::Platform(_) => DRIVER,
            Self::Bus(_) => DRIVER_MODULE,
        }
    }

    fn load_devices(self) -> Syscall {
        let registration = match self {
            Self::Platform(_) => String::new(),
            Self::Bus(design) => format!(" registration={}", design.registration()),
        };
        Syscall::Insmod {
            module: self.devices_module(),
            parameters: format!("devices={COUNT}{registration}"),
        }
    }

    pub(crate) fn load_driver(self) -> Syscall {
        let parameters = match self {
            Self::Platform(probe_type) => Driver::slow(probe_type).quick().to_string(),
            Self::Bus(design) => format!("design={design} firmware_ms=0"),
        };
        Syscall::Insmod {
            module: self.driver_module(),
            parameters,
        }
    }

    pub(crate) fn device(self, number: usize) -> String {
        match self {
            Self::Platform(_) => sysfs::device(number),
            Self::Bus(_) => slow_bus::device(number),
        }
    }

    fn driver_of(self, device: &str) -> Option<String> {
        match self {
            Self::Platform(_) => sysfs::driver_of(device),
            Self::Bus(_) => slow_bus::driver_of(device),
        }
    }

    fn write(self, call: Call, device: &str) -> Syscall {
        let (bus, driver) = match self {
            Self::Platform(_) => ("/sys/bus/platform", sysfs::DRIVER),
            Self::Bus(_) => ("/sys/bus/slow_bus", slow_bus::DRIVER),
        };
        let path = match call {
            Call::Bind | Call::Unbind => format!("{bus}/drivers/{driver}/{call}"),
            call => format!("{bus}/{call}"),
        };
        Syscall::Write {
            path,
            text: device.to_owned(),
            call,
        }
    }

    /// Makes a call that succeeds.
    fn succeed(bench: &mut Bench, syscall: &Syscall) -> Result<(), Failure> {
        let outcome = syscall.make(bench, 0)?;
        ensure(&format!("{syscall:?}"), &outcome.result, &Ok(()))
    }

    /// Each device that has no driver can be bound now; how many had none. Where the init of the module
    /// has failed in a worker, there is no driver; its directory may still be there, but without files.
    pub(crate) fn bind_the_rest(self, bench: &mut Bench) -> Result<usize, Failure> {
        sleep(MOMENT);
        let bind = format!("/sys/bus/slow_bus/drivers/{}/bind", slow_bus::DRIVER);
        if matches!(self, Self::Bus(Design::ModuleInit)) && !Path::new(&bind).exists() {
            return Ok(COUNT);
        }
        let mut unbound = 0;
        for device in (0..COUNT).map(|number| self.device(number)) {
            if self.driver_of(&device).is_none() {
                unbound += 1;
                Self::succeed(bench, &self.write(Call::DriversProbe, &device))?;
            }
            ensure(
                &format!("{device} is bound"),
                &self.driver_of(&device).is_some(),
                &true,
            )?;
        }
        Ok(unbound)
    }

    /// The modules that are there before a test.
    pub(crate) fn prepare(self, bench: &mut Bench) -> Result<(), Failure> {
        Self::succeed(bench, &self.load_devices())
    }

    fn name(self) -> String {
        match self {
            Self::Platform(probe_type) => format!("{DRIVER} {probe_type}"),
            Self::Bus(design) => format!("{DRIVER_MODULE} {design}"),
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        [
            ProbeType::DefaultStrategy,
            ProbeType::PreferAsynchronous,
            ProbeType::ForceSynchronous,
        ]
        .map(Self::Platform)
        .into_iter()
        .chain(Design::ALL.map(Self::Bus))
    }
}

/// What a test does.
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
fn devices(bench: &mut Bench, on: On) -> Result<(), Failure> {
    let failslab = Failslab::new()?;
    failslab.within(&failslab::code(INIT)?)?;
    let errnos = match on {
        On::Platform(_) => PLATFORM_DEVICE,
        On::Bus(_) => NO_MEMORY,
    };
    sweep(bench, &on.load_devices(), errnos, &nothing, &|bench| {
        sleep(MOMENT);
        bench.rmmod(on.devices_module())
    })
}

/// The module of the driver, which finds the devices there.
fn insmod(bench: &mut Bench, on: On) -> Result<(), Failure> {
    let failslab = Failslab::new()?;
    failslab.within(&failslab::code(INIT)?)?;
    on.prepare(bench)?;
    sweep(bench, &on.load_driver(), NO_MEMORY, &nothing, &|bench| {
        on.bind_the_rest(bench)?;
        bench.rmmod(on.driver_module())
    })
}

/// The driver goes.
fn rmmod(bench: &mut Bench, on: On) -> Result<(), Failure> {
    let _failslab = Failslab::new()?;
    on.prepare(bench)?;
    sweep(
        bench,
        &Syscall::Rmmod(on.driver_module()),
        NO_MEMORY,
        &|bench| {
            On::succeed(bench, &on.load_driver())?;
            on.bind_the_rest(bench).map(drop)
        },
        &nothing,
    )
}

/// Devices are bound and unbound by hand.
fn by_hand(bench: &mut Bench, on: On, call: Call) -> Result<(), Failure> {
    let _failslab = Failslab::new()?;
    on.prepare(bench)?;
    On::succeed(bench, &on.load_driver())?;
    on.bind_the_rest(bench)?;
    let device = on.device(0);
    let unbind = on.write(Call::Unbind, &device);
    match call {
        Call::Unbind => sweep(bench, &unbind, NO_MEMORY, &nothing, &|bench| {
            on.bind_the_rest(bench).map(drop)
        }),
        call => sweep(
            bench,
            &on.write(call, &device),
            NO_MEMORY,
            &|bench| {
                if on.driver_of(&device).is_some() {
                    On::succeed(bench, &unbind)?;
                }
                Ok(())
            },
            &|bench| on.bind_the_rest(bench).map(drop),
        ),
    }
}

/// Devices come to a bus whose driver is there, and go.
fn comes_and_goes(bench: &mut Bench, design: Design, call: Call) -> Result<(), Failure> {
    let _failslab = Failslab::new()?;
    let on = On::Bus(design);
    bench.insmod(BUS_MODULE, "devices=0")?;
    On::succeed(bench, &on.load_driver())?;
    sleep(MOMENT);
    let (add, remove) = match call {
        Call::Add | Call::Remove => (Call::Add, Call::Remove),
        _ => (Call::AddAsync, Call::RemoveAsync),
    };
    let (add, remove) = (on.write(add, "1"), on.write(remove, "0"));
    let gone = |bench: &mut Bench| {
        sleep(MOMENT);
        if !slow_bus::devices().is_empty() {
            On::succeed(bench, &remove)?;
        }
        slow_bus::wait_for_devices(0)
    };
    match call {
        Call::Add | Call::AddAsync => sweep(bench, &add, NO_MEMORY, &nothing, &gone),
        _ => sweep(
            bench,
            &remove,
            NO_MEMORY,
            &|bench| {
                On::succeed(bench, &add)?;
                slow_bus::wait_for_devices(1)?;
                sleep(MOMENT);
                Ok(())
            },
            &|_| {
                sleep(MOMENT);
                slow_bus::wait_for_devices(0)
            },
        ),
    }
}

/// Without memory for an entry, `async_schedule_node_domain()` calls the function in its caller: whoever
/// loads the driver probes the device, or all that the function is for.
fn in_the_caller(bench: &mut Bench, on: On) -> Result<(), Failure> {
    let failslab = Failslab::new()?;
    failslab.within(&failslab::code("async_schedule_node_domain")?)?;
    on.prepare(bench)?;
    let here = gettid().as_raw().unsigned_abs();
    let mut seen = 0;
    for nth in 1.. {
        let from = bench.events()?.len();
        modules::wait_until_gone(on.driver_module());
        let outcome = on.load_driver().make(bench, nth)?;
        ensure("insmod", &outcome.result, &Ok(()))?;
        sleep(MOMENT);
        seen += bench.events()?[from..]
            .iter()
            .filter(|event| matches!(&event.what, What::ProbeBegan { pid, .. } if *pid == here))
            .count();
        let unbound = on.bind_the_rest(bench)?;
        ensure("devices that were not bound", &unbound, &0)?;
        bench.rmmod(on.driver_module())?;
        if !outcome.failed {
            break;
        }
    }
    // Other allocations have failed, too, which are not needed.
    ensure("probes in the caller", &seen, &COUNT)
}

fn main() -> ExitCode {
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
        On::Platform(ProbeType::PreferAsynchronous),
        On::Bus(Design::Sync),
        On::Bus(Design::DeviceRegister),
    ] {
        let Syscall::Insmod { module, parameters } = on.load_devices() else {
            continue;
        };
        test(
            format!("insmod {module} {parameters}"),
            Box::new(move |bench| devices(bench, on)),
        );
    }
    for on in On::all() {
        let name = on.name();
        test(
            format!("insmod {name}"),
            Box::new(move |bench| insmod(bench, on)),
        );
        test(
            format!("rmmod {name}"),
            Box::new(move |bench| rmmod(bench, on)),
        );
    }
    for on in [
        On::Platform(ProbeType::PreferAsynchronous),
        On::Bus(Design::ExclusiveAttach),
    ] {
        for call in [Call::Bind, Call::Unbind, Call::DriversProbe] {
            test(
                format!("{call} {}", on.name()),
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
        On::Platform(ProbeType::PreferAsynchronous),
        On::Bus(Design::PreferAsync),
        On::Bus(Design::DriverAttach),
        On::Bus(Design::ExclusiveAttach),
    ];
    for on in asynchronous {
        test(
            format!("{} without memory to schedule", on.name()),
            Box::new(move |bench| in_the_caller(bench, on)),
        );
        test(
            format!("{} in workers", on.name()),
            Box::new(move |bench| workers::sweep(bench, on)),
        );
    }
    // Its init runs in a worker, or not at all.
    let on = On::Bus(Design::ModuleInit);
    test(
        format!("{} in workers", on.name()),
        Box::new(move |bench| workers::sweep(bench, on)),
    );
    ktap::run(tests)
}
