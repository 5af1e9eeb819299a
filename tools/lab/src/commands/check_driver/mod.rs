// SPDX-License-Identifier: GPL-2.0

//! A driver of the user's, taken through its life under the recorder, and judged.

pub(crate) mod blocked;
pub(crate) mod complaints;
pub(crate) mod evidence;
pub(crate) mod fault;
pub(crate) mod laws;
pub(crate) mod life;
pub(crate) mod report;
pub(crate) mod source;
pub(crate) mod symbols;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::slice;
use std::thread;
use std::time::Duration;

use crate::cache::remove_tree;
use crate::console::{Splat, CHECKS_A_DRIVER as PROGRAM};
use crate::devices::aliases::Aliases;
use crate::devices::{choose, DeviceOptions, Devices};
use crate::error::{joined, Error, IoContext, Kind, Result};
use crate::kmod::find::{Files, Finder, Loaded};
use crate::kmod::module::name_of;
use crate::machine::{Machine, Time};
use crate::modules::Modules;
use crate::options::BootOptions;
use crate::paths::{directory, file, name};
use crate::process::{check_interrupted, indent};
use crate::programs;
use crate::progress::{note, result, Step};
use crate::session::Session;
use crate::vm::{self, Ended, Outcome};

use life::Life;
use report::{Parts, Report, Subject};
use source::Built;
use symbols::{probes, statics, Static, Symbols};

/// What `request_module()` calls.
const MODPROBE: &[u8] = include_bytes!("../../guest/modprobe.sh");

/// Seconds of guest time that the life waits for what may come late.
const WAITING: u32 = 900;

/// Poisons what is freed, and looks at the borders of what is allocated (`mm/slub.c`). All that
/// drivers allocate by kmalloc() is in these caches.
const SLAB_DEBUG: &str = "slab_debug=FZPU,kmalloc-*";

/// So many lines of the kernel are quoted with a failure.
const QUOTED: usize = 8;

/// Seconds of guest time after which a controller has found what is plugged into it.
const ENUMERATED: u32 = 5;

/// Seconds of guest time that a step of the life of a driver takes at most, unless it is told
/// otherwise.
pub(crate) const STEP_DEADLINE: u32 = 100;

/// A driver to check.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Kernel and machine
    #[command(flatten)]
    pub boot: BootOptions,
    /// More devices
    #[command(flatten)]
    pub devices: DeviceOptions,
    /// The file of its module, or the name of a module of this project or of the kernel; by default
    /// the one that takes the devices
    #[arg(default_value = "")]
    pub module: String,
    /// The directory of the driver's sources, which are built first
    #[arg(long)]
    pub src: Option<PathBuf>,
    /// Modules to load before it, each followed by its parameters: what brings devices
    #[arg(long, default_value = "")]
    pub with: String,
    /// The parameters of the module
    #[arg(long, default_value = "")]
    pub params: String,
    /// A command for the guest's shell before the driver is loaded
    #[arg(long, default_value = "")]
    pub before: String,
    /// A command for the guest's shell each time after the driver has been loaded
    #[arg(long, default_value = "")]
    pub after: String,
    /// A command for the guest's shell each time before the driver is unloaded
    #[arg(long, default_value = "")]
    pub undo: String,
    /// Kernels to check it on, one after the other, in place of one
    #[arg(long, default_value = "")]
    pub kernels: String,
    /// What the guest sees in /lib/firmware
    #[arg(long)]
    pub firmware: Option<PathBuf>,
    /// Seconds of guest time that each step may take
    #[arg(long, default_value_t = STEP_DEADLINE)]
    pub step_deadline: u32,
}

impl Args {
    /// A check of this module on these devices, with nothing else.
    pub(crate) fn of(boot: &BootOptions, module: &str, devices: DeviceOptions) -> Self {
        Self {
            boot: boot.clone(),
            devices,
            module: module.to_owned(),
            src: None,
            with: String::new(),
            params: String::new(),
            before: String::new(),
            after: String::new(),
            undo: String::new(),
            kernels: String::new(),
            firmware: None,
            step_deadline: STEP_DEADLINE,
        }
    }

