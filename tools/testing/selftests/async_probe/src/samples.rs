// SPDX-License-Identifier: GPL-2.0

//! The sample drivers: the bus on which each is, its modules and parameters, and its devices in
//! sysfs.

use std::path::Path;
use std::{fmt, fs};

use lifecycle::designs::Design;
use lifecycle::event::Call;
use lifecycle::laws::designs::{Probes, Promise};
use lifecycle::ProbeType;
use nix::errno::Errno;

use crate::order::Order;
use crate::slow::slow_ms;
use crate::{ensure, sysfs, Failure};

/// A bus of the samples.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bus {
    /// Its directory in sysfs.
    pub(crate) path: &'static str,
    /// The module that registers the devices.
    pub(crate) devices: &'static str,
    /// The module of the driver.
    pub(crate) module: &'static str,
    /// The name of the driver, with which the names of the devices begin.
    pub(crate) driver: &'static str,
}

/// The platform bus.
pub(crate) static PLATFORM: Bus = Bus {
    path: "/sys/bus/platform",
    devices: "slow_platform_devices",
    module: "slow_platform_driver",
    driver: "slow_platform",
};

/// The sample bus, whose module also registers the devices.
pub(crate) static BUS: Bus = Bus {
    path: "/sys/bus/slow_bus",
    devices: "slow_bus",
    module: "slow_bus_driver",
    driver: "slow",
};

impl Bus {
    pub(crate) const BOTH: [&'static Self; 2] = [&PLATFORM, &BUS];

    /// The bus of the device of this name.
    pub(crate) fn of(device: &str) -> &'static Self {
        let has = |bus: &&&Self| bus.owns(device);
        Self::BOTH.iter().find(has).copied().unwrap_or(&BUS)
    }

    /// Whether a name is that of a device, by the form of the name.
    pub(crate) fn owns(&self, name: &str) -> bool {
        name.strip_prefix(self.driver)
            .is_some_and(|rest| rest.starts_with('.'))
    }

    pub(crate) fn device(&self, number: usize) -> String {
        format!("{}.{number}", self.driver)
    }

    /// The devices of the samples that sysfs has on the bus.
    pub(crate) fn devices(&self) -> Vec<String> {
        let mut names = sysfs::names(Path::new(self.path).join("devices"));
        names.retain(|name| self.owns(name));
        names
    }

    /// How many of the first `devices` devices are bound to the driver.
    pub(crate) fn bound(&self, devices: usize) -> usize {
        let drivers = (0..devices).map(|number| driver_of(&self.device(number)));
        let bound = drivers.filter(|driver| driver.as_deref() == Some(self.driver));
        bound.count()
    }

    /// Waits until as many of the first `devices` devices are bound to the driver. The test fails
    /// if they are not within 20 seconds.
    pub(crate) fn wait_until_bound(&self, bound: usize, devices: usize) -> Result<(), Failure> {
        sysfs::wait_for(&format!("{bound} of {devices} devices to be bound"), || {
            self.bound(devices) == bound
        })
    }

    /// Waits until sysfs has as many devices, which may come asynchronously. The test fails if it
    /// does not within 20 seconds.
    pub(crate) fn wait_for_devices(&self, count: usize) -> Result<(), Failure> {
        sysfs::wait_for(&format!("{count} devices on the bus"), || {
            self.devices().len() == count
        })
    }

    /// Waits until the registration of the driver is so far that devices can be bound by hand,
    /// which it is after the probes that it makes itself (`drivers/base/bus.c`,
    /// `bus_add_driver()`). The test fails if it is not within 20 seconds.
    pub(crate) fn wait_until_registered(&self) -> Result<(), Failure> {
        let bind = format!("{}/drivers/{}/bind", self.path, self.driver);
        sysfs::wait_for(&bind, || Path::new(&bind).exists())
    }

    /// The file that is written to for a call.
    pub(crate) fn file(&self, call: Call) -> String {
        match call {
            Call::Bind | Call::Unbind => format!("{}/drivers/{}/{call}", self.path, self.driver),
            _ => format!("{}/{call}", self.path),
        }
    }

    pub(crate) fn exists(&self) -> bool {
        Path::new(self.path).exists()
    }
}

/// Adds as many devices to the sample bus, with [`Call::Add`] or [`Call::AddAsync`], and leaves in
/// the log when. The kernel's answer is the result.
pub(crate) fn add(call: Call, devices: usize) -> Result<Result<(), Errno>, Failure> {
    sysfs::write_to(&BUS.file(call), call, BUS.devices, &devices.to_string())
}

/// Does to a device what `call` says, and leaves in the log when. The kernel's answer is the
/// result.
pub(crate) fn write(call: Call, device: &str) -> Result<Result<(), Errno>, Failure> {
    let text = match call {
        Call::Remove | Call::RemoveAsync => device.rsplit('.').next().unwrap_or(device),
        _ => device,
    };
    sysfs::write_to(&Bus::of(device).file(call), call, device, text)
}

/// The driver that a device is bound to, if it is bound.
pub(crate) fn driver_of(device: &str) -> Option<String> {
    sysfs::driver_on(Bus::of(device).path, device)
}

/// The device is bound to the driver of the samples.
pub(crate) fn ensure_bound(device: &str) -> Result<(), Failure> {
    ensure(
        &format!("driver of {device}"),
        &driver_of(device).as_deref(),
        &Some(Bus::of(device).driver),
    )
}

/// No driver is bound to the device, and that of the samples has no link to it.
pub(crate) fn ensure_free(device: &str) -> Result<(), Failure> {
    ensure(&format!("driver of {device}"), &driver_of(device), &None)?;
    let Bus { path, driver, .. } = Bus::of(device);
    let link = format!("{path}/drivers/{driver}/{device}");
    ensure(&link, &Path::new(&link).is_symlink(), &false)
}

