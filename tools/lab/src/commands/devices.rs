// SPDX-License-Identifier: GPL-2.0

//! The device models of QEMU's, and the modules of the kernel that take them.

use crate::devices::aliases::Aliases;
use crate::devices::known::{Known, Table};
use crate::devices::models::{like, Model};
use crate::devices::Device;
use crate::error::{Error, Kind, Result};
use crate::machine::Machine;
use crate::modules::Modules;
use crate::options::BootOptions;
use crate::progress::result;
use crate::session::Session;

/// Which to list, for what.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kernel and machine
    #[command(flatten)]
    pub boot: BootOptions,
    /// Part of the name of a model, of what it is, or of a module
    #[arg(default_value = "")]
    pub word: String,
}

/// A model with what the kernel makes of it.
#[derive(Debug)]
pub(crate) struct Row {
    pub model: Model,
    /// The modules that take it, the closest first.
    pub modules: Vec<String>,
    known: Known,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let session = Session::of_any(&args.boot.kernel)?;
    let modules = session.modules()?;
    let word = args.word.to_lowercase();
    let rows = rows(&session, &modules, &args.boot.machine)?;
    let has = |text: &str| text.to_lowercase().contains(&word);
    let of_word = |row: &&Row| {
        let Row { model, modules, .. } = row;
        let own = [&model.name, &model.alias, &model.about];
        own.into_iter().chain(modules).any(|text| has(text))
    };
    let shown: Vec<_> = rows.iter().filter(of_word).collect();
    if shown.is_empty() {
        let near = like(&word, rows.iter().map(|row| row.model.name.as_str()));
        return Err(Error::new(
            Kind::Usage,
            format!("no device model has {} in its name", args.word),
            match near.is_empty() {
                true => format!("QEMU has {} models", rows.len()),
                false => format!("QEMU has {}", near.join(", ")),
            },
            "make devices lists all",
        ));
    }
    for row in shown {
        result(&row.text());
    }
    Ok(())
}

pub(crate) fn rows(session: &Session, modules: &Modules, machine: &Machine) -> Result<Vec<Row>> {
    let aliases = Aliases::find(session)?;
    let qemu = session.qemu();
    let models = qemu.models()?;
    let mut table = Table::open(session)?;
    let mut unknown = Vec::new();
    for (number, model) in (1..).zip(&models) {
        if table.get(&model.name).is_none() {
            let properties = qemu.properties(&model.name)?;
            unknown.push(Device::of(
                &model.name,
                model.clone(),
                &properties,
                number,
                &[],
            ));
        }
    }
    table.learn(session, modules, machine, &unknown)?;
    Ok(models
        .into_iter()
        .map(|model| row(model, &table, &aliases))
        .collect())
}

fn row(model: Model, table: &Table, aliases: &Aliases) -> Row {
    let known = table.get(&model.name).cloned().unwrap_or_default();
    let modules = aliases.modules(&known.modaliases);
    Row {
        model,
        modules: modules.into_iter().map(str::to_owned).collect(),
        known,
    }
}

impl Row {
    /// A line for the model, and one for each thing that it says of itself.
    fn text(&self) -> String {
        let Model {
            name,
            alias,
            bus,
            about,
        } = &self.model;
        let alias = if alias.is_empty() {
            String::new()
        } else {
            format!(" ({alias})")
        };
        let bus = if bus.is_empty() { "board" } else { bus };
        let modules = match (&self.known.refused, self.modules.is_empty()) {
            (Some(why), _) => format!("needs more: {why}"),
            (None, true) => "-".to_owned(),
            (None, false) => self.modules.join(", "),
        };
        let mut text = format!("{:<34} {bus:<18} {modules}", format!("{name}{alias}"));
        if !about.is_empty() {
            text += &format!("\n    {about}");
        }
        for modalias in &self.known.modaliases {
            text += &format!("\n    {modalias}");
        }
        text
    }
}
