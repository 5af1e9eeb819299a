// SPDX-License-Identifier: GPL-2.0

//! A platform driver that prefers asynchronous probing, and whose probe does nothing but allocate
//! its data: what `bench_platform_in_c.c` is in C.

use kernel::{
    device::Core,
    platform,
    prelude::*, //
};

/// The driver, and the data of each device that is bound to it.
struct BenchPlatform {
    _index: u32,
}

impl platform::Driver for BenchPlatform {
    type IdInfo = ();
    type Data<'bound> = Self;

    fn probe<'bound>(
        _pdev: &'bound platform::Device<Core<'_>>,
        _id_info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self, Error> + 'bound {
        Ok(Self { _index: 0 })
    }
}

async_probe::module_async_driver! {
    bus: platform,
    type: BenchPlatform,
    name: "bench_platform_rust",
    authors: ["The async_probe authors"],
    description: "Platform driver in Rust, probed asynchronously",
    license: "GPL",
}
