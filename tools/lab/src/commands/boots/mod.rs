// SPDX-License-Identifier: GPL-2.0

//! Predictions against the truth: boots with slow drivers, `what-if` of each, and the same boots
//! with the parameter set as it says.

mod rows;
pub(crate) mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use lifecycle::life::Kind;
use lifecycle::parse::dmesg;
use lifecycle::simulate::{reached, what_if, what_if_on, Range, WhatIf};
use lifecycle::summary::Summary;
use lifecycle::{Life, Micros};

use crate::cache::digest;
use crate::devices::DeviceOptions;
use crate::error::{self, Error, IoContext, Result};
use crate::grafted;
use crate::kmod::stock::Stock;
use crate::machine::Machine;
use crate::options::{BootOptions, KernelOptions};
use crate::paths::name;
use crate::process::indent;
use crate::programs;
use crate::progress::{note, result, Step};
use crate::project::Project;
use crate::recorded::{self, COLLECT};
use crate::session::Session;
use crate::vm;

use rows::{Row, ROWS};
use table::{Compared, Measured};

/// What each job begins with.
const JOB: &str = "set -e\nload() { file=/modules/$1.ko; shift; insmod $file \"$@\"; }\n";

/// Seconds until the last device of the slowest boot is bound, for certain. They cost nothing in
/// virtual time.
const BOUND: u32 = 20;

/// The documentation's table.
const DOCUMENT: &str = "Documentation/boots.txt";

/// Which boots.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The virtual machine; the table says on which kernel each boot runs
    #[command(flatten)]
    pub boot: BootOptions,
    /// Writes the table for the documentation, too
    #[arg(long)]
    pub document: bool,
    /// Part of the name of a boot, or of its kernel
    #[arg(default_value = "")]
    pub boots: String,
}

/// Boots, predicts, boots again, and judges.
pub(crate) fn run(args: &Args) -> Result<()> {
    let wanted = |row: &&Row| row.name.contains(&args.boots) || row.kernel.contains(&args.boots);
    let rows: Vec<&Row> = ROWS.iter().filter(wanted).collect();
    if rows.is_empty() {
        let names: BTreeSet<&str> = ROWS.iter().map(|row| row.name).collect();
        return Err(Error::new(
            error::Kind::Usage,
            format!("no boot has {} in its name", args.boots),
            format!("there are {}", Vec::from_iter(names).join("; ")),
            "make boots, or make boots BOOTS=convoy",
        ));
    }
    let mut kernels: BTreeMap<&str, Booter> = BTreeMap::new();
    let mut measured = Vec::new();
    for (number, row) in (1..).zip(&rows) {
        if !kernels.contains_key(row.kernel) {
            kernels.insert(row.kernel, Booter::new(row.kernel, args)?);
        }
        let step = Step::begin(&format!(
            "boot {number} of {}: {}, {}",
            rows.len(),
            row.name,
            row.kernel
        ));
        measured.push(kernels[row.kernel].measure(row, &step)?);
        step.done();
    }
    let mut costs = Vec::new();
    for (kernel, booter) in &kernels {
        let mut with = rows.iter().zip(&measured);
        if let Some((row, of)) = with.find(|(row, _)| row.kernel == *kernel) {
            if let Some(with) = of.now[0] {
                costs.push(booter.cost(row, with)?);
            }
        }
    }
    result((table::text(&measured) + &costs.join("\n")).trim_end());
    if args.document {
        let path = Project::locate()?.top().join(DOCUMENT);
        fs::write(&path, table::document(&measured, &costs)).at(&path, "write")?;
    }
    note("recordings: out/boots/<kernel>/<boot>; probe-analyze report and what-if read each boot.txt");
    let wrong: Vec<String> = measured.iter().flat_map(Measured::wrong).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        error::Kind::Failed,
        format!("{} predictions are wrong", wrong.len()),
        format!("\n{}", indent(&wrong.join("\n"))),
        "compare the recordings in out/boots: probe-analyze diff A B",
    ))
}

/// A kernel that is booted several times.
struct Booter {
    session: Session,
    probe_analyze: PathBuf,
    machine: Machine,
    /// Our modules in C for it; none where the drivers are built in.
    modules: Vec<PathBuf>,
}

