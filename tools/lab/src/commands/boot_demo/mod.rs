// SPDX-License-Identifier: GPL-2.0

//! The demonstration on a whole system: an unmodified Debian that records its boot, what should be
//! asynchronous, and the same boot with that.

mod image;

use std::fs;
use std::path::PathBuf;

use lifecycle::report::log::Detail;
use lifecycle::report::what_if::report;
use lifecycle::simulate::{reached, what_if, Goal, Reached, WhatIf};
use lifecycle::summary::Summary;
use lifecycle::Micros;

use crate::cache::Lock;
use crate::commands::boots::table::is_near;
use crate::devices::DeviceOptions;
use crate::error::{Error, IoContext, Kind, Result};
use crate::initramfs::Initramfs;
use crate::machine::Machine;
use crate::options::BootOptions;
use crate::paths::name;
use crate::process::indent;
use crate::programs;
use crate::progress::{note, result, Step};
use crate::recorded;
use crate::session::{firmware, Session, SMALL};
use crate::vm;

use image::{Image, Slow};

/// The disk with the system.
const DISK: &str = "-drive if=none,id=d,file=/lab/out/disk.img,format=raw,snapshot=on \
                    -device virtio-blk-pci,drive=d";

/// What else udev finds a driver for, if no devices are asked for.
const DEVICES: &str = "e1000e nvme ahci qemu-xhci intel-hda hda-duplex";

const COMMAND_LINE: &str = "root=LABEL=root rw quiet";

/// A boot takes one to four minutes of a processor.
const WALL_DEADLINE: u32 = 3600;

/// Which kernel, and which machine.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kernel and machine
    #[command(flatten)]
    pub boot: BootOptions,
    /// The devices beside the disk
    #[command(flatten)]
    pub devices: DeviceOptions,
}

/// Boots, explains, boots again, and compares.
pub(crate) fn run(args: &Args) -> Result<()> {
    let session = Session::of_any(&args.boot.kernel)?;
    let devices = match args.devices.is_empty() {
        true => DeviceOptions {
            device: vec![DEVICES.to_owned()],
            ..DeviceOptions::default()
        },
        false => args.devices.clone(),
    };
    let devices = devices.devices(&session)?.args().join(" ");
    let slow = slow(&session)?;
    let probe_analyze = programs::probe_analyze(&session.project, session.kernel.arch())?;
    let image = image::ensure(&session, &slow, &probe_analyze)?;
    let machine = Machine {
        qemu: format!("{DISK} {devices}"),
        exact: false,
        wall_deadline: args.boot.machine.wall_deadline.max(WALL_DEADLINE),
        ..args.boot.machine.with_parameters(COMMAND_LINE)
    };
    let boot = |what: &str, parameter: &str| {
        let machine = machine.with_parameters(parameter);
        let machine = recorded::machine(&probe_analyze, &session.kernel, &machine)?;
        boot(&session, &image, &machine, what)
    };
    let before = boot("as it is", "")?;
    let advice = what_if(&before.life, &[]);
    result(&report(&before, &advice, Detail::Folded));
    if advice.drivers.is_empty() {
        return Err(Error::new(
            Kind::Failed,
            "no driver would gain",
            "the slow driver of this demonstration must",
            "probe-analyze report out/boot-demo/as-it-is/boot.txt",
        ));
    }
    let parameter = format!("driver_async_probe={}", advice.drivers.join(","));
    let after = boot("as advised", &parameter)?;
    let (text, wrong) = compare(&advice, &reached(&after.life));
    result(&format!("{parameter}\n\n{text}"));
    note("recordings: out/boot-demo/*/boot.txt, for probe-analyze report, what-if and timeline");
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Failed,
        "the prediction is wrong",
        format!("\n{}", indent(&wrong.join("\n"))),
        "probe-analyze diff out/boot-demo/as-it-is/boot.txt out/boot-demo/as-advised/boot.txt",
    ))
}

/// The slow driver: in Rust where the kernel takes that, and in C on others.
fn slow(session: &Session) -> Result<Slow> {
    if session.kernel.is_without_rust() {
        return Ok(Slow {
            modules: recorded::modules(session)?,
            devices: "slow_devices",
            options: "options slow_devices a=4\noptions slow_a ms=1000\n",
            firmware: vec![],
        });
    }
    let modules = session
        .samples()?
        .stripped(&session.env, session.kernel.arch())?;
    let wanted = [
        "async_probe",
        "slow_platform_devices",
        "slow_platform_driver",
    ];
    let is_wanted = |file: &PathBuf| wanted.iter().any(|of| name(file) == format!("{of}.ko"));
    Ok(Slow {
        modules: modules.files()?.into_iter().filter(is_wanted).collect(),
        devices: "slow_platform_devices",
        options: "options slow_platform_devices devices=4\n\
                  options slow_platform_driver firmware_ms=1000 probe_type=default_strategy\n\
                  alias platform:slow_platform slow_platform_driver\n",
        firmware: vec![("lib/firmware/async_probe/slow_platform.fw", firmware(SMALL))],
    })
}

fn boot(session: &Session, image: &Image, machine: &Machine, what: &str) -> Result<Summary> {
    let out = format!("boot-demo/{}", what.replace(' ', "-"));
    let out = session.project.out(&out);
    {
        let _lock = Lock::directory(&out)?;
        let disk = out.join("disk.img");
        let _ = fs::remove_file(&disk);
        // QEMU writes what the guest changes elsewhere.
        fs::hard_link(&image.disk, &disk)
            .or_else(|_| fs::copy(&image.disk, &disk).map(drop))
            .at(&disk, "write")?;
    }
    let step = Step::begin(&format!("booting the Debian {what} (1 to 4 minutes)"));
    let initramfs = Initramfs::of_distribution(&image.initrd);
    let boot = vm::Boot {
        brings: vm::Brings::Alone,
        ..session.boot(machine, &out)
    };
    boot.run(initramfs, &mut |_| ())?.verdict()?;
    step.done();
    recorded::read(&out.join("results.log"))
}

/// Prediction and measurement of each goal, and where they differ.
fn compare(advice: &WhatIf, then: &[Reached]) -> (String, Vec<String>) {
    let mut text = format!(
        "{:<32} {:>12} {:>12} {:>12} {:>12}\n",
        "", "as it is", "predicted", "as advised", "off by"
    );
    let mut wrong = Vec::new();
    let is_shown = |goal: &&Goal| goal.short != "insmod" || goal.what.contains("slow");
    for goal in advice.goals.iter().filter(is_shown) {
        let measured = then.iter().find(|other| other.what == goal.what);
        let Some(measured) = measured.map(|of| of.now) else {
            wrong.push(format!("{}: not in the second boot", goal.what));
            continue;
        };
        let predicted = goal.then.likely;
        let off = Micros(predicted.0.abs_diff(measured.0));
        text += &format!(
            "{:<32} {:>12} {:>12} {:>12} {:>12}\n",
            goal.what,
            goal.now.to_string(),
            predicted.to_string(),
            measured.to_string(),
            off.to_string()
        );
        // When the host has read the disk is not the guest's time: all that udev does after that
        // comes earlier or later.
        let is_judged = goal.short != "bound";
        if is_judged && !is_near(predicted, measured, Micros(0)) {
            wrong.push(format!(
                "{}: after {measured} ms, and not after {predicted} ms",
                goal.what
            ));
        }
    }
    (text, wrong)
}
