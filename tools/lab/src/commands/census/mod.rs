// SPDX-License-Identifier: GPL-2.0

//! The census: every module of the stock kernel that takes a device model of QEMU's, checked on it.

pub(crate) mod page;
pub(crate) mod row;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use row::{Pair, Row};

use super::{check_driver, devices};
use crate::cache::{remove_tree, Lock};
use crate::devices::DeviceOptions;
use crate::error::{Error, IoContext, Kind, Result};
use crate::identity::{qemu_version, revision};
use crate::machine::Machine;
use crate::modules::Modules;
use crate::options::BootOptions;
use crate::partition::Partition;
use crate::paths;
use crate::process::check_interrupted;
use crate::programs;
use crate::progress::{note, result};
use crate::session::Session;

/// Seconds of wall time that a check may take, where other things run on the host, too.
const WALL_DEADLINE: u32 = 1800;

/// What to take a census of.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Kernel and machine
    #[command(flatten)]
    pub boot: BootOptions,
    /// The m-th of n parts: 2/3
    #[arg(long, default_value = "1/1")]
    pub partition: Partition,
    /// Checks nothing: counts what is there, and fails if something is missing
    #[arg(long)]
    pub join: bool,
    /// Writes Documentation/census.rst
    #[arg(long)]
    pub document: bool,
    /// Part of the name of a device model or of a module
    #[arg(default_value = "")]
    pub word: String,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.document && !args.word.is_empty() {
        return Err(Error::new(
            Kind::Usage,
            "a page of a part of the census",
            "DOCUMENT writes the page of all rows, and WORD leaves most of them out",
            "make census DOCUMENT=1",
        ));
    }
    let session = Session::of_any(&args.boot.kernel)?;
    let release = session.kernel.release()?;
    let dir = session.project.out("census").join(&release);
    fs::create_dir_all(&dir).at(&dir, "create the directory")?;
    let modules = session.stripped_modules()?;
    let models = devices::rows(&session, &modules, &args.boot.machine)?;
    let mut pairs = pairs(&models);
    let word = args.word.to_lowercase();
    pairs.retain(|pair| {
        [&pair.device, &pair.module]
            .iter()
            .any(|of| of.to_lowercase().contains(&word))
    });
    if pairs.is_empty() {
        return Err(Error::new(
            Kind::Usage,
            format!(
                "no device model and no module has {} in its name",
                args.word
            ),
            "the census has those that `make devices` lists with a module",
            "make devices",
        ));
    }
    let all = pairs.clone();
    args.partition.keep(&mut pairs);
    let blank = Row {
        kernel: release,
        machine: args.boot.machine.changes(),
        qemu: qemu_version(&session)?,
        revision: revision(&session),
        ..Row::default()
    };
    let known = |pair: &Pair| {
        let row = Row::load(&dir.join(format!("{}.json", pair.name())))?;
        (row.key() == blank.key()).then_some(row)
    };
    let mut lost = None;
    if !args.join {
        let programs = programs::build(&session.project, session.kernel.arch())?;
        let of = pairs.len();
        for (number, pair) in (1..).zip(&pairs) {
            if known(pair).is_some() {
                continue;
            }
            // Another run may have taken the row meanwhile.
            let _lock = Lock::take(&dir.join(format!("{}.lock", pair.name())))?;
            if known(pair).is_some() {
                continue;
            }
            note(&format!(
                "{number} of {of}: MODULE={} DEVICE={}",
                pair.module, pair.device
            ));
            match take(&session, &modules, &programs, args, pair, &dir, &blank) {
                Ok(row) => {
                    row.save(&dir.join(format!("{}.json", pair.name())))?;
                    result(&page::line(&row));
                }
                Err(error) if matches!(error.kind, Kind::Interrupted | Kind::Storage) => {
                    return Err(error);
                }
                Err(error) => {
                    note(&format!("no row of {}: {error}", pair.name()));
                    lost = Some(error);
                }
            }
        }
    }
    let rows: Vec<Row> = all.iter().filter_map(known).collect();
    let bound = rows.iter().filter(|row| row.is_bound()).count();
    result(&format!(
        "census: {} of {} rows, {bound} of them bound",
        rows.len(),
        all.len()
    ));
    if let Some(error) = lost {
        return Err(error);
    }
    if args.document {
        let path = session.project.top().join("Documentation/census.rst");
        paths::write(&path, &page::page(&rows, all.len()))?;
        note(&format!("written: {}", path.display()));
    }
    let mut missing = all.iter().filter(|pair| known(pair).is_none());
    let Some(first) = missing.next().filter(|_| args.join) else {
        return Ok(());
    };
    let missing = 1 + missing.count();
    Err(Error::new(
        Kind::Failed,
        format!("the census is not whole: {missing} rows are missing"),
        format!(
            "the first is that of MODULE={} DEVICE={}",
            first.module, first.device
        ),
        "make census takes those that are missing",
    ))
}

/// All pairs: each module once first, then those of which it has more devices.
fn pairs(models: &[devices::Row]) -> Vec<Pair> {
    let mut seen = BTreeSet::new();
    let (mut first, mut more) = (Vec::new(), Vec::new());
    for row in models {
        for module in &row.modules {
            let list = match seen.insert(module) {
                true => &mut first,
                false => &mut more,
            };
            list.push(Pair {
                device: row.model.name.clone(),
                module: module.clone(),
            });
        }
    }
    first.append(&mut more);
    first
}

/// Checks one pair.
fn take(
    session: &Session,
    modules: &Modules,
    programs: &[PathBuf],
    args: &Args,
    pair: &Pair,
    dir: &Path,
    blank: &Row,
) -> Result<Row> {
    // The console and the recordings stay beside the row.
    let out = dir.join(pair.name());
    let options = DeviceOptions {
        device: vec![pair.device.clone()],
        ..DeviceOptions::default()
    };
    let checked = options.devices(session).and_then(|devices| {
        let machine = Machine {
            wall_deadline: WALL_DEADLINE,
            ..devices.machine(&args.boot.machine)
        };
        let args = check_driver::Args::of(&args.boot, &pair.module, options.clone());
        check_driver::check(session, modules, programs, &machine, &args, &devices, &out)
    });
    check_interrupted()?;
    remove_tree(&out.join("modules"))?;
    // What the host has done to a check tells nothing of the device.
    match checked {
        Ok(checked) => match checked.of_host() {
            Some(error) => Err(error),
            None => Ok(blank.clone().of(pair, Ok(checked), &out)),
        },
        Err(error) if matches!(error.kind, Kind::Usage | Kind::Failed | Kind::Vm) => {
            Ok(blank.clone().of(pair, Err(error), &out))
        }
        Err(error) => Err(error),
    }
}
