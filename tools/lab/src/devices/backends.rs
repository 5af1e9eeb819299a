// SPDX-License-Identifier: GPL-2.0

//! The parts that a device model of QEMU's needs beside it: the one table of them.
//!
//! The first table goes by the names of a model's properties, so that it has the models of every
//! version of QEMU. `ID` stands for a name that the machine has once, `N` for its number.

/// The slots of the root bus that the machine itself leaves free, and what a run brings: that is in
/// the last one (`qemu.rs`).
pub(crate) const SLOTS: std::ops::RangeInclusive<usize> = 2..=30;

/// A part that a property names.
#[derive(Debug)]
pub(crate) struct BackEnd {
    /// The property; models that have several number them: `chardev1`.
    pub property: &'static str,
    /// The arguments that make the part.
    pub args: &'static str,
    /// The value of the property.
    pub value: &'static str,
    /// Parts of the names of models for which it is not enough: a program must be at the other end.
    pub but: &'static [&'static str],
}

const fn back_end(property: &'static str, args: &'static str, value: &'static str) -> BackEnd {
    BackEnd {
        property,
        args,
        value,
        but: &[],
    }
}

/// What is supplied where the model has such a property, and the user gives it no value.
pub(crate) const BACK_ENDS: &[BackEnd] = &[
    back_end(
        "drive",
        "-drive if=none,id=ID,file.driver=null-co,file.read-zeroes=on,file.size=64M,format=raw",
        "ID",
    ),
    // A hub with one port: the cable is plugged in, and no packet comes.
    back_end("netdev", "-netdev hubport,id=ID,hubid=N", "ID"),
    back_end("audiodev", "-audiodev none,id=ID", "ID"),
    BackEnd {
        property: "chardev",
        args: "-chardev null,id=ID",
        value: "ID",
        but: &["vhost-user", "ivshmem-doorbell", "usb-redir"],
    },
    back_end(
        "memdev",
        "-object memory-backend-ram,id=ID,size=64M,share=on",
        "ID",
    ),
    back_end("cryptodev", "-object cryptodev-backend-builtin,id=ID", "ID"),
    back_end("canbus", "-object can-bus,id=ID", "ID"),
    back_end("bmc", "-device ipmi-bmc-sim,id=ID", "ID"),
    back_end("fsdev", "-fsdev synth,id=ID", "ID"),
    back_end("mount_tag", "", "lab"),
    // No option ROM: Debian has those in another package, and the guest boots from its initramfs.
    back_end("romfile", "", ""),
    // An adapter that has nothing at its other end is not there.
    back_end("always-plugged", "", "on"),
    // Of an nvme it is mandatory.
    back_end("serial", "", "ID"),
];

/// What a model is plugged into.
#[derive(Debug)]
pub(crate) struct Controller {
    /// The bus of the models that need it, as QEMU calls it, or a model.
    pub of: &'static str,
    /// The device that has the bus; its name is `ID`.
    pub device: &'static str,
    /// The bus that the model is to name, if the machine has others of its kind.
    pub bus: &'static str,
    /// The modules of the kernel that find what is plugged in.
    pub modules: &'static [&'static str],
    /// Parts of the names of models that have such a bus, too. If the user has named one before the
    /// model, that is the controller.
    pub others: &'static [&'static str],
}

const fn controller(
    of: &'static str,
    device: &'static str,
    modules: &'static [&'static str],
    others: &'static [&'static str],
) -> Controller {
    Controller {
        of,
        device,
        bus: "",
        modules,
        others,
    }
}

pub(crate) const CONTROLLERS: &[Controller] = &[
    controller(
        "usb-bus",
        "qemu-xhci",
        &["xhci_pci"],
        &["xhci", "ehci", "ohci", "uhci"],
    ),
    controller(
        "SCSI",
        "virtio-scsi-pci",
        &["virtio_scsi"],
        &[
            "virtio-scsi",
            "lsi",
            "megasas",
            "mptsas",
            "am53c974",
            "dc390",
            "pvscsi",
            "usb-bot",
            "usb-uas",
        ],
    ),
    controller("HDA", "intel-hda", &["snd_hda_intel"], &["intel-hda"]),
    controller(
        "virtio-serial-bus",
        "virtio-serial-pci",
        &["virtio_console"],
        &["virtio-serial"],
    ),
    controller("sd-bus", "sdhci-pci", &["sdhci_pci"], &["sdhci"]),
    controller("nvme-bus", "nvme,serial=ID", &["nvme"], &["nvme"]),
    controller("ufs-bus", "ufs", &["ufshcd_pci"], &["ufs"]),
    controller("IndustryPack", "tpci200", &["tpci200"], &["tpci200"]),
    Controller {
        of: "IDE",
        device: "ahci",
        bus: "ID.0",
        modules: &["ahci"],
        others: &["ahci"],
    },
    // Its virtual functions are in other slots, which the next device has taken on the root bus.
    Controller {
        of: "igb",
        device: "pcie-root-port,chassis=N",
        bus: "ID",
        modules: &[],
        others: &[],
    },
];
