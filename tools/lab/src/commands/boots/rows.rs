// SPDX-License-Identifier: GPL-2.0

//! The boots that are predicted: the one table of them.

/// A boot.
#[derive(Debug)]
pub(super) struct Row {
    /// What the table calls it.
    pub(super) name: &'static str,
    /// The kernel, as `KERNEL=` has it. In `custom` the samples are built in, in `hardware` the
    /// kernel's drivers of the devices.
    pub(super) kernel: &'static str,
    /// More for the kernel's command line.
    pub(super) append: &'static str,
    /// What the guest does: `load` is insmod of one of our modules or of the kernel's.
    pub(super) job: &'static str,
    /// Modules of the kernel's own that it loads, in an order in which they load.
    pub(super) modules: &'static [&'static str],
    /// The slow drivers: each alone is measured, too, whatever is advised.
    pub(super) drivers: &'static [&'static str],
    /// Whether its probes compute: one after the other, as one processor runs at a time. Those of
    /// our drivers sleep.
    pub(super) computes: bool,
    /// Devices of QEMU's, as `DEVICE=` has them.
    pub(super) devices: &'static str,
}

/// Those whose drivers the kernel `hardware` has built in.
const TWELVE: &str = "e1000e igb vmxnet3 nvme ahci megasas sdhci-pci sd-card qemu-xhci usb-tablet \
                      intel-hda hda-duplex bochs-display virtio-rng-pci i6300esb";

/// Loads slow_a for so many devices.
macro_rules! devices {
    ($count:literal) => {
        concat!("load slow_devices a=", $count, "\nload slow_a ms=200\n")
    };
}

/// So many devices of the sample drivers, of which the second must be synchronous.
macro_rules! samples {
    ($platform:literal, $bus:literal) => {
        concat!(
            "slow_platform_driver.probe_type=default_strategy slow_platform_driver.firmware_ms=200 ",
            "slow_platform_devices.devices=",
            $platform,
            " slow_bus_driver.design=sync slow_bus_driver.firmware_ms=100 slow_bus.devices=",
            $bus
        )
    };
}

const fn modules(
    name: &'static str,
    kernel: &'static str,
    job: &'static str,
    drivers: &'static [&'static str],
) -> Row {
    Row {
        name,
        kernel,
        append: "",
        job,
        modules: &[],
        drivers,
        computes: false,
        devices: "",
    }
}

const fn built_in(
    name: &'static str,
    append: &'static str,
    drivers: &'static [&'static str],
) -> Row {
    Row {
        append,
        ..modules(name, "custom", "", drivers)
    }
}

const TWO: &str = "load slow_devices a=4 b=2\nload slow_a ms=200\nload slow_b ms=300\n";

/// The supplier is loaded last, so that the others are deferred.
const CHAIN: &str = "load slow_devices a=1 b=2 c=1\n\
                     load slow_c ms=150 needs=slow_b.1\n\
                     load slow_b ms=200 needs=slow_a.0\n\
                     load slow_a ms=250\n";

/// The unrelated load waits for the asynchronous probes beside it.
const CONVOY: &str = "load slow_devices a=4 b=1\n\
                      load slow_a ms=300 &\n\
                      sleep 0.1\n\
                      load slow_b ms=100 &\n\
                      wait\n";

/// A disk is found when the slow driver has been loaded.
const BEHIND: &str = "load slow_devices a=4\nload slow_a ms=250\nload virtio_blk\n\
                      until [ -b /dev/vda ]; do sleep 0.01; done\n";

pub(super) const ROWS: &[Row] = &[
    modules("1 device", "stock:7.3", devices!(1), &["slow_a"]),
    modules("4 devices", "stock:7.3", devices!(4), &["slow_a"]),
    modules("16 devices", "stock:7.3", devices!(16), &["slow_a"]),
    modules("two drivers", "stock:7.3", TWO, &["slow_a", "slow_b"]),
    modules(
        "deferral chain",
        "stock:7.3",
        CHAIN,
        &["slow_a", "slow_b", "slow_c"],
    ),
    modules("convoy", "stock:7.3", CONVOY, &["slow_a", "slow_b"]),
    Row {
        modules: &["virtio_blk"],
        devices: "virtio-blk-pci",
        ..modules("a disk behind it", "stock:7.3", BEHIND, &["slow_a"])
    },
    modules("4 devices", "stock:7.2", devices!(4), &["slow_a"]),
    modules("4 devices", "stock:6.12", devices!(4), &["slow_a"]),
    modules("two drivers", "stock:6.12", TWO, &["slow_a", "slow_b"]),
    modules(
        "deferral chain",
        "stock:6.12",
        CHAIN,
        &["slow_a", "slow_b", "slow_c"],
    ),
    modules("4 devices", "stock:6.1", devices!(4), &["slow_a"]),
    modules("convoy", "stock:6.1", CONVOY, &["slow_a", "slow_b"]),
    built_in("built in, 1 device", samples!(1, 0), &["slow_platform"]),
    built_in("built in, 4 devices", samples!(4, 0), &["slow_platform"]),
    built_in("built in, two drivers", samples!(4, 4), &["slow_platform"]),
    Row {
        computes: true,
        devices: TWELVE,
        ..modules("twelve devices", "hardware", "", &[])
    },
];