impl Booter {
    fn new(kernel: &str, args: &Args) -> Result<Self> {
        let options = KernelOptions {
            kernel: kernel.to_owned(),
            ..args.boot.kernel.clone()
        };
        let (session, modules) = match kernel {
            "custom" => {
                let mut session = grafted::open(&options)?;
                grafted::build_in(&mut session)?;
                (session, vec![])
            }
            "hardware" => (Session::of_any(&options)?, vec![]),
            _ => {
                let session = Session::of_any(&options)?;
                let modules = recorded::modules(&session)?;
                (session, modules)
            }
        };
        let arch = session.kernel.arch();
        Ok(Self {
            probe_analyze: programs::probe_analyze(&session.project, arch)?,
            session,
            machine: Machine {
                // Each of these boots has a command line of its own, so none could go on from the
                // snapshot of another.
                snapshot: false,
                exact: false,
                ..args.boot.machine.clone()
            },
            modules,
        })
    }

    /// Boots as it is, and with each set of drivers asynchronous.
    fn measure(&self, row: &Row, step: &Step) -> Result<Measured> {
        step.message("as it is");
        let before = self.boot(row, &[])?;
        let probes = before.life.probes();
        let binds = |driver: &&&str| {
            let mut probes = probes.iter();
            probes.any(|probe| probe.has_bound() && probe.driver.as_deref() == Some(**driver))
        };
        if let Some(driver) = row.drivers.iter().find(|driver| !binds(driver)) {
            return Err(Error::new(
                error::Kind::Failed,
                format!("{driver} has bound no device"),
                format!("the boot `{}` is about how long that takes", row.name),
                format!("probe-analyze report {}", before.name),
            ));
        }
        let advice = what_if(&before.life, &[]);
        let mut sets: Vec<Vec<String>> = vec![advice.drivers.clone()];
        sets.extend(row.drivers.iter().map(|driver| vec![(*driver).to_owned()]));
        let mut seen = BTreeSet::new();
        sets.retain(|set| {
            !set.is_empty() && seen.insert(set.iter().cloned().collect::<BTreeSet<_>>())
        });
        let mut compared = Vec::new();
        for set in sets {
            step.message(&set.join(", "));
            // In virtual time.
            let predicted = what_if_on(&before.life, &set, 1);
            let after = self.boot(row, &set)?;
            compared.push(compare(row, set, &predicted, &after.life));
        }
        Ok(Measured {
            name: row.name,
            kernel: self.session.kernel.release()?,
            now: times(&before.life),
            advised: advice.drivers,
            compared,
        })
    }

    /// What the recording of a boot takes: the time until init runs, without it and `with` it. In
    /// virtual time that is a number of instructions.
    fn cost(&self, row: &Row, with: Micros) -> Result<String> {
        let step = Step::begin(&format!("a boot of {} without the recorder", row.kernel));
        let out = format!("boots/{}/plain", row.kernel);
        let out = self.session.project.out(&out);
        let mut initramfs = self.session.initramfs_with(&self.modules)?;
        initramfs.selftest(&self.probe_analyze);
        initramfs.bytes("job", b"dmesg\n", true);
        let machine = self.machine_of(row)?;
        let log = self.boots_on(&machine, &out).log(initramfs)?;
        step.done();
        let events = dmesg::parse(&log).unwrap_or_default();
        let init = events.iter().find(|event| event.runs_init());
        let without = init.map(|event| event.time);
        let words = match without {
            None => {
                "not known, the log of a boot without it has no line of when init runs".to_owned()
            }
            Some(without) => format!(
                "init runs after {with} ms, and after {without} ms without it: {} ms",
                with - without
            ),
        };
        let release = self.session.kernel.release()?;
        Ok(format!("The recorder, Linux {release}: {words}"))
    }

    fn machine_of(&self, row: &Row) -> Result<Machine> {
        let devices = DeviceOptions {
            device: vec![row.devices.to_owned()],
            ..DeviceOptions::default()
        };
        Ok(Machine {
            qemu: devices.devices(&self.session)?.args().join(" "),
            ..self.machine.with_parameters(row.append)
        })
    }

