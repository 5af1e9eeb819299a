// SPDX-License-Identifier: GPL-2.0

//! All tests: the host's under cargo, the guest's in the virtual machine.

mod board;
mod boots;
mod guest;
mod join;
mod json;
mod junit;
mod kselftest;
mod names;
mod readers;
mod tally;

use std::thread;
use std::time::{Duration, Instant};

use bench::Identity;
use lifecycle::series::SERIES;

use crate::cache::Lock;
use crate::error::{joined, Result};
use crate::how::Program;
use crate::identity::identity;
use crate::machine::{Machine, Time};
use crate::modules::Modules;
use crate::options::BootOptions;
use crate::own_kernel::FLAVOURS;
use crate::partition::Partition;
use crate::paths;
use crate::programs;
use crate::progress::{note, result, says, Step, Verbosity};
use crate::session::Session;
use board::Board;
use guest::{Guests, Results, Took, What};
use junit::Group;
use tally::Tally;

/// Guest seconds that a wall second is to cover, at least, where nothing else runs on the host.
const GUEST_PER_WALL: f64 = 10.0;

/// What to do about tests that have failed.
const NEXT: &str = "make check TESTS=<part of a name> runs some of them; consoles are in out/check";

/// Which tests to run, and on what.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kernel and machine
    #[command(flatten)]
    pub boot: BootOptions,
    /// Prints the names of the tests, and runs none
    #[arg(long)]
    pub list: bool,
    /// Prints the results as JSON, at the end
    #[arg(long, conflicts_with = "list")]
    pub json: bool,
    /// The m-th of n parts: 2/3; its results are in out/check/part-2-of-3.json
    #[arg(long, default_value = "1/1")]
    pub partition: Partition,
    /// Runs no test: adds up the results of so many parts
    #[arg(long, value_name = "N")]
    pub join: Option<usize>,
    /// Part of a name
    #[arg(default_value = "")]
    pub tests: String,
}

/// Runs the tests whose names contain the filter.
pub(crate) fn run(args: &Args) -> Result<()> {
    let (machine, filter) = (&args.boot.machine, args.tests.as_str());
    let began = Instant::now();
    let session = Session::open(&args.boot.kernel)?;
    let part = args.partition;
    let mut dir = session.project.out("check");
    if let Some(parts) = args.join {
        return join::join(&dir, parts);
    }
    dir.extend(part.name());
    let _lock = Lock::directory(&dir)?;
    let modules = session.stripped_modules()?;
    let programs = programs(&session)?;
    let identity = identity(&session, machine)?;
    note(&identity.to_string());
    let board = Board::new(filter, !args.json);
    let step = Step::begin(if args.list {
        "asking for the names of all tests"
    } else {
        "running the tests of host and guest"
    });
    let guests_of = Guests {
        session: &session,
        modules: &modules,
        machine,
        step: &step,
        board: &board,
        programs: &programs,
        filter,
        part,
        dir: &dir,
    };
    if args.list {
        let mut found = programs::host_names(&session.project)?;
        found.extend(guests_of.run(What::Names)?.names);
        step.done();
        return names::list(found, filter);
    }
    let (host, guests) = thread::scope(|scope| {
        let host = scope.spawn(|| match part.is_first() {
            true => programs::host_tests(&session.project, filter, machine.seed, &|test| {
                board.show(test);
            }),
            false => Ok(vec![]),
        });
        let guests = guests_of.run(What::Tests);
        (host.join(), guests)
    });
    let mut host = joined(host)?;
    let Results {
        tests,
        names,
        ktap,
        guest: guest_time,
        took,
    } = guests?;
    if part.is_first() {
        host.extend(kselftest::config(&session, filter)?);
    }
    host.extend(readers::run(&session, &ktap, filter)?);
    step.done();
    let groups = [
        Group {
            tests: &host,
            properties: vec![],
        },
        Group {
            tests: &tests,
            properties: properties(&identity, machine),
        },
    ];
    junit::write(&dir.join("junit.xml"), &groups, began.elapsed())?;
    let tests = [host, tests].concat();
    let json = || {
        let results = json::Results::new(&identity, &tests, began.elapsed(), guest_time);
        serde_json::to_string(&results).unwrap_or_default()
    };
    if part != Partition::WHOLE {
        paths::write(&dir.with_extension("json"), &json())?;
    } else if tests.is_empty() {
        let host = programs::host_names(&session.project)?;
        return Err(names::none(&[host, names].concat(), filter));
    }
    board.rest(&tests);
    if args.json {
        result(&json());
        return Tally::of(&tests).verdict(NEXT);
    }
    if says(Verbosity::Normal) {
        programs_took(took);
        times(machine, filter, guest_time, began.elapsed());
        if filter.is_empty() {
            left_out(args);
        }
    }
    let tally = Tally::of(&tests);
    result(&tally.to_string());
    tally.verdict(NEXT)
}

