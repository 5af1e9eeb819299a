// SPDX-License-Identifier: GPL-2.0

//! Whether the demonstration is the same each time: its consoles are compared byte for byte. The
//! first run boots, and the others go on from a snapshot.

use std::fs;
use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::cache::digest;
use crate::commands::run as demo;
use crate::error::{joined, Error, IoContext, Kind, Result};
use crate::identity::identity;
use crate::machine::{Machine, Time};
use crate::options::BootOptions;
use crate::process::indent;
use crate::progress::{result, Step};
use crate::session::Session;

/// What a run leaves: the kernel's console, and the output of the job.
const CONSOLES: [&str; 2] = ["console.log", "results.log"];

/// How often, and on what.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kernel and machine
    #[command(flatten)]
    pub boot: BootOptions,
    /// How often
    #[arg(long, default_value_t = 10)]
    pub runs: usize,
}

/// Runs the demonstration so many times, as many at once as there are processors.
pub(crate) fn run(args: &Args) -> Result<()> {
    let (boot, runs) = (&args.boot, args.runs);
    if boot.machine.time == Time::Wall {
        return Err(Error::new(
            Kind::Usage,
            "no two runs are the same in wall time",
            "the host's clock and its load are in every timestamp",
            "leave out TIME=wall",
        ));
    }
    let session = Session::open(&boot.kernel)?;
    let modules = session.samples()?;
    result(&identity(&session, &boot.machine)?.to_string());
    let step = Step::begin(&format!("running the demonstration {runs} times"));
    let all = session.project.out("determinism");
    let dir = |run: usize| all.join(run.to_string());
    let next = AtomicUsize::new(1);
    let work = || -> Result<()> {
        loop {
            let run = next.fetch_add(1, Ordering::Relaxed);
            if run > runs {
                return Ok(());
            }
            let machine = Machine {
                snapshot: boot.machine.snapshot && run > 1,
                ..boot.machine.clone()
            };
            demo::boot(&session, &modules, &machine, &dir(run))?;
            step.message(&format!("run {run}"));
        }
    };
    let parallel = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..parallel.min(runs)).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| joined(thread.join()))
    })?;
    step.done();

    let first = read(&dir(1))?;
    let mut differences = Vec::new();
    for run in 1..=runs {
        let consoles = read(&dir(run))?;
        let [console, results] = &consoles;
        result(&format!("run {run:>2}: {}", digest(&[console, results])));
        differences.extend(difference(&first, &consoles, run));
    }
    let Some(shown) = differences.first() else {
        result(&format!("{runs} runs, all the same"));
        return Ok(());
    };
    Err(Error::new(
        Kind::Failed,
        format!("{} of {runs} runs differ from the first", differences.len()),
        format!("\n{}", indent(shown)),
        format!("compare the directories in {}", all.display()),
    ))
}

fn read(dir: &Path) -> Result<[String; 2]> {
    let read = |name| {
        let path = dir.join(name);
        let bytes = fs::read(&path).at(&path, "read")?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let [console, results] = CONSOLES;
    Ok([read(console)?, read(results)?])
}

/// The first line in which a run differs from the first one.
fn difference(first: &[String; 2], other: &[String; 2], run: usize) -> Option<String> {
    let mut files = CONSOLES.iter().zip(first.iter().zip(other));
    let (file, (ours, theirs)) = files.find(|(_, (ours, theirs))| ours != theirs)?;
    let mut lines = (ours.split_inclusive('\n'), theirs.split_inclusive('\n'));
    let mut number = 1;
    loop {
        let pair = (lines.0.next(), lines.1.next());
        if pair.0 != pair.1 {
            let text = |line: Option<&str>| line.unwrap_or("(its end)").trim_end().to_owned();
            return Some(format!(
                "{file}, line {number}\nrun 1: {}\nrun {run}: {}",
                text(pair.0),
                text(pair.1)
            ));
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consoles(console: &str, results: &str) -> [String; 2] {
        [console.to_owned(), results.to_owned()]
    }

    #[test]
    fn the_first_line_that_differs() {
        let first = consoles("a\nb\n", "c\nd\n");
        assert_eq!(difference(&first, &first, 2), None);
        assert_eq!(
            difference(&first, &consoles("a\nb\n", "c\ne\nf\n"), 3).unwrap(),
            "results.log, line 2\nrun 1: d\nrun 3: e"
        );
        assert_eq!(
            difference(&first, &consoles("a\n", "c\nd\n"), 2).unwrap(),
            "console.log, line 2\nrun 1: b\nrun 2: (its end)"
        );
        // Not even a missing line feed is overlooked.
        assert!(difference(&first, &consoles("a\nb", "c\nd\n"), 2).is_some());
    }
}
