// SPDX-License-Identifier: GPL-2.0

//! The samples for devices of QEMU's: a PCI driver, and the driver of the auxiliary devices that
//! another PCI driver adds. On two devices their probes of 8 seconds run in parallel, and unbind
//! waits for one.

//@ boots: two_nodes

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use lifecycle::event::Call;
use lifecycle::Probing;

use crate::kernel::probing;
use crate::{ensure, skip, succeeds, sysfs, unmet, Bench, Failure, Test};

/// How long a driver writes firmware.
const PROBE: Duration = Duration::from_secs(8);

/// A driver with slow probes.
struct Sample {
    module: &'static str,
    firmware: &'static str,
    /// Its directory in sysfs.
    driver: &'static str,
}

const PCI: Sample = Sample {
    module: "slow_pci_driver",
    firmware: "slow_pci",
    driver: "/sys/bus/pci/drivers/slow_pci_driver",
};

const AUXILIARY: Sample = Sample {
    module: "slow_auxiliary_driver",
    firmware: "slow_auxiliary",
    driver: "/sys/bus/auxiliary/drivers/slow_auxiliary_driver.slow_auxiliary_driver",
};

/// How many devices of QEMU's there are for the drivers.
fn devices() -> usize {
    let all = Path::new("/sys/bus/pci/devices");
    let mut names = sysfs::names(all);
    names.retain(|name| {
        let modalias = fs::read_to_string(all.join(name).join("modalias"));
        modalias.is_ok_and(|alias| alias.starts_with("pci:v00001B36d00000005"))
    });
    names.len()
}

impl Sample {
    /// Demands what the driver needs, and returns how many devices it will bind.
    fn prepare(&self, bench: &mut Bench) -> Result<usize, Failure> {
        if !bench.module(self.module).exists() {
            return skip(format!("{} is not built", self.module));
        }
        let devices = devices();
        if devices < 2 {
            let needs = "needs two devices: qemu -device pci-testdev -device pci-testdev";
            return skip(needs);
        }
        bench.firmware().put_good(self.firmware)?;
        bench.record()?;
        Ok(devices)
    }

    fn parallel(&self, bench: &mut Bench) -> Result<(), Failure> {
        let devices = self.prepare(bench)?;
        let begin = Instant::now();
        bench.insmod(self.module, "")?;
        let took = begin.elapsed();
        ensure(
            "devices that are bound",
            &sysfs::devices_of(self.driver).len(),
            &devices,
        )?;
        let one = PROBE * probing().lives();
        if took < one || took > one * 3 / 2 {
            return unmet("insmod to take one probe", format!("{took:?}"));
        }
        bench.recording()?.demand("insmod_waits", 1)
    }

    fn unbind(&self, bench: &mut Bench) -> Result<(), Failure> {
        let devices = self.prepare(bench)?;
        bench.insmod(self.module, "async_probe")?;
        // If insmod had waited for the probes, unbind would have nothing to wait for.
        let begin = Instant::now();
        // The link to the driver is there before the probe begins.
        sysfs::wait_for("the probes to begin", || {
            sysfs::devices_of(self.driver).len() == devices
        })?;
        let first = &sysfs::devices_of(self.driver)[0];
        let unbind = format!("{}/unbind", self.driver);
        let answer = sysfs::write_to(&unbind, Call::Unbind, first, first)?;
        succeeds(format_args!("unbind {first}"), answer)?;
        if begin.elapsed() < PROBE / 2 {
            return unmet("unbind to wait", format!("{:?}", begin.elapsed()));
        }
        bench.rmmod(self.module)?;
        bench.recording()?.demand("unbind_waits", 1)
    }
}

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("pci: the probes of two devices run in parallel", |bench| {
            PCI.parallel(bench)
        }),
        Test::new("pci: unbind in the middle of a probe waits", |bench| {
            PCI.unbind(bench)
        }),
        Test::new(
            "auxiliary: the probes of two devices run in parallel",
            |bench| match probing() {
                Probing::Once => AUXILIARY.parallel(bench),
                // The PCI driver's probes run one after the other.
                Probing::Twice => skip("the trial of each PCI device waits for an auxiliary probe"),
            },
        ),
        Test::new(
            "auxiliary: unbind in the middle of a probe waits",
            |bench| AUXILIARY.unbind(bench),
        ),
    ]
}
