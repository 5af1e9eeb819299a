// SPDX-License-Identifier: GPL-2.0

//! The benchmark: each number of devices in a machine of its own, so that none depends on what was
//! measured before it.

pub(crate) mod sizes;
pub(crate) mod wall;

use std::fs;
use std::iter;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bench::limits::judge;
use bench::tables::{self, Style};
use bench::{document, regression, Benchmark, Bus, Design, Measured};

use crate::error::{Error, IoContext, Kind, Result};
use crate::identity::identity;
use crate::machine::Machine;
use crate::modules::Modules;
use crate::options::BootOptions;
use crate::paths::{name, write};
use crate::process::indent;
use crate::programs;
use crate::progress::{note, Step};
use crate::project::Project;
use crate::session::{add_firmware, Session};

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kernel and machine
    #[command(flatten)]
    pub boot: BootOptions,
    /// Only these parts
    #[arg(value_enum)]
    pub parts: Vec<Part>,
    /// Numbers of slow devices
    #[arg(long, num_args = 0.., value_delimiter = ',', default_value = "1,8,64,512,4096")]
    pub devices: Vec<usize>,
    /// Numbers of quick devices
    #[arg(long, num_args = 0.., value_delimiter = ',', default_value = "10,100,1000,10000")]
    pub quick: Vec<usize>,
    /// How long the firmware of a slow device takes
    #[arg(long, default_value_t = 2000)]
    pub firmware_ms: u32,
    /// Measures the wall time of make run and make check, too, which takes long
    #[arg(long)]
    pub wall: bool,
    /// Shows and judges this file instead of measuring
    #[arg(long)]
    pub from: Option<PathBuf>,
    /// Puts what was measured into the documentation: the tables, and the file that they are from
    #[arg(long)]
    pub document: bool,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Slow devices in all designs
    Designs,
    /// Quick devices in some designs
    Bind,
    /// Rust and C
    Costs,
    /// The size of the modules
    Sizes,
    /// The kernel's boot
    Boot,
    /// Upstream's own test of asynchronous probing
    Upstream,
}

/// What to compare with.
#[derive(Debug, clap::Args)]
pub(crate) struct CompareArgs {
    /// An older bench.json
    #[arg(long, default_value = "Documentation/benchmark.json")]
    pub base: PathBuf,
    /// The newer one
    #[arg(long, default_value = "out/bench.json")]
    pub new: PathBuf,
    /// Compares runs of different identity
    #[arg(long)]
    pub force: bool,
}

/// With more devices than this, designs that probe one after the other are left out.
const FEW: usize = 16;

/// With more devices than this, what the platform bus has in common with ours is left out.
const MANY: usize = 512;

/// Designs that add and bind quick devices.
const BIND: [Design; 3] = [
    Design::Bus(Bus::Sync),
    Design::Bus(Bus::PreferAsync),
    Design::Bus(Bus::ExclusiveAttach),
];

/// The devices of a measurement whose result is dropped, so that nothing is the first of its
/// kind.
const WARM_UP: usize = 10;

/// More for the kernel's command line: no console output for each event, and room for all of them.
const APPEND: &str = "quiet log_buf_len=8M";

/// Seconds of guest time, which are cheap, and of wall time, which are not.
const DEADLINES: (u32, u32) = (7200, 1800);

/// The guest program that measures.
const MEASURE: &str = "measure";

/// Upstream's own test.
const UPSTREAM: &str = "test_async_driver_probe.ko";

const AGAIN: &str = "make bench";

/// One boot.
#[derive(Debug)]
enum Boots {
    /// So many slow devices.
    Designs(usize),
    /// Quick devices.
    Bind,
    /// So many devices in Rust and in C.
    Costs(usize),
    /// The boot itself.
    Boot,
    /// Upstream's own test.
    Upstream,
}

