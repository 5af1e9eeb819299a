// SPDX-License-Identifier: GPL-2.0

//! What each subcommand does with the parts.

use std::fs;
use std::path::Path;

use crate::bench;
use crate::boot_stall;
use crate::cache::{remove_tree, Cache, Lock};
use crate::check;
use crate::check_driver;
use crate::cli::{Action, Cli, Job};
use crate::demo;
use crate::determinism;
use crate::docs;
use crate::environment::Environment;
use crate::error::{IoContext, Result};
use crate::in_tree;
use crate::initramfs::Initramfs;
use crate::install;
use crate::instruments::Instruments;
use crate::kernel::{Choice, Kernel, Workshop};
use crate::modules::Modules;
use crate::process::{wait, Guarded};
use crate::programs;
use crate::progress::{note, result};
use crate::project::Project;
use crate::vm::{Boot, Machine, Time};

/// A checkout with an environment and a kernel.
#[derive(Debug)]
pub struct Session {
    /// The checkout.
    pub project: Project,
    /// The root file system.
    pub env: Environment,
    /// The kernel.
    pub kernel: Kernel,
    /// What the kernel needs beyond the usual.
    pub instruments: Instruments,
    /// Held until dropped.
    _in_use: Option<Lock>,
}

impl Session {
    /// Sets up what is missing.
    pub fn open(cli: &Cli, refresh: bool) -> Result<Self> {
        Self::open_with(&cli.kernel, refresh)
    }

    /// The same, with another kernel than the command line says.
    pub fn open_with(kernel: &str, refresh: bool) -> Result<Self> {
        let project = Project::locate()?;
        let choice = Choice::parse(kernel)?;
        let cache = Cache::locate()?;
        let in_use = cache.in_use()?;
        let lock = cache.lock()?;
        let logs = project.out("log");
        let env = Environment::ensure(choice.packages(), &cache, &lock, &logs)?;
        let shop = Workshop {
            cache: &cache,
            lock,
            env: &env,
            project: &project,
            logs: &logs,
        };
        let kernel = Kernel::ensure(&choice, refresh, shop)?;
        let instruments = Instruments::of(&kernel)?;
        Ok(Self {
            project,
            env,
            kernel,
            instruments,
            _in_use: in_use,
        })
    }

    /// Builds the modules.
    pub fn modules(&self) -> Result<Modules> {
        Modules::build(&self.project, &self.kernel, &self.env, &[])
    }

    /// The guest's files that every job gets: the modules, and firmware for their devices.
    pub fn initramfs(&self, modules: &Modules) -> Result<Initramfs> {
        let mut initramfs = Initramfs::new(&self.env)?;
        self.firmware(&mut initramfs);
        for file in modules.files()? {
            initramfs.file(&format!("modules/{}", name(&file)), &file, false);
        }
        Ok(initramfs)
    }

    /// Firmware for the devices of the samples.
    pub fn firmware(&self, initramfs: &mut Initramfs) {
        let firmware = default_firmware();
        for file in FIRMWARE {
            initramfs.bytes(file, &firmware, false);
        }
    }

    /// A boot of the kernel in a machine; its files go to `out`.
    pub fn boot<'a>(&'a self, machine: &Machine, out: &'a Path) -> Boot<'a> {
        Boot {
            kernel: &self.kernel,
            env: &self.env,
            machine: self.instruments.machine(machine),
            out,
        }
    }
}

/// The files that the sample drivers ask for.
const FIRMWARE: &[&str] = &[
    "lib/firmware/async_probe/slow.fw",
    "lib/firmware/async_probe/slow_platform.fw",
];

/// An image of a fixed payload, small enough that its checksum does not show in the timing.
fn default_firmware() -> Vec<u8> {
    let payload = firmware::encode::payload(16 << 10, 0);
    firmware::encode::image(&payload).unwrap_or_default()
}

/// The name of a file.
pub fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Does what the command line asks for; returns the exit code.
pub fn run(cli: &Cli) -> Result<u8> {
    match &cli.action {
        Action::Setup { refresh } => {
            let session = Session::open(cli, *refresh)?;
            note(&format!("ready: {}", session.kernel.name()));
        }
        Action::Modules { variables } => {
            let session = Session::open(cli, false)?;
            Modules::build(&session.project, &session.kernel, &session.env, variables)?;
        }
        Action::Vm(job) => vm(cli, job)?,
        Action::CheckDriver(args) => check_driver::run(cli, args)?,
        Action::Check { tests } => check::run(cli, tests)?,
        Action::Bench(args) => bench::run(cli, args)?,
        Action::BenchCompare(args) => bench::compare(args)?,
        Action::BootStall => boot_stall::run(cli)?,
        Action::InTree { tests } => in_tree::run(cli, tests)?,
        Action::Run => demo::run(cli)?,
        Action::Determinism { runs } => determinism::run(cli, *runs)?,
        Action::Docs => docs::run(cli)?,
        Action::Shell => shell(cli)?,
        Action::Exec { argv } => return exec(cli, argv),
        Action::Install { to } => install::run(cli, to)?,
        Action::CleanCache => clean_cache()?,
        Action::Enter { .. } | Action::Tether { .. } => {}
    }
    Ok(0)
}

fn vm(cli: &Cli, job: &Job) -> Result<()> {
    let session = Session::open(cli, false)?;
    let modules = if job.no_build {
        Modules::built(&session.project)
    } else {
        session.modules()?
    };
    let mut initramfs = session.initramfs(&modules)?;
    initramfs.file("job", &job.job, true);
    if let Some(dir) = &job.firmware {
        for entry in fs::read_dir(dir).at(dir, "read the directory")?.flatten() {
            let path = entry.path();
            initramfs.file(
                &format!("lib/firmware/async_probe/{}", name(&path)),
                &path,
                false,
            );
        }
    }
    for program in &job.program {
        initramfs.selftest(program);
    }
    for module in &job.module {
        initramfs.file(&format!("modules/{}", name(module)), module, false);
    }
    fs::create_dir_all(&job.out).at(&job.out, "create the directory")?;
    let out = fs::canonicalize(&job.out).at(&job.out, "find")?;
    let outcome = session
        .boot(&cli.machine, &out)
        .run(initramfs, &mut |line| result(line))?;
    note(&format!(
        "{:.1} s of wall time; console: {}",
        outcome.wall.as_secs_f64(),
        outcome.console.display()
    ));
    outcome.verdict()
}

fn shell(cli: &Cli) -> Result<()> {
    let session = Session::open(cli, false)?;
    let modules = session.modules()?;
    // Virtual time would run away while a person thinks.
    let machine = Machine {
        time: Time::Wall,
        ..cli.machine.clone()
    };
    let mut initramfs = session.initramfs(&modules)?;
    for program in programs::build(&session.project, "selftests")? {
        initramfs.selftest(&program);
    }
    session
        .boot(&machine, &session.project.out("shell"))
        .shell(initramfs)
}

fn exec(cli: &Cli, argv: &[String]) -> Result<u8> {
    let session = Session::open(cli, false)?;
    let mut spec = session
        .env
        .enter(argv)
        .bind(session.project.top(), "/lab/project")
        .workdir("/lab/project");
    if let Kernel::Prepared(kernel) = &session.kernel {
        spec = kernel.bind(spec);
    }
    let mut child = Guarded::spawn(&mut spec.command())?;
    let status = wait(&mut child, || ())?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(255))
}

fn clean_cache() -> Result<()> {
    let cache = Cache::locate()?;
    let _alone = cache.alone()?;
    let _lock = cache.lock()?;
    remove_tree(&cache.path(""))
}