    /// Whether the module is named by its file.
    fn is_file(&self) -> bool {
        self.module.contains('/') || self.module.ends_with(".ko")
    }
}

/// Checks the driver that the command line names.
pub(crate) fn run(args: &Args) -> Result<()> {
    if let Some(dir) = &args.src {
        directory("SRC=", dir)?;
    } else if args.module.is_empty() && args.devices.is_empty() {
        return Err(Error::new(
            Kind::Usage,
            "no driver to check",
            "neither MODULE nor SRC nor DEVICE is set",
            "make check-driver SRC=directory of its sources, or MODULE=path/to/foo.ko; \
             DEVICE=e1000e alone takes the kernel's own driver for that device",
        ));
    }
    if args.src.is_none() && args.is_file() {
        file("MODULE=", Path::new(&args.module))?;
    }
    let with = args.with.split_whitespace();
    with.filter(|word| word.contains('/') && !word.contains('='))
        .try_for_each(|word| file("WITH=", Path::new(word)))?;
    if let Some(dir) = &args.firmware {
        directory("FIRMWARE=", dir)?;
    }
    let mut kernels: Vec<&str> = args.kernels.split_whitespace().collect();
    if kernels.is_empty() {
        kernels.push(&args.boot.kernel.kernel);
    }
    let mut checks = Vec::new();
    for kernel in &kernels {
        check_interrupted()?;
        checks.push((*kernel, check_on(args, kernel, kernels.len() > 1)));
    }
    let reports = || {
        let checks = checks.iter();
        checks.filter_map(|(kernel, check)| Some((*kernel, check.as_ref().ok()?.told()?)))
    };
    if kernels.len() > 1 {
        for (kernel, report) in reports() {
            result(&format!("{kernel}: {}", report.faulty().trim_end()));
        }
    }
    for (_, report) in reports() {
        result(report.text().trim_end());
    }
    if reports().next().is_some() {
        let out = kernels
            .iter()
            .map(|kernel| out_of(kernel, kernels.len() > 1));
        let out: Vec<String> = out.map(|out| format!("out/{out}/report.json")).collect();
        note(&format!("report and recordings: {}", out.join(", ")));
    }
    let verdicts = checks.into_iter().map(|(_, check)| check?.verdict());
    // Each is on the terminal; the first one counts.
    verdicts.fold(Ok(()), Result::and)
}

/// Where the files of a check go, below `out/`.
fn out_of(kernel: &str, is_one_of_many: bool) -> String {
    let of = kernel.replace(|part| !char::is_alphanumeric(part), "-");
    match is_one_of_many {
        true => format!("check-driver-{of}"),
        false => "check-driver".to_owned(),
    }
}

/// Checks the driver on one kernel.
fn check_on(args: &Args, kernel: &str, is_one_of_many: bool) -> Result<Checked> {
    let mut args = args.clone();
    kernel.clone_into(&mut args.boot.kernel.kernel);
    let session = Session::of_any(&args.boot.kernel)?;
    // With one device, a driver that can bind only one looks right.
    let devices = match args.src.is_some() || args.is_file() {
        true => args.devices.devices_or_two(&session)?,
        false => args.devices.devices(&session)?,
    };
    let modules = session.stripped_modules()?;
    if args.module.is_empty() && args.src.is_none() {
        args.module = choose::module(&devices, &session, &modules, &args.boot.machine)?;
    }
    let programs = programs::build(&session.project, session.kernel.arch())?;
    let out = session.project.out(&out_of(kernel, is_one_of_many));
    // If a step may take longer, so may all together.
    let times = args.step_deadline.div_ceil(STEP_DEADLINE);
    let machine = Machine {
        deadline: (args.boot.machine.deadline + WAITING).saturating_mul(times),
        wall_deadline: args.boot.machine.wall_deadline.saturating_mul(times),
        ..devices.machine(&args.boot.machine)
    };
    check(
        &session, &modules, &programs, &machine, &args, &devices, &out,
    )
}

/// What came of a check.
#[derive(Debug)]
pub(crate) struct Checked {
    module: String,
    /// What the guest sees in /lib/firmware.
    firmware: Option<PathBuf>,
    /// Where the devices are that were asked for, and their models.
    slots: Vec<(String, String)>,
    /// The report, if there is something to report.
    pub report: Option<Report>,
    life: Life,
    outcome: Outcome,
}