/// Runs the guest's tests whose names contain the filter, with these modules.
pub(crate) fn in_guest(
    machine: &Machine,
    session: &Session,
    modules: &Modules,
    filter: &str,
) -> Result<()> {
    let dir = session.project.out("check");
    let _lock = Lock::directory(&dir)?;
    let programs = programs(session)?;
    note(&identity(session, machine)?.to_string());
    let board = Board::new(filter, true);
    let step = Step::begin("running the tests of the guest");
    let guests = Guests {
        session,
        modules,
        machine,
        step: &step,
        board: &board,
        programs: &programs,
        filter,
        part: Partition::WHOLE,
        dir: &dir,
    };
    let Results { tests, names, .. } = guests.run(What::Tests)?;
    step.done();
    if tests.is_empty() {
        return Err(names::none(&names, filter));
    }
    board.rest(&tests);
    let tally = Tally::of(&tests);
    result(&tally.to_string());
    tally.verdict(NEXT)
}

/// All programs of the guest.
fn programs(session: &Session) -> Result<Vec<Program>> {
    let mut programs = Program::all(&session.project, session.kernel.arch())?;
    if !session.kernel.arch().libc.is_empty() {
        programs.push(Program::new(&session.project, kselftest::script(session))?);
    }
    Ok(programs)
}

/// What identifies a run of the guest's tests.
fn properties(identity: &Identity, machine: &Machine) -> Vec<(&'static str, String)> {
    let time = match machine.time {
        Time::Virtual => "virtual",
        Time::Wall => "wall",
    };
    let mut properties = vec![
        ("kernel", identity.kernel.clone()),
        ("qemu", identity.qemu.clone()),
        ("cpus", identity.cpus.to_string()),
        ("time", time.to_owned()),
    ];
    if machine.time == Time::Virtual {
        properties.push(("shift", machine.shift.to_string()));
    }
    properties
}

/// How long each program has run, the slowest first.
fn programs_took(mut took: Vec<Took>) {
    took.sort_by(|one, other| other.wall.total_cmp(&one.wall));
    result("each program, in seconds of wall time and of guest time:");
    for Took {
        program,
        guest,
        wall,
    } in took
    {
        result(&format!("  {program:<20} {wall:>6.1} {guest:>7.1}"));
    }
}

/// Guest time of all boots against the wall time of everything.
fn times(machine: &Machine, filter: &str, guest: Duration, wall: Duration) {
    let (guest, wall) = (guest.as_secs_f64(), wall.as_secs_f64());
    let ratio = guest / wall;
    result(&format!(
        "guest time {guest:.0} s in wall time {wall:.0} s: {ratio:.1} guest seconds per wall second"
    ));
    if machine.time == Time::Virtual && filter.is_empty() && ratio < GUEST_PER_WALL {
        note(&format!(
            "fewer than {GUEST_PER_WALL} guest seconds per wall second: is the host busy, or cold?"
        ));
    }
}

/// What else there is to run, each of which takes long.
const ELSEWHERE: &[&str] = &[
    "make check TESTS=random_lives | stress",
    "make in-tree, boot-stall, bench, determinism, patch-series, style, docs, pages",
];

/// Says what this has left out: other kernels first, of which those of our own take long to build,
/// too.
fn left_out(args: &Args) {
    let stock = SERIES.iter().enumerate().map(|(at, series)| match at {
        0 => "stock".to_owned(),
        _ => format!("stock:{series}"),
    });
    let others: Vec<_> = stock
        .chain(FLAVOURS.iter().map(|flavour| flavour.name.to_owned()))
        .filter(|name| *name != args.boot.kernel.kernel)
        .collect();
    result(&format!(
        "not run here: make check KERNEL={}",
        others.join(" | ")
    ));
    let time = (args.boot.machine.time == Time::Virtual).then_some("make check TIME=wall");
    for other in time.iter().chain(ELSEWHERE) {
        result(&format!("              {other}"));
    }
}
