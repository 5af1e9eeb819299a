// SPDX-License-Identifier: GPL-2.0

//! A watchdog: a thread that hangs in the kernel cannot report it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::machine;

/// Nothing takes as long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// So many operations before are printed.
const HISTORY: usize = 80;

/// The operation of each thread that is under way, and those before.
#[derive(Debug)]
struct Watched {
    now: BTreeMap<u32, (Instant, String)>,
    history: VecDeque<String>,
}

static WATCHED: Mutex<Watched> = Mutex::new(Watched {
    now: BTreeMap::new(),
    history: VecDeque::new(),
});

fn watched() -> MutexGuard<'static, Watched> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds a line to the history that the watchdog prints.
pub(crate) fn note(line: String) {
    let mut watched = watched();
    watched.history.push_back(line);
    if watched.history.len() > HISTORY {
        watched.history.pop_front();
    }
}

/// Does something, watched.
pub(crate) fn watch<T>(thread: u32, what: &str, doing: impl FnOnce() -> T) -> T {
    let now = (Instant::now(), what.to_owned());
    watched().now.insert(thread, now);
    let result = doing();
    watched().now.remove(&thread);
    result
}

pub(crate) fn start() {
    thread::spawn(|| loop {
        thread::sleep(Duration::from_secs(1));
        let watched = watched();
        let stuck: Vec<_> = watched
            .now
            .iter()
            .filter(|(_, (since, _))| since.elapsed() > PATIENCE)
            .map(|(thread, (_, what))| format!("thread {thread}: {what}"))
            .collect();
        if !stuck.is_empty() {
            give_up(&stuck, &watched.history);
        }
    });
}

/// Prints the history and the blocked tasks, and ends the program.
fn give_up(stuck: &[String], history: &VecDeque<String>) -> ! {
    println!("# no end after {} s:", PATIENCE.as_secs());
    for line in stuck {
        println!("# {line}");
    }
    println!("# what happened before:");
    for line in history {
        println!("# {line}");
    }
    println!("not ok 1 stress: nothing hangs");
    // The blocked tasks first, then all of them, on the console.
    let _ = machine::write("/proc/sys/kernel/printk", "8");
    for command in ["w", "t"] {
        let _ = machine::write("/proc/sysrq-trigger", command);
    }
    thread::sleep(Duration::from_secs(2));
    std::process::exit(1);
}