/// Checks a driver; the files go to `out`.
pub(crate) fn check(
    session: &Session,
    modules: &Modules,
    programs: &[PathBuf],
    machine: &Machine,
    args: &Args,
    devices: &Devices,
    out: &Path,
) -> Result<Checked> {
    remove_tree(out)?;
    let unpacked = out.join("modules");
    let mut finder = Finder::new(session, modules, &unpacked)?;
    let (mut driver, mut with) = (args.module.clone(), args.with.clone());
    if let Some(source) = &args.src {
        let built = Built::of(session, modules, source, &format!("{driver} {with}"))?;
        (driver, with) = built.roles(&driver, &with)?;
        finder.add(built.files());
    }
    let files = finder.files(&driver, &args.params, &with, &devices.modules())?;
    let mut initramfs = session.initramfs(modules)?;
    for Loaded { module, .. } in files.all() {
        initramfs.file(&in_guest(&module.path), &module.path, false);
    }
    let program = programs.iter().find(|program| name(program) == PROGRAM);
    let program = program.ok_or_else(|| {
        Error::new(
            Kind::Build,
            format!("no program {PROGRAM}"),
            "the selftests have none of that name",
            "make check-driver in a whole checkout",
        )
    })?;
    initramfs.selftest(program);
    initramfs.bytes("sbin/modprobe", MODPROBE, true);
    initramfs.bytes("plan", plan(args, devices, &files)?.as_bytes(), false);
    initramfs.bytes("job", job().as_bytes(), true);
    if let Some(dir) = &args.firmware {
        initramfs.tree("lib/firmware", dir)?;
    }
    let step = Step::begin(&format!("a life of {}", files.driver.module.name));
    let mut told = |line: &str| {
        if let Some(part) = line.strip_prefix("check: part ") {
            step.message(part);
        }
    };
    let boot = |machine: &Machine, out| vm::Boot {
        kprobes: Some(vm::Kprobes::Watches),
        ..session.boot(machine, out)
    };
    // The life runs once more on a machine that poisons freed memory: the report of a use after free
    // then names the function that freed it. In virtual time neither guest sees how much of the
    // host's time the other takes.
    let poisoned = Machine {
        append: format!("{SLAB_DEBUG} {}", machine.append),
        ..machine.clone()
    };
    let turns = machine.time == Time::Virtual;
    let again = out.join("slab_debug");
    let live_again = || boot(&poisoned, &again).run(initramfs.clone(), &mut |_| ());
    let (mut life, outcome) = thread::scope(|scope| -> Result<_> {
        let beside = turns.then(|| scope.spawn(live_again));
        let mut outcome = boot(machine, out).run(initramfs.clone(), &mut told)?;
        let mut life = lived(session, out, &outcome)?;
        let poisoned = match beside {
            Some(thread) => joined(thread.join()),
            None => live_again(),
        };
        // A step that does not end does not end there either.
        if outcome.ended == Ended::Exit(0) || !outcome.splats.is_empty() {
            let poisoned = poisoned?;
            life.add_death("slab_debug", lived(session, &again, &poisoned)?);
            outcome.splats.extend(poisoned.splats);
            // A life that was not lived shows nothing.
            if matches!(poisoned.ended, Ended::Died(_) | Ended::WallDeadline) {
                outcome.ended = poisoned.ended;
            }
        }
        Ok((life, outcome))
    })?;
    step.done();
    // Without modules of the kernel's package, it is not fetched for this.
    if files.all().any(|of| of.module.path.starts_with(&unpacked)) {
        let lacks = lacking(session, &outcome, &files).into_iter();
        let lacks = lacks.map(|words| ("lacks".to_owned(), words));
        life.said.extend(lacks);
    }

    let subject = Subject {
        module: files.driver.module.name.clone(),
        parameters: args.params.clone(),
        with,
        devices: devices.words(),
        kernel: session.kernel.release()?,
        machine: words(machine),
        unseen: report::unseen(&session.kernel.config()?),
    };
    let symbols = Symbols::read(&files.driver.module.name, &files.driver.module.path);
    let cpus = (u64::from(machine.smp), turns);
    let report = report(subject, &life, (&outcome, cpus), symbols, out)?;
    Ok(Checked {
        module: files.driver.module.name,
        firmware: args.firmware.clone(),
        slots: devices.slots(),
        report,
        life,
        outcome,
    })
}

