// SPDX-License-Identifier: GPL-2.0

//! Logs of real boots with slow drivers built in, taken for one another. What is doctored is in
//! `tests/laws/boot_waits.txt`.
//!
//! The logs are of `make boot-stall`: out/boot-stall/0, 3 and 9, without the lines of others.

use lifecycle::laws::boot_waits::{self, Boot};
use lifecycle::life::Kind;
use lifecycle::parse::dmesg;
use lifecycle::report::log::{report, Detail};
use lifecycle::{Life, Probing};

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

#[test]
fn each_is_what_it_is_and_nothing_else() {
    for real in &REAL {
        let life = Life::new(dmesg::parse(real.log).unwrap(), Probing::Once);
        for boot in [Boot::Probes, Boot::Waits, Boot::GoesOn] {
            let verdict = boot_waits::check_boot(&life, real.function, real.driver, DEVICES, boot);
            assert_eq!(verdict.is_ok(), boot == real.boot, "{boot:?}: {verdict:?}");
        }
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
