// SPDX-License-Identifier: GPL-2.0

//! A FORCE driver is never probed by an async worker of the driver core: its registration, and that
//! of its devices, probes itself, one device after the other, and schedules nothing.
//!
//! `drivers/base/dd.c`, `driver_allows_async_probing()`: never for `PROBE_FORCE_SYNCHRONOUS`, so
//! that `__driver_attach()` and `__device_attach()` call `driver_probe_device()` themselves. What
//! a driver has bound by workers of its own (`device_driver_attach()`) is its own business.

use super::Bar;
use crate::laws::Violation;
use crate::recording::{span, Point};
use crate::{Event, ProbeType};

/// Judges every probe by a FORCE driver whose registration is in the recording; the cases are those
/// in the task that registers the driver or the device.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event]) -> Result<usize, Violation> {
    let bar = Bar::new("force_sync", events);
    let forced = Some(ProbeType::ForceSynchronous);
    let mut cases = 0;
    for (at, probe) in bar.of(Point::Probe) {
        let Some(register) = bar
            .registration(probe)
            .filter(|of| of.fetched.probe_type == forced)
        else {
            continue;
        };
        let worker = span::within(&bar.spans, at, |of| {
            matches!(of.point, Point::DriverAttach | Point::DeviceAttach)
        });
        if let Some(worker) = worker {
            bar.demand(
                false,
                format!("{} not to be probed by an async worker", probe.device()),
                &[register.began, worker.began, probe.began],
            )?;
        }
        let registers = span::within(&bar.spans, at, |of| {
            matches!(of.point, Point::Register | Point::Add)
        });
        let Some(registers) = registers else {
            continue;
        };
        cases += 1;
        bar.demand(
            probe.end() < registers.end() || registers.ended.is_none(),
            format!(
                "{} of {} to return after its probe",
                registers.point,
                probe.device()
            ),
            &[registers.began, probe.began, probe.end(), registers.end()],
        )?;
    }
    for (_, register) in bar
        .of(Point::Register)
        .filter(|(_, of)| of.fetched.probe_type == forced)
    {
        if let Some(scheduled) = bar.scheduled_by(register) {
            bar.demand(
                false,
                "the registration to schedule no probe",
                &[register.began, scheduled.began, register.end()],
            )?;
        }
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{altered, doctored, recording};
    use super::check;
    use crate::laws::tests_support::assert_broken;

    const GOOD: &str = "
        9 register type=force
        9 probe 0
        9 probe_end 0
        9 probe 1
        9 probe_end 2
        9 register_end 0
        8 add 2
        8 probe 2
        8 probe_end 0
        8 add_end 0
        30 bind 1
        30 probe 1
        30 probe_end 0
        30 bind_end 0
        9 register drv=e
        9 schedule 3
        9 register_end 0
        31 driver_attach 3
        31 probe 3 drv=e
        31 probe_end 0
        31 driver_attach_end
    ";

    #[test]
    fn holds() {
        assert_eq!(check(&recording(GOOD)), Ok(3));
        // Registered before the recording began.
        let unknown = GOOD
            .replace("9 register type=force", "")
            .replacen("9 register_end 0", "", 1);
        assert_eq!(check(&recording(&unknown)), Ok(0));
    }

    #[test]
    fn by_an_async_worker() {
        let other = altered(GOOD, "31 probe 3 drv=e", "31 probe 3");
        assert_broken(check(&recording(&other)), "driver_attach dev=\"d.3\"");
        // Of an older driver at the same place nothing follows.
        let again = altered(&other, "9 register drv=e", "9 register type=prefer");
        assert_eq!(check(&recording(&again)), Ok(3));
    }

    #[test]
    fn schedules() {
        let events = doctored(GOOD, "9 probe 1", "9 schedule 7\n 9 probe 1");
        assert_broken(check(&events), "schedule func");
    }
}