/// The number in `signal 9`, or in `signal: 9 (SIGKILL)`.
fn signal(how: &str) -> Option<u8> {
    let rest = how.strip_prefix("signal")?.trim_start_matches([':', ' ']);
    rest.split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

/// A device model that a driver on PCI does not bind, though it binds others: none of those that
/// were asked for, or not all of one kind.
fn unbound<'a>(slots: &'a [(String, String)], bound: &BTreeSet<&str>) -> Option<&'a str> {
    if bound.is_empty() {
        return None;
    }
    let is_bound = |slot: &str| bound.iter().any(|device| device.starts_with(slot));
    let (has, lacks): (Vec<_>, Vec<_>) = slots.iter().partition(|(slot, _)| is_bound(slot));
    let is_missed = |model: &String| has.is_empty() || has.iter().any(|(_, has)| has == model);
    let mut missed = lacks.into_iter().filter(|(_, model)| is_missed(model));
    missed.next().map(|(_, model)| model.as_str())
}

/// What the guest of a boot has told.
fn lived(session: &Session, out: &Path, outcome: &Outcome) -> Result<Life> {
    let results = out.join("results.log");
    // As the guest has written it: recordings are sealed.
    let output = fs::read(&results).at(&results, "read")?;
    let mut life = Life::read(&String::from_utf8_lossy(&output));
    let console = outcome.printed();
    let kernel = session.kernel.release()?;
    let probing = session.instruments.probing;
    life.died(&console, &kernel, probing);
    let hangs = match outcome.ended {
        Ended::Exit(_) => None,
        _ => blocked::suspending(&console).or_else(|| blocked::shutting_down(&console)),
    };
    let hangs = hangs.map(|what| ("stuck".to_owned(), format!("{what}: no answer")));
    life.said.extend(hangs);
    Ok(life)
}

/// What `request_module()` has asked for and not found in the guest, and the kernel's modules that
/// modprobe takes for it.
fn lacking(session: &Session, outcome: &Outcome, files: &Files) -> Vec<String> {
    let console = outcome.printed();
    let asked = console.lines().filter_map(|line| {
        let (_, name) = line.split_once("lab: request_module: ")?;
        Some(name.trim_end().to_owned())
    });
    let asked: BTreeSet<String> = asked.collect();
    // Kernels without such a list have no modules either.
    let aliases = match asked.is_empty() {
        true => None,
        false => Aliases::find(session).ok(),
    };
    let named = |name: String| {
        let modules = aliases.as_ref()?.modules(slice::from_ref(&name));
        let loads = |module: &&str| files.all().any(|of| of.module.name == name_of(module));
        (!modules.is_empty() && !modules.iter().any(loads))
            .then(|| format!("{name} {}", modules.join(" or ")))
    };
    asked.into_iter().filter_map(named).collect()
}

/// Judges, and writes the files.
fn report(
    subject: Subject,
    life: &Life,
    (outcome, cpus): (&Outcome, (u64, bool)),
    mut symbols: Symbols,
    out: &Path,
) -> Result<Option<Report>> {
    if life.parts.is_empty() && life.first("stuck").is_none() && outcome.splats.is_empty() {
        return Ok(None);
    }
    let mut parts = Parts::new();
    for part in &life.parts {
        let path = out.join(format!("{}.txt", part.name));
        fs::write(&path, &part.recording).at(&path, "write")?;
        let events = part.events().map_err(|error| {
            Error::new(
                Kind::Failed,
                "a recording is not whole",
                error.to_string(),
                format!("read {}", path.display()),
            )
        })?;
        symbols.loaded(&events);
        parts.insert(part.name.clone(), events);
    }
    let blocked = blocked::tasks(&outcome.printed());
    let (told, splats) = (life.clone(), outcome.splats.clone());
    // A long life takes its time, and an interrupt ends it.
    let judge = thread::spawn(move || {
        Report::of(subject, &told, &parts, cpus, (&splats, blocked), &symbols)
    });
    while !judge.is_finished() {
        check_interrupted()?;
        thread::sleep(Duration::from_millis(10));
    }
    let report = judge.join().map_err(|_| {
        Error::new(
            Kind::Failed,
            "the recordings cannot be judged",
            "a law has panicked; its message is above",
            "`make report LOG=out/check-driver/load.txt` shows a recording",
        )
    })?;
    let path = out.join("report.json");
    let json = serde_json::to_string_pretty(&report).unwrap_or_default();
    fs::write(&path, json + "\n").at(&path, "write")?;
    Ok(Some(report))
}

