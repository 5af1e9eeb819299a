// SPDX-License-Identifier: GPL-2.0

//! The sample bus: its modules, and what sysfs has of it.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use lifecycle::event::Call;
use lifecycle::laws::designs::{Probes, Promise};
use lifecycle::laws::insmod_waits::Insmod;
use nix::errno::Errno;

use crate::slow::slow_ms;
use crate::{sysfs, Bench, Failure, Order};

/// The module of the bus, which registers the devices.
pub const BUS_MODULE: &str = "slow_bus";
/// The module of the driver.
pub const DRIVER_MODULE: &str = "slow_bus_driver";
/// The driver's name.
pub const DRIVER: &str = "slow";

const BUS: &str = "/sys/bus/slow_bus";

/// The name of the device with this number.
pub fn device(number: usize) -> String {
    format!("slow.{number}")
}

/// Who probes the devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Design {
    /// The task that loads the module.
    Sync,
    /// A worker for each device, in the global domain.
    PreferAsync,
    /// One worker for all devices.
    DriverAttach,
    /// Whoever registers the devices.
    DeviceRegister,
    /// The worker that initializes the module.
    ModuleInit,
    /// A worker for each device, in the driver's domain.
    ExclusiveAttach,
}

impl Design {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Sync,
        Self::PreferAsync,
        Self::DriverAttach,
        Self::DeviceRegister,
        Self::ModuleInit,
        Self::ExclusiveAttach,
    ];

    /// How the devices are registered: `registration=`.
    pub fn registration(self) -> &'static str {
        match self {
            Self::DeviceRegister => "async",
            _ => "sync",
        }
    }

    /// What the call promises that brings the driver or the devices, whatever comes second.
    pub fn promise(self, order: Order) -> Promise {
        let (call, probes) = match (self, order) {
            (Self::PreferAsync, Order::DevicesFirst) => (Insmod::Waits, Probes::InParallel),
            (Self::ExclusiveAttach, _)
            | (Self::PreferAsync | Self::DeviceRegister, Order::DriverFirst) => {
                (Insmod::Returns, Probes::InParallel)
            }
            (Self::DriverAttach | Self::ModuleInit, Order::DevicesFirst) => {
                (Insmod::Returns, Probes::InOneWorker)
            }
            // These designs are about the one or the other: who brings the other one probes.
            (Self::Sync, _)
            | (Self::DriverAttach | Self::ModuleInit, Order::DriverFirst)
            | (Self::DeviceRegister, Order::DevicesFirst) => (Insmod::Waits, Probes::InCaller),
        };
        Promise { call, probes }
    }

    /// The call that brings what comes second, and what the call is about.
    pub fn second(self, order: Order) -> (Call, &'static str) {
        match (order, self) {
            (Order::DevicesFirst, _) => (Call::Insmod, DRIVER_MODULE),
            (Order::DriverFirst, Self::DeviceRegister) => (Call::AddAsync, BUS_MODULE),
            (Order::DriverFirst, _) => (Call::Add, BUS_MODULE),
        }
    }
}

/// The name is that of the parameter `design=`.
impl fmt::Display for Design {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sync => "sync",
            Self::PreferAsync => "prefer_async",
            Self::DriverAttach => "driver_attach",
            Self::DeviceRegister => "device_register",
            Self::ModuleInit => "module_init",
            Self::ExclusiveAttach => "exclusive_attach",
        })
    }
}

/// The parameters of the driver's module.
#[derive(Clone, Copy, Debug)]
pub struct Driver {
    /// `design=`.
    pub design: Design,
    /// `firmware_ms=`.
    pub firmware_ms: u32,
    /// `firmware=device`: each device has a file of its own.
    pub own_files: bool,
}

impl Driver {
    /// A slow driver of this design whose devices share a file.
    pub fn slow(design: Design) -> Self {
        Self {
            design,
            firmware_ms: slow_ms(),
            own_files: false,
        }
    }

    /// The same with a file for each device.
    #[must_use]
    pub fn own_files(self) -> Self {
        Self {
            own_files: true,
            ..self
        }
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            design,
            firmware_ms,
            own_files,
        } = self;
        let firmware = if *own_files { "device" } else { "driver" };
        write!(
            f,
            "design={design} firmware_ms={firmware_ms} firmware={firmware}"
        )
    }
}

