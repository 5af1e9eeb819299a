// SPDX-License-Identifier: GPL-2.0

//! Runs the program for a test.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use nix::pty::openpty;

/// What the program did.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command line of the program.
pub(crate) struct Run {
    command: Command,
    input: Vec<u8>,
    /// The other end of the terminal that standard output is.
    terminal: Option<File>,
    closed: bool,
}

/// The program with these arguments, without what the environment says of colours.
pub(crate) fn probe_analyze(args: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_probe-analyze"));
    command.args(args);
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped());
    command.stderr(Stdio::piped());
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm");
    Run {
        command,
        input: vec![],
        terminal: None,
        closed: false,
    }
}

/// Runs the program, and expects an exit code.
#[track_caller]
pub(crate) fn expect(args: &[&str], code: i32) -> Output {
    let output = probe_analyze(args).run();
    assert_eq!(output.code, Some(code), "{args:?}: {output:?}");
    output
}

/// The path of a log among the tests of `lifecycle`.
pub(crate) fn sample(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../lifecycle/tests/logs")
        .join(name);
    path.to_str().unwrap().to_owned()
}

impl Run {
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn input(mut self, input: &[u8]) -> Self {
        input.clone_into(&mut self.input);
        self
    }

    /// Standard output is a terminal.
    pub(crate) fn terminal(mut self) -> Self {
        let pty = openpty(None, None).unwrap();
        self.command.stdout(pty.slave);
        self.terminal = Some(File::from(pty.master));
        self
    }

    /// Standard output is a pipe that has no reader.
    pub(crate) fn closed_stdout(mut self) -> Self {
        self.closed = true;
        self
    }

    /// Standard output is a device that has no room.
    pub(crate) fn full_stdout(mut self) -> Self {
        let full = File::options().write(true).open("/dev/full").unwrap();
        self.command.stdout(full);
        self
    }

    /// Starts the program with pipes on standard input and standard output.
    pub(crate) fn start(mut self) -> Child {
        self.command.spawn().unwrap()
    }

    pub(crate) fn run(mut self) -> Output {
        let mut child = self.command.spawn().unwrap();
        // The command has the other end of the terminal.
        drop(self.command);
        let mut stdin = child.stdin.take().unwrap();
        let input = self.input;
        let writer = thread::spawn(move || {
            // The program need not read all of it.
            let _ = stdin.write_all(&input);
        });
        let mut stdout = vec![];
        if let Some(mut terminal) = self.terminal {
            // The end of a terminal is an error, EIO.
            let _ = terminal.read_to_end(&mut stdout);
        } else if self.closed {
            drop(child.stdout.take());
        }
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        stdout.extend(output.stdout);
        Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