impl Checked {
    /// The report, if it says more than that nothing came of it.
    fn told(&self) -> Option<&Report> {
        self.report.as_ref().filter(|report| report.tells())
    }

    /// What the kernel has complained about.
    pub(crate) fn complaints(&self) -> &[Splat] {
        &self.outcome.splats
    }

    /// Success, or the reason against it.
    pub(crate) fn verdict(&self) -> Result<()> {
        let module = &self.module;
        let said = |what: &str| self.life.first(what);
        let fails =
            |what: String, why: String, next: &str| Err(Error::new(Kind::Failed, what, why, next));
        if let Some(step) = said("stuck") {
            let blocked = blocked::tasks(&self.outcome.printed());
            return Err(Error::new(
                Kind::Vm,
                fault::stuck(step, &blocked),
                match blocked.is_empty() {
                    true => format!("the kernel's last lines:\n{}", self.quote()),
                    false => format!("the kernel is blocked in:\n{}", indent(&blocked.join("\n"))),
                },
                "read out/check-driver/console.log; for a driver that takes its time: \
                 DEADLINE=<seconds>",
            ));
        }
        let faults = self
            .report
            .as_ref()
            .map_or(&[][..], |report| &report.faults);
        let refused = said("refused").filter(|_| faults.is_empty());
        if let Some((refused, errno)) = refused.and_then(|words| words.split_once(' ')) {
            return fails(
                format!("insmod of {refused} fails: {}", life::negative(errno)),
                format!("the kernel's last lines:\n{}", self.quote()),
                "mend that, or its parameters (PARAMS, WITH), or give it what it needs (WITH, BEFORE)",
            );
        }
        if let Some(why) = said("failed") {
            return fails(
                format!("{module} could not be checked"),
                why.to_owned(),
                "read out/check-driver/console.log",
            );
        }
        if let Some(line) = self.unknown_parameter() {
            return fails(
                format!("{module} has no such parameter"),
                line,
                "modinfo -p shows those that it has",
            );
        }
        let Some(report) = &self.report else {
            self.outcome.verdict()?;
            return fails(
                "the guest has told nothing".to_owned(),
                format!("{:?}", self.outcome.ended),
                "read out/check-driver/console.log",
            );
        };
        if let Some(fault) = faults.first() {
            return fails(
                format!("{module} is wrong: {}", fault.what),
                match fault.seen.is_empty() {
                    true => format!("it is the first of {} in the report", faults.len()),
                    false => format!("\n{}", indent(&fault.seen.join("\n"))),
                },
                "the report above begins with all faults; Documentation/laws.rst explains the laws, \
                 out/check-driver/console.log has what the kernel says",
            );
        }
        if self.life.drivers.is_empty() {
            return fails(
                format!("{module} registers no driver"),
                "no bus has a driver more after its insmod".to_owned(),
                "name the module that calls driver_register(), or its like for a bus",
            );
        }
        let firmware = no_firmware(&self.outcome.printed());
        if let Some(firmware) = firmware.filter(|_| !report.has_bound()) {
            let looked = self.firmware.as_ref().map_or_else(
                || "FIRMWARE= names no directory to look for it in".to_owned(),
                |dir| format!("there is no {}", dir.join(&firmware).display()),
            );
            return fails(
                format!("{module} asks for firmware that is not there: {firmware}"),
                looked,
                "FIRMWARE=DIR is the guest's /lib/firmware: put the file below it",
            );
        }
        if let Some(results) = report.failures() {
            return fails(
                format!("{module} binds no device: its probes fail with {results}"),
                self.failed_probe()
                    .unwrap_or_else(|| "the kernel says nothing about it".to_owned()),
                "mend that, or its parameters (PARAMS, WITH), or give it what it needs (WITH, BEFORE)",
            );
        }
        if !report.has_bound() {
            return fails(
                format!("{module} binds no device"),
                // A device that another module was to bring may have failed.
                match (self.failed_probe(), self.life.first("lacks")) {
                    (_, Some(lacks)) => report::lacks(lacks),
                    (Some(lines), _) => format!("the probe of another driver has failed; {lines}"),
                    _ => format!("its drivers: {}", self.drivers()),
                },
                "give it one: a device of QEMU's (DEVICE; `make devices` lists them with the modules \
                 that take them), a module that registers devices (WITH), or a command (BEFORE, AFTER)",
            );
        }
        let bound = report.bound_on_pci();
        if let Some(model) = unbound(&self.slots, &bound) {
            return fails(
                format!("{module} does not bind DEVICE={model}"),
                self.failed_probe().unwrap_or_else(|| {
                    let bound: Vec<&str> = bound.iter().copied().collect();
                    format!("it has bound {}", bound.join(", "))
                }),
                "`make devices` lists the modules that take it; of two devices of one kind, one may \
                 have options that the driver refuses",
            );
        }
        self.outcome.verdict()
    }

