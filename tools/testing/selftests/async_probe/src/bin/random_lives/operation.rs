// SPDX-License-Identifier: GPL-2.0

//! What can happen in the life of a driver, drawn at random.

use std::path::Path;
use std::thread;
use std::time::Duration;

use lifecycle::event::Call;
use nix::errno::Errno;
use selftests::bench::good_image;
use selftests::firmware_dir::FirmwareDir;
use selftests::random::Random;
use selftests::slow_bus::{self, Design};
use selftests::test_modules::DRIVER_TEST;
use selftests::{modules, sysfs, Failure};

/// A module that has nothing to do with the others.
const UNRELATED: &str = "unrelated";

/// All modules, in an order in which they can be unloaded.
pub(crate) const MODULES: [&str; 6] = [
    UNRELATED,
    modules::DRIVER,
    modules::DEVICES,
    slow_bus::DRIVER_MODULE,
    DRIVER_TEST,
    slow_bus::BUS_MODULE,
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
    /// `bind`, `unbind` or `drivers_probe` on the platform bus.
    Platform(Call, usize),
    /// The same on the bus, `remove` or `remove_async`.
    Bus(Call, usize),
    /// `add` or `add_async` on the bus.
    Add(Call, usize),
    Autoprobe(bool),
    Firmware(&'static str, Image),
    Rest(Duration),
}

/// What is drawn, and how often.
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
    let text = match module {
        modules::DEVICES => format!("devices={}", 1 + random.below(4)),
        modules::DRIVER => {
            let probe_type = random.of(&[
                "default_strategy",
                "prefer_asynchronous",
                "prefer_asynchronous",
                "force_synchronous",
            ]);
            let phases = 1 + random.below(2);
            format!("probe_type={probe_type} phases={phases} firmware_ms={ms}")
        }
        slow_bus::BUS_MODULE => {
            let registration = random.of(&["sync", "async"]);
            format!("devices={} registration={registration}", random.below(5))
        }
        slow_bus::DRIVER_MODULE => {
            let design = random.of(&Design::ALL);
            format!("design={design} firmware_ms={ms}")
        }
        DRIVER_TEST => {
            let scenario = random.of(&["deferral", "platform_deferral", "single_slot"]);
            let design = random.of(&["sync", "prefer_async", "driver_attach", "exclusive_attach"]);
            format!("scenario={scenario} design={design}")
        }
        _ => String::new(),
    };
    match random.below(2) {
        0 => text,
        _ => format!("{text} async_probe").trim_start().to_owned(),
    }
}

impl Operation {
    /// Draws one.
    pub(crate) fn draw(random: &mut Random) -> Self {
        let number = random.below(NUMBERS) as usize;
        match random.weighted(KINDS) {
            "insmod" => {
                let module = *random.of(&MODULES);
                Self::Insmod(module, parameters(module, random))
            }
            "rmmod" => Self::Rmmod(random.of::<&'static str>(&MODULES)),
            "platform" => Self::Platform(
                *random.of(&[Call::Bind, Call::Unbind, Call::DriversProbe]),
                number,
            ),
            "bus" => Self::Bus(
                *random.of(&[
                    Call::Bind,
                    Call::Unbind,
                    Call::DriversProbe,
                    Call::Remove,
                    Call::RemoveAsync,
                ]),
                number,
            ),
            "add" => Self::Add(*random.of(&[Call::Add, Call::AddAsync]), 1 + number / 2),
            "autoprobe" => Self::Autoprobe(random.below(3) > 0),
            "firmware" => Self::Firmware(
                random.of::<&'static str>(&[sysfs::DRIVER, slow_bus::DRIVER]),
                *random.of(&[Image::Good, Image::Good, Image::Corrupt, Image::Missing]),
            ),
            _ => Self::Rest(Duration::from_millis(random.below(60).into())),
        }
    }

    /// Lets it happen. What the kernel answers is nobody's business: the module may be loaded
    /// already, the device not there.
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
            Self::Platform(call, number) => there(sysfs::write(*call, &sysfs::device(*number))),
            Self::Bus(call, number) => there(slow_bus::write(*call, &slow_bus::device(*number))),
            Self::Add(call, devices) => there(slow_bus::add(*call, *devices)),
            Self::Autoprobe(on) => {
                let file = "/sys/bus/slow_bus/drivers_autoprobe";
                // There is no bus just now.
                let _ = std::fs::write(file, if *on { "1" } else { "0" });
                Ok(Ok(()))
            }
            Self::Firmware(driver, image) => {
                match image {
                    Image::Good => firmware.put(driver, &good_image())?,
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
