// SPDX-License-Identifier: GPL-2.0

//! Mutants of `boot_waits`: logs of real boots with slow drivers built in, doctored, and taken for
//! one another. No live mutant can break it, since the kernel keeps it for any driver.
//!
//! The logs are of `make boot-stall`: out/boot-stall/0, 3 and 9, without the lines of others.

use lifecycle::laws::boot_waits::{self, Boot};
use lifecycle::life::Kind;
use lifecycle::parse::dmesg;
use lifecycle::report::log::{report, Detail};
use lifecycle::{Life, Micros, Probing};

use crate::samples::summary;

/// A boot: its log, the init function of the driver, the driver, and what the boot did.
struct Real {
    log: &'static str,
    function: &'static str,
    driver: &'static str,
    boot: Boot,
}

const DEVICES: usize = 8;

const REAL: [Real; 3] = [
    Real {
        log: include_str!("boot_probes.txt"),
        function: "__slow_platform_driver_init",
        driver: "slow_platform",
        boot: Boot::Probes,
    },
    Real {
        log: include_str!("boot_waits.txt"),
        function: "__slow_platform_driver_init",
        driver: "slow_platform",
        boot: Boot::Waits,
    },
    Real {
        log: include_str!("boot_goes_on.txt"),
        function: "__slow_bus_driver_init",
        driver: "slow",
        boot: Boot::GoesOn,
    },
];

impl Real {
    /// The law's verdict if the boot did that and the log were this one.
    fn judge(&self, log: &str, boot: Boot) -> Result<Micros, String> {
        let events = dmesg::parse(log).map_err(|error| error.to_string())?;
        let life = Life::new(events, Probing::Once);
        boot_waits::check_boot(&life, self.function, self.driver, DEVICES, boot)
            .map_err(|violation| violation.to_string())
    }

    fn lines(&self) -> Vec<&'static str> {
        self.log.split_inclusive('\n').collect()
    }

    /// Whether a line tells of this.
    fn is(&self, line: &str, event: &str) -> bool {
        let driver = format!(" driver={} ", self.driver);
        let function = format!("calling  {}+", self.function);
        match event {
            "calling" => line.contains(&function),
            "init" => line.contains("Run /init"),
            _ => line.contains(event) && line.contains(&driver),
        }
    }
}

#[test]
fn each_is_what_it_is_and_nothing_else() {
    for real in &REAL {
        for boot in [Boot::Probes, Boot::Waits, Boot::GoesOn] {
            let verdict = real.judge(real.log, boot);
            assert_eq!(verdict.is_ok(), boot == real.boot, "{boot:?}: {verdict:?}");
        }
    }
}

/// Without any line that the law reads.
#[test]
fn what_is_gone_is_missed() {
    let mut gone = 0;
    for real in &REAL {
        let lines = real.lines();
        for at in 0..lines.len() {
            let events = ["calling", "init", " probe_began ", " probe_ended "];
            if !events.iter().any(|event| real.is(lines[at], event)) {
                continue;
            }
            let mut log = lines.clone();
            log.remove(at);
            let verdict = real.judge(&log.concat(), real.boot);
            assert!(verdict.is_err(), "without {}{verdict:?}", lines[at]);
            gone += 1;
        }
    }
    assert_eq!(gone, REAL.len() * (2 + 2 * DEVICES));
}

/// Init runs before the last probe has ended where the boot has to wait for it, and after the first
/// has ended where it has not.
#[test]
fn init_runs_at_another_time() {
    for real in &REAL {
        let mut lines = real.lines();
        let find = |lines: &[&str], event| lines.iter().position(|line| real.is(line, event));
        let init = lines.remove(find(&lines, "init").unwrap());
        let at = match real.boot {
            Boot::Probes | Boot::Waits => lines
                .iter()
                .rposition(|line| real.is(line, " probe_ended "))
                .unwrap(),
            Boot::GoesOn => find(&lines, " probe_ended ").unwrap() + 1,
        };
        let near = at - usize::from(real.boot == Boot::GoesOn);
        let (time, _) = lines[near].split_once(']').unwrap();
        let (_, text) = init.split_once(']').unwrap();
        let init = format!("{time}]{text}");
        lines.insert(at, &init);
        let verdict = real.judge(&lines.concat(), real.boot);
        assert!(verdict.is_err(), "{:?}: {verdict:?}", real.boot);
    }
}

/// One device more would be expected to probe.
#[test]
fn a_device_too_few() {
    for real in &REAL {
        let events = dmesg::parse(real.log).unwrap();
        let life = Life::new(events, Probing::Once);
        let check = |devices| {
            boot_waits::check_boot(&life, real.function, real.driver, devices, real.boot).is_ok()
        };
        assert!(check(DEVICES) && !check(DEVICES + 1));
    }
}

/// What is reported of a boot that waits, and of one that does not: no line says that it does.
#[test]
fn reported() {
    for (log, waits) in [
        (include_str!("boot_waits.txt"), true),
        (include_str!("boot_probes.txt"), false),
        (include_str!("boot_goes_on.txt"), false),
    ] {
        let timeline = Life::new(dmesg::parse(log).unwrap(), Probing::Once);
        let boot = timeline.spans_of(Kind::Boot).next().unwrap();
        let wait = timeline.waits.iter().find(|wait| wait.span == boot);
        assert_eq!(wait.is_some(), waits);
        let Some(wait) = wait else { continue };
        assert!(wait.inferred);
        assert_eq!(wait.doing, "boot until /init");
        assert_eq!(wait.on.len(), DEVICES);
        let report = report(&summary("boot", log), Detail::Folded);
        assert!(
            report.contains("What decided when the boot ended"),
            "{report}"
        );
    }
}
