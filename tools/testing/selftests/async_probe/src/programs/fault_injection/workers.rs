// SPDX-License-Identifier: GPL-2.0

//! Allocations in the workers of asynchronous functions.

use std::thread::sleep;

use lifecycle::What;

use super::calls::{bind_the_rest, load_driver, prepare, MOMENT};
use super::failslab::{self, Failslab};
use super::sweep::{as_before, is_full, registered};
use crate::samples::Sample;
use crate::{ensure, modules, unmet, Bench, Failure};

/// The budget grows by so many bytes from round to round: which allocations fail is chance, but the
/// same in each run.
const STEP: u32 = 3072;

/// The same at full length.
const FULL_STEP: u32 = 512;

/// No probes allocate as much.
const MOST: u32 = 1 << 17;

/// The driver is loaded again and again, while another allocation of its workers fails each time.
/// Its devices can be bound then.
pub(crate) fn sweep(bench: &mut Bench, on: Sample) -> Result<(), Failure> {
    let failslab = Failslab::new()?;
    failslab.within(&failslab::code("async_run_entry_fn")?)?;
    prepare(bench, on)?;
    let clean = registered();
    let (mut rounds, mut unbound, mut failures) = (0, 0, 0);
    let step = if is_full() { FULL_STEP } else { STEP };
    for budget in (0..MOST).step_by(step as usize) {
        let from = bench.events()?.len();
        modules::wait_until_gone(on.bus().module);
        failslab.after(budget)?;
        let outcome = load_driver(on).make(bench, 0)?;
        sleep(MOMENT);
        let failed = failslab.stop()?;
        ensure("insmod", &outcome.result, &Ok(()))?;
        failures += bench.events()?[from..]
            .iter()
            .filter(|event| matches!(event.what, What::ProbeEnded { ret, .. } if ret != 0))
            .count();
        unbound += bind_the_rest(bench, on)?;
        bench.rmmod(on.bus().module)?;
        as_before("afterwards", &clean)?;
        if !failed {
            bench.figure(format!(
                "{rounds} allocations failed, and {failures} probes; {unbound} devices were bound later"
            ));
            return ensure("whether a device was bound later", &(unbound > 0), &true);
        }
        rounds += 1;
    }
    unmet("an end", format!("{MOST} bytes"))
}
