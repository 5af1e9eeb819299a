// SPDX-License-Identifier: GPL-2.0

//! An event: what happened, to which device, and when.

pub mod arch;
pub mod definitions;
pub(crate) mod halves;
mod initcall;
pub mod point;
mod recorded;
pub mod resource;

use std::fmt;

use derive_more::Display;
use serde::{Deserialize, Serialize};

/// A name in an event: short ones take no memory of their own, and a clone is cheap.
pub use smol_str::SmolStr;

use crate::micros::Micros;
use crate::probe_type::ProbeType;
pub(crate) use initcall::is_attach_helper;
pub use initcall::{Initcall, Outcome, Symbol};
pub use point::Point;
pub(crate) use recorded::write_fetched;
pub use recorded::{Fetched, Recorded, Side};

/// One line of the log.
///
/// `Display` prints it as dmesg does, timestamp included.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Event {
    /// The printk timestamp of the line, since boot.
    ///
    /// The order of events is their order in the log. Their times say how long something took; two
    /// CPUs may stamp neighbouring lines a little out of order.
    pub time: Micros,
    /// What happened.
    pub what: What,
}

impl Event {
    /// Whether the kernel runs init: the boot is over.
    pub fn runs_init(&self) -> bool {
        matches!(self.what, What::Initcall(Initcall::RunInit { .. }))
    }
}

/// What can happen.
///
/// A `ret` is what a C function returns: 0 or a negative errno. `Display` prints the text of the
/// line, without its timestamp.
#[derive(Clone, Debug, Display, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // Of a field that says no more than its name.
pub enum What {
    /// The registration of a driver returned in its module's init.
    #[display(
        "{KERNEL_PREFIX}registered driver={driver} probe_type={probe_type} ret={ret} ms={took}"
    )]
    Registered {
        driver: SmolStr,
        /// What the driver asked for.
        probe_type: ProbeType,
        ret: i32,
        took: Micros,
    },
    /// A probe began.
    #[display(
        "{KERNEL_PREFIX}probe_began dev={device} driver={driver} async={} cpu={cpu} pid={pid} task={task}",
        u8::from(*asynchronous)
    )]
    ProbeBegan {
        device: SmolStr,
        driver: SmolStr,
        /// Whether the task is an async worker.
        asynchronous: bool,
        /// The CPU that runs it at its beginning.
        cpu: u32,
        pid: u32,
        task: SmolStr,
    },
    /// The request of the firmware returned.
    #[display("{KERNEL_PREFIX}firmware_arrived dev={device} driver={driver} bytes={bytes} ret={ret} ms={took}")]
    FirmwareArrived {
        device: SmolStr,
        driver: SmolStr,
        /// Length of the firmware, 0 if there is none.
        bytes: u64,
        ret: i32,
        took: Micros,
    },
    /// A probe ended.
    #[display("{KERNEL_PREFIX}probe_ended dev={device} driver={driver} ret={ret} ms={took}")]
    ProbeEnded {
        device: SmolStr,
        driver: SmolStr,
        ret: i32,
        took: Micros,
    },
    /// What a probe in two phases left to be done has ended.
    #[display("{KERNEL_PREFIX}ready dev={device} driver={driver} ret={ret} ms={took}")]
    Ready {
        device: SmolStr,
        driver: SmolStr,
        ret: i32,
        /// How long both phases took, from the beginning of the probe.
        took: Micros,
    },
    /// The driver's remove callback runs.
    #[display("{KERNEL_PREFIX}removing dev={device} driver={driver}")]
    Removing { device: SmolStr, driver: SmolStr },
    /// The driver data has been dropped.
    #[display("{KERNEL_PREFIX}unbound dev={device} driver={driver}")]
    Unbound { device: SmolStr, driver: SmolStr },
    /// The resources that the driver left to devres have been released.
    #[display("{KERNEL_PREFIX}devres_released dev={device} driver={driver}")]
    DevresReleased { device: SmolStr, driver: SmolStr },
    /// The unregistration of a driver returned in its module's exit.
    #[display("{KERNEL_PREFIX}unregistered driver={driver} ms={took}")]
    Unregistered { driver: SmolStr, took: Micros },
    /// Userspace is about to call the kernel.
    #[display(
        "{USER_PREFIX}call_began call={call} on={on} pid={pid}{}",
        async_probe.map_or("", |asks| [" async_probe=0", " async_probe=1"][usize::from(asks)])
    )]
    CallBegan {
        call: Call,
        /// The module or the device that the call is about.
        on: SmolStr,
        pid: u32,
        /// Of an insmod: whether the parameters ask for asynchronous probes, if that was said.
        async_probe: Option<bool>,
    },
    /// The kernel has returned to userspace.
    #[display("{USER_PREFIX}call_returned call={call} on={on} pid={pid} ret={ret}")]
    CallReturned {
        call: Call,
        /// The module or the device that the call is about.
        on: SmolStr,
        pid: u32,
        ret: i32,
    },
    /// A module has been loaded, which userspace has looked at.
    #[display("{USER_PREFIX}loaded mod={module} at={at:#x} bytes={bytes}")]
    Loaded {
        module: SmolStr,
        /// Where its text begins.
        at: u64,
        /// How many bytes its text and data have.
        bytes: u64,
    },
    /// A task passed a place in the kernel that a recording watches.
    Recorded(Recorded),
    /// A line of `initcall_debug`.
    Initcall(Initcall),
}