    fn boot(&self, row: &Row, asynchronous: &[String]) -> Result<Summary> {
        let (set, parameter) = match asynchronous {
            [] => ("as-it-is".to_owned(), String::new()),
            drivers => (
                drivers.join("-"),
                format!("driver_async_probe={}", drivers.join(",")),
            ),
        };
        let name_of = row.name.replace([' ', ','], "-");
        let out = format!("boots/{}/{name_of}/{set}", row.kernel);
        let out = self.session.project.out(&out);
        let machine = self.machine_of(row)?.with_parameters(&parameter);
        let machine = recorded::machine(&self.probe_analyze, &self.session.kernel, &machine)?;
        let job = format!("{JOB}{}sleep {BOUND}\n{COLLECT}\n", row.job);
        let results = out.join("results.log");
        let stamp = out.join("stamp");
        let stamped = self.stamp(&machine, &job)?;
        // The same boot gives the same recording.
        if fs::read_to_string(&stamp).is_ok_and(|of| of == stamped) {
            return recorded::read(&results);
        }
        let _ = fs::remove_file(&stamp);
        let mut initramfs = self.session.initramfs_with(&self.modules)?;
        initramfs.selftest(&self.probe_analyze);
        if !row.modules.is_empty() {
            let logs = self.session.project.out("log");
            let stock = Stock::find(&self.session.kernel, &self.session.env, &logs)?;
            for module in row.modules {
                if let Some(file) = stock.file(module, &self.session.env, &out)? {
                    initramfs.file(&format!("modules/{}", name(&file)), &file, false);
                }
            }
        }
        initramfs.bytes("job", job.as_bytes(), true);
        let boot = self.boots_on(&machine, &out);
        boot.run(initramfs, &mut |_| ())?.verdict()?;
        let read = recorded::read(&results)?;
        fs::write(&stamp, stamped).at(&stamp, "write")?;
        Ok(read)
    }

    /// The drivers that are built in ask for their firmware before the guest has what comes late.
    fn boots_on<'a>(&'a self, machine: &'a Machine, out: &'a Path) -> vm::Boot<'a> {
        vm::Boot {
            brings: match self.modules.is_empty() {
                true => vm::Brings::Early,
                false => vm::Brings::Late,
            },
            ..self.session.boot(machine, out)
        }
    }

    /// What a boot depends on. probe-analyze is not a part of it, which records nothing itself.
    fn stamp(&self, machine: &Machine, job: &str) -> Result<String> {
        let mut parts = vec![
            self.session.kernel.name(),
            format!("{machine:?}"),
            job.to_owned(),
        ];
        // Without modules the drivers are in the image.
        let files = match self.modules[..] {
            [] => vec![self.session.kernel.image()],
            _ => self.modules.clone(),
        };
        for file in files {
            let bytes = fs::read(&file).at(&file, "read")?;
            parts.push(String::from_utf8_lossy(&bytes).into_owned());
        }
        Ok(digest(&parts))
    }
}

/// What is waited for: that init runs, and that all devices are bound.
const GOALS: [&str; 2] = ["init", "bound"];

/// When these were reached.
fn times(life: &Life) -> [Option<Micros>; 2] {
    let reached = reached(life);
    GOALS.map(|short| reached.iter().find(|of| of.short == short).map(|of| of.now))
}

fn compare(row: &Row, drivers: Vec<String>, predicted: &WhatIf, after: &Life) -> Compared {
    let goals = &predicted.goals;
    let predicted = GOALS.map(|short| {
        let range = goals.iter().find(|goal| goal.short == short)?.then;
        Some(match row.computes {
            true => range,
            false => Range {
                least: range.likely,
                most: range.likely,
                ..range
            },
        })
    });
    let mut loads = after.of(Kind::Init).map(|(_, span)| span);
    let first = loads.find(|load| load.on == "slow_devices");
    Compared {
        drivers,
        predicted,
        measured: times(after),
        from: first.map_or(Micros(0), |load| load.begin),
    }
}
