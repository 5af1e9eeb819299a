// SPDX-License-Identifier: GPL-2.0

//! Records what the kernel does with drivers while a command runs, and prints the recording.
//!
//! ```sh
//! record OUTPUT COMMAND [ARGUMENT]...
//! ```
//!
//! The recording goes to the file OUTPUT. The exit code is that of the command.

//@ tool

use std::process::{Command, ExitCode};

use selftests::recorder::Recorder;
use selftests::Failure;

fn record(output: &str, program: &str, arguments: &[String]) -> Result<u8, Failure> {
    let recorder = Recorder::start()?;
    let status = Command::new(program)
        .args(arguments)
        .status()
        .map_err(|error| Failure::io("run", program, error))?;
    let log = recorder.stop()?;
    std::fs::write(output, log).map_err(|error| Failure::io("write", output, error))?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(255))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [output, program, arguments @ ..] = arguments.as_slice() else {
        // Among the selftests it is no test.
        println!("KTAP version 1\n1..0 # SKIP usage: record OUTPUT COMMAND [ARGUMENT]...");
        return ExitCode::from(4);
    };
    match record(output, program, arguments) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("record: {failure}");
            ExitCode::from(125)
        }
    }
}