/// Measures, or reads what was measured; shows it and judges it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let (benchmark, path) = match &args.from {
        Some(path) => (read(path)?, path.clone()),
        None => measure(args)?,
    };
    if args.document {
        documents(&benchmark)?;
    }
    println!("{}", benchmark.identity);
    for tables in [tables::designs, tables::costs] {
        let tables = tables(&benchmark, Style::Terminal);
        if !tables.trim().is_empty() {
            print!("\n{tables}");
        }
    }
    check(&benchmark, &path)
}

/// Compares two benchmarks.
pub(crate) fn compare(args: &CompareArgs) -> Result<()> {
    let (old, new) = (read(&args.base)?, read(&args.new)?);
    let differences = old.identity.differences(&new.identity);
    if !differences.is_empty() {
        if !args.force {
            return Err(Error::new(
                Kind::Usage,
                "the two were not measured on the same",
                format!("\n{}", indent(&differences.join("\n"))),
                "make bench-compare FORCE=1, or measure again on the same",
            ));
        }
        note(&format!(
            "not measured on the same: {}",
            differences.join(", ")
        ));
    }
    if !old.is_exact() || !new.is_exact() {
        note("figures are exact at one instruction per nanosecond only");
    }
    let found = regression::compare(&old, &new).map_err(bug)?;
    let (old, new) = (&old.identity.revision, &new.identity.revision);
    println!(
        "{new} against {old}: {} figures, {} better, {} worse, {} not measured",
        found.common,
        found.better,
        found.regressions.len(),
        found.missing
    );
    if found.common == 0 {
        return Err(Error::new(
            Kind::Usage,
            "nothing to compare",
            "the two have no figure in common",
            AGAIN,
        ));
    }
    if found.regressions.is_empty() {
        return Ok(());
    }
    let worse: Vec<String> = found.regressions.iter().map(ToString::to_string).collect();
    Err(Error::new(
        Kind::Failed,
        format!("{} figures are worse than they may be", worse.len()),
        format!("\n{}", indent(&worse.join("\n"))),
        "find out why; if it is worth it, make bench DOCUMENT=1 takes the new figures",
    ))
}

fn read(path: &Path) -> Result<Benchmark> {
    let wrong = |why: String| {
        let what = format!("cannot read {}", path.display());
        Error::new(Kind::Usage, what, why, AGAIN)
    };
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    Benchmark::from_json(&text).map_err(|error| wrong(error.to_string()))
}

/// Measures and writes `out/bench.json`.
fn measure(args: &Args) -> Result<(Benchmark, PathBuf)> {
    let session = Session::open(&args.boot.kernel)?;
    let modules = session.modules()?;
    let programs = programs::build(&session.project, session.kernel.arch())?;
    let measure = programs.iter().find(|program| name(program) == MEASURE);
    let measure = measure.ok_or_else(|| bug("no guest program of the name measure"))?;
    let has = |part| args.parts.is_empty() || args.parts.contains(&part);
    let mut boots: Vec<Boots> = Vec::new();
    if has(Part::Boot) {
        boots.push(Boots::Boot);
    }
    // Not every kernel tree has its source.
    let mut files = modules.files()?.into_iter();
    if has(Part::Upstream) && files.any(|file| name(&file) == UPSTREAM) {
        boots.push(Boots::Upstream);
    }
    if has(Part::Designs) {
        boots.extend(args.devices.iter().copied().map(Boots::Designs));
    }
    if has(Part::Bind) {
        boots.push(Boots::Bind);
    }
    if has(Part::Costs) {
        boots.extend(args.quick.iter().copied().map(Boots::Costs));
    }
    let mut benchmark = Benchmark::new(identity(&session, &args.boot.machine)?);
    note(&benchmark.identity.to_string());
    let runner = Runner {
        args,
        session: &session,
        modules: &modules,
        measure,
        step: &Step::begin("measuring"),
    };
    for (boot, measured) in boots.iter().zip(runner.all(&boots)) {
        let devices = match boot {
            Boots::Designs(devices) => Some(*devices),
            _ => None,
        };
        benchmark.add(devices, measured?);
    }
    if has(Part::Sizes) {
        benchmark.sizes = sizes::sizes(&session, &modules)?;
    }
    if args.wall {
        benchmark.wall = wall::times(&session)?;
    }
    let path = session.project.out("bench.json");
    write(&path, &benchmark.to_json().map_err(bug)?)?;
    Ok((benchmark, path))
}