/// What userspace asks of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// `finit_module(2)` of a module.
    Insmod,
    /// `delete_module(2)` of a module.
    Rmmod,
    /// A device's name written to its driver's `bind` in sysfs.
    Bind,
    /// A device's name written to its driver's `unbind` in sysfs.
    Unbind,
    /// A device's name written to its bus's `drivers_probe` in sysfs.
    DriversProbe,
    /// A number of devices written to `add` of the sample bus in sysfs.
    Add,
    /// A number of devices written to `add_async` of the sample bus in sysfs.
    AddAsync,
    /// The number of a device written to `remove` of the sample bus in sysfs.
    Remove,
    /// The number of a device written to `remove_async` of the sample bus in sysfs.
    RemoveAsync,
    /// A device is unplugged, from outside of the virtual machine; the call returns when it has gone.
    Unplug,
}

impl Call {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Insmod,
        Self::Rmmod,
        Self::Bind,
        Self::Unbind,
        Self::DriversProbe,
        Self::Add,
        Self::AddAsync,
        Self::Remove,
        Self::RemoveAsync,
        Self::Unplug,
    ];
}

/// Prints its name in the log.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// What the lines of the kernel side start with: dmesg interface v1.
pub const KERNEL_PREFIX: &str = "async_probe: timing: ";

/// What the lines start with that userspace writes to `/dev/kmsg` around its own calls:
///
/// ```text
/// lifecycle: call_began call=<call> on=<module or device> pid=<pid> [async_probe=<0|1>]
/// lifecycle: call_returned call=<call> on=<module or device> pid=<pid> ret=<0|-errno>
/// lifecycle: loaded mod=<module> at=<address> bytes=<number>
/// ```
pub const USER_PREFIX: &str = "lifecycle: ";

impl What {
    /// The device it happened to, if it is an event of the dmesg interface that happened to one.
    pub fn device(&self) -> Option<&str> {
        match self {
            Self::ProbeBegan { device, .. }
            | Self::FirmwareArrived { device, .. }
            | Self::ProbeEnded { device, .. }
            | Self::Ready { device, .. }
            | Self::Removing { device, .. }
            | Self::Unbound { device, .. }
            | Self::DevresReleased { device, .. } => Some(device),
            _ => None,
        }
    }

    /// The driver that did it; none for what userspace does.
    pub fn driver(&self) -> Option<&str> {
        match self {
            Self::Registered { driver, .. }
            | Self::ProbeBegan { driver, .. }
            | Self::FirmwareArrived { driver, .. }
            | Self::ProbeEnded { driver, .. }
            | Self::Ready { driver, .. }
            | Self::Removing { driver, .. }
            | Self::Unbound { driver, .. }
            | Self::DevresReleased { driver, .. }
            | Self::Unregistered { driver, .. } => Some(driver),
            _ => None,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:>12}] {}", self.time.printk(), self.what)
    }
}

#[cfg(test)]
mod tests {
    /// A log of 200 MB has millions of events.
    #[test]
    fn an_event_is_small() {
        assert!(size_of::<super::Event>() <= 104);
    }
}
