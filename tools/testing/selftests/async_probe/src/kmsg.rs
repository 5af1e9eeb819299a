// SPDX-License-Identifier: GPL-2.0

//! The kernel's log, from a remembered place on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lifecycle::event::Call;
use lifecycle::parse::dmesg::Parser;
use lifecycle::{Event, Probing, What};
use nix::errno::Errno;
use nix::libc::O_NONBLOCK;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::unistd::gettid;

use crate::kernel::probing;
use crate::{skip, unmet, Failure};

const KMSG: &str = "/dev/kmsg";

/// More than the kernel ever prints into one record (`PRINTK_MESSAGE_MAX`).
const RECORD: usize = 1 << 14;

/// What [`Log::catch_up`] writes, and how long it waits for it.
const MARK: &str = "selftest: read up to here";
const MARK_TIMEOUT: Duration = Duration::from_secs(10);

/// So many lines may be written to an open file at once (`DEFAULT_RATELIMIT_BURST`).
const BURST: u32 = 10;

/// The log for lines of ours, and how many more may be written to that file. To open another one
/// for each line takes long: the kernel then goes through all records that have lost their text
/// (`prb_first_valid_seq()`).
static WRITER: Mutex<Option<(File, u32)>> = Mutex::new(None);

/// What has been logged since it was opened.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
    parser: Parser,
    printed: Vec<Event>,
    /// What is printed, folded, where the kernel probes twice.
    folded: Vec<Event>,
    lines: Vec<String>,
}

impl Log {
    /// Remembers the end of the log. Skips the test if the log cannot be read or written here.
    pub(crate) fn open() -> Result<Self, Failure> {
        let no_log = |error| Failure::Skip(format!("{KMSG}: {error}"));
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(O_NONBLOCK)
            .open(KMSG)
            .map_err(no_log)?;
        file.seek(SeekFrom::End(0)).map_err(no_log)?;

        let writes = fs::read_to_string("/proc/sys/kernel/printk_devkmsg").unwrap_or_default();
        if writes.trim() == "off" {
            return skip("printk.devkmsg is off: the tests write to the log");
        }
        Ok(Self {
            file,
            parser: Parser::default(),
            printed: Vec::new(),
            folded: Vec::new(),
            lines: Vec::new(),
        })
    }

    /// Reads what has been logged since. [`Failure::Log`] if records are missing or one of ours is
    /// not understood.
    pub(crate) fn read(&mut self) -> Result<(), Failure> {
        let before = self.printed.len();
        self.read_records()?;
        if probing() == Probing::Twice && before < self.printed.len() {
            self.folded = lifecycle::life::fold(&self.printed);
        }
        Ok(())
    }

    fn read_records(&mut self) -> Result<(), Failure> {
        let mut record = [0; RECORD];
        loop {
            // One read is one record; a record that is gone is EPIPE.
            let length = match self.file.read(&mut record) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::io("read", KMSG, error)),
            };
            for line in String::from_utf8_lossy(&record[..length]).lines() {
                self.printed.extend(self.parser.line(line)?);
                if let Some((_, text)) = line.split_once(';') {
                    self.lines.push(text.to_owned());
                }
            }
        }
    }

    /// The events so far, with a probe and its trial as one probe.
    pub(crate) fn events(&self) -> &[Event] {
        match probing() {
            Probing::Once => &self.printed,
            Probing::Twice => &self.folded,
        }
    }

    /// The events so far, as they were printed.
    pub(crate) fn printed(&self) -> &[Event] {
        &self.printed
    }

    /// The text of all records so far, ours and others'.
    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Forgets the events so far. The lines stay.
    pub(crate) fn forget(&mut self) {
        self.printed.clear();
        self.folded.clear();
    }

    /// Waits until the events are as wanted; whether they are before the time is up.
    pub(crate) fn wait(
        &mut self,
        timeout: Duration,
        wanted: impl Fn(&[Event]) -> bool,
    ) -> Result<bool, Failure> {
        self.wait_until(timeout, |log| wanted(log.events()))
    }

    /// Reads all that has been logged up to now.
    ///
    /// A record that a task has begun to write hides those after it from readers, so that a read
    /// may end early while that task is preempted. A mark tells where the end is.
    pub(crate) fn catch_up(&mut self) -> Result<(), Failure> {
        let first = self.lines.len();
        write_line(MARK)?;
        let is_there = |log: &Self| log.lines[first..].iter().any(|line| line == MARK);
        if self.wait_until(MARK_TIMEOUT, is_there)? {
            return Ok(());
        }
        unmet("the log to have what was written to it", MARK)
    }

    fn wait_until(
        &mut self,
        timeout: Duration,
        wanted: impl Fn(&Self) -> bool,
    ) -> Result<bool, Failure> {
        let deadline = Instant::now() + timeout;
        loop {
            self.read()?;
            if wanted(self) {
                return Ok(true);
            }
            let failed = |errno| Failure::io("poll", KMSG, errno);
            if !wait_to_read(&self.file, deadline).map_err(failed)? {
                return Ok(false);
            }
        }
    }
}

