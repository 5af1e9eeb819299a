// SPDX-License-Identifier: GPL-2.0

//! A PCI driver that prefers asynchronous probing, for `qemu -device pci-testdev`.

use kernel::{
    device::Core,
    firmware::Firmware,
    pci,
    prelude::*,
    time, //
};

struct SlowPciDriver;

kernel::pci_device_table!(
    PCI_TABLE,
    <SlowPciDriver as pci::Driver>::IdInfo,
    [(pci::DeviceId::from_id(pci::Vendor::REDHAT, 0x5), ())]
);

impl pci::Driver for SlowPciDriver {
    type IdInfo = ();
    type Data<'bound> = Self;
    const ID_TABLE: pci::IdTable<Self::IdInfo> = &PCI_TABLE;

    fn probe<'bound>(
        dev: &'bound pci::Device<Core<'_>>,
        _id_info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self, Error> + 'bound {
        let firmware = Firmware::request(c"async_probe/slow_pci.fw", dev.as_ref())?;
        time::delay::fsleep(time::Delta::from_secs(8)); // Writes the firmware.
        dev_info!(dev, "{} bytes of firmware written\n", firmware.size());
        Ok(Self)
    }
}

async_probe::module_async_driver! {
    bus: pci,
    type: SlowPciDriver,
    name: "slow_pci_driver",
    authors: ["The async_probe authors"],
    description: "PCI driver that loads firmware slowly",
    license: "GPL",
    firmware: ["async_probe/slow_pci.fw"],
}
