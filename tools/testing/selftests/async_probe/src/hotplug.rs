// SPDX-License-Identifier: GPL-2.0

//! PCI devices that the lab plugs in and out while the guest runs.

use std::env;
use std::fs::File;
use std::io::{stdout, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use lifecycle::event::Call;
use nix::errno::Errno;
use nix::sys::termios::tcdrain;

use crate::{kmsg, skip, sysfs, Failure};

/// The port at which the guest stops the machine (`-device pvpanic -action panic=pause`), so that
/// the lab acts at this instruction.
const PAUSE: u64 = 0x505;

/// The link of a device goes before device_del() ends (drivers/base/bus.c, bus_remove_device()).
/// The kernel ejects the device after that (drivers/pci/hotplug/acpiphp_glue.c,
/// acpiphp_disable_and_eject_slot()): QEMU knows it until then.
const EJECT: Duration = Duration::from_millis(100);

const DEVICES: &str = "/sys/bus/pci/devices";

/// A slot of the root bus.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot(pub(crate) u8);

impl Slot {
    /// The name of the device in it.
    pub(crate) fn device(self) -> String {
        format!("0000:00:{:02x}.0", self.0)
    }

    /// Whether there is a device in it.
    pub(crate) fn is_taken(self) -> bool {
        PathBuf::from(DEVICES).join(self.device()).exists()
    }

    /// Plugs a device of this model in, and waits until the kernel has added it. Skips the test if
    /// this machine cannot do that.
    pub(crate) fn plug(self, model: &str) -> Result<(), Failure> {
        let (id, addr) = (self.id(), self.0);
        ask(&format!(
            r#"device_add {{"driver": "{model}", "id": "{id}", "addr": "{addr:#x}"}}"#
        ))?;
        sysfs::wait_for("a device that is plugged in", || self.is_taken())
    }

    /// Plugs the device out, and waits until the kernel has removed it.
    pub(crate) fn unplug(self) -> Result<(), Failure> {
        let gone = kmsg::around(Call::Unplug, &self.device(), None, || {
            let asked = ask(&format!(r#"device_del {{"id": "{}"}}"#, self.id()));
            let gone = asked.and_then(|()| {
                sysfs::wait_for("a device that is unplugged to go", || !self.is_taken())
            });
            gone.map_err(|_| Errno::ETIMEDOUT)?;
            sleep(EJECT);
            Ok(())
        })?;
        gone.map_err(|errno| Failure::assertion("a device that is unplugged to go", errno))
    }

    fn id(self) -> String {
        format!("slot{}", self.0)
    }
}

/// Asks the lab for a command of QMP's, and stops until it has executed it.
fn ask(request: &str) -> Result<(), Failure> {
    if env::var_os("ASYNC_PROBE_HOTPLUG").is_none() {
        let why = "needs the lab's machine `hotplug`, which plugs devices in and out";
        return skip(why);
    }
    let mut out = stdout().lock();
    writeln!(out, "lab: qmp {request}")
        .and_then(|()| out.flush())
        .map_err(|error| Failure::io("write", "stdout", error))?;
    // The line is out before the machine stops.
    tcdrain(&out).map_err(|errno| Failure::io("drain", "stdout", errno))?;
    let port = File::options().write(true).open("/dev/port");
    port.and_then(|port| port.write_all_at(&[1], PAUSE))
        .map_err(|error| Failure::io("write", "/dev/port", error))
}
