// SPDX-License-Identifier: GPL-2.0

//! The module that is checked where devices are named and no module is.

use super::aliases::Aliases;
use super::known::Table;
use super::Devices;
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
    let said = devices.devices.iter().flat_map(|device| {
        let known = table.get(&device.word).cloned();
        known.unwrap_or_default().modaliases
    });
    let said: Vec<String> = said.collect();
    let [first, ref others @ ..] = aliases.modules(&said)[..] else {
        return Err(Error::new(
            Kind::Usage,
            format!("no module of the kernel takes DEVICE={}", devices.words()),
            match said.is_empty() {
                true => "in the guest it does not say what it is".to_owned(),
                false => format!("it says {}", said.join(", ")),
            },
            "name the module: MODULE=path/to/foo.ko, or that of a driver on another bus",
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