fn bug(error: impl ToString) -> Error {
    Error::new(
        Kind::Failed,
        "the benchmark failed",
        error.to_string(),
        "this is a bug of the lab: report it",
    )
}

/// What all boots have in common.
struct Runner<'a> {
    args: &'a Args,
    session: &'a Session,
    modules: &'a Modules,
    measure: &'a Path,
    step: &'a Step,
}

impl Runner<'_> {
    /// Runs the boots, as many at once as there are processors.
    fn all(&self, boots: &[Boots]) -> Vec<Result<Vec<Measured>>> {
        let next = AtomicUsize::new(0);
        let take = || {
            // From the end, as the largest take longest.
            let next = || Some(next.fetch_add(1, Ordering::Relaxed) + 1);
            let places = iter::from_fn(next).map_while(|taken| boots.len().checked_sub(taken));
            let done = places.map(|at| (at, self.boot(&boots[at])));
            done.collect::<Vec<_>>()
        };
        let parallel = thread::available_parallelism().map_or(1, NonZero::get);
        let mut done: Vec<(usize, Result<Vec<Measured>>)> = thread::scope(|scope| {
            let threads: Vec<_> = (0..parallel.min(boots.len()))
                .map(|_| scope.spawn(take))
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap_or_default())
                .collect()
        });
        done.sort_by_key(|(at, _)| *at);
        let mut results: Vec<_> = done.into_iter().map(|(_, result)| result).collect();
        // A thread that panicked has taken its results along.
        results.resize_with(boots.len(), || Err(bug("a thread of the lab panicked")));
        results
    }

    fn boot(&self, boot: &Boots) -> Result<Vec<Measured>> {
        let dir = match boot {
            Boots::Designs(devices) => format!("bench/{devices}"),
            Boots::Bind => "bench/bind".to_owned(),
            Boots::Costs(devices) => format!("bench/costs-{devices}"),
            Boots::Boot => "bench/boot".to_owned(),
            Boots::Upstream => "bench/upstream".to_owned(),
        };
        let mut initramfs = self.session.initramfs(self.modules)?;
        if !matches!(boot, Boots::Designs(_)) {
            add_firmware(&mut initramfs, 1);
        }
        initramfs.file(&format!("bin/{MEASURE}"), self.measure, true);
        initramfs.bytes("job", self.job(boot)?.as_bytes(), true);
        let machine = self.machine(boot);

        let mut measured = Vec::new();
        let mut errors = Vec::new();
        let out = self.session.project.out(&dir);
        let outcome = self
            .session
            .boot(&machine, &out)
            .run(initramfs, &mut |line| match serde_json::from_str(line) {
                Ok(line) => {
                    self.step.message(&last(&line));
                    measured.push(line);
                }
                Err(_) => errors.push(line.to_owned()),
            })?;
        if !errors.is_empty() {
            return Err(Error::new(
                Kind::Failed,
                "the guest could not measure",
                format!("\n{}", indent(&errors.join("\n"))),
                format!("read {}", outcome.console.display()),
            ));
        }
        outcome.verdict()?;
        note(&format!(
            "{dir}: {:.1} s of wall time",
            outcome.wall.as_secs_f64()
        ));
        Ok(measured)
    }

    fn machine(&self, boot: &Boots) -> Machine {
        let mut machine = self.args.boot.machine.clone();
        machine.append = format!("{APPEND} {}", machine.append).trim().to_owned();
        (machine.deadline, machine.wall_deadline) = DEADLINES;
        if let Boots::Costs(_) = boot {
            // What is counted is the work of one processor, not what others do meanwhile.
            machine.smp = 1;
        }
        machine
    }

    fn job(&self, boot: &Boots) -> Result<String> {
        let mut job = "set -e\n".to_owned();
        match boot {
            Boots::Boot => job += "measure boot\n",
            Boots::Upstream => job += "measure upstream\n",
            Boots::Costs(devices) => job += &format!("measure costs {devices}\n"),
            Boots::Designs(devices) => {
                job += &format!("measure designs {devices} {}", self.args.firmware_ms);
                let designs = Design::of(&self.session.kernel.release()?);
                for design in designs.filter(|design| is_shown(*design, *devices)) {
                    job += &format!(" '{design}'");
                }
                job.push('\n');
            }
            Boots::Bind => {
                for design in BIND {
                    job += &format!("measure bind '{design}' {WARM_UP} >/dev/null\n");
                    job += &format!("measure bind '{design}'");
                    for devices in &self.args.quick {
                        job += &format!(" {devices}");
                    }
                    job.push('\n');
                }
            }
        }
        Ok(job)
    }
}

