// SPDX-License-Identifier: GPL-2.0

//! A minimal platform driver that prefers asynchronous probing.
//!
//! It has no table of ids, so that the device names it:
//!
//! ```sh
//! insmod async_probe.ko
//! insmod slow_platform_devices.ko devices=1
//! echo minimal_platform_driver > /sys/bus/platform/devices/slow_platform.0/driver_override
//! insmod minimal_platform_driver.ko
//! ```
//!
//! `Documentation/your-driver.rst` says how to build such a driver in a directory of its own.

use kernel::{
    device::Core,
    platform,
    prelude::*,
    time::{
        delay::fsleep,
        Delta, //
    },
};

/// The driver, and the data of each device that is bound to it.
struct MinimalPlatformDriver;

impl platform::Driver for MinimalPlatformDriver {
    type IdInfo = ();
    type Data<'bound> = Self;

    fn probe<'bound>(
        pdev: &'bound platform::Device<Core<'_>>,
        _id_info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self, Error> + 'bound {
        // A real driver writes firmware here, for example.
        fsleep(Delta::from_millis(100));

        dev_info!(pdev.as_ref(), "probed\n");
        Ok::<_, Error>(Self)
    }
}

async_probe::module_async_driver! {
    bus: platform,
    type: MinimalPlatformDriver,
    name: "minimal_platform_driver",
    authors: ["The async_probe authors"],
    description: "Minimal platform driver that prefers asynchronous probing",
    license: "GPL",
}
