// SPDX-License-Identifier: GPL-2.0

//! What a device says of itself in the guest, by which the kernel's modules are chosen. A boot
//! tells, and the cache keeps it: for this QEMU, this kernel and these tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::backends::{BACK_ENDS, CONTROLLERS, SLOTS};
use super::{blamed, tried, Device};
use crate::cache::{digest, Cache, Lock};
use crate::error::{Error, Kind, Result};
use crate::identity::qemu_version;
use crate::kmod::find::Finder;
use crate::machine::Machine;
use crate::modules::Modules;
use crate::paths::{self, name};
use crate::progress::Step;
use crate::session::Session;

/// Root hubs (`drivers/usb/core/hcd.c`): the controller's own, and not of what is plugged in.
const ROOT_HUB: &str = "usb:v1D6B";

/// What a device is in the guest.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Known {
    /// What it says of itself.
    pub modaliases: Vec<String>,
    /// Why QEMU does not make it.
    pub refused: Option<String>,
}

/// What is known of devices, by the words that ask for them.
#[derive(Debug)]
pub(crate) struct Table {
    path: PathBuf,
    rows: BTreeMap<String, Known>,
    _lock: Lock,
}

impl Table {
    /// What is known so far.
    pub(crate) fn open(session: &Session) -> Result<Self> {
        let cache = Cache::locate()?;
        let lock = cache.lock_part("devices")?;
        let tables = format!("{BACK_ENDS:?} {CONTROLLERS:?}");
        let key = digest(&[&qemu_version(session)?, &session.kernel.name(), &tables]);
        let path = cache.path(&format!("devices/{key}.json"));
        let text = fs::read_to_string(&path).unwrap_or_default();
        Ok(Self {
            rows: serde_json::from_str(&text).unwrap_or_default(),
            path,
            _lock: lock,
        })
    }

    /// What is known of a device.
    pub(crate) fn get(&self, word: &str) -> Option<&Known> {
        self.rows.get(word)
    }

    /// Boots with those of these devices of which nothing is known.
    pub(crate) fn learn(
        &mut self,
        session: &Session,
        modules: &Modules,
        machine: &Machine,
        devices: &[Device],
    ) -> Result<()> {
        let mut unknown = devices.to_vec();
        unknown.retain(|device| !self.rows.contains_key(&device.word));
        // What has no slot of its own is not told apart: in another machine it may have one.
        unknown.retain(Device::is_on_pci);
        while !unknown.is_empty() {
            let more = boot(session, modules, machine, &unknown)?;
            unknown.retain(|device| !more.contains_key(&device.word));
            self.rows.extend(more);
            let text = serde_json::to_string_pretty(&self.rows).unwrap_or_default();
            paths::write(&self.path, &(text + "\n"))?;
        }
        Ok(())
    }
}

/// Boots with the first of these devices, each in a slot of its own, and with no others that they
/// exclude.
fn boot(
    session: &Session,
    modules: &Modules,
    machine: &Machine,
    devices: &[Device],
) -> Result<BTreeMap<String, Known>> {
    let mut rows = BTreeMap::new();
    let mut placed: Vec<(usize, &Device)> = SLOTS.zip(devices).collect();
    let args = loop {
        let args: Vec<_> = placed.iter().flat_map(|(slot, of)| of.at(*slot)).collect();
        let output = tried(session.qemu(), &args)?;
        if output.status.success() {
            break args;
        }
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        // It may say more after that.
        let guilty = (0..).zip(&placed).find_map(|(place, (slot, device))| {
            let args = device.at(*slot);
            let mut lines = errors.lines();
            Some((place, lines.find_map(|line| blamed(&args, line))?))
        });
        let Some((place, why)) = guilty else {
            return Err(Error::new(
                Kind::Vm,
                "QEMU refuses devices, and does not say which",
                errors,
                "this is a bug of the lab: report it",
            ));
        };
        let device = placed.remove(place).1;
        // One that is refused beside others may do alone.
        let output = tried(session.qemu(), &device.at(*SLOTS.start()))?;
        if !output.status.success() {
            let refused = Known {
                refused: Some(why.to_owned()),
                ..Known::default()
            };
            rows.insert(device.word.clone(), refused);
        }
    };
    let step = Step::begin(&format!("a boot with {} devices", placed.len()));
    let out = session.project.out("devices");
    let unpacked = out.join("modules");
    let names: BTreeSet<&str> = placed
        .iter()
        .flat_map(|(_, of)| of.modules)
        .copied()
        .collect();
    let needs = Finder::new(session, modules, &unpacked)?.first(&names)?;
    let mut initramfs = session.initramfs_with(&[])?;
    let mut job = format!("{LOOK}look cold\n");
    for loaded in &needs {
        let file = format!("modules/{}", name(&loaded.module.path));
        initramfs.file(&file, &loaded.module.path, false);
        job += &format!("insmod /{file}\n");
    }
    // A disk behind a controller takes its time to be found; here that costs nothing.
    job += "sleep 10\nlook warm\n";
    initramfs.bytes("job", job.as_bytes(), true);
    let machine = Machine {
        qemu: args.join(" "),
        ..machine.clone()
    };
    let mut lines = Vec::new();
    let outcome = session
        .boot(&machine, &out)
        .run(initramfs, &mut |line| lines.push(line.to_owned()))?;
    // What the kernel thinks of a heap of strange devices is not the matter here.
    if outcome.ended != crate::vm::Ended::Exit(0) {
        outcome.verdict()?;
    }
    for (slot, device) in placed {
        let seen = |when: &str| modaliases(&lines, when, slot);
        let cold = seen("cold");
        let mut modaliases = cold.clone();
        if !device.modules.is_empty() {
            modaliases = seen("warm");
            modaliases.retain(|own| !cold.contains(own) && !own.starts_with(ROOT_HUB));
        }
        let known = Known {
            modaliases,
            refused: None,
        };
        rows.insert(device.word.clone(), known);
    }
    step.done();
    Ok(rows)
}

/// Prints what all devices say of themselves.
const LOOK: &str = "look() {\n\
    \tfind /sys/devices -name modalias | while read -r file; do\n\
    \t\tread -r alias <$file && echo \"$1 $file $alias\"\n\
    \tdone\n\
    }\n";

/// What the devices in a slot of the root bus say of themselves.
fn modaliases(lines: &[String], when: &str, slot: usize) -> Vec<String> {
    let below = format!("/sys/devices/pci0000:00/0000:00:{slot:02x}.");
    let found: BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix(when)?.strip_prefix(' ')?.split_once(' '))
        .filter(|(file, _)| file.starts_with(&below))
        .map(|(_, alias)| alias)
        .collect();
    found.into_iter().map(str::to_owned).collect()
}
