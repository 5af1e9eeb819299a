// SPDX-License-Identifier: GPL-2.0

//! A client of QEMU's machine protocol (QMP).
//!
//! QEMU has one end of a socket pair as its stdin, so that there is no path of a socket to keep
//! short, to remove or to guard:
//!
//! ```text
//! let (qmp, stdin) = Qmp::pair()?;
//! command.args(qmp::ARGUMENTS).stdin(stdin);      // QEMU's own arguments, in `qemu.rs`
//! let mut qemu = Guarded::spawn(&mut command)?;
//! let mut qmp = qmp.open()?;                      // greeting, capabilities
//! qmp.execute("device_add", json!({ "driver": "nvme", "serial": "1", "id": "d0" }))?;
//! qmp.event("DEVICE_DELETED")?;                   // waits for it; returns its data
//! ```
//!
//! In virtual time a command that arrives while the guest runs arrives at a moment of the host's,
//! and the run is not exact any more, unless the guest does nothing that depends on the moment.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{json, Value};

use crate::error::{Error, Kind, Result};
use crate::process::check_interrupted;

/// QEMU's arguments: its stdin is the socket.
pub(crate) const ARGUMENTS: &str = "-chardev socket,id=qmp,fd=0 -mon chardev=qmp,mode=control";

/// How long an answer may take. A machine that boots in virtual time may take this long to stop.
const PATIENCE: Duration = Duration::from_secs(600);

/// How often a wait looks whether a signal asks the lab to stop.
const POLL: Duration = Duration::from_millis(100);

/// A connection that QEMU has not answered on yet.
#[derive(Debug)]
pub(crate) struct Pending(UnixStream);

/// A connection.
#[derive(Debug)]
pub(crate) struct Qmp {
    stream: BufReader<UnixStream>,
    /// What has come of the line that is being read.
    line: Vec<u8>,
    events: VecDeque<Value>,
}

impl Qmp {
    /// A socket pair: the lab's end, and the stdin of QEMU.
    ///
    /// # Errors
    ///
    /// [`Kind::Vm`] if the host has no sockets to give.
    pub(crate) fn pair() -> Result<(Pending, Stdio)> {
        let (ours, theirs) = UnixStream::pair().map_err(|error| broken(&error))?;
        Ok((Pending(ours), Stdio::from(OwnedFd::from(theirs))))
    }

    /// Executes a command; returns what QEMU returns. Events that come meanwhile are kept.
    ///
    /// # Errors
    ///
    /// [`Kind::Vm`] with QEMU's own words if it refuses, or if it has ended;
    /// [`Kind::Interrupted`] if a signal asks the lab to stop.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "the arguments are a `json!` in every call"
    )]
    pub(crate) fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let request = json!({ "execute": command, "arguments": arguments });
        let sent = writeln!(self.stream.get_mut(), "{request}");
        sent.map_err(|error| broken(&error))?;
        loop {
            let mut answer = self.message()?;
            if let Some(error) = answer.get("error") {
                let why = error["desc"].as_str().unwrap_or("no reason is given");
                let what = format!("QEMU refuses {command}");
                return Err(Error::new(Kind::Vm, what, why, NEXT));
            }
            match answer.get_mut("return") {
                Some(value) => return Ok(value.take()),
                None => self.events.push_back(answer),
            }
        }
    }

    /// Executes a command of QEMU's monitor for people; returns what it prints.
    pub(crate) fn human(&mut self, line: &str) -> Result<String> {
        let printed = self.execute("human-monitor-command", json!({ "command-line": line }))?;
        Ok(printed.as_str().unwrap_or_default().to_owned())
    }

    /// Executes what a guest has asked for that stops itself, and lets it go on.
    pub(crate) fn stopped(&mut self, request: &str) -> Result<()> {
        let (command, arguments) = request.split_once(' ').unwrap_or((request, "{}"));
        let arguments = serde_json::from_str(arguments).map_err(|error| broken(&error))?;
        self.event("STOP")?;
        self.execute(command, arguments)?;
        self.execute("cont", json!({})).map(drop)
    }

    /// Waits for an event of this name, unless it has come before; returns its data. Earlier events
    /// are forgotten.
    ///
    /// # Errors
    ///
    /// [`Kind::Vm`] if QEMU ends or is silent for ten minutes; [`Kind::Interrupted`] as above.
    pub(crate) fn event(&mut self, name: &str) -> Result<Value> {
        loop {
            let mut event = match self.events.pop_front() {
                Some(event) => event,
                None => self.message()?,
            };
            if event["event"] == name {
                return Ok(event["data"].take());
            }
        }
    }

    fn message(&mut self) -> Result<Value> {
        let began = Instant::now();
        loop {
            match self.stream.read_until(b'\n', &mut self.line) {
                Ok(0) => return Err(broken(&"QEMU has ended")),
                Ok(_) => {
                    let message = serde_json::from_slice(&self.line);
                    self.line.clear();
                    return message.map_err(|error| broken(&error));
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock) => {}
                Err(error) => return Err(broken(&error)),
            }
            check_interrupted()?;
            if began.elapsed() > PATIENCE {
                return Err(broken(&"QEMU does not answer"));
            }
        }
    }
}

impl Pending {
    /// Reads QEMU's greeting, and begins.
    pub(crate) fn open(self) -> Result<Qmp> {
        let timeout = self.0.set_read_timeout(Some(POLL));
        timeout.map_err(|error| broken(&error))?;
        let mut qmp = Qmp {
            stream: BufReader::new(self.0),
            line: Vec::new(),
            events: VecDeque::new(),
        };
        qmp.message()?;
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }
}

const NEXT: &str = "read qemu.log beside the console";

fn broken(why: &dyn std::fmt::Display) -> Error {
    let what = "the connection to QEMU is broken";
    Error::new(Kind::Vm, what, why.to_string(), NEXT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Answers each line that comes with the next of these texts, after a greeting.
    fn qemu(answers: &'static [&str]) -> Qmp {
        let (ours, theirs) = UnixStream::pair().unwrap();
        thread::spawn(move || {
            let mut stream = BufReader::new(theirs);
            stream.get_mut().write_all(b"{\"QMP\": {}}\r\n").unwrap();
            for answer in [&["{\"return\": {}}\r\n"], answers].concat() {
                stream.read_line(&mut String::new()).unwrap();
                // In two parts: a message may come in any number of them.
                let (one, two) = answer.as_bytes().split_at(answer.len() / 2);
                stream.get_mut().write_all(one).unwrap();
                thread::sleep(POLL * 2);
                stream.get_mut().write_all(two).unwrap();
            }
        });
        Pending(ours).open().unwrap()
    }

    #[test]
    fn events_between_an_answer_and_its_command_are_kept() {
        let mut qmp = qemu(&[
            "{\"event\": \"RESUME\"}\n{\"event\": \"STOP\", \"data\": {\"a\": 1}}\n{\"return\": 2}\n",
        ]);
        assert_eq!(qmp.execute("query-x", json!({})).unwrap(), 2);
        assert_eq!(qmp.event("STOP").unwrap()["a"], 1);
        assert_eq!(qmp.event("STOP").unwrap_err().why, "QEMU has ended");
    }

    #[test]
    fn a_refusal_has_the_words_of_qemu() {
        let mut qmp = qemu(&["{\"error\": {\"class\": \"GenericError\", \"desc\": \"no bus\"}}\n"]);
        let error = qmp.execute("device_add", json!({})).unwrap_err();
        assert_eq!((error.kind, error.why.as_str()), (Kind::Vm, "no bus"));
        assert!(error.what.contains("device_add"));
    }
}