/// Waits until there is something to read; whether the time is not up.
pub(crate) fn wait_to_read(file: &impl AsFd, deadline: Instant) -> Result<bool, Errno> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Ok(false);
    }
    let left = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(file.as_fd(), PollFlags::POLLIN)], left) {
        Ok(_) | Err(Errno::EINTR) => Ok(true),
        Err(errno) => Err(errno),
    }
}

/// Makes a call between two lines of ours in the log. Of an insmod, the first says whether it asks
/// for asynchronous probes. The call's own result is the result.
pub(crate) fn around(
    call: Call,
    on: &str,
    async_probe: Option<bool>,
    make: impl FnOnce() -> Result<(), Errno>,
) -> Result<Result<(), Errno>, Failure> {
    began(call, on, async_probe)?;
    let result = make();
    write(&What::CallReturned {
        call,
        on: on.into(),
        pid: gettid().as_raw().unsigned_abs(),
        ret: result.map_or_else(|errno| -(errno as i32), |()| 0),
    })?;
    Ok(result)
}

/// Leaves in the log where a module is, if it is loaded.
pub(crate) fn loaded(module: &str) -> Result<(), Failure> {
    // `name size references users state address`
    let modules = fs::read_to_string("/proc/modules").unwrap_or_default();
    let place = modules.lines().find_map(|line| {
        let mut words = line.split(' ');
        let is_it = words.next()? == module;
        let bytes = words.next()?.parse().ok()?;
        let at = words.nth(3)?.strip_prefix("0x")?;
        is_it.then_some((u64::from_str_radix(at, 16).ok()?, bytes))
    });
    place.map_or(Ok(()), |(at, bytes)| {
        write(&What::Loaded {
            module: module.into(),
            at,
            bytes,
        })
    })
}

/// Provokes a complaint of the kernel, and announces it to a reader of the log.
pub(crate) fn expecting<T>(
    kind: &str,
    provoke: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    between("expects", "expected", kind, provoke)
}

/// Tells the lab that `judge` may make the kernel complain so, and judges that itself.
pub(crate) fn judging<T>(
    kind: &str,
    judge: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    between("judges", "judged", kind, judge)
}

fn between<T>(
    before: &str,
    after: &str,
    kind: &str,
    act: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    write_line(&format!("lab: {before} {kind}"))?;
    let result = act();
    write_line(&format!("lab: {after} {kind}"))?;
    result
}

/// Leaves in the log that a call on a module begins now.
pub(crate) fn mark(module: &str) -> Result<(), Failure> {
    began(Call::Insmod, module, None)
}

fn began(call: Call, on: &str, async_probe: Option<bool>) -> Result<(), Failure> {
    write(&What::CallBegan {
        call,
        on: on.into(),
        pid: gettid().as_raw().unsigned_abs(),
        async_probe,
    })
}

fn write(what: &What) -> Result<(), Failure> {
    write_line(&what.to_string())
}

/// Writes one line of level info.
fn write_line(line: &str) -> Result<(), Failure> {
    let mut writer = WRITER.lock().unwrap_or_else(PoisonError::into_inner);
    let mut write = || -> io::Result<()> {
        let (mut file, left) = match writer.take() {
            Some(writer) => writer,
            None => (OpenOptions::new().write(true).open(KMSG)?, BURST),
        };
        file.write_all(format!("<6>{line}\n").as_bytes())?;
        *writer = (left > 1).then(|| (file, left - 1));
        Ok(())
    };
    write().map_err(|error| Failure::io("write", KMSG, error))
}
