// SPDX-License-Identifier: GPL-2.0

//! A driver whose asynchronous probe adds a device for a driver with `PROBE_FORCE_SYNCHRONOUS`, for
//! the selftests.
//!
//! The outer devices are those of `slow_platform_devices.ko`.

use async_probe::{
    platform::{
        DeviceRegistration,
        Id, //
    },
    probe_type::{
        self,
        ForceSynchronous,
        PreferAsynchronous, //
    },
};
use kernel::{
    device::Core,
    driver,
    platform,
    prelude::*,
    time::{
        delay::fsleep,
        Delta, //
    },
    InPlaceModule, //
};

/// The name of the outer devices, and of their driver.
const OUTER: &CStr = c"slow_platform";

/// The name of the inner devices, and of their driver.
const INNER: &CStr = c"nested";

/// The driver of the outer devices; its data is the inner device of each.
struct Outer {
    _inner: DeviceRegistration,
}

impl platform::Driver for Outer {
    type IdInfo = ();
    type Data<'bound> = Self;

    fn probe<'bound>(
        pdev: &'bound platform::Device<Core<'_>>,
        _id_info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self, Error> + 'bound {
        let dev = pdev.as_ref();

        let _inner = DeviceRegistration::new(INNER, Id::Auto)?;
        // The inner device has been probed, or it will not be before this probe ends.
        dev_info!(dev, "added\n");
        Ok(Self { _inner })
    }
}

/// The driver of the inner devices.
struct Inner;

impl platform::Driver for Inner {
    type IdInfo = ();
    type Data<'bound> = Self;

    fn probe<'bound>(
        _pdev: &'bound platform::Device<Core<'_>>,
        _id_info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self, Error> + 'bound {
        fsleep(Delta::from_millis(100));
        Ok(Self)
    }
}

type Forced = probe_type::Adapter<platform::Adapter<Inner>, ForceSynchronous>;
type Preferring = probe_type::Adapter<platform::Adapter<Outer>, PreferAsynchronous>;

/// The module: the registrations of the drivers. The outer one is unregistered first.
#[pin_data]
struct NestedTest {
    #[pin]
    _outer: driver::Registration<Preferring>,
    #[pin]
    _inner: driver::Registration<Forced>,
}

impl InPlaceModule for NestedTest {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _inner <- driver::Registration::new(INNER, module),
            _outer <- driver::Registration::new(OUTER, module),
        })
    }
}

module! {
    type: NestedTest,
    name: "nested_test",
    authors: ["The async_probe authors"],
    description: "A probe that adds a device",
    license: "GPL",
}
