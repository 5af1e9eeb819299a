// SPDX-License-Identifier: GPL-2.0

//! Takes a driver that it knows nothing of through its life, under the recorder.
//!
//! ```sh
//! check_driver PLAN
//! ```
//!
//! The plan says what to load; `plan.rs` has its format. Its results go to standard output,
//! in lines that begin with `check:`, and one recording for each part of the life. The lab reads
//! them; it also judges. The exit code is 0 if the life came to its end, whatever happened in it.

//@ tool

mod life;
mod machine;
mod own;
mod plan;
mod statics;

use std::process::ExitCode;

use life::{Life, Stop};
use plan::Plan;

const USAGE: u8 = 2;

pub(crate) fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), None) = (arguments.next(), arguments.next()) else {
        // Among the selftests it is no test.
        println!("KTAP version 1\n1..0 # SKIP usage: check_driver PLAN");
        return ExitCode::from(4);
    };
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("check_driver: {file}: {error}");
            return ExitCode::from(USAGE);
        }
    };
    let plan = match Plan::parse(&text) {
        Ok(plan) => plan,
        Err(line) => {
            eprintln!("check_driver: {file}: what is `{line}`?");
            return ExitCode::from(USAGE);
        }
    };
    match Life::new(plan).live() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Said) => ExitCode::FAILURE,
        Err(Stop::Failed(failure)) => {
            life::say("failed", failure.to_string().replace('\n', "; "));
            ExitCode::FAILURE
        }
        Err(Stop::Hangs) => machine::give_up(),
    }
}
