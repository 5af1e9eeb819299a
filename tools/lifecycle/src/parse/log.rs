// SPDX-License-Identifier: GPL-2.0

//! Logs of all kinds, told apart by what is in them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::collected::Collected;
use super::journal::Entry;
use super::kmsg::Records;
use super::message::{self, Message};
use super::note::Note;
use super::refusal::{Reason, Refusal};
use super::scan::{Boot, Given, Scan, Stamp};
use super::{consistent, dmesg, journal, json, recording};
use crate::event::halves::halves;
use crate::event::{Event, Initcall, What};
use crate::Micros;

/// A log that has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// What is in it.
    pub sources: Vec<Source>,
    /// The release of the kernel, if it says so: `7.3.4+deb13-amd64`.
    pub kernel: Option<String>,
    /// The drivers that its command line asks to be probed asynchronously, if it shows that.
    pub asked: Option<String>,
    /// Its events.
    pub events: Vec<Event>,
    /// The time of its last line, of ours or of others.
    pub end: Micros,
    /// What a reader of the report has to know.
    pub notes: Vec<Note>,
    /// What was collected beside a recording.
    pub collected: Collected,
}

/// Who has written a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The recorder.
    Recording,
    /// Drivers that use the dmesg interface.
    Timing,
    /// Userspace, around its calls.
    Calls,
    /// The kernel, with `initcall_debug`.
    InitcallDebug,
}

impl Source {
    fn of(what: &What) -> Self {
        match what {
            What::Recorded(_) => Self::Recording,
            What::CallBegan { .. } | What::CallReturned { .. } | What::Loaded { .. } => Self::Calls,
            What::Initcall(_) => Self::InitcallDebug,
            _ => Self::Timing,
        }
    }

    /// The sources of these events, in the order in which they appear.
    pub fn all_of(events: &[Event]) -> Vec<Self> {
        let mut sources = Vec::new();
        for event in events {
            let source = Self::of(&event.what);
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        sources
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Recording => "recording",
            Self::Timing => "dmesg timing",
            Self::Calls => "calls",
            Self::InitcallDebug => "initcall_debug",
        })
    }
}

/// Reads a log, whatever it is. Of several boots in it, the one of this number, from 1, or the last
/// that has anything of ours.
///
/// # Errors
///
/// [`Refusal`] for the first thing that is wrong: with the file, or with that boot.
pub fn parse(text: &str, wanted: Option<usize>) -> Result<Log, Refusal> {
    if text.starts_with(recording::FIRST) {
        if let Some(wanted) = wanted.filter(|wanted| *wanted != 1) {
            return Err(Refusal::of_all(Reason::NoSuchBoot { wanted, has: 1 }));
        }
        let events = recording::parse(text)?;
        consistent::check(&events).map_err(Refusal::of_all)?;
        return Ok(Log {
            sources: Source::all_of(&events),
            kernel: recording::kernel(text).map(str::to_owned),
            asked: None,
            events,
            end: Micros(0),
            notes: Vec::new(),
            collected: Collected::of(&recording::parts(text)?),
        });
    }
    let mut boots = boots(text)?;
    let has = boots.len();
    let number = match wanted {
        Some(wanted) if wanted == 0 || wanted > has => {
            return Err(Refusal::of_all(Reason::NoSuchBoot { wanted, has }));
        }
        Some(wanted) => wanted,
        None => boots
            .iter()
            .rposition(Boot::tells_of_probes)
            .map_or(has, |at| at + 1),
    };
    let nothing = || Refusal::of_all(Reason::Nothing(text.lines().count()));
    if number == 0 {
        return Err(nothing());
    }
    let mut boot = boots.swap_remove(number - 1);
    drop(boots);
    boot.finish().map_err(|refusal| refusal.quoting(text))?;
    if boot.events.is_empty() {
        return Err(nothing());
    }
    check(&boot).map_err(|refusal| refusal.quoting(text))?;
    boot.notes.extend(measures(&boot).into_iter().flatten());
    boot.notes.extend(lacks(&boot).into_iter().flatten());
    if has > 1 {
        let empty = if wanted.is_none() { has - number } else { 0 };
        boot.notes.insert(
            0,
            Note::Boot {
                number,
                of: has,
                empty,
            },
        );
    }
    Ok(Log {
        sources: Source::all_of(&boot.events),
        kernel: boot.kernel.release().map(str::to_owned),
        end: boot.end(),
        asked: boot.kernel.asked,
        events: boot.events,
        notes: boot.notes,
        collected: Collected::default(),
    })
}

/// The boots of a log that is no recording.
fn boots(text: &str) -> Result<Vec<Boot>, Refusal> {
    let mut scan = Scan::new();
    if json::is_json(text) {
        let mut records = Records::default();
        json::read(text, |item| match item {
            json::Item::Entry(entry) => take(entry, &mut scan),
            json::Item::Line(number, line) => dmesg::take(number, line, &mut records, &mut scan),
        })?;
    } else if json::is_lava(text) {
        let mut records = Records::default();
        json::lava(text, |number, line| {
            dmesg::take(number, line, &mut records, &mut scan)
        })?;
    } else if journal::is_export(text) {
        journal::export(text, |entry| take(entry, &mut scan));
    } else if journal::is_verbose(text) {
        journal::verbose(text, |entry| take(entry, &mut scan));
    } else {
        dmesg::read(text, &mut scan);
    }
    Ok(scan.boots())
}

