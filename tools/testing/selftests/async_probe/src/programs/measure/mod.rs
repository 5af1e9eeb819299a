// SPDX-License-Identifier: GPL-2.0

//! Measures designs on the running kernel; prints one line of JSON for each.
//!
//! ```text
//! measure designs <devices> <firmware_ms> <design>...
//! measure bind <design> <devices>...
//! measure costs <devices>...
//! measure boot
//! measure upstream
//! ```
//!
//! Meant for a machine of its own: it loads and unloads modules, those of the project from
//! `/modules`.

//@ tool

mod cost;
mod life;
mod probes;
mod system;

use std::env;
use std::process::ExitCode;

use bench::cost::{Language, Twins};
use bench::{Design, Measured};

use system::Result;

const USAGE: &str = "usage: measure designs <devices> <firmware_ms> <design>... | \
                     measure bind <design> <devices>... | measure costs <devices>... | measure boot | measure upstream";

pub(crate) fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("measure: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Result<()> {
    system::insmod("async_probe", "")?;
    match args {
        ["designs", devices, firmware_ms, designs @ ..] => {
            let (devices, firmware_ms) = (devices.parse()?, firmware_ms.parse()?);
            print(&Measured::Cold(life::cold(devices, firmware_ms)?))?;
            print(&Measured::Idle(life::idle()?))?;
            for design in designs {
                let row = life::row(design.parse()?, devices, firmware_ms)?;
                print(&Measured::Row(row))?;
            }
        }
        ["bind", design, devices @ ..] => {
            let design: Design = design.parse()?;
            for devices in devices {
                print(&Measured::Bind(life::bind(design, devices.parse()?)?))?;
            }
        }
        ["costs", devices @ ..] => {
            for devices in devices {
                let devices = devices.parse()?;
                for twins in Twins::ALL.into_iter().filter(|twins| is_built(*twins)) {
                    // Once to no purpose, so that the slabs are there.
                    cost::cost(twins, Language::C, devices)?;
                    for language in [Language::C, Language::Rust] {
                        print(&Measured::Cost(cost::cost(twins, language, devices)?))?;
                    }
                }
            }
        }
        ["upstream"] => print(&Measured::Upstream(life::upstream()?))?,
        ["boot"] => print(&Measured::Boot(system::boot()?))?,
        _ => return Err(USAGE.into()),
    }
    system::rmmod("async_probe")?;
    Ok(())
}

/// Whether the kernel has the abstractions that the twins are built on: those of upstream change.
fn is_built(twins: Twins) -> bool {
    [Language::C, Language::Rust]
        .into_iter()
        .all(|language| system::is_there(twins.modules(language).devices))
}

fn print(measured: &Measured) -> Result<()> {
    println!("{}", serde_json::to_string(measured)?);
    Ok(())
}
