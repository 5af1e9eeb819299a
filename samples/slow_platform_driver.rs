// SPDX-License-Identifier: GPL-2.0

//! A platform driver whose probes load firmware, which takes seconds.
//!
//! ```sh
//! insmod async_probe.ko
//! insmod slow_platform_devices.ko devices=8
//! insmod slow_platform_driver.ko
//! dmesg | grep 'async_probe: timing:'
//! ```
//!
//! The driver prefers asynchronous probing, so that its devices are probed in parallel: they are
//! all bound after about `firmware_ms`, not after eight times as long. `insmod` still waits for
//! that; with the module parameter `async_probe`, which every module has, it does not:
//!
//! ```sh
//! insmod slow_platform_driver.ko async_probe
//! ```
//!
//! With `phases=2` neither waits, nor does any other `insmod`: the probe returns at once, and the
//! firmware is loaded while the device is bound already. The first phase is then best left
//! synchronous, `probe_type=force_synchronous`: with more than 1024 devices, asynchronous first
//! phases would queue behind second ones.
//!
//! All devices load `async_probe/slow_platform.fw`, see `Documentation/firmware-format.rst`; with
//! `firmware=device` each loads a file of its own, `async_probe/slow_platform.3.fw` for the device
//! `slow_platform.3`. `Documentation/dmesg-timing.rst` explains the lines in dmesg.

use async_probe::{
    probe_type::{
        self,
        ProbeType,
        Strategy, //
    },
    timing,
    two_phase, //
};
use kernel::{
    device::{
        Core,
        Device, //
    },
    driver,
    platform,
    prelude::*,
    time::Delta,
    InPlaceModule, //
};

mod slow_firmware;

use slow_firmware::FirmwareName;

/// The name of the driver, by which the platform bus matches it with the devices.
const NAME: &CStr = c"slow_platform";

async_probe::module_params! {
    module: "slow_platform_driver",
    probe_type: choice {
        default: ProbeType::PreferAsynchronous,
        values: ProbeType,
        description: "When the driver core calls probe (default prefer_asynchronous)",
    },
    firmware: choice {
        default: FirmwareName::Driver,
        values: FirmwareName,
        description: "The owner of the firmware file's name (default driver)",
    },
    phases: range {
        default: 1,
        values: 1..=2,
        description: "With 2, the firmware is loaded when the device is bound already (default 1)",
    },
    firmware_ms: range {
        default: 2000,
        values: 0..=600000,
        description: "Time to write the firmware to one device, in milliseconds (default 2000)",
    },
}

/// Loads the firmware of `dev` as the parameters say, which takes `firmware_ms`.
fn load_firmware(dev: &Device) -> Result {
    slow_firmware::load(
        dev,
        NAME,
        parameters::firmware.value(),
        Delta::from_millis(parameters::firmware_ms.value().into()),
    )
}

/// The driver, and the data of each device that is bound to it.
struct SlowPlatformDriver {
    _unbound: timing::UnboundMark,
}

impl platform::Driver for SlowPlatformDriver {
    type IdInfo = ();
    type Data<'bound> = Self;

    fn probe<'bound>(
        pdev: &'bound platform::Device<Core<'_>>,
        _id_info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self, Error> + 'bound {
        let dev = pdev.as_ref();

        // This runs when there is memory for the driver data: no step after it can fail.
        pin_init::pin_init_scope(move || {
            let probe = timing::Probe::begin(dev, NAME);
            let began = probe.began();

            let result = timing::mark_devres(dev, NAME).and_then(|()| {
                if parameters::phases.value() == 1 {
                    load_firmware(dev)
                } else {
                    two_phase::schedule(dev, move |dev| {
                        timing::ready(dev, NAME, began, &load_firmware(dev));
                    })
                }
            });

            Ok(probe.end(result).map(|()| Self {
                _unbound: timing::UnboundMark::new(dev, NAME),
            }))
        })
    }

    fn unbind<'bound>(pdev: &'bound platform::Device<Core<'_>>, _this: Pin<&Self>) {
        timing::removing(pdev.as_ref(), NAME);
    }
}

/// The probe type that the user has chosen.
struct ChosenProbeType;

impl Strategy for ChosenProbeType {
    fn probe_type() -> ProbeType {
        parameters::probe_type.value()
    }
}

type Adapter =
    probe_type::Adapter<timing::Adapter<platform::Adapter<SlowPlatformDriver>>, ChosenProbeType>;

/// The module: the registration of the driver.
#[pin_data]
struct SlowPlatformModule {
    #[pin]
    _driver: driver::Registration<Adapter>,
}

impl InPlaceModule for SlowPlatformModule {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _driver <- driver::Registration::new(NAME, module),
        })
    }
}

module! {
    type: SlowPlatformModule,
    name: "slow_platform_driver",
    authors: ["The async_probe authors"],
    description: "Platform driver that loads firmware slowly",
    license: "GPL",
    firmware: ["async_probe/slow_platform.fw"],
}
