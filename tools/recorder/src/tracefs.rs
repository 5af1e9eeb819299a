// SPDX-License-Identifier: GPL-2.0

//! The files of tracefs.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use lifecycle::event::point::Definition;
use lifecycle::parse::recording::{self, Buffer};
use lifecycle::Probing;

use crate::Error;

/// Where it is mounted.
pub(crate) const TRACEFS: &str = "/sys/kernel/tracing";

/// How often it is tried to read tracefs while nothing happens.
const TRIES: usize = 20;

/// Where tracefs is, with kprobe events in it.
pub(crate) fn tracefs() -> Result<PathBuf, Error> {
    let tracefs = PathBuf::from(TRACEFS);
    if !tracefs.join("instances").is_dir() {
        return Err(Error::Unavailable(format!(
            "tracefs is not mounted at {TRACEFS}, or only root may read it: \
             mount -t tracefs tracefs {TRACEFS}"
        )));
    }
    if !tracefs.join("kprobe_events").exists() {
        return Err(Error::Unavailable(
            "this kernel has no kprobe events: it lacks CONFIG_KPROBE_EVENTS".to_owned(),
        ));
    }
    Ok(tracefs)
}

/// How often each event was hit and missed, since it was made.
pub(crate) type Hits = BTreeMap<String, (u64, u64)>;

/// The kprobes of other groups are there too: each of ours must be there once.
pub(crate) fn hits<'a>(points: impl IntoIterator<Item = &'a Definition>) -> Result<Hits, Error> {
    let profile = read(&Path::new(TRACEFS).join("kprobe_profile"))?;
    let mut lines: BTreeMap<&str, Vec<Vec<&str>>> = BTreeMap::new();
    for line in profile.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        lines
            .entry(words.first().unwrap_or(&""))
            .or_default()
            .push(words);
    }
    let mut counted = Hits::new();
    for event in points.into_iter().flat_map(Definition::events) {
        let of = lines.get(event.as_str()).map_or(&[][..], Vec::as_slice);
        let numbers = match of {
            [words] => match words[..] {
                [_, hits, missed] => hits.parse().ok().zip(missed.parse().ok()),
                _ => None,
            },
            _ => None,
        };
        let numbers = numbers.ok_or_else(|| {
            Error::unexpected(
                format!("one kprobe event of the name {event}"),
                format!("{} of them", of.len()),
            )
        })?;
        counted.insert(event, numbers);
    }
    Ok(counted)
}

/// The points of which each hit is recorded.
pub(crate) fn steady(points: &[Definition]) -> impl Iterator<Item = &Definition> {
    points.iter().filter(|point| !point.is_filtered())
}

/// The events of a group, as `life/probe`.
pub(crate) fn events_of(group: &str) -> Vec<String> {
    // `r4096:life/probe_end really_probe …`
    let events = fs::read_to_string(Path::new(TRACEFS).join("kprobe_events")).unwrap_or_default();
    events
        .lines()
        .filter_map(|line| line.split_once(':')?.1.split(' ').next())
        .filter(|event| event.starts_with(&format!("{group}/")))
        .map(str::to_owned)
        .collect()
}

/// What the kernel has counted for each CPU since the buffers were emptied.
pub(crate) fn buffers(instance: &Path) -> Result<Vec<(u32, Buffer)>, Error> {
    let per_cpu = instance.join("per_cpu");
    let entries = fs::read_dir(&per_cpu).map_err(|error| Error::io("read", &per_cpu, error))?;
    let mut cpus: Vec<u32> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            name.to_str()?.strip_prefix("cpu")?.parse().ok()
        })
        .collect();
    cpus.sort_unstable();
    cpus.into_iter()
        .map(|cpu| {
            let stats = read(&per_cpu.join(format!("cpu{cpu}/stats")))?;
            let number = |key: &str| {
                stats
                    .lines()
                    .find_map(|line| line.strip_prefix(key)?.strip_prefix(": ")?.parse().ok())
                    .ok_or_else(|| Error::unexpected(format!("`{key}` of CPU {cpu}"), &stats))
            };
            let buffer = Buffer {
                entries: number("entries")?,
                overrun: number("overrun")?,
                commit_overrun: number("commit overrun")?,
                dropped: number("dropped events")?,
            };
            Ok((cpu, buffer))
        })
        .collect()
}

/// The text of a recording without its seal: what is in the buffers of an instance, and what the
/// kernel counted since `before`.
pub(crate) fn recording(
    instance: &Path,
    points: &[Definition],
    before: &Hits,
    probing: Probing,
) -> Result<String, Error> {
    // What is filtered never stands still, and is in the buffers if it counts.
    let counted = || Ok((hits(steady(points))?, buffers(instance)?));
    let ((mut counts, buffers), trace) = undisturbed(counted, || read(&instance.join("trace")))?;
    counts.extend(hits(points.iter().filter(|point| point.is_filtered()))?);
    let kernel = read(Path::new("/proc/sys/kernel/osrelease"))?;

    let mut log = recording::header(kernel.trim(), probing, points);
    log += &one_line_each(&trace);
    for (cpu, buffer) in buffers {
        log += &recording::buffer_line(cpu, buffer);
    }
    for (event, (hits, missed)) in counts {
        let (hits_before, missed_before) = before.get(&event).copied().unwrap_or((0, 0));
        log += &recording::kprobe_line(&event, hits - hits_before, missed - missed_before);
    }
    Ok(log)
}

/// The events, a line each. A name that a program wrote may end with a line feed, as that of a
/// module that udev reads from a file in sysfs. The quotation mark after it is then on a line of
/// its own.
fn one_line_each(trace: &str) -> String {
    trace.replace("\n\"", "\"")
}

/// Does something while `count` stands still, and returns what that is.
pub(crate) fn undisturbed<C: PartialEq, T>(
    count: impl Fn() -> Result<C, Error>,
    mut work: impl FnMut() -> Result<T, Error>,
) -> Result<(C, T), Error> {
    let mut before = count()?;
    for _ in 0..TRIES {
        let done = work()?;
        let after = count()?;
        if before == after {
            return Ok((after, done));
        }
        before = after;
    }
    Err(Error::unexpected(
        "a moment in which nothing is recorded",
        format!("none in {TRIES} tries"),
    ))
}

pub(crate) fn read(path: &Path) -> Result<String, Error> {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .map_err(|error| Error::io("read", path, error))
}

pub(crate) fn put(path: &Path, value: impl std::fmt::Display) -> Result<(), Error> {
    fs::write(path, format!("{value}\n")).map_err(|error| Error::io("write", path, error))
}

/// Makes a kprobe, or removes it.
pub(crate) fn change_kprobe(line: &str) -> io::Result<()> {
    OpenOptions::new()
        .append(true)
        .open(Path::new(TRACEFS).join("kprobe_events"))?
        .write_all(format!("{line}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_ends_with_a_line_feed() {
        let trace =
            "k-9 [000] 1.0: request_module: (f) name=\"hdaudio:v1\n\"\nk-9 [000] 1.1: run:\n";
        let lines = one_line_each(trace);
        assert_eq!(lines.lines().count(), 2);
        assert!(lines
            .lines()
            .next()
            .is_some_and(|line| line.ends_with("hdaudio:v1\"")));
    }
}
