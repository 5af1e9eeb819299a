// SPDX-License-Identifier: GPL-2.0

//! How long the boot is stalled by slow drivers that are built in, by design.

use std::fs;

use lifecycle::designs::Design;
use lifecycle::laws::boot_waits::{self, Boot};
use lifecycle::life;
use lifecycle::parse::dmesg;
use lifecycle::{Life, Micros, Probing};
use timeline::{files, Heading};

use crate::error::{Error, IoContext, Kind, Result};
use crate::grafted;
use crate::initramfs::Initramfs;
use crate::instruments::Instruments;
use crate::machine::Machine;
use crate::options::BootOptions;
use crate::process::indent;
use crate::progress::{note, result, Step};
use crate::session::{add_firmware, Session, SMALL};
use crate::vm;

const DEVICES: usize = 8;

/// How long a kernel's boots take, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// The firmware of one device, each time that it is probed.
    firmware: u64,
    /// The firmware of one device, until it is bound.
    device: u64,
    /// What the boot may take beyond the firmware, from the driver's initcall to init.
    rest: u64,
}

impl Times {
    /// The late initcalls of a kernel with instruments alone take longer than the firmware of
    /// others, so that init would find all devices ready.
    fn of(instruments: &Instruments) -> Self {
        let (firmware, rest) = if instruments.times > 1 {
            (20_000, 5000)
        } else {
            (2000, 100)
        };
        let lives = u64::from(instruments.probing.lives());
        Self {
            firmware,
            device: firmware * lives,
            rest: rest * lives,
        }
    }
}

/// The kernel's buffer must hold what `initcall_debug` prints.
const ALWAYS: &str = "initcall_debug log_buf_len=4M";

/// A driver that is built in, and what keeps the other one out of the way.
#[derive(Debug)]
struct Driver {
    name: &'static str,
    module: &'static str,
    append: &'static str,
}

const PLATFORM: Driver = Driver {
    name: "slow_platform",
    module: "slow_platform_driver",
    append: "slow_bus.devices=0",
};

const BUS: Driver = Driver {
    name: "slow",
    module: "slow_bus_driver",
    append: "initcall_blacklist=__slow_platform_devices_init",
};

/// A boot: what the table calls it, the driver, the command line, and what is expected.
#[derive(Debug)]
struct Scenario {
    name: String,
    driver: Driver,
    append: String,
    boot: Boot,
}

impl Scenario {
    /// Whether it goes on after its probes only if they are not removed at once.
    fn waits_in_trials(&self) -> bool {
        self.append.contains("phases=2")
    }

    /// How long probes must stall the boot, at least.
    fn firmware_ms(&self, times: Times) -> u64 {
        match self.boot {
            Boot::Probes => DEVICES as u64 * times.device,
            Boot::Waits => times.device,
            Boot::GoesOn => 0,
        }
    }
}

/// On the platform bus: the name in the table, the command line, and what is expected.
const PLATFORMS: &[(&str, &str, Boot)] = &[
    (
        "force_synchronous",
        "slow_platform_driver.probe_type=force_synchronous",
        Boot::Probes,
    ),
    (
        "default_strategy",
        "slow_platform_driver.probe_type=default_strategy",
        Boot::Probes,
    ),
    (
        "default_strategy, driver_async_probe=",
        "slow_platform_driver.probe_type=default_strategy driver_async_probe=slow_platform",
        Boot::Waits,
    ),
    (
        "prefer_asynchronous",
        "slow_platform_driver.probe_type=prefer_asynchronous",
        Boot::Waits,
    ),
    (
        "two phases",
        "slow_platform_driver.probe_type=force_synchronous slow_platform_driver.phases=2",
        Boot::GoesOn,
    ),
];

/// All boots. The devices of the sample bus are registered synchronously, so that a design whose
/// registration of devices is asynchronous would be another one.
fn scenarios(release: &str) -> Vec<Scenario> {
    let platform = PLATFORMS.iter().map(|(name, append, boot)| Scenario {
        name: format!("platform: {name}"),
        driver: PLATFORM,
        append: (*append).to_owned(),
        boot: *boot,
    });
    let designs = Design::of(release).map(Design::row);
    let bus = designs
        .filter(|row| !row.registers_devices)
        .map(|row| Scenario {
            name: format!("bus: {}", row.name),
            driver: BUS,
            append: format!("slow_bus_driver.design={}", row.name),
            boot: row.boot,
        });
    platform.chain(bus).collect()
}

