// SPDX-License-Identifier: GPL-2.0

//! The kernel's log, from a remembered place on.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process;

use lifecycle::dmesg::Parser;
use lifecycle::event::Call;
use lifecycle::{Event, Micros, What};
use nix::libc::O_NONBLOCK;

use crate::Result;

const KMSG: &str = "/dev/kmsg";

/// More than the kernel ever prints into one record (`PRINTK_MESSAGE_MAX`).
const RECORD: usize = 1 << 14;

/// What has been logged since it was opened.
pub(crate) struct Log {
    file: File,
    parser: Parser,
    events: Vec<Event>,
}

impl Log {
    /// Remembers the end of the log.
    pub(crate) fn open() -> Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(O_NONBLOCK)
            .open(KMSG)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self {
            file,
            parser: Parser::default(),
            events: Vec::new(),
        })
    }

    /// Reads what has been logged since.
    pub(crate) fn read(&mut self) -> Result<&[Event]> {
        let mut record = [0; RECORD];
        loop {
            // One read is one record; a record that is gone is EPIPE.
            let length = match self.file.read(&mut record) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(&self.events),
                Err(error) => return Err(error.into()),
            };
            for line in String::from_utf8_lossy(&record[..length]).lines() {
                self.events.extend(self.parser.line(line)?);
            }
        }
    }
}

/// Leaves in the log that what is measured begins now.
pub(crate) fn mark(module: &str) -> Result<()> {
    let what = What::CallBegan {
        call: Call::Insmod,
        on: module.to_owned(),
        pid: process::id(),
    };
    let mut file = OpenOptions::new().write(true).open(KMSG)?;
    file.write_all(format!("<6>{what}\n").as_bytes())?;
    Ok(())
}

/// What the log says of the probes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Probes {
    /// How many have ended.
    pub(crate) ended: usize,
    /// How many of them with success.
    pub(crate) bound: usize,
    /// The slowest.
    pub(crate) slowest: Micros,
    /// From the mark until the last has ended.
    pub(crate) until: Micros,
    /// How many ran at once, at most.
    pub(crate) at_once: usize,
}

impl Probes {
    /// Reads the events. A probe in two phases has ended when its device is ready.
    pub(crate) fn of(events: &[Event], two_phases: bool) -> Self {
        let mut this = Self::default();
        let mut running: HashSet<&str> = HashSet::new();
        let mut marked = Micros(0);
        for event in events {
            match &event.what {
                What::CallBegan { .. } => marked = event.time,
                What::ProbeBegan { device, .. } => {
                    running.insert(device);
                    this.at_once = this.at_once.max(running.len());
                }
                What::ProbeEnded {
                    device, ret, took, ..
                } if !two_phases || *ret != 0 => {
                    running.remove(device.as_str());
                    this.end(*ret, *took, event.time - marked);
                }
                What::Ready {
                    device, ret, took, ..
                } => {
                    running.remove(device.as_str());
                    this.end(*ret, *took, event.time - marked);
                }
                _ => {}
            }
        }
        this
    }

    fn end(&mut self, ret: i32, took: Micros, until: Micros) {
        self.ended += 1;
        self.bound += usize::from(ret == 0);
        self.slowest = self.slowest.max(took);
        self.until = self.until.max(until);
    }
}
