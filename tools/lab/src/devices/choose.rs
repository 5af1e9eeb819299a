// SPDX-License-Identifier: GPL-2.0

//! The module that is checked where devices are named and no module is.

use super::aliases::Aliases;
use super::known::Table;
use super::{Device, Devices};
use crate::error::{Error, Kind, Result};
use crate::machine::Machine;
use crate::modules::Modules;
use crate::progress::note;
use crate::session::Session;

/// The module of the kernel that takes them best.
///
/// # Errors
///
/// [`Kind::Usage`] if no module does.
pub(crate) fn module(
    devices: &Devices,
    session: &Session,
    modules: &Modules,
    machine: &Machine,
) -> Result<String> {
    let aliases = Aliases::find(session)?;
    let mut table = Table::open(session)?;
    table.learn(session, modules, machine, &devices.devices)?;
    let mut said = Vec::new();
    // What takes each device, those with the closest patterns first.
    let mut takers: Vec<(&str, Vec<&str>)> = Vec::new();
    for device in &devices.devices {
        let own = table
            .get(&device.word)
            .map_or(&[][..], |known| &known.modaliases);
        let mut modules = aliases.modules(own);
        // The module that has the name of the device.
        let name = device.model.name.replace('-', "_");
        modules.sort_by_key(|module| **module != name);
        if !modules.is_empty() {
            takers.push((&device.word, modules));
        }
        said.extend_from_slice(own);
    }
    let takes_all = |module: &&str| takers.iter().all(|(_, modules)| modules.contains(module));
    let firsts = takers.first().map_or(&[][..], |(_, modules)| modules);
    let all: Vec<&str> = firsts.iter().copied().filter(takes_all).collect();
    let [first, ref others @ ..] = all[..] else {
        let is_placed = !devices.raw.is_empty() || !devices.devices.iter().all(Device::is_on_pci);
        let each = takers
            .iter()
            .map(|(word, modules)| format!("{} takes {word}", modules[0]));
        return Err(Error::new(
            Kind::Usage,
            format!("no module of the kernel takes DEVICE={}", devices.words()),
            match takers.is_empty() {
                false => Vec::from_iter(each).join(", "),
                true if !said.is_empty() => format!("it says {}", said.join(", ")),
                true if is_placed => "the lab does not look at devices that are given their places \
                                      (bus=, addr=), that need a controller of yours, or that QEMU= \
                                      brings"
                    .to_owned(),
                true => "in the guest it does not say what it is".to_owned(),
            },
            "name the module: MODULE=foo, path/to/foo.ko, or that of a driver on another bus",
        ));
    };
    let others: String = others
        .iter()
        .map(|other| format!("; MODULE={other} does, too"))
        .collect();
    note(&format!(
        "MODULE={first} takes DEVICE={}{others}",
        devices.words()
    ));
    Ok(first.to_owned())
}