/// Takes an entry of a journal, or of what `dmesg` prints in JSON.
fn take(entry: Entry, scan: &mut Scan) {
    scan.of_boot(entry.boot);
    let message = match message::read(&entry.text, entry.caller) {
        Ok(message) => message,
        Err(reason) => return scan.refuse(entry.line, reason, &entry.text),
    };
    let stamp = match entry.time {
        Ok(time) if entry.iso => Stamp::Calendar(time),
        Ok(time) => Stamp::Printk(time),
        Err(clock) => {
            return match message {
                Message::Event(_) => scan.without_time(entry.line, clock, &entry.text),
                Message::Dropped => scan.refuse(entry.line, Reason::Dropped, &entry.text),
                _ => {}
            };
        }
    };
    let given = Given {
        number: entry.line,
        line: &entry.text,
        stamp,
        console: false,
    };
    scan.message(given, message, &entry.text);
}

/// Init functions within which the clock of the lines may have been set, and whether printing the
/// lines took much of the time. The kernel measures a call by another clock, without its lines, and
/// keeps the time at which the last call began in one variable for all tasks (`init/main.c`,
/// `trace_initcall_finish_cb()`). Its figure is right if no call began meanwhile.
fn measures(boot: &Boot) -> [Option<Note>; 2] {
    const MUCH: Micros = Micros(500_000);
    // What printing takes of a call, and of all of them: of how many calls at least.
    const PRINTED: Micros = Micros(200);
    const PRINTING: Micros = Micros(200_000);
    const CALLS: usize = 20;
    let mut last = None;
    let (mut jumps, mut lines, mut kernel) = (Vec::new(), Micros(0), Micros(0));
    let (mut calls, mut slow) = (0, 0);
    for (event, line) in boot.events.iter().zip(&boot.lines) {
        match &event.what {
            What::Initcall(Initcall::Calling { function, .. }) => {
                last = Some((function, event.time));
            }
            What::Initcall(Initcall::Returned { function, took, .. }) => {
                let Some((_, began)) = last.take().filter(|(of, _)| *of == function) else {
                    continue;
                };
                if event.time - began > *took + *took + MUCH {
                    jumps.push(*line as usize);
                } else {
                    lines = lines + (event.time - began);
                    kernel = kernel + *took;
                    calls += 1;
                    slow += usize::from(event.time - began > *took + PRINTED);
                }
            }
            _ => {}
        }
    }
    let is_slow = calls >= CALLS
        && slow * 2 > calls
        && lines - kernel > PRINTING
        && (lines - kernel).0 > kernel.0 / 4;
    [
        jumps.first().map(|first| Note::Jumps {
            calls: jumps.len(),
            first: *first,
        }),
        is_slow.then_some(Note::Console { lines, kernel }),
    ]
}

/// Init functions and async work of which a line is missing.
fn lacks(boot: &Boot) -> [Option<Note>; 3] {
    let halves = halves(&boot.events);
    let line = |event: &usize| boot.lines[*event] as usize;
    let first = |events: &mut dyn Iterator<Item = &usize>| events.map(line).min();
    let uncalled = first(&mut halves.uncalled.iter());
    let unreturned = first(&mut halves.unreturned.values());
    [
        uncalled.map(|first| Note::Uncalled {
            calls: halves.uncalled.len(),
            first,
        }),
        unreturned.map(|first| Note::Unreturned {
            calls: halves.unreturned.len(),
            first,
        }),
        first(&mut halves.unended.iter()).map(|first| Note::Unended {
            works: halves.unended.len(),
            first,
        }),
    ]
}

/// Whether the log contradicts itself. With journald's times it does, always.
fn check(boot: &Boot) -> Result<(), Refusal> {
    consistent::check_lines(&boot.events, &boot.lines).map_err(|refusal| {
        match boot.is_of_journal() {
            true => Refusal {
                reason: Reason::NoTime(super::refusal::Clock::Monotonic),
                ..refusal
            },
            false => refusal,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_apart() {
        let timing = "[    1.000000] async_probe: timing: removing dev=d driver=d\n";
        let initcall = "[    1.000000] probe of d with driver d returned 0 after 1 usecs\n";
        let sources = |log: &str| parse(log, None).map(|log| log.sources);
        assert_eq!(sources(timing), Ok(vec![Source::Timing]));
        assert_eq!(
            sources(&format!("{initcall}{timing}")),
            Ok(vec![Source::InitcallDebug, Source::Timing])
        );
        assert_eq!(sources("\n\n"), Err(Refusal::of_all(Reason::Nothing(2))));
        assert_eq!(sources(""), Err(Refusal::of_all(Reason::Nothing(0))));
    }
}
