// SPDX-License-Identifier: GPL-2.0

//! The wall time of the front door's commands, in a clone of the checkout: cold, with nothing built
//! but the cache, and warm.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use bench::benchmark::Wall;

use crate::cache::remove_tree;
use crate::error::{Error, Kind, Result};
use crate::process::{into_log, tail, wait, Guarded};
use crate::progress::Step;
use crate::session::Session;

/// The commands, in this order.
const COMMANDS: [(&str, bool); 4] = [
    ("run", true),
    ("run", false),
    ("check", true),
    ("check", false),
];

/// Runs the commands in a new clone, which has what is committed. Whatever else the machine does
/// meanwhile is in the times.
pub(crate) fn times(session: &Session) -> Result<Vec<Wall>> {
    let clone = session.project.out("wall");
    let log = session.project.out("log/wall.log");
    let mut times = Vec::new();
    remove_tree(&clone)?;
    let mut git = Command::new("git");
    git.args(["clone", "--quiet"])
        .arg(session.project.top())
        .arg(&clone);
    timed("git clone", git, &log)?;
    for (target, cold) in COMMANDS {
        if cold {
            remove_tree(&clone.join("out"))?;
        }
        let name = format!("make {target}");
        let mut make = Command::new("make");
        // make passes on to its children what it was called with itself.
        make.arg(target)
            .current_dir(&clone)
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL");
        times.push(Wall {
            seconds: timed(&name, make, &log)?,
            command: name,
            cold,
        });
    }
    remove_tree(&clone)?;
    Ok(times)
}

/// Runs a command and tells how many seconds it took.
fn timed(name: &str, mut command: Command, log: &Path) -> Result<f64> {
    let step = Step::begin(&format!("{name}, in a clone"));
    into_log(&mut command, log)?;
    let began = Instant::now();
    let status = wait(&mut Guarded::spawn(&mut command)?, || ())?;
    if !status.success() {
        return Err(Error::new(
            Kind::Failed,
            format!("{name} failed in a clone of the checkout"),
            format!("{status}; the end of {}:\n{}", log.display(), tail(log, 10)),
            "commit what is needed; the clone has nothing else",
        ));
    }
    step.done();
    Ok(began.elapsed().as_secs_f64())
}