/// A sample driver that probes in one of its ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sample {
    /// On the platform bus, with this probe type.
    Platform(ProbeType),
    /// On the sample bus, in this design.
    Bus(Design),
}

impl From<ProbeType> for Sample {
    fn from(probe_type: ProbeType) -> Self {
        Self::Platform(probe_type)
    }
}

impl From<Design> for Sample {
    fn from(design: Design) -> Self {
        Self::Bus(design)
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform(probe_type) => write!(f, "platform, {probe_type}"),
            Self::Bus(design) => write!(f, "bus, {design}"),
        }
    }
}

impl Sample {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let designs = designs();
        let has_domain = designs.contains(&Design::DriverDomain);
        let types = ProbeType::ALL.into_iter();
        let types = types.filter(move |one| has_domain || *one != ProbeType::PreferAsyncDomain);
        types
            .map(Self::Platform)
            .chain(designs.into_iter().map(Self::Bus))
    }

    pub(crate) fn bus(self) -> &'static Bus {
        match self {
            Self::Platform(_) => &PLATFORM,
            Self::Bus(_) => &BUS,
        }
    }

    /// The parameters of the module that registers as many devices.
    pub(crate) fn devices(self, devices: usize) -> String {
        match self {
            Self::Bus(design) if design.row().registers_devices => {
                format!("devices={devices} registration=async")
            }
            _ => format!("devices={devices}"),
        }
    }

    /// The call that brings what comes second and so sets off the probes, and on what it is made.
    /// The module of the sample bus cannot come second, as that of its driver needs it: devices are
    /// added to a bus that is there.
    pub(crate) fn second(self, order: Order) -> (Call, &'static str) {
        let bus = self.bus();
        match (self, order) {
            (_, Order::DevicesFirst) => (Call::Insmod, bus.module),
            (Self::Platform(_), _) => (Call::Insmod, bus.devices),
            (Self::Bus(design), _) if design.row().registers_devices => {
                (Call::AddAsync, bus.devices)
            }
            (Self::Bus(_), _) => (Call::Add, bus.devices),
        }
    }

    /// Whether the task that makes this call probes.
    pub(crate) fn probes_in_caller(self, order: Order) -> bool {
        match self {
            Self::Platform(ProbeType::DefaultStrategy | ProbeType::ForceSynchronous) => true,
            Self::Platform(_) => false,
            Self::Bus(design) => promise(design, order).probes == Probes::InCaller,
        }
    }

    /// The order in which the probes are not those of the task that makes the call, if there is
    /// one.
    pub(crate) fn order(self) -> Order {
        match self {
            Self::Bus(Design::Sync | Design::DeviceRegister) => Order::DriverFirst,
            _ => Order::DevicesFirst,
        }
    }
}

/// The designs that the running kernel has.
pub(crate) fn designs() -> Vec<Design> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Design::of(release.trim()).collect()
}

/// The promise of the call that brings what comes second, in a design.
pub(crate) fn promise(design: Design, order: Order) -> Promise {
    match order {
        Order::DevicesFirst => design.row().devices_first,
        Order::DriverFirst => design.row().driver_first,
    }
}

/// The parameters of the driver's module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Driver {
    /// `probe_type=` or `design=`.
    pub(crate) sample: Sample,
    /// `firmware_ms=`.
    pub(crate) firmware_ms: u32,
    /// `firmware=device`: each device has a file of its own.
    pub(crate) own_files: bool,
    /// `phases=2`, on the platform bus.
    pub(crate) two_phases: bool,
}

impl Driver {
    /// A slow driver whose devices share a file.
    pub(crate) fn slow(sample: impl Into<Sample>) -> Self {
        Self {
            sample: sample.into(),
            firmware_ms: slow_ms(),
            own_files: false,
            two_phases: false,
        }
    }

    /// The same with a file for each device.
    pub(crate) fn own_files(mut self) -> Self {
        self.own_files = true;
        self
    }

    /// The same, as quick as it goes.
    pub(crate) fn quick(mut self) -> Self {
        self.firmware_ms = 0;
        self
    }

    /// The same, with a quick probe and a slow second phase.
    pub(crate) fn two_phases(mut self) -> Self {
        self.two_phases = true;
        self
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sample {
            Sample::Platform(probe_type) => write!(f, "probe_type={probe_type}")?,
            Sample::Bus(design) => write!(f, "design={design}")?,
        }
        let firmware = if self.own_files { "device" } else { "driver" };
        write!(f, " firmware_ms={} firmware={firmware}", self.firmware_ms)?;
        if self.two_phases {
            f.write_str(" phases=2")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_the_driver() {
        let driver = Driver::slow(ProbeType::ForceSynchronous);
        let ms = slow_ms();
        assert_eq!(
            driver.to_string(),
            format!("probe_type=force_synchronous firmware_ms={ms} firmware=driver")
        );
        assert_eq!(
            driver.quick().own_files().two_phases().to_string(),
            "probe_type=force_synchronous firmware_ms=0 firmware=device phases=2"
        );
        assert_eq!(
            Driver::slow(Design::Sync).quick().to_string(),
            "design=sync firmware_ms=0 firmware=driver"
        );
    }

    #[test]
    fn a_device_is_on_the_bus_of_its_driver() {
        for bus in Bus::BOTH {
            assert_eq!(Bus::of(&bus.device(7)), bus);
        }
        assert!(!BUS.owns("slow_platform.0") && !BUS.owns("slow"));
    }

    #[test]
    fn one_order_in_which_others_probe() {
        for sample in Design::ALL.map(Sample::Bus) {
            let is_sync = sample == Design::Sync.into();
            assert_eq!(sample.probes_in_caller(sample.order()), is_sync);
        }
    }
}
