// SPDX-License-Identifier: GPL-2.0

//! A PCI driver that adds an auxiliary device for a part of its device, and a driver for the parts
//! that prefers asynchronous probing, for `qemu -device pci-testdev`.
//!
//! The probe of the PCI device is quick, and stays synchronous. Those of the parts load firmware
//! for 8 seconds in parallel, which need not end for the PCI device to be bound.

use async_probe::probe_type::{
    Adapter,
    PreferAsynchronous, //
};
use kernel::{
    auxiliary,
    device::Core,
    driver,
    firmware::Firmware,
    pci,
    prelude::*,
    time,
    types::CovariantForLt,
    InPlaceModule, //
};

const MODULE_NAME: &CStr = <LocalModule as kernel::ModuleMetadata>::NAME;

/// What the auxiliary devices are called.
const PART: &CStr = c"part";

/// The driver of the PCI device, whose data is the registration of the part.
struct WholeDriver;

type Part<'bound> = auxiliary::Registration<'bound, CovariantForLt!(())>;

kernel::pci_device_table!(
    PCI_TABLE,
    <WholeDriver as pci::Driver>::IdInfo,
    [(pci::DeviceId::from_id(pci::Vendor::REDHAT, 0x5), ())]
);

impl pci::Driver for WholeDriver {
    type IdInfo = ();
    type Data<'bound> = Part<'bound>;
    const ID_TABLE: pci::IdTable<Self::IdInfo> = &PCI_TABLE;

    fn probe<'bound>(
        dev: &'bound pci::Device<Core<'_>>,
        _id_info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Part<'bound>, Error> + 'bound {
        // The parts of all PCI devices are on one bus. Their numbers must differ, and must not
        // depend on the order of the probes. That of a PCI device is unique in its PCI domain.
        let number = u32::from(dev.dev_id());

        Part::new(dev.as_ref(), PART, number, MODULE_NAME, ())
    }
}

/// The driver of the parts.
struct PartDriver;

kernel::auxiliary_device_table!(
    AUXILIARY_TABLE,
    <PartDriver as auxiliary::Driver>::IdInfo,
    [(auxiliary::DeviceId::new(MODULE_NAME, PART), ())]
);

impl auxiliary::Driver for PartDriver {
    type IdInfo = ();
    type Data<'bound> = Self;
    const ID_TABLE: auxiliary::IdTable<Self::IdInfo> = &AUXILIARY_TABLE;

    fn probe<'bound>(
        dev: &'bound auxiliary::Device<Core<'_>>,
        _id_info: &'bound Self::IdInfo,
    ) -> impl PinInit<Self, Error> + 'bound {
        let firmware = Firmware::request(c"async_probe/slow_auxiliary.fw", dev.as_ref())?;
        time::delay::fsleep(time::Delta::from_secs(8)); // Writes the firmware.
        dev_info!(dev, "{} bytes of firmware written\n", firmware.size());
        Ok(Self)
    }
}

/// The module. The parts lose their driver after the PCI devices have taken them away.
#[pin_data]
struct SlowAuxiliaryDriver {
    #[pin]
    whole: driver::Registration<pci::Adapter<WholeDriver>>,
    #[pin]
    part: driver::Registration<Adapter<auxiliary::Adapter<PartDriver>, PreferAsynchronous>>,
}

impl InPlaceModule for SlowAuxiliaryDriver {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            part <- driver::Registration::new(MODULE_NAME, module),
            whole <- driver::Registration::new(MODULE_NAME, module),
        })
    }
}

module! {
    type: SlowAuxiliaryDriver,
    name: "slow_auxiliary_driver",
    authors: ["The async_probe authors"],
    description: "PCI device with a part whose driver loads firmware slowly",
    license: "GPL",
    firmware: ["async_probe/slow_auxiliary.fw"],
}
