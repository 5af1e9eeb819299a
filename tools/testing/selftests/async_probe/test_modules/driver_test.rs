// SPDX-License-Identifier: GPL-2.0

//! Drivers for the selftests that differ from the sample drivers: they defer, compete for a device,
//! and say in which order their data is dropped.
//!
//! The devices are those of `slow_bus.ko` and `slow_platform_devices.ko`.

use async_probe::{
    bus,
    driver_attach,
    exclusive_attach,
    module_param::Choice,
    probe_type::{
        self,
        ForceSynchronous,
        PreferAsynchronous, //
    },
    timing, //
};
use kernel::{
    device::{
        Core,
        Device, //
    },
    driver, platform,
    prelude::*,
    sync::atomic::{
        AtomicFlag,
        Relaxed, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
};
use slow_bus::{
    Model,
    SlowBus, //
};

async_probe::module_params! {
    module: "driver_test",
    scenario: choice {
        default: Scenario::Deferral,
        values: Scenario,
        description: "The test to run",
    },
    design: choice {
        default: Design::PreferAsync,
        values: Design,
        description: "Which task probes the devices of slow_bus or of the platform",
    },
}

/// The test to run.
#[derive(Clone, Copy, PartialEq)]
enum Scenario {
    /// Device 0 of slow_bus needs device 1 to be bound.
    Deferral,
    /// The same for platform devices.
    PlatformDeferral,
    /// Two drivers for the same devices.
    SingleSlot,
    /// The order in which driver data is dropped.
    Fields,
}

impl Choice for Scenario {
    const CHOICES: &'static [Self] = &[
        Self::Deferral,
        Self::PlatformDeferral,
        Self::SingleSlot,
        Self::Fields,
    ];
    const NAMES: &'static str = "deferral|platform_deferral|single_slot|fields";
}

/// Which task probes the devices, as in `slow_bus_driver.rs`.
#[derive(Clone, Copy, PartialEq)]
enum Design {
    Sync,
    PreferAsync,
    DriverAttach,
    ExclusiveAttach,
}

impl Choice for Design {
    const CHOICES: &'static [Self] = &[
        Self::Sync,
        Self::PreferAsync,
        Self::DriverAttach,
        Self::ExclusiveAttach,
    ];
    const NAMES: &'static str = "sync|prefer_async|driver_attach|exclusive_attach";
}

/// Whether device 1 is there, which device 0 needs.
static SUPPLIED: AtomicFlag = AtomicFlag::new(false);

/// How long a probe takes.
fn work() {
    fsleep(Delta::from_millis(300));
}

/// Runs `probe` for the driver `name`, between the lines of the timing interface.
fn timed(
    dev: &Device<Core<'_>>,
    name: &'static CStr,
    probe: impl FnOnce(&[u8]) -> Result,
) -> Result<timing::UnboundMark> {
    let timing = timing::Probe::begin(dev, name);
    let result = timing::mark_devres(dev, name).and_then(|()| probe(dev.name().to_bytes()));

    timing
        .end(result)
        .map(|()| timing::UnboundMark::new(dev, name))
}

/// The probe of a device that may need another.
fn defer(device: &[u8]) -> Result {
    if device.ends_with(b".0") && !SUPPLIED.load(Relaxed) {
        return Err(EPROBE_DEFER);
    }
    if device.ends_with(b".1") {
        work();
        SUPPLIED.store(true, Relaxed);
    }
    Ok(())
}

/// Declares a driver of slow_bus.
macro_rules! slow_bus_driver {
    ($(#[$doc:meta])* $type:ident, $name:literal, $probe:expr) => {
        $(#[$doc])*
        struct $type {
            _unbound: timing::UnboundMark,
        }

        impl $type {
            const NAME: &'static CStr = $name;
        }

        impl bus::Driver for $type {
            type Bus = SlowBus;
            type Data<'bound> = Self;
            type IdInfo = ();
            const ID_TABLE: bus::IdTable<SlowBus, ()> = &[(Model::Slow, ())];

            fn probe<'bound>(
                dev: &'bound bus::Device<SlowBus, Core<'_>>,
                _id_info: &'bound (),
            ) -> impl PinInit<Self, Error> + 'bound {
                timed(dev.as_ref(), Self::NAME, $probe).map(|_unbound| Self { _unbound })
            }

            fn unbind<'bound>(dev: &'bound bus::Device<SlowBus, Core<'_>>, _data: Pin<&Self>) {
                timing::removing(dev.as_ref(), Self::NAME);
            }
        }
    };
}

slow_bus_driver!(
    /// Defers device 0.
    Deferring,
    c"deferring",
    defer
);
slow_bus_driver!(
    /// Fails to probe.
    First,
    c"first",
    |_| {
        work();
        Err(ENODEV)
    }
);
slow_bus_driver!(
    /// Succeeds where [`First`] fails.
    Second,
    c"second",
    |_| {
        work();
        Ok(())
    }
);

/// Defers platform device 0.
struct PlatformDeferring {
    _unbound: timing::UnboundMark,
}

/// The name by which the platform bus matches.
const PLATFORM: &CStr = c"slow_platform";

