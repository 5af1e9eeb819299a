// SPDX-License-Identifier: GPL-2.0

//! The operations: their kinds, how they are drawn, and the results that are right.

use std::fmt;
use std::path::Path;
use std::sync::atomic::Ordering;

use lifecycle::event::Call;
use nix::errno::Errno::{self, EBUSY, EEXIST, ENODEV, ENOENT};

use super::machine::{self, MODULES};
use super::shared::{Kind, Shared};
use crate::modules;
use crate::random::Random;
use crate::samples::{designs, Bus, BUS, PLATFORM};

/// Above this number of devices, devices are removed rather than added.
const CROWD: i64 = 40;
/// The numbers of devices that are drawn lie below: some are not there.
const NUMBERS: u32 = 48;
/// The number of a device that is never there.
const NOWHERE: u32 = 15000;
/// As many platform devices there are at most.
const PLATFORM_DEVICES: u32 = 6;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Writes a number of devices to `add` or `add_async`.
    Add(Call, u32),
    /// Writes the number of a device to `remove` or `remove_async`.
    Remove(Call, u32),
    /// Writes the name of a device to `bind` or `unbind` of the driver.
    Bind(&'static Bus, Call, u32),
    /// Writes the name of a device to `drivers_probe` of the bus.
    DriversProbe(u32),
    /// Reads `count`.
    Count,
    /// Reads `uevent` of a device.
    ReadUevent(u32),
    /// Writes `change` to `uevent` of a device.
    WriteUevent(u32),
    /// Writes `change` to `uevent` of the driver.
    DriverUevent,
    /// Writes to `drivers_autoprobe` of the bus.
    Autoprobe(bool),
    /// Loads a module with parameters.
    Insmod(&'static str, String),
    /// Unloads a module.
    Rmmod(&'static str),
}

/// The kinds of operations, to draw one.
#[derive(Clone, Copy, Debug)]
enum Draw {
    Add(Call),
    Remove(Call),
    RemoveMissing,
    Bind(&'static Bus, Call),
    DriversProbe,
    Count,
    ReadUevent,
    WriteUevent,
    DriverUevent,
    Autoprobe,
    Insmod(&'static str),
    Rmmod(&'static str),
}

/// The operations of every round.
const ALWAYS: &[(Draw, u32)] = &[
    (Draw::Add(Call::Add), 8),
    (Draw::Add(Call::AddAsync), 10),
    (Draw::Remove(Call::Remove), 14),
    (Draw::Remove(Call::RemoveAsync), 14),
    (Draw::RemoveMissing, 2),
    (Draw::Bind(&BUS, Call::Bind), 8),
    (Draw::DriversProbe, 6),
    (Draw::Bind(&PLATFORM, Call::Bind), 2),
    (Draw::Bind(&PLATFORM, Call::Unbind), 3),
    (Draw::Count, 3),
    (Draw::ReadUevent, 4),
    (Draw::WriteUevent, 4),
    (Draw::DriverUevent, 2),
    (Draw::Insmod("slow_bus_driver"), 12),
    (Draw::Rmmod("slow_bus_driver"), 3),
    (Draw::Insmod("slow_platform_devices"), 3),
    (Draw::Rmmod("slow_platform_devices"), 1),
    (Draw::Insmod("slow_platform_driver"), 3),
    (Draw::Rmmod("slow_platform_driver"), 1),
    (Draw::Rmmod("async_probe"), 1),
];

/// After these, a device may well be without its driver.
const UNBINDING: &[(Draw, u32)] = &[(Draw::Bind(&BUS, Call::Unbind), 12), (Draw::Autoprobe, 2)];

/// After these, all devices may be gone.
const UNLOADING: &[(Draw, u32)] = &[
    (Draw::Insmod("async_probe"), 3),
    (Draw::Insmod("slow_bus"), 6),
    (Draw::Rmmod("slow_bus"), 3),
];

/// The parameters of a module.
fn parameters(module: &str, random: &mut Random) -> String {
    // A design that probes one device after the other takes the sum.
    let quick = *random.of(&[0, 1, 2]);
    let slow = *random.of(&[0, 3, 8, 20]);
    let text = match module {
        "slow_bus" => {
            let registration = random.of(&["sync", "async"]);
            format!("devices={} registration={registration}", random.below(8))
        }
        "slow_bus_driver" => {
            let design = *random.of(&designs());
            let ms = if design.is_parallel() { slow } else { quick };
            format!("design={design} firmware_ms={ms}")
        }
        "slow_platform_devices" => format!("devices={}", 1 + random.below(PLATFORM_DEVICES)),
        "slow_platform_driver" => {
            let probe_type = random.of(&[
                "default_strategy",
                "prefer_asynchronous",
                "force_synchronous",
            ]);
            let phases = 1 + random.below(2);
            format!("probe_type={probe_type} phases={phases} firmware_ms={slow}")
        }
        _ => String::new(),
    };
    match random.below(2) {
        0 => text,
        _ => format!("{text} async_probe").trim_start().to_owned(),
    }
}

impl Operation {
    /// Draws one for a round of this kind.
    pub(crate) fn draw(kind: Kind, shared: &Shared, random: &mut Random) -> Self {
        let mut list = ALWAYS.to_vec();
        if kind != Kind::Gentle {
            list.extend_from_slice(UNBINDING);
        }
        if kind == Kind::Unloading {
            list.extend_from_slice(UNLOADING);
        }
        let draw = random.weighted(&list);
        let number = random.below(NUMBERS);
        let crowded = shared.population.load(Ordering::Relaxed) > CROWD;
        match draw {
            Draw::Add(Call::Add) if crowded => Self::Remove(Call::Remove, number),
            Draw::Add(_) if crowded => Self::Remove(Call::RemoveAsync, number),
            Draw::Add(Call::Add) => Self::Add(Call::Add, 1 + random.below(4)),
            Draw::Add(call) => Self::Add(call, 1 + random.below(8)),
            Draw::Remove(call) => Self::Remove(call, number),
            Draw::RemoveMissing => {
                let call = *random.of(&[Call::Remove, Call::RemoveAsync]);
                Self::Remove(call, NOWHERE + number)
            }
            Draw::Bind(bus, call) if *bus == PLATFORM => {
                Self::Bind(bus, call, number % PLATFORM_DEVICES)
            }
            Draw::Bind(bus, call) => Self::Bind(bus, call, number),
            Draw::DriversProbe => Self::DriversProbe(number),
            Draw::Count => Self::Count,
            Draw::ReadUevent => Self::ReadUevent(number),
            Draw::WriteUevent => Self::WriteUevent(number),
            Draw::DriverUevent => Self::DriverUevent,
            Draw::Autoprobe => Self::Autoprobe(random.below(3) > 0),
            Draw::Insmod(module) => Self::Insmod(module, parameters(module, random)),
            Draw::Rmmod(module) => Self::Rmmod(module),
        }
    }

    /// Carries it out, and counts the devices that it adds or removes.
    pub(crate) fn carry_out(&self, directory: &Path, shared: &Shared) -> Result<(), Errno> {
        let change = |by: i64| shared.population.fetch_add(by, Ordering::Relaxed);
        let bus = BUS.path;
        let uevent = |number: u32| format!("{bus}/devices/{}/uevent", BUS.device(number as usize));
        match self {
            Self::Add(call, count) => {
                machine::write(&BUS.file(*call), &count.to_string())?;
                change(i64::from(*count));
                Ok(())
            }
            Self::Remove(call, number) => {
                machine::write(&BUS.file(*call), &number.to_string())?;
                change(-1);
                Ok(())
            }
            Self::Bind(bus, call, number) => {
                machine::write(&bus.file(*call), &bus.device(*number as usize))
            }
            Self::DriversProbe(number) => {
                machine::write(&BUS.file(Call::DriversProbe), &BUS.device(*number as usize))
            }
            Self::Count => machine::count().map(drop),
            Self::ReadUevent(number) => {
                let text = machine::read(&uevent(*number))?;
                let wanted = format!("SLOW_BUS_INDEX={number}");
                if text.lines().any(|line| line == wanted) {
                    Ok(())
                } else {
                    Err(Errno::EBADMSG)
                }
            }
            Self::WriteUevent(number) => machine::write(&uevent(*number), "change"),
            Self::DriverUevent => {
                machine::write(&format!("{bus}/drivers/{}/uevent", BUS.driver), "change")
            }
            Self::Autoprobe(on) => machine::write(
                &format!("{bus}/drivers_autoprobe"),
                if *on { "1" } else { "0" },
            ),
            Self::Insmod(module, parameters) => {
                let path = directory.join(format!("{module}.ko"));
                modules::insmod(&path, module, parameters).unwrap_or(Err(Errno::EIO))
            }
            Self::Rmmod(module) => modules::rmmod(module).unwrap_or(Err(Errno::EIO)),
        }
    }

    /// Its name in the statistics.
    pub(crate) fn name(&self) -> String {
        let name = match self {
            Self::Bind(bus, Call::Bind, _) if **bus == PLATFORM => "platform bind",
            Self::Bind(bus, ..) if **bus == PLATFORM => "platform unbind",
            Self::Add(call, _) | Self::Remove(call, _) | Self::Bind(_, call, _) => {
                return call.to_string()
            }
            Self::DriversProbe(_) => return Call::DriversProbe.to_string(),
            Self::Count => "read count",
            Self::ReadUevent(_) => "read uevent",
            Self::WriteUevent(_) => "write uevent",
            Self::DriverUevent => "write driver uevent",
            Self::Autoprobe(_) => "drivers_autoprobe",
            Self::Insmod(..) => return Call::Insmod.to_string(),
            Self::Rmmod(_) => return Call::Rmmod.to_string(),
        };
        name.to_owned()
    }

    /// Whether this may come of it, in a round of this kind and whatever the other threads do.
    pub(crate) fn may(&self, result: Result<(), Errno>, kind: Kind) -> bool {
        let unloading = kind == Kind::Unloading;
        let errnos: &[Errno] = match self {
            Self::Remove(_, number) if *number >= NOWHERE => {
                return match result {
                    Err(ENODEV) => true,
                    Err(ENOENT) => unloading,
                    _ => false,
                }
            }
            // The platform devices, slow_bus and its driver come and go, but not all of them.
            Self::Rmmod("async_probe") if !unloading => return result == Err(Errno::EWOULDBLOCK),

            Self::Add(..) | Self::Count | Self::Autoprobe(_) => &[],
            // Another thread is adding or removing it just now.
            Self::Remove(..) => &[ENODEV, EBUSY],
            // The driver is not loaded; the device is not there, or not bound.
            Self::Bind(_, Call::Unbind, _) => &[ENOENT, ENODEV],
            // It is bound already; it is just being added, and the task that adds it will have it
            // probed (`drivers/base/dd.c`, `dev_ready_to_probe()`).
            Self::Bind(..) => &[ENOENT, ENODEV, EBUSY, Errno::EAGAIN],
            Self::DriversProbe(_) => &[ENODEV, Errno::EINVAL],
            Self::ReadUevent(_) | Self::WriteUevent(_) | Self::DriverUevent => &[ENOENT, ENODEV],
            // It is loaded, or on its way out.
            Self::Insmod(..) => &[EEXIST, EBUSY],
            // It is not loaded; on its way in, or out; its insmod still waits.
            Self::Rmmod(_) => &[ENOENT, EBUSY, Errno::EWOULDBLOCK],
        };
        match result {
            Ok(()) => true,
            Err(errno) if errnos.contains(&errno) => true,
            // The bus is not there, or on its way out; the symbols of another module are missing.
            Err(ENOENT | ENODEV) => unloading,
            Err(_) => false,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::Add(_, number)
            | Self::Remove(_, number)
            | Self::Bind(_, _, number)
            | Self::DriversProbe(number)
            | Self::ReadUevent(number)
            | Self::WriteUevent(number) => write!(f, "{name} {number}"),
            Self::Count | Self::DriverUevent => f.write_str(&name),
            Self::Autoprobe(on) => write!(f, "{name} {}", u8::from(*on)),
            Self::Insmod(module, parameters) => {
                write!(f, "{}", format!("{name} {module} {parameters}").trim_end())
            }
            Self::Rmmod(module) => write!(f, "{name} {module}"),
        }
    }
}

/// The modules in an order in which they can be unloaded, drawn.
pub(crate) fn unloading_order(random: &mut Random) -> Vec<&'static str> {
    let mut left = MODULES.to_vec();
    let mut order = Vec::new();
    while !left.is_empty() {
        let module = *random.of(&left);
        let needed = match module {
            "async_probe" => left.len() > 1,
            "slow_bus" => left.contains(&"slow_bus_driver"),
            _ => false,
        };
        if !needed {
            left.retain(|other| *other != module);
            order.push(module);
        }
    }
    order
}