/// Boots each scenario, shows the table, and judges it.
pub(crate) fn run(args: &BootOptions) -> Result<()> {
    let mut session = grafted::open(&args.kernel)?;
    grafted::build_in(&mut session)?;
    let step = Step::begin("booting each design");
    let mut rows = Vec::new();
    for (number, scenario) in scenarios(&session.kernel.release()?).iter().enumerate() {
        if scenario.waits_in_trials() && session.instruments.probing == Probing::Twice {
            note(&format!(
                "{}: left out, since on this kernel each probe has a trial, whose remove waits for both phases",
                scenario.name
            ));
            continue;
        }
        step.message(&scenario.name);
        rows.push(boot(&session, &args.machine, scenario, number)?);
    }
    step.done();
    result(&format!(
        "{DEVICES} devices built in, {} ms of firmware each; Linux {}\n\n{}",
        Times::of(&session.instruments).firmware,
        session.kernel.release()?,
        table(&rows)
    ));
    note("logs and timelines: out/boot-stall/<number>, from 0; make report LOG=<dmesg.log> tells who waited");
    let broken: Vec<String> = rows.iter().filter_map(|row| row.broken.clone()).collect();
    if broken.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Failed,
        format!(
            "{} of {} boots are not as they must be",
            broken.len(),
            rows.len()
        ),
        format!("\n{}", indent(&broken.join("\n"))),
        "read the logs in out/boot-stall; make report LOG=<log> tells who waited for whom",
    ))
}

/// What came out of a scenario. Times are those since the driver's initcall began.
struct Row {
    name: String,
    initcall: Option<Micros>,
    init: Option<Micros>,
    ready: Option<Micros>,
    broken: Option<String>,
}

fn boot(session: &Session, machine: &Machine, scenario: &Scenario, number: usize) -> Result<Row> {
    let out = session.project.out(&format!("boot-stall/{number}"));
    let driver = &scenario.driver;
    let probing = session.instruments.probing;
    let times = Times::of(&session.instruments);
    let machine = Machine {
        append: format!(
            "{ALWAYS} {} {} {module}.firmware_ms={firmware_ms} {}",
            driver.append,
            scenario.append,
            machine.append,
            module = driver.module,
            firmware_ms = times.firmware,
        ),
        ..machine.clone()
    };
    let mut initramfs = Initramfs::default();
    add_firmware(&mut initramfs, SMALL);
    // Until the slowest design is done, too.
    let all_ms = DEVICES as u64 * times.device;
    let wait = all_ms / 1000 + 5 * u64::from(session.instruments.times);
    let job = format!("sleep {wait}\ndmesg\n");
    initramfs.bytes("job", job.as_bytes(), true);
    let boot = vm::Boot {
        brings: vm::Brings::Early,
        ..session.boot(&machine, &out)
    };
    let log = boot.log(initramfs)?;
    let path = out.join("dmesg.log");
    fs::write(&path, &log).at(&path, "write")?;
    let events = dmesg::parse(&log).map_err(|error| {
        Error::new(
            Kind::Failed,
            "the log of the guest cannot be understood",
            error.to_string(),
            format!("read {}", path.display()),
        )
    })?;
    let heading = Heading {
        title: scenario.name.clone(),
        identity: format!("Linux {}", session.kernel.release()?),
        parts: vec![],
    };
    let life = Life::new(events, probing);
    files::write(&life, &heading, &out).at(&out, "write the timeline into")?;
    let function = format!("__{}_init", driver.module);
    let check = |boot| boot_waits::check_boot(&life, &function, driver.name, DEVICES, boot);
    let broken = match check(scenario.boot) {
        Err(violation) => Some(format!("{}: {violation}", scenario.name)),
        Ok(stall) => limits(scenario, stall, &session.instruments)
            .or_else(|| mistaken(scenario, &|boot| check(boot).is_ok())),
    };
    let initcall = life
        .of(life::Kind::Initcall)
        .find(|(_, initcall)| initcall.on == function);
    let began = initcall.map(|(_, initcall)| initcall.begin);
    let since = |time: Option<Micros>| Some(time? - began?);
    let ends = life.spans.iter().filter(|span| {
        matches!(span.kind, life::Kind::Probe | life::Kind::SecondPhase)
            && span.driver.as_deref() == Some(driver.name)
    });
    let init = life.of(life::Kind::Boot).last();
    Ok(Row {
        name: scenario.name.clone(),
        initcall: since(initcall.and_then(|(_, initcall)| initcall.end)),
        init: since(init.and_then(|(_, boot)| boot.end)),
        ready: since(ends.filter_map(|span| span.end).max()),
        broken,
    })
}

