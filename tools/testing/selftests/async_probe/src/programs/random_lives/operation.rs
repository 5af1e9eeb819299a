// SPDX-License-Identifier: GPL-2.0

//! The operations in the life of a driver, drawn at random.

use std::path::Path;
use std::thread;
use std::time::Duration;

use lifecycle::event::Call;
use nix::errno::Errno;

use crate::firmware_dir::FirmwareDir;
use crate::random::Random;
use crate::samples::{self, designs, BUS, PLATFORM};
use crate::test_modules::DRIVER_TEST;
use crate::{modules, Failure};

/// A module that has nothing to do with the others.
const UNRELATED: &str = "unrelated";

/// All modules, in an order in which they can be unloaded.
pub(crate) static MODULES: [&str; 6] = [
    UNRELATED,
    PLATFORM.module,
    PLATFORM.devices,
    BUS.module,
    DRIVER_TEST,
    BUS.devices,
];

/// The devices that are drawn have numbers below: some are not there.
const NUMBERS: u32 = 4;

/// The firmware of a driver.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Image {
    Good,
    Corrupt,
    Missing,
}

/// Something that happens.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Insmod(&'static str, String),
    Rmmod(&'static str),
    /// `bind`, `unbind` or `drivers_probe`; on the sample bus also `remove` or `remove_async`.
    Device(Call, String),
    /// `add` or `add_async` on the bus.
    Add(Call, usize),
    Autoprobe(bool),
    Firmware(&'static str, Image),
    Rest(Duration),
}

/// The kinds of operations, and how often each is drawn.
const KINDS: &[(&str, u32)] = &[
    ("insmod", 30),
    ("rmmod", 14),
    ("platform", 16),
    ("bus", 24),
    ("add", 8),
    ("autoprobe", 1),
    ("firmware", 4),
    ("rest", 8),
];

/// The parameters of a module.
fn parameters(module: &str, random: &mut Random) -> String {
    let ms = *random.of(&[0, 20, 150]);
    let text = if module == PLATFORM.devices {
        format!("devices={}", 1 + random.below(4))
    } else if module == PLATFORM.module {
        let probe_type = random.of(&[
            "default_strategy",
            "prefer_asynchronous",
            "prefer_asynchronous",
            "force_synchronous",
        ]);
        let phases = 1 + random.below(2);
        format!("probe_type={probe_type} phases={phases} firmware_ms={ms}")
    } else if module == BUS.devices {
        let registration = random.of(&["sync", "async"]);
        format!("devices={} registration={registration}", random.below(5))
    } else if module == BUS.module {
        let designs = designs();
        let design = random.of(&designs);
        format!("design={design} firmware_ms={ms}")
    } else if module == DRIVER_TEST {
        let scenario = random.of(&["deferral", "platform_deferral", "single_slot"]);
        let design = random.of(&["sync", "prefer_async", "driver_attach", "exclusive_attach"]);
        format!("scenario={scenario} design={design}")
    } else {
        String::new()
    };
    match random.below(2) {
        0 => text,
        _ => format!("{text} async_probe").trim_start().to_owned(),
    }
}

impl Operation {
    pub(crate) fn draw(random: &mut Random) -> Self {
        let number = random.below(NUMBERS) as usize;
        match random.weighted(KINDS) {
            "insmod" => {
                let module = *random.of(&MODULES);
                Self::Insmod(module, parameters(module, random))
            }
            "rmmod" => Self::Rmmod(random.of::<&'static str>(&MODULES)),
            "platform" => Self::Device(
                *random.of(&[Call::Bind, Call::Unbind, Call::DriversProbe]),
                PLATFORM.device(number),
            ),
            "bus" => Self::Device(
                *random.of(&[
                    Call::Bind,
                    Call::Unbind,
                    Call::DriversProbe,
                    Call::Remove,
                    Call::RemoveAsync,
                ]),
                BUS.device(number),
            ),
            "add" => Self::Add(*random.of(&[Call::Add, Call::AddAsync]), 1 + number / 2),
            "autoprobe" => Self::Autoprobe(random.below(3) > 0),
            "firmware" => Self::Firmware(
                random.of::<&'static str>(&[PLATFORM.driver, BUS.driver]),
                *random.of(&[Image::Good, Image::Good, Image::Corrupt, Image::Missing]),
            ),
            _ => Self::Rest(Duration::from_millis(random.below(60).into())),
        }
    }

    /// Carries it out. Any answer of the kernel is right: the module may be loaded already, the
    /// device not there.
    pub(crate) fn carry_out(
        &self,
        directory: &Path,
        firmware: &FirmwareDir,
    ) -> Result<Result<(), Errno>, Failure> {
        match self {
            Self::Insmod(module, parameters) => {
                let path = directory.join(format!("{module}.ko"));
                modules::insmod(&path, module, parameters)
            }
            Self::Rmmod(module) => modules::rmmod(module),
            Self::Device(call, device) => there(samples::write(*call, device)),
            Self::Add(call, devices) => there(samples::add(*call, *devices)),
            Self::Autoprobe(on) => {
                let file = format!("{}/drivers_autoprobe", BUS.path);
                // There is no bus just now.
                let _ = std::fs::write(file, if *on { "1" } else { "0" });
                Ok(Ok(()))
            }
            Self::Firmware(driver, image) => {
                match image {
                    Image::Good => firmware.put_good(driver)?,
                    Image::Corrupt => firmware.put(driver, b"this is none")?,
                    Image::Missing => firmware.take(driver)?,
                }
                Ok(Ok(()))
            }
            Self::Rest(time) => {
                thread::sleep(*time);
                Ok(Ok(()))
            }
        }
    }
}

/// A file of sysfs that is not there is an answer, too.
fn there(answer: Result<Result<(), Errno>, Failure>) -> Result<Result<(), Errno>, Failure> {
    match answer {
        Err(Failure::Io { .. }) => Ok(Err(Errno::ENOENT)),
        answer => answer,
    }
}
