// SPDX-License-Identifier: GPL-2.0

//! A platform device whose driver adds auxiliary devices, and a driver for these whose probe does
//! nothing but allocate its data, with upstream's abstractions: what `bench_auxiliary_in_c.c` is in
//! C.

use async_probe::platform::{
    DeviceRegistration,
    Id, //
};
use kernel::{
    auxiliary,
    device::Core,
    driver,
    platform,
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    },
    types::CovariantForLt,
    InPlaceModule, //
};

const MODULE_NAME: &CStr = <LocalModule as kernel::ModuleMetadata>::NAME;

/// The name of the parent, and of its driver.
const PARENT: &CStr = c"bench_parent";

async_probe::module_params! {
    module: "bench_auxiliary_rust",
    devices: range {
        default: 10,
        values: 1..=10000,
        description: "Number of devices (default 10)",
    },
}

type AuxiliaryRegistration<'bound> = auxiliary::Registration<'bound, CovariantForLt!(())>;

/// The driver of the parent, whose data are the devices.
struct Parent<'bound> {
    devices: KVVec<AuxiliaryRegistration<'bound>>,
}

/// The driver of the parent.
struct ParentDriver;

impl platform::Driver for ParentDriver {
    type IdInfo = ();
    type Data<'bound> = Parent<'bound>;

    fn probe<'bound>(
        pdev: &'bound platform::Device<Core<'_>>,
        _id_info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Parent<'bound>, Error> + 'bound {
        let count = parameters::devices.value();
        let mut devices = KVVec::with_capacity(count as usize, GFP_KERNEL)?;
        let begin = Instant::<Monotonic>::now();

        for index in 0..count {
            devices.push(
                AuxiliaryRegistration::new(pdev.as_ref(), c"bench", index, MODULE_NAME, ())?,
                GFP_KERNEL,
            )?;
        }

        pr_info!(
            "call=add devices={} ns={}\n",
            count,
            begin.elapsed().as_nanos()
        );
        Ok(Parent { devices })
    }
}

impl Drop for Parent<'_> {
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

/// The driver, and the data of each device that is bound to it.
struct BenchDriver {
    _index: u32,
}

kernel::auxiliary_device_table!(
    TABLE,
    <BenchDriver as auxiliary::Driver>::IdInfo,
    [(auxiliary::DeviceId::new(MODULE_NAME, c"bench"), ())]
);

impl auxiliary::Driver for BenchDriver {
    type IdInfo = ();
    type Data<'bound> = Self;

    const ID_TABLE: auxiliary::IdTable<Self::IdInfo> = &TABLE;

    fn probe<'bound>(
        adev: &'bound auxiliary::Device<Core<'_>>,
        _info: &'bound Self::IdInfo,
    ) -> impl PinInit<Self, Error> + 'bound {
        Ok(Self { _index: adev.id() })
    }
}

/// The module. The driver goes first, the parent of the devices last.
#[pin_data]
struct BenchAuxiliary {
    #[pin]
    driver: driver::Registration<auxiliary::Adapter<BenchDriver>>,
    #[pin]
    parent_driver: driver::Registration<platform::Adapter<ParentDriver>>,
    parent: DeviceRegistration,
}

impl InPlaceModule for BenchAuxiliary {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            parent: DeviceRegistration::new(PARENT, Id::None)?,
            parent_driver <- driver::Registration::new(PARENT, module),
            driver <- driver::Registration::new(MODULE_NAME, module),
        })
    }
}

module! {
    type: BenchAuxiliary,
    name: "bench_auxiliary_rust",
    authors: ["The async_probe authors"],
    description: "Auxiliary devices and their driver, in Rust",
    license: "GPL",
}