/// A law that holds for what a boot did not do, too, tells nothing of what it did.
fn mistaken(scenario: &Scenario, holds: &dyn Fn(Boot) -> bool) -> Option<String> {
    [Boot::Probes, Boot::Waits, Boot::GoesOn]
        .into_iter()
        .find(|boot| *boot != scenario.boot && holds(*boot))
        .map(|boot| format!("{}: boot_waits takes it for {boot:?}, too", scenario.name))
}

/// What is wrong with a stall, if anything.
fn limits(scenario: &Scenario, stall: Micros, instruments: &Instruments) -> Option<String> {
    let times = Times::of(instruments);
    let low = scenario.firmware_ms(times);
    let high = low + times.rest;
    (!(low * 1000..high * 1000).contains(&stall.0)).then(|| {
        format!(
            "{}: init ran {stall} ms after the driver's initcall began, expected {low} to {high} ms",
            scenario.name
        )
    })
}

fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<48} {:>12} {:>12} {:>12}\n",
        "ms since the driver's initcall began", "it returned", "init ran", "all ready"
    );
    for row in rows {
        let time = |time: Option<Micros>| time.map_or_else(|| "-".to_owned(), |it| it.to_string());
        text.push_str(&format!(
            "{:<48} {:>12} {:>12} {:>12}\n",
            row.name,
            time(row.initcall),
            time(row.init),
            time(row.ready)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(boot: Boot) -> Scenario {
        Scenario {
            name: "x".to_owned(),
            driver: BUS,
            append: String::new(),
            boot,
        }
    }

    #[test]
    fn one_taken_for_the_other() {
        let scenario = scenario(Boot::Waits);
        assert_eq!(mistaken(&scenario, &|boot| boot == Boot::Waits), None);
        assert!(mistaken(&scenario, &|_| true).is_some());
    }

    #[test]
    fn what_is_too_early_or_too_late() {
        let on = |config: &str, boot, ms: u64| {
            let instruments = Instruments::read(&config.into());
            limits(&scenario(boot), Micros(ms * 1000), &instruments).is_none()
        };
        let of = |boot, ms| on("", boot, ms);
        assert!(of(Boot::Probes, 16_050) && !of(Boot::Probes, 15_999) && !of(Boot::Probes, 16_100));
        assert!(of(Boot::Waits, 2050) && !of(Boot::Waits, 1999) && !of(Boot::Waits, 2100));
        assert!(of(Boot::GoesOn, 50) && !of(Boot::GoesOn, 100));

        let slow = |boot, ms| on("CONFIG_KASAN=y\n", boot, ms);
        assert!(slow(Boot::GoesOn, 4999) && !slow(Boot::GoesOn, 5000));
        assert!(slow(Boot::Waits, 24_999) && !slow(Boot::Waits, 19_999));
        let twice = |boot, ms| on("CONFIG_DEBUG_TEST_DRIVER_REMOVE=y\n", boot, ms);
        assert!(twice(Boot::Probes, 32_050) && !twice(Boot::Probes, 16_050));
        assert!(twice(Boot::Waits, 4050) && !twice(Boot::Waits, 2050));
        assert!(twice(Boot::GoesOn, 50) && !twice(Boot::GoesOn, 200));
        let both = |boot, ms| {
            let config = "CONFIG_KASAN=y\nCONFIG_DEBUG_TEST_DRIVER_REMOVE=y\n";
            on(config, boot, ms)
        };
        assert!(both(Boot::Probes, 325_650) && !both(Boot::Probes, 330_000));
    }
}
