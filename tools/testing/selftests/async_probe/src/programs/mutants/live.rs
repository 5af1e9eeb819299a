// SPDX-License-Identifier: GPL-2.0

//! The lives in which wrong drivers and buses break their laws.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::Duration;

use lifecycle::event::Call;
use lifecycle::laws::law::Law;
use lifecycle::laws::mutant::Mutant;
use lifecycle::laws::{
    autoprobe_off, convoy, domain_sync, drop_order, judge, numa, order_of_arrival,
    probe_remove_probe, Verdict, Violation,
};
use lifecycle::life::Kind;
use lifecycle::{steps, Micros};
use recorder::Recorder;

use crate::kernel::probing;
use crate::recording::events;
use crate::{kernel, modules, succeeds, sysfs, Bench, Failure};

/// The laws that a log breaks, with their messages.
pub(crate) type Broken = BTreeMap<&'static str, String>;

/// The module that has all memory and all code.
pub(crate) const BASE: &str = "mutants";
/// The module of the drivers.
pub(crate) const DRIVER: &str = "mutant_driver";
/// The module of the bus.
const BUS: &str = "mutant_bus";
/// The name of bus and driver.
const NAME: &str = "mutant";
/// The first device.
pub(crate) const DEVICE: &str = "mutant.0";
/// A module that has nothing to do with it.
const UNRELATED: &str = "unrelated";

/// How long an unrelated module may take beside an exclusive domain.
const FREE: Micros = Micros(5000);

/// A law, and how it was broken.
type Judge = fn(&Log<'_>) -> Result<(), String>;

/// A life, the same with and without the defect.
pub(crate) struct Life {
    /// Parameters of [`BASE`].
    parameters: &'static str,
    act: fn(&mut Bench) -> Result<(), Failure>,
    /// The mutant's law, where it is not one that every recording is held against.
    judge: Option<Judge>,
}

/// The lives that have been led without a defect: law, parameters and acts of each.
static LED: Mutex<BTreeSet<(&str, &str, usize)>> = Mutex::new(BTreeSet::new());

impl Life {
    /// Whether this is the first time that this life is led for this law.
    pub(crate) fn is_new(&self, law: &'static str) -> bool {
        let life = (law, self.parameters, self.act as usize);
        LED.lock().map_or(true, |mut led| led.insert(life))
    }
}

/// The outcome of a life.
pub(crate) struct Log<'a> {
    /// The recording.
    recorded: &'a lifecycle::Life,
    /// What the dmesg interface shows.
    life: &'a lifecycle::Life,
    /// What [`BASE`] has said besides.
    said: &'a [String],
}

/// Leads the life with this defect; the laws that are broken.
pub(crate) fn live(
    bench: &mut Bench,
    law: &Law,
    life: &Life,
    defect: &str,
) -> Result<Broken, Failure> {
    let from = bench.lines()?.len();
    let recorder = Recorder::take_over(false)?;
    bench.insmod(BASE, &format!("mutant={defect} {}", life.parameters))?;
    (life.act)(bench)?;
    // The clean-up is no part of it.
    let recorded = events(recorder)?;
    for module in [DRIVER, BUS, BASE] {
        if modules::is_loaded(module) {
            bench.rmmod(module)?;
        }
    }
    let said = bench.said(BASE, from)?;
    let lives = [recorded, bench.printed()?.to_vec()];
    let lives = lives.map(|events| lifecycle::Life::new(events, probing()));
    let mut broken: Broken = lives
        .iter()
        .flat_map(judge)
        .filter_map(|(law, verdict)| match verdict {
            Verdict::Broken(violation) => Some((law, violation.to_string())),
            _ => None,
        })
        .collect();
    let [recorded, printed] = &lives;
    if let Some(judge) = life.judge {
        let log = Log {
            recorded,
            life: printed,
            said: &said,
        };
        if let Err(says) = judge(&log) {
            broken.insert(law.name, says);
        }
    }
    bench.forget()?;
    Ok(broken)
}

fn says(verdict: Result<(), Violation>) -> Result<(), String> {
    verdict.map_err(|violation| violation.to_string())
}

/// Loads the driver without a parameter.
fn load(bench: &mut Bench) -> Result<(), Failure> {
    bench.insmod(DRIVER, "")
}

