// SPDX-License-Identifier: GPL-2.0

//! The parts that a device model of QEMU's needs beside it: the one table of them.
//!
//! The first table goes by the names of a model's properties, so that it has the models of every
//! version of QEMU. `ID` stands for a name that the machine has once, `N` for its number.

/// The slots of the root bus that the machine itself leaves free, and what a run brings: that is in
/// the last one (`qemu.rs`).
pub const SLOTS: std::ops::RangeInclusive<usize> = 2..=30;

/// A part that a property names.
#[derive(Debug)]
pub struct BackEnd {
    /// The property; models that have several number them: `chardev1`.
    pub property: &'static str,
    /// The arguments that make the part.
    pub args: &'static str,
    /// The value of the property.
    pub value: &'static str,
    /// Parts of the names of models for which it is not enough: a program must be at the other end.
    pub but: &'static [&'static str],
}

/// What is supplied where the model has such a property, and the user gives it no value.
pub const BACK_ENDS: &[BackEnd] = &[
    BackEnd {
        property: "drive",
        args:
            "-drive if=none,id=ID,file.driver=null-co,file.read-zeroes=on,file.size=64M,format=raw",
        value: "ID",
        but: &[],
    },
    // A hub with one port: the cable is plugged in, and no packet comes.
    BackEnd {
        property: "netdev",
        args: "-netdev hubport,id=ID,hubid=N",
        value: "ID",
        but: &[],
    },
    BackEnd {
        property: "audiodev",
        args: "-audiodev none,id=ID",
        value: "ID",
        but: &[],
    },
    BackEnd {
        property: "chardev",
        args: "-chardev null,id=ID",
        value: "ID",
        but: &["vhost-user", "ivshmem-doorbell", "usb-redir"],
    },
    BackEnd {
        property: "memdev",
        args: "-object memory-backend-ram,id=ID,size=64M,share=on",
        value: "ID",
        but: &[],
    },
    BackEnd {
        property: "cryptodev",
        args: "-object cryptodev-backend-builtin,id=ID",
        value: "ID",
        but: &[],
    },
    BackEnd {
        property: "canbus",
        args: "-object can-bus,id=ID",
        value: "ID",
        but: &[],
    },
    BackEnd {
        property: "bmc",
        args: "-device ipmi-bmc-sim,id=ID",
        value: "ID",
        but: &[],
    },
    BackEnd {
        property: "fsdev",
        args: "-fsdev synth,id=ID",
        value: "ID",
        but: &[],
    },
    BackEnd {
        property: "mount_tag",
        args: "",
        value: "lab",
        but: &[],
    },
    // No option ROM: Debian has those in another package, and the guest boots from its initramfs.
    BackEnd {
        property: "romfile",
        args: "",
        value: "",
        but: &[],
    },
    // An adapter that has nothing at its other end is not there.
    BackEnd {
        property: "always-plugged",
        args: "",
        value: "on",
        but: &[],
    },
    // Of an nvme it is mandatory.
    BackEnd {
        property: "serial",
        args: "",
        value: "ID",
        but: &[],
    },
];

/// What a model is plugged into.
#[derive(Debug)]
pub struct Controller {
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

/// The controllers.
pub const CONTROLLERS: &[Controller] = &[
    Controller {
        of: "usb-bus",
        device: "qemu-xhci",
        bus: "",
        modules: &["xhci_pci"],
        others: &["xhci", "ehci", "ohci", "uhci"],
    },
    Controller {
        of: "SCSI",
        device: "virtio-scsi-pci",
        bus: "",
        modules: &["virtio_scsi"],
        others: &[
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
    },
    Controller {
        of: "HDA",
        device: "intel-hda",
        bus: "",
        modules: &["snd_hda_intel"],
        others: &["intel-hda"],
    },
    Controller {
        of: "virtio-serial-bus",
        device: "virtio-serial-pci",
        bus: "",
        modules: &["virtio_console"],
        others: &["virtio-serial"],
    },
    Controller {
        of: "sd-bus",
        device: "sdhci-pci",
        bus: "",
        modules: &["sdhci_pci"],
        others: &["sdhci"],
    },
    Controller {
        of: "nvme-bus",
        device: "nvme,serial=ID",
        bus: "",
        modules: &["nvme"],
        others: &["nvme"],
    },
    Controller {
        of: "ufs-bus",
        device: "ufs",
        bus: "",
        modules: &["ufshcd_pci"],
        others: &["ufs"],
    },
    Controller {
        of: "IndustryPack",
        device: "tpci200",
        bus: "",
        modules: &["tpci200"],
        others: &["tpci200"],
    },
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