/// What tests do with the bus.
impl Bench<'_> {
    /// Loads the bus with its devices, and the driver, in this order; `more` is appended to the
    /// parameters of the driver. As the driver needs the module of the bus, devices that come
    /// second are added to a bus that is there.
    ///
    /// # Errors
    ///
    /// The test fails if a module does.
    pub fn load_bus(
        &mut self,
        order: Order,
        devices: usize,
        driver: Driver,
        more: &str,
    ) -> Result<(), Failure> {
        let registration = driver.design.registration();
        let (call, _) = driver.design.second(order);
        let driver = format!("{driver} {more}");
        match order {
            Order::DevicesFirst => {
                self.insmod(
                    BUS_MODULE,
                    &format!("devices={devices} registration={registration}"),
                )?;
                wait_for_devices(devices)?;
                self.insmod(DRIVER_MODULE, driver.trim_end())
            }
            Order::DriverFirst => {
                self.insmod(BUS_MODULE, "devices=0")?;
                self.insmod(DRIVER_MODULE, driver.trim_end())?;
                // `module_init` registers when insmod has returned.
                wait_until_registered(DRIVER)?;
                self.add_to_bus(call, devices)
            }
        }
    }

    /// Adds as many devices, with [`Call::Add`] or [`Call::AddAsync`].
    ///
    /// # Errors
    ///
    /// The test fails if the kernel refuses.
    pub fn add_to_bus(&mut self, call: Call, devices: usize) -> Result<(), Failure> {
        add(call, devices)?.map_err(|errno| Failure::assertion(format!("{call} to succeed"), errno))
    }

    /// Writes to an attribute of the bus.
    ///
    /// # Errors
    ///
    /// The test fails if the kernel refuses.
    pub fn write_bus(&mut self, attribute: &str, text: &str) -> Result<(), Failure> {
        let path = format!("{BUS}/{attribute}");
        fs::write(&path, text).map_err(|error| Failure::io("write", path, error))
    }

    /// Does to a device what `call` says.
    ///
    /// # Errors
    ///
    /// The test fails if the kernel refuses.
    pub fn call_bus(&mut self, call: Call, device: &str) -> Result<(), Failure> {
        self.call_bus_of(DRIVER, call, device)
    }

    /// The same for another driver.
    ///
    /// # Errors
    ///
    /// The test fails if the kernel refuses.
    pub fn call_bus_of(&mut self, driver: &str, call: Call, device: &str) -> Result<(), Failure> {
        if matches!(call, Call::Bind | Call::Unbind) {
            wait_until_registered(driver)?;
        }
        write_for(driver, call, device)?
            .map_err(|errno| Failure::assertion(format!("{call} of {device} to succeed"), errno))
    }
}

/// Waits until the registration of a driver is so far that devices can be bound by hand, which it is
/// after its probes.
///
/// # Errors
///
/// The test fails if it does not come to that.
pub fn wait_until_registered(driver: &str) -> Result<(), Failure> {
    let bind = format!("{BUS}/drivers/{driver}/bind");
    wait_for(&bind, || Path::new(&bind).exists())
}

/// Adds as many devices, with [`Call::Add`] or [`Call::AddAsync`], and leaves in the log when.
///
/// # Errors
///
/// [`Failure::Io`] if it could not be tried; what the kernel answers is the result.
pub fn add(call: Call, devices: usize) -> Result<Result<(), Errno>, Failure> {
    let path = format!("{BUS}/{call}");
    sysfs::write_to(&path, call, BUS_MODULE, &devices.to_string())
}

/// Does to a device what `call` says, for the driver [`DRIVER`], and leaves in the log when.
///
/// # Errors
///
/// [`Failure::Io`] if it could not be tried; what the kernel answers is the result.
pub fn write(call: Call, device: &str) -> Result<Result<(), Errno>, Failure> {
    write_for(DRIVER, call, device)
}

/// The same for another driver.
fn write_for(driver: &str, call: Call, device: &str) -> Result<Result<(), Errno>, Failure> {
    let number = device.rsplit('.').next().unwrap_or(device);
    let (path, text) = match call {
        Call::Remove | Call::RemoveAsync => (format!("{BUS}/{call}"), number),
        Call::DriversProbe => (format!("{BUS}/drivers_probe"), device),
        call => (format!("{BUS}/drivers/{driver}/{call}"), device),
    };
    sysfs::write_to(&path, call, device, text)
}

/// Waits until sysfs has as many devices, which may come asynchronously.
///
/// # Errors
///
/// The test fails if it does not.
pub fn wait_for_devices(count: usize) -> Result<(), Failure> {
    wait_for(&format!("{count} devices on the bus"), || {
        devices().len() == count
    })
}

/// Waits until `is_there`, which is about sysfs and leaves nothing in the log.
///
/// # Errors
///
/// The test fails if it does not come to be.
pub fn wait_for(wanted: &str, is_there: impl Fn() -> bool) -> Result<(), Failure> {
    for _ in 0..2000 {
        if is_there() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(Failure::assertion(wanted, "nothing of it after 20 seconds"))
}

/// The driver that the device is bound to, if it is bound.
pub fn driver_of(device: &str) -> Option<String> {
    sysfs::driver_on(BUS, device)
}

/// How many devices of the first `devices` are bound to [`DRIVER`].
pub fn bound(devices: usize) -> usize {
    (0..devices)
        .filter(|number| driver_of(&device(*number)).as_deref() == Some(DRIVER))
        .count()
}

/// The devices that sysfs has on the bus.
pub fn devices() -> Vec<String> {
    let entries = fs::read_dir(format!("{BUS}/devices")).into_iter().flatten();
    let mut names: Vec<_> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// An attribute of the bus, without the line feed.
///
/// # Errors
///
/// [`Failure::Io`] if it cannot be read.
pub fn attribute(name: &str) -> Result<String, Failure> {
    let path = format!("{BUS}/{name}");
    fs::read_to_string(&path)
        .map(|value| value.trim_end().to_owned())
        .map_err(|error| Failure::io("read", path, error))
}

/// Whether sysfs has the bus.
pub fn exists() -> bool {
    fs::metadata(BUS).is_ok()
}