impl platform::Driver for PlatformDeferring {
    type IdInfo = ();
    type Data<'bound> = Self;

    fn probe<'bound>(
        pdev: &'bound platform::Device<Core<'_>>,
        _id_info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self, Error> + 'bound {
        timed(pdev.as_ref(), PLATFORM, defer).map(|_unbound| Self { _unbound })
    }

    fn unbind<'bound>(pdev: &'bound platform::Device<Core<'_>>, _data: Pin<&Self>) {
        timing::removing(pdev.as_ref(), PLATFORM);
    }
}

/// Prints its name when it is dropped.
struct Mark(&'static str);

impl Drop for Mark {
    fn drop(&mut self) {
        pr_info!("dropped {}\n", self.0);
    }
}

/// Driver data whose fields say when they are dropped.
struct Fields {
    _first: Mark,
    _unbound: timing::UnboundMark,
    _second: Mark,
    _third: Mark,
}

impl Fields {
    const NAME: &'static CStr = c"fields";
}

impl bus::Driver for Fields {
    type Bus = SlowBus;
    type Data<'bound> = Self;
    type IdInfo = ();
    const ID_TABLE: bus::IdTable<SlowBus, ()> = &[(Model::Slow, ())];

    fn probe<'bound>(
        dev: &'bound bus::Device<SlowBus, Core<'_>>,
        _id_info: &'bound (),
    ) -> impl PinInit<Self, Error> + 'bound {
        let probe = |_: &[u8]| {
            work();
            Ok(())
        };

        timed(dev.as_ref(), Self::NAME, probe).map(|_unbound| Self {
            _first: Mark("first"),
            _unbound,
            _second: Mark("second"),
            _third: Mark("third"),
        })
    }

    fn unbind<'bound>(dev: &'bound bus::Device<SlowBus, Core<'_>>, _data: Pin<&Self>) {
        timing::removing(dev.as_ref(), Self::NAME);
    }
}

type Timed<T> = timing::Adapter<bus::Adapter<T>>;
type TimedPlatform = timing::Adapter<platform::Adapter<PlatformDeferring>>;
type Prefer<A> = probe_type::Adapter<A, PreferAsynchronous>;

/// The registration of a driver, as the adapter `A` does it.
#[pin_data]
struct Registered<A: driver::RegistrationOps> {
    #[pin]
    _driver: driver::Registration<A>,
}

/// A registration of any kind, kept to be dropped.
trait Kept: Send + Sync {}

impl<A: driver::RegistrationOps> Kept for Pin<KBox<Registered<A>>> where
    driver::Registration<A>: Send + Sync
{
}

/// Registers a driver as the adapter `A` does it.
fn register<A>(name: &'static CStr, module: &'static ThisModule) -> Result<KBox<dyn Kept>>
where
    A: driver::RegistrationOps + 'static,
    driver::Registration<A>: Send + Sync,
{
    let registered = KBox::pin_init::<Error>(
        try_pin_init!(Registered {
            _driver <- driver::Registration::<A>::new(name, module),
        }? Error),
        GFP_KERNEL,
    )?;

    Ok(KBox::new(registered, GFP_KERNEL)?)
}

/// Registers a driver of slow_bus in the design that is asked for.
fn register_design<T>(name: &'static CStr, module: &'static ThisModule) -> Result<KBox<dyn Kept>>
where
    T: bus::Driver<Bus = SlowBus> + 'static,
{
    match parameters::design.value() {
        Design::Sync => register::<probe_type::Adapter<Timed<T>, ForceSynchronous>>(name, module),
        Design::PreferAsync => register::<Prefer<Timed<T>>>(name, module),
        // A probe type below these has no effect.
        Design::DriverAttach => {
            register::<driver_attach::Adapter<Prefer<Timed<T>>, SlowBus>>(name, module)
        }
        Design::ExclusiveAttach => {
            register::<exclusive_attach::Adapter<Prefer<Timed<T>>, SlowBus>>(name, module)
        }
    }
}

/// The drivers, kept to be dropped.
struct DriverTest {
    _first: KBox<dyn Kept>,
    _second: Option<KBox<dyn Kept>>,
}

impl kernel::Module for DriverTest {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let mut _second = None;
        let _first = match (parameters::scenario.value(), parameters::design.value()) {
            (Scenario::Deferral, _) => register_design::<Deferring>(Deferring::NAME, module)?,
            (Scenario::PlatformDeferral, Design::Sync) => {
                register::<probe_type::Adapter<TimedPlatform, ForceSynchronous>>(PLATFORM, module)?
            }
            (Scenario::PlatformDeferral, _) => register::<Prefer<TimedPlatform>>(PLATFORM, module)?,
            (Scenario::SingleSlot, _) => {
                let first = register_design::<First>(First::NAME, module)?;

                _second = Some(register_design::<Second>(Second::NAME, module)?);
                first
            }
            (Scenario::Fields, _) => register_design::<Fields>(Fields::NAME, module)?,
        };

        Ok(Self { _first, _second })
    }
}

module! {
    type: DriverTest,
    name: "driver_test",
    authors: ["The async_probe authors"],
    description: "Drivers that defer, compete and drop",
    license: "GPL",
}
