// SPDX-License-Identifier: GPL-2.0

//! A watchdog: whoever waits in the kernel for ever cannot tell so.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::machine;

/// Nothing takes as long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// As much is told of what happened before.
const HISTORY: usize = 80;

/// What is under way, by thread, and what has happened.
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

/// Says something, should the watchdog ever tell what happened.
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

/// Starts the watchdog.
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

/// Tells what can be told, and ends the program.
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
