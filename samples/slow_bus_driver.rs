// SPDX-License-Identifier: GPL-2.0

//! A driver for the devices of `slow_bus.ko`, in seven designs.
//!
//! ```sh
//! insmod async_probe.ko
//! insmod slow_bus.ko devices=8
//! insmod slow_bus_driver.ko design=exclusive_attach
//! dmesg | grep 'async_probe: timing:'
//! ```
//!
//! The designs differ in the task that probes the devices, and in the tasks that wait for it:
//! `Documentation/designs.rst`. The probe is the same in all of them, and the same as in
//! `slow_platform_driver.rs`.
//!
//! All devices load `async_probe/slow.fw`, see `Documentation/firmware-format.rst`; with
//! `firmware=device` each loads a file of its own, `async_probe/slow.3.fw` for the device `slow.3`.

use async_probe::{
    bus,
    driver_attach,
    exclusive_attach,
    module_init::{
        AsyncInit,
        Level, //
    },
    module_param::Choice,
    probe_type::{
        self,
        ForceSynchronous,
        PreferAsyncDomain,
        PreferAsynchronous, //
    },
    timing, //
};
use kernel::{
    device::Core,
    driver,
    prelude::*,
    time::Delta,
    InPlaceModule, //
};
use slow_bus::{
    Model,
    SlowBus, //
};

mod slow_firmware;

use slow_firmware::FirmwareName;

/// The name of the driver.
const NAME: &CStr = c"slow";

async_probe::module_params! {
    module: "slow_bus_driver",
    design: choice {
        default: Design::PreferAsync,
        values: Design,
        description: "Which task probes the devices (default prefer_async)",
    },
    firmware: choice {
        default: FirmwareName::Driver,
        values: FirmwareName,
        description: "The owner of the firmware file's name (default driver)",
    },
    firmware_ms: range {
        default: 2000,
        values: 0..=600000,
        description: "Time to write the firmware to one device, in milliseconds (default 2000)",
    },
}

/// Which task probes the devices.
#[derive(Clone, Copy)]
enum Design {
    /// The task that loads the module, one after the other.
    Sync,
    /// A worker for each device, in the global domain.
    PreferAsync,
    /// One worker for all devices.
    DriverAttach,
    /// The task that registers the device: a worker for each, if `slow_bus.ko` registers its
    /// devices asynchronously.
    DeviceRegister,
    /// The worker that initializes the module.
    ModuleInit,
    /// A worker for each device, in a domain of the driver's own.
    ExclusiveAttach,
    /// The same, by the driver core of a kernel that has such a probe type.
    DriverDomain,
}

impl Choice for Design {
    const CHOICES: &'static [Self] = &[
        Self::Sync,
        Self::PreferAsync,
        Self::DriverAttach,
        Self::DeviceRegister,
        Self::ModuleInit,
        Self::ExclusiveAttach,
        Self::DriverDomain,
    ];
    const NAMES: &'static str =
        "sync|prefer_async|driver_attach|device_register|module_init|exclusive_attach|\
         driver_domain";
}

/// The driver, and the data of each device that is bound to it.
struct SlowBusDriver {
    _unbound: timing::UnboundMark,
}

impl bus::Driver for SlowBusDriver {
    type Bus = SlowBus;
    type Data<'bound> = Self;
    type IdInfo = ();
    const ID_TABLE: bus::IdTable<SlowBus, ()> = &[(Model::Slow, ())];

    fn probe<'bound>(
        dev: &'bound bus::Device<SlowBus, Core<'_>>,
        _id_info: &'bound (),
    ) -> impl PinInit<Self, Error> + 'bound {
        let dev = dev.as_ref();

        // This runs when there is memory for the driver data: no step after it can fail.
        pin_init::pin_init_scope(move || {
            let probe = timing::Probe::begin(dev, NAME);
            let firmware_ms = Delta::from_millis(parameters::firmware_ms.value().into());

            let result = timing::mark_devres(dev, NAME).and_then(|()| {
                slow_firmware::load(dev, NAME, parameters::firmware.value(), firmware_ms)
            });

            Ok(probe.end(result).map(|()| Self {
                _unbound: timing::UnboundMark::new(dev, NAME),
            }))
        })
    }

    fn unbind<'bound>(dev: &'bound bus::Device<SlowBus, Core<'_>>, _data: Pin<&Self>) {
        timing::removing(dev.as_ref(), NAME);
    }
}

type Plain = timing::Adapter<bus::Adapter<SlowBusDriver>>;
type Synchronous = probe_type::Adapter<Plain, ForceSynchronous>;
type PreferAsync = probe_type::Adapter<Plain, PreferAsynchronous>;
type DriverAttach = driver_attach::Adapter<Plain, SlowBus>;
type ExclusiveAttach = exclusive_attach::Adapter<Plain, SlowBus>;
type DriverDomain = probe_type::Adapter<Plain, PreferAsyncDomain>;

/// The registration of the driver, as the adapter `A` does it.
#[pin_data]
struct Registered<A: driver::RegistrationOps> {
    #[pin]
    _driver: driver::Registration<A>,
}

impl<A: driver::RegistrationOps + 'static> InPlaceModule for Registered<A> {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _driver <- driver::Registration::new(NAME, module),
        })
    }
}

/// The registration of the driver, in one of the designs.
///
/// It is only kept to be dropped.
enum SlowBusDriverModule {
    Sync {
        _driver: Pin<KBox<Registered<Synchronous>>>,
    },
    PreferAsync {
        _driver: Pin<KBox<Registered<PreferAsync>>>,
    },
    DriverAttach {
        _driver: Pin<KBox<Registered<DriverAttach>>>,
    },
    ModuleInit {
        _module: AsyncInit<Registered<Synchronous>>,
    },
    ExclusiveAttach {
        _driver: Pin<KBox<Registered<ExclusiveAttach>>>,
    },
    DriverDomain {
        _driver: Pin<KBox<Registered<DriverDomain>>>,
    },
}

/// Registers the driver as the adapter `A` does it.
fn register<A>(module: &'static ThisModule) -> Result<Pin<KBox<Registered<A>>>>
where
    A: driver::RegistrationOps + 'static,
{
    KBox::pin_init(Registered::init(module), GFP_KERNEL)
}

impl kernel::Module for SlowBusDriverModule {
    fn init(module: &'static ThisModule) -> Result<Self> {
        Ok(match parameters::design.value() {
            Design::Sync | Design::DeviceRegister => Self::Sync {
                _driver: register(module)?,
            },
            Design::PreferAsync => Self::PreferAsync {
                _driver: register(module)?,
            },
            Design::DriverAttach => Self::DriverAttach {
                _driver: register(module)?,
            },
            Design::ModuleInit => Self::ModuleInit {
                _module: AsyncInit::new(Level::Device, module)?,
            },
            Design::ExclusiveAttach => Self::ExclusiveAttach {
                _driver: register(module)?,
            },
            Design::DriverDomain => Self::DriverDomain {
                _driver: register(module)?,
            },
        })
    }
}

module! {
    type: SlowBusDriverModule,
    name: "slow_bus_driver",
    authors: ["The async_probe authors"],
    description: "Driver that loads firmware slowly, in seven designs",
    license: "GPL",
    alias: ["slow_bus:slow"],
    firmware: ["async_probe/slow.fw"],
}
