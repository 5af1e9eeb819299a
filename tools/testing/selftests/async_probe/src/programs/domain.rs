// SPDX-License-Identifier: GPL-2.0

//! Asynchronous domains: the functions that a wait waits for (domain_sync), functions that are
//! refused as too many are pending, and the order in which the fields of a module and of driver
//! data are dropped (drop_order).

//@ plain: it schedules 32768 functions, more than the buffers of the recorder hold

use lifecycle::event::Call;
use lifecycle::laws::{domain_sync, drop_order};
use lifecycle::steps;

use crate::kernel::probing;
use crate::samples::BUS;
use crate::test_modules::{DOMAIN_TEST, DRIVER_TEST};
use crate::{ensure, sysfs, unmet, Bench, Failure, Test};

/// How many functions can be pending at once: `MAX_WORK` in `kernel/async.c`.
const MAX_PENDING: u32 = 32768;

/// The waits of the module's scenario keep the law.
fn domain_sync(bench: &mut Bench, scenario: &str, waits: usize) -> Result<(), Failure> {
    let said = bench.play(DOMAIN_TEST, scenario)?;
    let broken =
        |seen: String| Failure::assertion("domain_sync", format!("{seen}\n{}", said.join("\n")));
    let steps = steps::parse(said.iter().map(String::as_str)).map_err(broken)?;
    let seen = domain_sync::check(&steps).map_err(broken)?;
    ensure("waits", &seen, &waits)
}

/// A function that does not fit is handed back and not called; the caller may call it.
fn refused(bench: &mut Bench) -> Result<(), Failure> {
    let said = bench.play(DOMAIN_TEST, "refused")?;
    let numbers: Vec<Vec<u32>> = said
        .iter()
        .map(|line| {
            line.split_whitespace()
                .filter_map(|word| word.parse().ok())
                .collect()
        })
        .collect();
    let seen = || said.join("\n");
    let [refused, begun] = numbers.as_slice() else {
        return unmet("two lines", seen());
    };
    // refused <0|1> after <scheduled> called <0|1>
    let [1, scheduled, 0] = refused[..] else {
        return unmet("refused, and not called", seen());
    };
    // Others may have functions pending, too.
    if !(MAX_PENDING - 100..=MAX_PENDING + 1).contains(&scheduled) {
        return unmet(
            format!("about {MAX_PENDING} functions before the refusal"),
            seen(),
        );
    }
    // begun <n> of <n> called <0|1>: the one that was refused is called by the caller.
    ensure("begun", begun, &vec![scheduled + 1, scheduled + 1, 1])
}

/// The lines that the fields print.
fn dropped(said: &[String]) -> Vec<&str> {
    said.iter()
        .filter_map(|line| line.strip_prefix("dropped "))
        .collect()
}

/// The fields of a module, one of which waits for a function.
fn module_fields(bench: &mut Bench) -> Result<(), Failure> {
    let said = bench.play(DOMAIN_TEST, "fields")?;
    drop_order::check(&dropped(&said), &["first", "function", "second", "third"])
        .map_err(|seen| Failure::assertion("drop_order", seen))
}

/// The fields of driver data, when an asynchronous probe has just set them.
fn driver_data(bench: &mut Bench, unload: bool) -> Result<(), Failure> {
    let device = BUS.device(0);
    bench.insmod(BUS.devices, "devices=1")?;
    let from = bench.lines()?.len();
    bench.insmod(DRIVER_TEST, "scenario=fields async_probe")?;
    bench.wait_for_probe(&device)?;
    if unload {
        bench.rmmod(DRIVER_TEST)?;
    } else {
        let unbind = format!("{}/drivers/fields/unbind", BUS.path);
        let answer = sysfs::write_to(&unbind, Call::Unbind, &device, &device)?;
        ensure("unbind", &answer, &Ok(()))?;
    }
    let said: Vec<_> = bench.lines()?[from..]
        .iter()
        .filter_map(|line| {
            let field = line.strip_prefix("driver_test: ").map(str::to_owned);
            let mark = line.contains(" unbound dev=");
            field.or_else(|| mark.then(|| "dropped unbound".to_owned()))
        })
        .collect();
    let declared = ["first", "unbound", "second", "third"].repeat(probing().lives() as usize);
    drop_order::check(&dropped(&said), &declared)
        .map_err(|seen| Failure::assertion("drop_order", seen))
}

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("domain: domain_sync: registered", |bench| {
            domain_sync(bench, "registered", 5)
        }),
        Test::new("domain: domain_sync: exclusive", |bench| {
            domain_sync(bench, "exclusive", 5)
        }),
        Test::new(
            "domain: domain_sync: a function schedules another",
            |bench| domain_sync(bench, "nested", 1),
        ),
        Test::new(
            "domain: too many functions are refused, not called",
            refused,
        ),
        Test::new("domain: drop_order: fields of a module", module_fields),
        Test::new("domain: drop_order: driver data, unbind", |bench| {
            driver_data(bench, false)
        }),
        Test::new("domain: drop_order: driver data, rmmod", |bench| {
            driver_data(bench, true)
        }),
    ]
}
