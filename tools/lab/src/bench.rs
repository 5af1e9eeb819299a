// SPDX-License-Identifier: GPL-2.0

//! The benchmark of the designs: each number of devices in a machine of its own, so that none
//! depends on what was measured before it.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bench::benchmark::{Group, Machine};
use bench::limits::judge;
use bench::tables::{self, Style};
use bench::{Benchmark, Design, Measured};

use crate::cli::{Bench, Cli};
use crate::error::{Error, IoContext, Kind, Result};
use crate::modules::Modules;
use crate::process::indent;
use crate::programs;
use crate::progress::{note, Step};
use crate::session::{name, Session};
use crate::vm::Time;

/// With more devices than this, designs that probe one after the other are left out.
const FEW: usize = 16;

/// With more devices than this, what the platform bus has in common with ours is left out.
const MANY: usize = 512;

/// Designs that add and bind quick devices.
const BIND: [Design; 3] = [Design::Sync, Design::PreferAsync, Design::ExclusiveAttach];

/// The measurement that is done once to no purpose, so that nothing is the first of its kind.
const WARM_UP: usize = 10;

/// More for the kernel's command line: no console output for each event, and room for all of them.
const APPEND: &str = "quiet log_buf_len=8M";

/// Seconds of guest time, which are cheap, and of wall time, which are not.
const DEADLINES: (u32, u32) = (7200, 1800);

/// What stands around the tables in a document.
const MARKERS: [&str; 2] = [".. lab bench --rst: begin\n", ".. lab bench --rst: end\n"];

/// One boot.
#[derive(Debug)]
enum Boots {
    /// So many slow devices.
    Designs(usize),
    /// Quick devices.
    Bind,
}

/// Measures, or reads what was measured; shows it and judges it.
pub fn run(cli: &Cli, args: &Bench) -> Result<()> {
    let (benchmark, path) = match &args.from {
        Some(path) => (read(path)?, path.clone()),
        None => measure(cli, args)?,
    };
    if let Some(document) = &args.rst {
        insert(&benchmark, document)?;
    }
    println!("{}\n", benchmark.machine);
    print!("{}", tables::all(&benchmark, Style::Terminal));
    check(&benchmark, &path)
}

fn read(path: &Path) -> Result<Benchmark> {
    let text = fs::read_to_string(path).at(path, "read")?;
    Benchmark::from_json(&text).map_err(|error| {
        Error::new(
            Kind::Usage,
            format!("cannot read {}", path.display()),
            error.to_string(),
            "make bench",
        )
    })
}

/// Measures and writes `out/bench.json`.
fn measure(cli: &Cli, args: &Bench) -> Result<(Benchmark, PathBuf)> {
    let session = Session::open(cli, false)?;
    let modules = session.modules()?;
    let programs = programs::build(&session.project, "bench")?;
    let machine = Machine {
        kernel: session.kernel.release()?,
        cpus: cli.machine.smp,
        ns_per_instruction: (cli.machine.time == Time::Virtual).then(|| 1 << cli.machine.shift),
    };
    let mut boots: Vec<Boots> = args.devices.iter().copied().map(Boots::Designs).collect();
    if !args.bind.is_empty() {
        boots.push(Boots::Bind);
    }
    let runner = Runner {
        cli,
        args,
        session: &session,
        modules: &modules,
        programs: &programs,
        step: &Step::begin("measuring the designs"),
    };
    let mut benchmark = Benchmark::new(machine);
    for (boot, measured) in boots.iter().zip(runner.all(&boots)) {
        let mut group = Group::default();
        for measured in measured? {
            benchmark.bind.extend(group.add(measured));
        }
        if let Boots::Designs(devices) = boot {
            group.devices = *devices;
            benchmark.groups.push(group);
        }
    }
    let path = session.project.out("bench.json");
    let json = benchmark.to_json().map_err(bug)?;
    fs::write(&path, json).at(&path, "write")?;
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
    cli: &'a Cli,
    args: &'a Bench,
    session: &'a Session,
    modules: &'a Modules,
    programs: &'a [PathBuf],
    step: &'a Step,
}

impl Runner<'_> {
    /// Runs the boots, as many at once as there are processors.
    fn all(&self, boots: &[Boots]) -> Vec<Result<Vec<Measured>>> {
        let next = AtomicUsize::new(0);
        let take = || {
            let mut done = Vec::new();
            loop {
                // From the end, as the largest take longest.
                let taken = next.fetch_add(1, Ordering::Relaxed) + 1;
                let Some(at) = boots.len().checked_sub(taken) else {
                    return done;
                };
                done.push((at, self.boot(&boots[at])));
            }
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
        let (dir, firmware) = match boot {
            Boots::Designs(devices) => (format!("bench/{devices}"), firmware(16 << 10)),
            Boots::Bind => ("bench/bind".to_owned(), firmware(1)),
        };
        let mut initramfs = self.session.initramfs(self.modules)?;
        for driver in ["slow", "slow_platform"] {
            let path = format!("lib/firmware/async_probe/{driver}.fw");
            initramfs.bytes(&path, &firmware, false);
        }
        for program in self.programs {
            initramfs.file(&format!("bin/{}", name(program)), program, true);
        }
        initramfs.bytes("job", self.job(boot).as_bytes(), true);
        let mut machine = self.cli.machine.clone();
        machine.append = format!("{APPEND} {}", machine.append).trim().to_owned();
        (machine.deadline, machine.wall_deadline) = DEADLINES;

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

    fn job(&self, boot: &Boots) -> String {
        let mut job = "set -e\n".to_owned();
        match boot {
            Boots::Designs(devices) => {
                job += &format!("measure designs {devices} {}", self.args.firmware_ms);
                for design in Design::ALL
                    .iter()
                    .filter(|design| is_shown(**design, *devices))
                {
                    job += &format!(" '{design}'");
                }
                job.push('\n');
            }
            Boots::Bind => {
                for design in BIND {
                    job += &format!("measure bind '{design}' {WARM_UP} >/dev/null\n");
                    job += &format!("measure bind '{design}'");
                    for devices in &self.args.bind {
                        job += &format!(" {devices}");
                    }
                    job.push('\n');
                }
            }
        }
        job
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

/// An image with a payload of so many bytes.
fn firmware(length: u32) -> Vec<u8> {
    firmware::encode::image(&firmware::encode::payload(length, 0)).unwrap_or_default()
}

/// What has been measured last, for the progress.
fn last(measured: &Measured) -> String {
    match measured {
        Measured::Idle(_) => "idle".to_owned(),
        Measured::Cold(cold) => format!("{} devices, first probes", cold.devices),
        Measured::Row(row) => format!("{} devices, {}", row.devices, row.design),
        Measured::Bind(bind) => format!("bind {} devices, {}", bind.devices, bind.design),
    }
}

/// Puts the tables into a document, between the markers.
fn insert(benchmark: &Benchmark, document: &Path) -> Result<()> {
    let text = fs::read_to_string(document).at(document, "read")?;
    let [begin, end] = MARKERS;
    let parts = text.split_once(begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(end)?;
        Some((before, after))
    });
    let Some((before, after)) = parts else {
        return Err(Error::new(
            Kind::Usage,
            format!("{} has no place for the tables", document.display()),
            format!(
                "the lines `{}` and `{}` are not there",
                begin.trim(),
                end.trim()
            ),
            "add them",
        ));
    };
    let tables = tables::all(benchmark, Style::Rst);
    let text = format!(
        "{before}{begin}\nMeasured on {}.\n\n{tables}\n{end}{after}",
        benchmark.machine
    );
    fs::write(document, text).at(document, "write")
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
