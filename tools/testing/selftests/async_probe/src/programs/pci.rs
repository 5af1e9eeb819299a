// SPDX-License-Identifier: GPL-2.0

//! The sample of a PCI driver, on two devices of QEMU's: their probes of 8 seconds run in parallel,
//! and unbind waits for one.

//@ boots: two_nodes

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lifecycle::event::Call;
use selftests::kernel::probing;
use selftests::{ensure, ktap, sysfs, Bench, Failure, Test};

const BUS: &str = "/sys/bus/pci";
const MODULE: &str = "slow_pci_driver";

/// How long the driver writes firmware.
const PROBE: Duration = Duration::from_secs(8);

/// The devices that the driver can drive.
fn devices() -> Vec<String> {
    let all = Path::new(BUS).join("devices");
    let mut names = sysfs::names(&all);
    names.retain(|name| {
        let modalias = std::fs::read_to_string(all.join(name).join("modalias"));
        modalias.is_ok_and(|alias| alias.starts_with("pci:v00001B36d00000005"))
    });
    names
}

fn bound(devices: &[String]) -> usize {
    let is_bound = |device: &&String| sysfs::driver_on(BUS, device).as_deref() == Some(MODULE);
    devices.iter().filter(is_bound).count()
}

/// Demands what the driver needs, and returns its devices.
fn prepare(bench: &mut Bench) -> Result<Vec<String>, Failure> {
    if !bench.module(MODULE).exists() {
        return Err(Failure::Skip(format!("{MODULE} is not built")));
    }
    let devices = devices();
    if devices.len() < 2 {
        let needs = "needs two devices: qemu -device pci-testdev -device pci-testdev";
        return Err(Failure::Skip(needs.to_owned()));
    }
    bench.firmware().put_good("slow_pci")?;
    bench.record()?;
    Ok(devices)
}

fn parallel(bench: &mut Bench) -> Result<(), Failure> {
    let devices = prepare(bench)?;
    let begin = Instant::now();
    bench.insmod(MODULE, "")?;
    let took = begin.elapsed();
    ensure("devices that are bound", &bound(&devices), &devices.len())?;
    let one = PROBE * probing().lives();
    if took < one || took > one * 3 / 2 {
        return Err(Failure::assertion("insmod to take one probe", format!("{took:?}")));
    }
    bench.recording()?.demand("insmod_waits", 1)
}

fn unbind(bench: &mut Bench) -> Result<(), Failure> {
    let devices = prepare(bench)?;
    bench.insmod(MODULE, "async_probe")?;
    // If insmod had waited for the probes, unbind would have nothing to wait for.
    let begin = Instant::now();
    let unbind = format!("{BUS}/drivers/{MODULE}/unbind");
    // The link to the driver is there before the probe begins.
    sysfs::wait_for("the probes to begin", || bound(&devices) == devices.len())?;
    let first = &devices[0];
    sysfs::write_to(&unbind, Call::Unbind, first, first)?
        .map_err(|errno| Failure::assertion(format!("unbind {first} to succeed"), errno))?;
    if begin.elapsed() < PROBE / 2 {
        return Err(Failure::assertion("unbind to wait", format!("{:?}", begin.elapsed())));
    }
    bench.rmmod(MODULE)?;
    bench.recording()?.demand("unbind_waits", 1)
}

pub(crate) fn main() -> ExitCode {
    ktap::run(vec![
        Test::new("pci: the probes of two devices run in parallel", parallel),
        Test::new("pci: unbind in the middle of a probe waits", unbind),
    ])
}