    /// What the host has done to the check, as far as that can be told: QEMU was killed, or had no
    /// time or no room.
    pub(crate) fn of_host(&self) -> Option<Error> {
        let is_killed = match &self.outcome.ended {
            Ended::Died(how) => matches!(signal(how), Some(1 | 2 | 9 | 15)),
            Ended::WallDeadline => true,
            // What the guest prints goes into files.
            Ended::Exit(_) => {
                let said = ["stuck", "refused", "failed"];
                self.report.is_none() && said.iter().all(|what| self.life.first(what).is_none())
            }
            Ended::GuestDeadline | Ended::Early | Ended::NoPowerOff => false,
        };
        is_killed.then(|| {
            let ended = self.outcome.verdict().err();
            Error::new(
                Kind::Vm,
                format!("the check of {} was not whole", self.module),
                ended.map_or("the guest has told nothing".to_owned(), |error| {
                    format!("{}: {}", error.what, error.why)
                }),
                "run the same command again, with room on the disk and in the memory",
            )
        })
    }

    fn drivers(&self) -> String {
        let drivers = self.life.drivers.iter();
        let names = drivers.map(|of| format!("{} on {}", of.name, of.bus));
        names.collect::<Vec<_>>().join(", ")
    }

    /// What the kernel has said last, but for the lines of the lab.
    fn quote(&self) -> String {
        let lines = self.lines();
        let from = lines.len().saturating_sub(QUOTED);
        match lines.is_empty() {
            true => "  (none)".to_owned(),
            false => indent(&lines[from..].join("\n")),
        }
    }

    /// What the kernel has said up to the first probe that has failed (`drivers/base/dd.c`,
    /// `call_driver_probe()`).
    fn failed_probe(&self) -> Option<String> {
        let lines = self.lines();
        let is_failure = |line: &String| line.contains(": probe with driver ");
        let at = lines.iter().position(is_failure)?;
        let quoted = &lines[at.saturating_sub(2)..=at];
        Some(format!(
            "the kernel's lines:\n{}",
            indent(&quoted.join("\n"))
        ))
    }

    /// What the kernel has said, but for the lines of the lab.
    fn lines(&self) -> Vec<String> {
        let console = self.outcome.printed();
        let lines = console
            .lines()
            .skip_while(|line| !line.contains("lab: begin "))
            .filter(|line| !complaints::is_ours(line))
            .filter(|line| !line.contains("taint") && !line.contains("ACPI: PM: "));
        lines.map(|line| line.trim_end().to_owned()).collect()
    }

    /// The kernel ignores parameters that a module does not have, and says so.
    fn unknown_parameter(&self) -> Option<String> {
        let console = self.outcome.printed();
        let mut lines = console.lines();
        let line = lines.find(|line| line.contains(": unknown parameter '"))?;
        Some(line.trim_end().to_owned())
    }
}

