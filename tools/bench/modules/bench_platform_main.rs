// SPDX-License-Identifier: GPL-2.0

//! The same as `bench_platform_rust.rs` with nothing but what upstream has.

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

kernel::module_platform_driver! {
    type: BenchPlatform,
    name: "bench_platform_main",
    authors: ["The async_probe authors"],
    description: "Platform driver in Rust, as upstream has it",
    license: "GPL",
}