/// Loads the driver and is back during its probes.
fn load_in_flight(bench: &mut Bench) -> Result<(), Failure> {
    bench.insmod(DRIVER, "async_probe")?;
    bench.wait_for_probe(DEVICE)
}

fn load_and_unload(bench: &mut Bench) -> Result<(), Failure> {
    load(bench)?;
    bench.rmmod(DRIVER)
}

/// Longer than late work takes.
fn later() {
    sleep(Duration::from_millis(500));
}

/// Writes to the bus or to its driver.
pub(crate) fn write(call: Call, on: &str) -> Result<(), Failure> {
    let bus = format!("/sys/bus/{NAME}");
    let (path, text) = match call {
        Call::Bind | Call::Unbind => (format!("{bus}/drivers/{NAME}/{call}"), on),
        Call::DriversProbe => (format!("{bus}/drivers_probe"), on),
        call => {
            // To the bus a device that is unplugged is one that is removed.
            let unplug = call == Call::Unplug;
            let file = if unplug { Call::Remove } else { call };
            (format!("{bus}/{file}"), on.rsplit('.').next().unwrap_or(on))
        }
    };
    let answer = sysfs::write_to(&path, call, on, text)?;
    succeeds(format_args!("{call} of {on}"), answer)
}

/// The life of a mutant.
pub(crate) fn life(law: &Law, mutant: &Mutant) -> Option<Life> {
    let life = |parameters, act| Life {
        parameters,
        act,
        judge: None,
    };
    Some(match (law.name, mutant.name) {
        ("register_returns", _) => life("slow_ms=100", load),
        ("insmod_waits", _) => life("slow_ms=300", |bench| {
            load(bench)?;
            bench.wait_for_ends(2)
        }),
        ("force_sync", _) => life("probe_type=2", load),
        ("default_type", "match_prefers") => life("probe_type=0", load),
        ("default_type", _) => life("probe_type=1", load),
        // A plain insmod would break `insmod_waits`.
        ("manual_bind_sync", _) => life("devices=1 slow_ms=300", |bench| {
            load_in_flight(bench)?;
            bench.wait_for_ends(1)?;
            write(Call::Unbind, DEVICE)?;
            write(Call::Bind, DEVICE)?;
            bench.wait_for_ends(2)
        }),
        ("one_at_a_time", _) => life("", load_and_unload),
        ("unbind_waits", _) => life("devices=1 slow_ms=300", |bench| {
            load_in_flight(bench)?;
            write(Call::Unbind, DEVICE)?;
            later();
            Ok(())
        }),
        ("rmmod_waits", "driver_is_left") => life("", load_and_unload),
        ("rmmod_waits", _) => {
            // rmmod itself takes seconds where objects are released late.
            let is_late = kernel::has("DEBUG_KOBJECT_RELEASE");
            let parameters = if is_late {
                "slow_ms=15000"
            } else {
                "slow_ms=300"
            };
            life(parameters, |bench| {
                load_in_flight(bench)?;
                bench.rmmod(DRIVER)?;
                bench.wait_for_ends(2)
            })
        }
        ("provider_pinned", _) => life("own_bus=0", |bench| {
            bench.insmod(BUS, "")?;
            load(bench)?;
            // The kernel refuses, or the law complains.
            modules::rmmod(BUS).map(drop)
        }),
        ("gone_before_probe", _) => life("devices=1", |bench| {
            bench.occupy_workers()?;
            bench.insmod(DRIVER, "async_probe")?;
            write(Call::Remove, DEVICE)?;
            bench.free_workers()?;
            bench.rmmod(DRIVER)
        }),
        ("gone_during_probe", _) => life("devices=1 slow_ms=300", |bench| {
            load_in_flight(bench)?;
            write(Call::Remove, DEVICE)?;
            later();
            Ok(())
        }),
        ("deferral", _) => life("defers", |bench| {
            load(bench)?;
            sleep(Duration::from_millis(1500));
            bench.rmmod(DRIVER)
        }),
        ("failed_probe", _) => life("fails", load),
        ("probe_remove_probe", _) => Life {
            judge: Some(|log| says(probe_remove_probe::second_succeeds(log.life, NAME).map(drop))),
            ..life("", load)
        },
        ("uevent_order", _) => life("", load_and_unload),
        ("nothing_outlives", _) => life("devices=1", |bench| {
            load_and_unload(bench)?;
            write(Call::Remove, DEVICE)?;
            // Longer than a kernel takes that releases objects late.
            sleep(Duration::from_secs(6));
            write(Call::Add, "mutant.1")
        }),
        ("firmware_in_probe", "firmware_ignored") => {
            life("devices=1 firmware=async_probe/missing.fw", load)
        }
        ("firmware_in_probe", _) => life("devices=1 firmware=async_probe/slow.fw", |bench| {
            load(bench)?;
            write(Call::Unbind, DEVICE)?;
            later();
            Ok(())
        }),
        ("killed_loader", _) => life("kthread", load),
        ("convoy", _) => Life {
            parameters: "probe_type=2 exclusive slow_ms=500",
            act: |bench| {
                modules::wait_until_gone(UNRELATED);
                load_in_flight(bench)?;
                bench.insmod(UNRELATED, "")?;
                bench.rmmod(UNRELATED)?;
                bench.wait_for_ends(2)
            },
            judge: Some(|log| {
                let mut kinds = [Call::Insmod, Call::Rmmod].into_iter();
                says(kinds.try_for_each(|kind| {
                    convoy::check_free(log.recorded, kind, UNRELATED, FREE).map(drop)
                }))
            }),
        },
        ("numa", _) => Life {
            judge: Some(|log| {
                let nodes = BTreeMap::from([0, 1].map(|number| (format!("{NAME}.{number}"), 0)));
                match numa::check(log.recorded, &nodes) {
                    Ok(2) => Ok(()),
                    Ok(cases) => Err(format!("{cases} async probes, not 2")),
                    Err(violation) => Err(violation.to_string()),
                }
            }),
            ..life("", load)
        },
        ("single_slot", _) => life("devices=1 two_drivers", |bench| {
            bench.occupy_workers()?;
            bench.insmod(DRIVER, "async_probe")?;
            bench.free_workers()?;
            bench.wait_for_ends(1)
        }),
        ("domain_sync", _) => Life {
            parameters: "devices=0 domain",
            act: |_| {
                later();
                Ok(())
            },
            judge: Some(|log| {
                let steps = steps::parse(log.said.iter().map(String::as_str))?;
                domain_sync::check(&steps).map(drop)
            }),
        },
        ("drop_order", _) => Life {
            parameters: "devices=1",
            act: load_and_unload,
            judge: Some(|log| {
                let dropped: Vec<_> = log
                    .said
                    .iter()
                    .filter_map(|line| line.strip_prefix("dropped "))
                    .collect();
                let declared = ["first", "second"].repeat(probing().lives() as usize);
                drop_order::check(&dropped, &declared)
            }),
        },
        ("order_of_arrival", _) => Life {
            parameters: "",
            act: |bench| {
                load_and_unload(bench)?;
                for device in 0..2 {
                    write(Call::Remove, &format!("{NAME}.{device}"))?;
                }
                load(bench)?;
                for device in 0..2 {
                    write(Call::Add, &format!("{NAME}.{device}"))?;
                }
                later();
                Ok(())
            },
            judge: Some(|log| {
                let life = log.life;
                let call = |kind, from: usize| {
                    let mut calls = life.of(Kind::Call(kind)).map(|(_, call)| call);
                    let call = calls.find(|call| call.on == DRIVER && from <= call.began);
                    call.map(|call| call.began)
                        .ok_or("a call is not in the log")
                };
                let first = call(Call::Rmmod, 0)?;
                let then = call(Call::Insmod, first)?;
                let end = call(Call::Rmmod, then)?;
                let [devices_first, driver_first] = [0..first, then..end]
                    .map(|part| lifecycle::Life::new(life.events[part].to_vec(), life.probing));
                says(order_of_arrival::check(&devices_first, &driver_first, 2))
            }),
        },
        ("autoprobe_off", _) => Life {
            parameters: "devices=1",
            act: |bench| {
                sysfs::put(format!("/sys/bus/{NAME}/drivers_autoprobe"), "0")?;
                load(bench)?;
                write(Call::DriversProbe, DEVICE)
            },
            judge: Some(|log| says(autoprobe_off::check(log.life, NAME, DEVICE))),
        },
        _ => return None,
    })
}
