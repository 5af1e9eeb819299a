// SPDX-License-Identifier: GPL-2.0

//! Registers platform devices that `slow_platform_driver.ko` binds to.
//!
//! ```sh
//! insmod async_probe.ko
//! insmod slow_platform_devices.ko devices=8
//! ls /sys/bus/platform/devices/ | grep slow_platform
//! ```
//!
//! The devices are named `slow_platform.0` to `slow_platform.<devices - 1>`. They are removed when
//! the module is unloaded, the last one first; the removal waits for a probe that runs.

use async_probe::platform::{
    DeviceRegistration,
    Id, //
};
use kernel::prelude::*;

/// The name of the devices, by which the platform bus matches them with the driver.
const NAME: &CStr = c"slow_platform";

async_probe::module_params! {
    module: "slow_platform_devices",
    devices: range {
        default: 8,
        values: 1..=4096,
        description: "Number of platform devices to register (default 8)",
    },
}

module! {
    type: SlowPlatformDevices,
    name: "slow_platform_devices",
    authors: ["The async_probe authors"],
    description: "Platform devices that load their firmware slowly",
    license: "GPL",
}

/// The registered devices.
struct SlowPlatformDevices {
    devices: KVVec<DeviceRegistration>,
}

impl kernel::Module for SlowPlatformDevices {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let count = parameters::devices.value();
        let mut this = Self {
            devices: KVVec::with_capacity(count as usize, GFP_KERNEL)?,
        };

        for index in 0..count {
            let device = DeviceRegistration::new(NAME, Id::Index(index))?;

            this.devices.push(device, GFP_KERNEL)?;
        }

        Ok(this)
    }
}

impl Drop for SlowPlatformDevices {
    fn drop(&mut self) {
        // The last device that was added is removed first, as in C.
        while self.devices.pop().is_some() {}
    }
}
