// SPDX-License-Identifier: GPL-2.0

//! The kernel's log, from a remembered place on.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process;

use lifecycle::event::Call;
use lifecycle::parse::dmesg::Parser;
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

    /// Reads what has been logged since, and all before it.
    pub(crate) fn read(&mut self) -> Result<&[Event]> {
        for line in self.lines()? {
            self.events.extend(self.parser.line(&line)?);
        }
        Ok(&self.events)
    }

    /// Reads the lines that have been logged since.
    pub(crate) fn lines(&mut self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        let mut record = [0; RECORD];
        loop {
            // One read is one record; a record that is gone is EPIPE.
            let length = match self.file.read(&mut record) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(lines),
                Err(error) => return Err(error.into()),
            };
            let text = String::from_utf8_lossy(&record[..length]);
            lines.extend(text.lines().map(str::to_owned));
        }
    }
}

/// Leaves in the log that what is measured begins now.
pub(crate) fn mark(module: &str) -> Result<()> {
    let what = What::CallBegan {
        call: Call::Insmod,
        on: module.into(),
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
    /// Reads the events. Of a probe in two phases it is the second that is meant: what takes long.
    pub(crate) fn of(events: &[Event], two_phases: bool) -> Self {
        let mut this = Self::default();
        let mut running: HashMap<&str, Micros> = HashMap::new();
        let mut marked = Micros(0);
        for event in events {
            match &event.what {
                What::CallBegan { .. } => marked = event.time,
                What::ProbeBegan { device, .. } if !two_phases => {
                    running.insert(device, event.time);
                    this.at_once = this.at_once.max(running.len());
                }
                // What the second phase does first.
                What::FirmwareArrived { device, took, .. } if two_phases => {
                    running.insert(device, event.time - *took);
                    this.at_once = this.at_once.max(running.len());
                }
                What::ProbeEnded { device, ret, .. } if !two_phases || *ret != 0 => {
                    let began = running.remove(device.as_str());
                    this.end(*ret, began, event.time, marked);
                }
                What::Ready { device, ret, .. } => {
                    let began = running.remove(device.as_str());
                    this.end(*ret, began, event.time, marked);
                }
                _ => {}
            }
        }
        this
    }

    fn end(&mut self, ret: i32, began: Option<Micros>, ended: Micros, marked: Micros) {
        self.ended += 1;
        self.bound += usize::from(ret == 0);
        self.slowest = self.slowest.max(ended - began.unwrap_or(ended));
        self.until = self.until.max(ended - marked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifecycle::parse::dmesg::parse;

    #[test]
    fn one_phase() {
        let log = "\
[    1.000000] lifecycle: call_began call=insmod on=d pid=9
[    1.001000] async_probe: timing: probe_began dev=d.0 driver=d async=1 cpu=0 pid=3 task=k
[    1.002000] async_probe: timing: probe_began dev=d.1 driver=d async=1 cpu=0 pid=4 task=k
[    1.003000] async_probe: timing: firmware_arrived dev=d.0 driver=d bytes=24 ret=0 ms=0.500
[    3.001000] async_probe: timing: probe_ended dev=d.0 driver=d ret=0 ms=2000.000
[    3.003000] async_probe: timing: probe_ended dev=d.1 driver=d ret=-2 ms=2001.000
[    3.004000] async_probe: timing: registered driver=d probe_type=prefer_asynchronous ret=0 ms=2004.000
";
        assert_eq!(
            Probes::of(&parse(log).unwrap(), false),
            Probes {
                ended: 2,
                bound: 1,
                slowest: Micros(2_001_000),
                until: Micros(2_003_000),
                at_once: 2,
            }
        );
    }

    #[test]
    fn of_two_phases_the_second() {
        let log = "\
[    1.000000] lifecycle: call_began call=insmod on=d pid=9
[    1.001000] async_probe: timing: probe_began dev=d.0 driver=d async=1 cpu=0 pid=3 task=k
[    1.002000] async_probe: timing: probe_ended dev=d.0 driver=d ret=0 ms=1.000
[    1.003000] async_probe: timing: probe_began dev=d.1 driver=d async=1 cpu=0 pid=3 task=k
[    1.004000] async_probe: timing: probe_ended dev=d.1 driver=d ret=0 ms=1.000
[    1.005000] async_probe: timing: firmware_arrived dev=d.0 driver=d bytes=24 ret=0 ms=0.500
[    3.000000] async_probe: timing: ready dev=d.0 driver=d ret=0 ms=1999.000
[    3.001000] async_probe: timing: firmware_arrived dev=d.1 driver=d bytes=24 ret=0 ms=0.500
[    5.000000] async_probe: timing: ready dev=d.1 driver=d ret=0 ms=3997.000
";
        assert_eq!(
            Probes::of(&parse(log).unwrap(), true),
            Probes {
                ended: 2,
                bound: 2,
                slowest: Micros(1_999_500),
                until: Micros(4_000_000),
                at_once: 1,
            }
        );
    }
}
