// SPDX-License-Identifier: GPL-2.0

//! Drivers whose second phase uses the device, defers, or has consumers, for the selftests.
//!
//! The devices are those of `slow_platform_devices.ko`.

use async_probe::{
    module_param::Choice,
    two_phase, //
};
use kernel::{
    device::Core,
    driver,
    firmware::Firmware,
    platform,
    prelude::*,
    sync::atomic::{
        AtomicFlag,
        Relaxed, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    InPlaceModule, //
};

async_probe::module_params! {
    module: "two_phase_test",
    scenario: choice {
        default: Scenario::Firmware,
        values: Scenario,
        description: "The test to run",
    },
}

/// The test to run.
#[derive(Clone, Copy, PartialEq)]
enum Scenario {
    /// The second phase asks for firmware, late.
    Firmware,
    /// The same for many devices, which say nothing.
    Crowd,
    /// The first probe of device 0 schedules a second phase, and then defers.
    Defers,
    /// Device 1 defers until the second phase of device 0 has ended.
    Consumer,
}

impl Choice for Scenario {
    const CHOICES: &'static [Self] = &[Self::Firmware, Self::Crowd, Self::Defers, Self::Consumer];
    const NAMES: &'static str = "firmware|crowd|defers|consumer";
}

/// Whether the first probe of device 0 has deferred.
static DEFERRED: AtomicFlag = AtomicFlag::new(false);

/// Whether the second phase of device 0 has ended.
static READY: AtomicFlag = AtomicFlag::new(false);

/// The name by which the platform bus matches the driver with the devices.
const NAME: &CStr = c"slow_platform";

/// The driver, and the data of each device that is bound to it.
struct TwoPhaseDriver;

impl platform::Driver for TwoPhaseDriver {
    type IdInfo = ();
    type Data<'bound> = Self;

    fn probe<'bound>(
        pdev: &'bound platform::Device<Core<'_>>,
        _id_info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self, Error> + 'bound {
        let dev = pdev.as_ref();
        let scenario = parameters::scenario.value();
        let is_first = dev.name().to_bytes().ends_with(b".0");

        if scenario == Scenario::Consumer && !is_first {
            if !READY.load(Relaxed) {
                return Err(EPROBE_DEFER);
            }
            dev_info!(dev, "consumer bound\n");
            return Ok(Self);
        }

        two_phase::schedule(dev, move |dev| {
            fsleep(Delta::from_millis(500));
            if matches!(scenario, Scenario::Firmware | Scenario::Crowd) {
                let firmware = Firmware::request(c"async_probe/slow_platform.fw", dev);

                if firmware.is_err() {
                    dev_err!(dev, "no firmware\n");
                }
            }
            READY.store(true, Relaxed);
            if scenario != Scenario::Crowd {
                dev_info!(dev, "second phase\n");
            }
        })?;

        if scenario == Scenario::Defers && is_first && !DEFERRED.load(Relaxed) {
            DEFERRED.store(true, Relaxed);
            return Err(EPROBE_DEFER);
        }
        if scenario != Scenario::Crowd {
            dev_info!(dev, "first phase\n");
        }
        Ok(Self)
    }
}

/// The module: the registration of the driver.
#[pin_data]
struct TwoPhaseTest {
    #[pin]
    _driver: driver::Registration<platform::Adapter<TwoPhaseDriver>>,
}

impl InPlaceModule for TwoPhaseTest {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _driver <- driver::Registration::new(NAME, module),
        })
    }
}

module! {
    type: TwoPhaseTest,
    name: "two_phase_test",
    authors: ["The async_probe authors"],
    description: "Drivers with a second phase",
    license: "GPL",
}