/// Whether a design is measured with so many devices, each of which takes its time.
fn is_shown(design: Design, devices: usize) -> bool {
    match design {
        Design::PreferAsyncParameter => devices <= FEW,
        Design::PlatformPreferAsync => devices <= MANY,
        _ => devices <= FEW || design.is_parallel(),
    }
}

/// What has been measured last, for the progress.
fn last(measured: &Measured) -> String {
    match measured {
        Measured::Idle(_) => "idle".to_owned(),
        Measured::Cold(cold) => format!("{} devices, first probes", cold.devices),
        Measured::Row(row) => format!("{} devices, {}", row.devices, row.design),
        Measured::Bind(bind) => format!("bind {} devices, {}", bind.devices, bind.design),
        Measured::Cost(cost) => format!("{} devices, {}", cost.devices, cost.twins),
        Measured::Boot(_) => "boot".to_owned(),
        Measured::Upstream(_) => "upstream's own test".to_owned(),
    }
}

/// Puts the tables into the documents, and what they are from beside them.
fn documents(benchmark: &Benchmark) -> Result<()> {
    let dir = Project::locate()?.top().join("Documentation");
    // That kernel's tables are in the first document only.
    let has_domain = document::has_domain(benchmark);
    let documents = if has_domain { 1 } else { usize::MAX };
    for document in document::DOCUMENTS.iter().take(documents) {
        let path = dir.join(document);
        let text = fs::read_to_string(&path).at(&path, "read")?;
        let text = document::insert(&text, benchmark).map_err(|error| {
            Error::new(
                Kind::Usage,
                format!("{} has no place for tables", path.display()),
                error.to_string(),
                "add them",
            )
        })?;
        write(&path, &text)?;
    }
    if has_domain {
        return Ok(());
    }
    let path = dir.join(document::JSON);
    write(&path, &benchmark.to_json().map_err(bug)?)
}

/// Judges the figures.
fn check(benchmark: &Benchmark, path: &Path) -> Result<()> {
    if !benchmark.is_exact() {
        note("the limits are judged at one instruction per nanosecond only");
        return Ok(());
    }
    let verdicts = judge(benchmark);
    let broken: Vec<String> = verdicts
        .iter()
        .filter(|verdict| !verdict.holds)
        .map(ToString::to_string)
        .collect();
    if broken.is_empty() {
        println!("\n{} limits hold; {}", verdicts.len(), path.display());
        return Ok(());
    }
    Err(Error::new(
        Kind::Failed,
        format!("{} of {} limits are broken", broken.len(), verdicts.len()),
        format!("\n{}", indent(&broken.join("\n"))),
        format!("see {}", path.display()),
    ))
}