impl Files {
    fn all(&self) -> impl Iterator<Item = &Loaded> {
        self.needs.iter().chain(&self.with).chain([&self.driver])
    }
}

/// The first file that the kernel has not found (`drivers/base/firmware_loader/main.c`,
/// `_request_firmware()`): `slow 0000: Direct firmware load for x/y.fw failed with error -2`.
fn no_firmware(console: &str) -> Option<String> {
    console.lines().find_map(|line| {
        let (_, rest) = line.split_once("Direct firmware load for ")?;
        let (file, _) = rest.split_once(" failed with error -2")?;
        Some(file.to_owned())
    })
}

/// Where the guest has a module.
fn in_guest(path: &Path) -> String {
    format!("modules/{}", name(path))
}

/// What the guest is to do; `plan.rs` of its program has the format.
fn plan(args: &Args, devices: &Devices, files: &Files) -> Result<String> {
    let mut plan = format!("deadline {}\n", args.step_deadline);
    for function in probes(&files.driver.module.path) {
        plan += &format!("probe {function}\n");
    }
    for of in statics(&files.driver.module.path) {
        let Static {
            section,
            at,
            bytes,
            name,
        } = of;
        plan += &format!("static {section} {at} {bytes} {name}\n");
    }
    let mut line = |what: &str, loaded: &Loaded| {
        let Loaded { module, parameters } = loaded;
        let text = format!(
            "{what} /{} {} {parameters}",
            in_guest(&module.path),
            module.name
        );
        plan += &format!("{}\n", text.trim_end());
    };
    files.needs.iter().for_each(|loaded| line("need", loaded));
    files.with.iter().for_each(|loaded| line("with", loaded));
    line("driver", &files.driver);
    // What is behind a controller comes when the controller's own driver has found it.
    let before = match devices.modules().is_empty() {
        true => args.before.clone(),
        false => format!("sleep {ENUMERATED}; {}", args.before),
    };
    for (what, command) in [
        ("before", &before),
        ("after", &args.after),
        ("undo", &args.undo),
    ] {
        if command.contains('\n') {
            return Err(Error::new(
                Kind::Usage,
                format!("{} has more than one line", what.to_uppercase()),
                "each is one line for the shell",
                "put a ; between commands",
            ));
        }
        if !command.is_empty() {
            plan += &format!("{what} {command}\n");
        }
    }
    Ok(plan)
}

fn job() -> String {
    format!("echo 'lab: begin {PROGRAM}' >/dev/kmsg\n/selftests/{PROGRAM} /plan\n")
}

/// The machine, in words.
fn words(machine: &Machine) -> String {
    let clock = match machine.time {
        Time::Virtual => format!("virtual time, {} ns per instruction", 1 << machine.shift),
        Time::Wall => "wall time".to_owned(),
    };
    format!("{} CPUs, {clock}", machine.smp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals() {
        assert_eq!(signal("signal 9"), Some(9));
        assert_eq!(signal("signal: 15 (SIGTERM): the end"), Some(15));
        assert_eq!(signal("exit status: 1"), None);
    }

    #[test]
    fn what_was_asked_for_is_bound() {
        let slot =
            |number: usize, model: &str| (format!("0000:00:{number:02x}."), model.to_owned());
        let (nvme, other) = (slot(2, "nvme"), slot(3, "nvme"));
        let e1000e = slot(4, "e1000e");
        let all = [nvme, other, e1000e];
        for (bound, missed) in [
            (&["0000:00:02.0", "0000:00:03.0"][..], None),
            (&["0000:00:01.1"], Some("nvme")),
            (&["0000:00:02.0"], Some("nvme")),
            (&["0000:00:04.0"], None),
            (&[], None),
        ] {
            let bound = bound.iter().copied().collect();
            assert_eq!(unbound(&all, &bound), missed, "{bound:?}");
        }
    }

    #[test]
    fn the_firmware_that_was_asked_for() {
        let line =
            "[    1.5] my_driver d.0: Direct firmware load for my/one.fw failed with error -2";
        assert_eq!(no_firmware(line).as_deref(), Some("my/one.fw"));
        assert_eq!(no_firmware("[ 1.0] all is well"), None);
    }
}
