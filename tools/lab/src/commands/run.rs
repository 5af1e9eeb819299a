// SPDX-License-Identifier: GPL-2.0

//! The demonstration: the same devices and firmware, probed in four ways.

use std::path::Path;

use bench::Identity;
use lifecycle::parse::log;
use lifecycle::report::log::short;
use lifecycle::report::{compare, devices, Scenario};
use lifecycle::summary::Summary;
use serde_json::{json, Value};
use timeline::files::{self, NAMES};
use timeline::{Heading, Part};

use crate::devices::DeviceOptions;
use crate::error::{Error, IoContext, Kind, Result};
use crate::identity::identity;
use crate::machine::Machine;
use crate::modules::Modules;
use crate::options::BootOptions;
use crate::process::indent;
use crate::progress::{note, result, Step};
use crate::session::Session;

const DEVICES: usize = 8;
const FIRMWARE_MS: u32 = 2000;

/// What is loaded, the driver last.
const MODULES: [&str; 3] = [
    "async_probe",
    "slow_platform_devices",
    "slow_platform_driver",
];

/// One insmod of the driver each: its name in the table, and its parameters.
const SCENARIOS: &[(&str, &str)] = &[
    ("prefer", "probe_type=prefer_asynchronous"),
    (
        "prefer, async_probe",
        "probe_type=prefer_asynchronous async_probe",
    ),
    ("sync", "probe_type=force_synchronous"),
    (
        "sync, async_probe",
        "probe_type=force_synchronous async_probe",
    ),
];

/// What to run it on.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kernel and machine
    #[command(flatten)]
    pub boot: BootOptions,
    /// More devices
    #[command(flatten)]
    pub devices: DeviceOptions,
    /// Prints what was measured as JSON instead of tables
    #[arg(long)]
    pub json: bool,
}

/// Runs the demonstration and prints its report.
pub(crate) fn run(args: &Args) -> Result<()> {
    let session = Session::open(&args.boot.kernel)?;
    let machine = args.devices.devices(&session)?.machine(&args.boot.machine);
    let modules = session.samples()?;
    let identity = identity(&session, &machine)?;
    let step = Step::begin("booting and running the scenarios");
    let out = session.project.out("run");
    let log = boot(&session, &modules, &machine, &out)?;
    step.done();
    let name = out.join("results.log").display().to_string();
    let read = log::parse(&log, None).map_err(|error| {
        Error::new(
            Kind::Failed,
            "the log of the demonstration cannot be understood",
            error.to_string(),
            format!("read {name}"),
        )
    })?;
    let summary = Summary::of(&name, read);
    let parts = SCENARIOS.iter().zip(&summary.waves);
    let parts = parts.map(|((name, _), wave)| Part {
        begin: wave.begin,
        name: (*name).to_owned(),
    });
    let heading = Heading {
        title: format!("{DEVICES} devices, {FIRMWARE_MS} ms of firmware each"),
        identity: identity.machine(),
        parts: parts.collect(),
    };
    let scenarios = report(&log, &summary)?;
    if args.json {
        result(&json(&identity, &summary).to_string());
    } else {
        result(&format!("{}\n{identity}\n", heading.title));
        result(format!("{scenarios}\n{}", short(&summary)).trim_end());
    }
    note(&format!(
        "the whole log: {name}; more about it: make report"
    ));
    let dir = session.project.out("timeline");
    files::write(&summary.life, &heading, &dir).at(&dir, "write the timeline into")?;
    let names = NAMES.join(", ");
    note(&format!("the timeline: {names} in {}", dir.display()));
    Ok(())
}

/// What was measured, for programs: one wave of probes of `summary` for each scenario, in order.
fn json(identity: &Identity, summary: &Summary) -> Value {
    let scenarios: Vec<Value> = SCENARIOS
        .iter()
        .map(|(name, parameters)| json!({ "name": name, "parameters": parameters }))
        .collect();
    json!({ "identity": identity, "scenarios": scenarios, "summary": summary })
}

/// Runs the scenarios in a machine of their own, and returns the guest's log.
pub(crate) fn boot(
    session: &Session,
    modules: &Modules,
    machine: &Machine,
    out: &Path,
) -> Result<String> {
    let loaded = MODULES.map(|module| modules.file(module));
    let mut initramfs = session.initramfs_with(&loaded)?;
    initramfs.bytes("job", job().as_bytes(), true);
    session.boot(machine, out).log(initramfs)
}

/// What the guest does. A call is told with the number of the task that makes it: the shell that
/// prints the line becomes the command.
///
/// Each scenario goes from insmod to rmmod, then comes its log.
fn job() -> String {
    let mut job = format!(
        "set -e\n\
         call() {{\n\
         \tcall=$1 on=$2; shift 2\n\
         \tsh -c 'echo \"lifecycle: call_began call=$0 on=$1 pid=$$\" >/dev/kmsg; shift; exec \"$@\"' $call $on \"$@\" &\n\
         \tpid=$!; wait $pid\n\
         \techo \"lifecycle: call_returned call=$call on=$on pid=$pid ret=0\" >/dev/kmsg\n\
         }}\n\
         insmod /modules/async_probe.ko\n\
         insmod /modules/slow_platform_devices.ko devices={DEVICES}\n\
         bound() {{ ls /sys/bus/platform/drivers/slow_platform 2>/dev/null | grep -c '^slow_platform[.]'; }}\n"
    );
    for (_, scenario) in SCENARIOS {
        job.push_str(&format!(
            "call insmod slow_platform_driver insmod /modules/slow_platform_driver.ko firmware_ms={FIRMWARE_MS} {scenario}\n\
             while [ \"$(bound)\" -lt {DEVICES} ]; do sleep 0.1; done\n\
             sleep 1\n\
             call rmmod slow_platform_driver rmmod slow_platform_driver\n\
             sleep 1\n"
        ));
    }
    job.push_str("dmesg | grep -E '\\] (async_probe: timing|lifecycle): '\n");
    job
}

/// The lines of one asynchronous insmod, its table, and all scenarios side by side.
fn report(log: &str, summary: &Summary) -> Result<String> {
    let waves = &summary.waves;
    if waves.len() != SCENARIOS.len() {
        return Err(Error::new(
            Kind::Failed,
            "the demonstration is incomplete",
            format!(
                "{} of {} scenarios are in the log",
                waves.len(),
                SCENARIOS.len()
            ),
            "read out/run/console.log",
        ));
    }
    let first: Vec<&str> = log
        .lines()
        .skip_while(|line| !line.contains("call_began"))
        .take_while(|line| !line.contains(": removing "))
        .collect();
    let scenarios: Vec<Scenario<'_>> = SCENARIOS
        .iter()
        .zip(waves)
        .map(|((name, _), wave)| Scenario {
            name,
            insmod: summary.life.insmod(wave),
            wave,
        })
        .collect();
    Ok(format!(
        "insmod slow_platform_driver.ko {}\n{}\n\n{}\n{}",
        SCENARIOS[0].1,
        indent(&first.join("\n")),
        devices(&summary.life, &waves[0]),
        compare(&scenarios)
    ))
}
