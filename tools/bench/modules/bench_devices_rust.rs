// SPDX-License-Identifier: GPL-2.0

//! Platform devices that no driver matches by itself: what `bench_devices_in_c.c` is in C.

use async_probe::platform::{
    DeviceRegistration,
    Id, //
};
use kernel::{
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    }, //
};

async_probe::module_params! {
    module: "bench_devices_rust",
    devices: range {
        default: 10,
        values: 1..=10000,
        description: "Number of devices (default 10)",
    },
}

/// The devices.
struct BenchDevices {
    devices: KVVec<DeviceRegistration>,
}

impl kernel::Module for BenchDevices {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let count = parameters::devices.value();
        let mut devices = KVVec::with_capacity(count as usize, GFP_KERNEL)?;
        let begin = Instant::<Monotonic>::now();

        for index in 0..count {
            devices.push(
                DeviceRegistration::new(c"bench", Id::Index(index))?,
                GFP_KERNEL,
            )?;
        }

        pr_info!(
            "call=add devices={} ns={}\n",
            count,
            begin.elapsed().as_nanos()
        );
        Ok(Self { devices })
    }
}

impl Drop for BenchDevices {
    fn drop(&mut self) {
        let count = self.devices.len();
        let begin = Instant::<Monotonic>::now();

        while self.devices.pop().is_some() {}
        pr_info!(
            "call=remove devices={} ns={}\n",
            count,
            begin.elapsed().as_nanos()
        );
    }
}

module! {
    type: BenchDevices,
    name: "bench_devices_rust",
    authors: ["The async_probe authors"],
    description: "Platform devices, made in Rust",
    license: "GPL",
}
