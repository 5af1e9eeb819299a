// SPDX-License-Identifier: GPL-2.0

//! A firmware request lies inside the probe of its device, or in the life of the device with its
//! driver after it; never outside.
//!
//! `drivers/base/firmware_loader/main.c`, `request_firmware()`: the device is kept, the driver is
//! not. A request that goes on when the driver is gone answers to nobody. Devices that are not
//! probed in the recording are not judged.

use super::Bar;
use crate::laws::Violation;
use crate::recording::{Point, Span};
use crate::Event;

/// Judges every firmware request for a device that has been probed; those are the cases.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event]) -> Result<usize, Violation> {
    let bar = Bar::new("firmware_in_probe", events);
    let mut cases = 0;
    for (_, request) in bar.of(Point::Firmware) {
        let at = request.fetched.at;
        let probe = bar
            .of_device(Point::Probe, at)
            .filter(|(_, probe)| probe.began < request.began)
            .last();
        let Some((_, probe)) = probe else {
            continue;
        };
        cases += 1;
        let cleaned = bar
            .of_device(Point::Cleanup, at)
            .find(|(_, cleanup)| probe.began < cleanup.began)
            .map(|(_, cleanup)| {
                // It drops the driver data, which may wait for the request.
                let whole = cleanup.parent.map(|parent| &bar.spans[parent]);
                whole.map_or(cleanup.began, Span::end)
            });
        let inside = request.end() < probe.end();
        let bound = probe.ret == Some(0) || probe.ended.is_none();
        bar.demand(
            cleaned.is_none_or(|cleaned| request.end() < cleaned) && (inside || bound),
            format!("firmware for {} while it has a driver", request.device()),
            &[
                probe.began,
                probe.end(),
                cleaned.unwrap_or(usize::MAX),
                request.began,
                request.end(),
            ],
        )?;
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{altered, doctored, recording};
    use super::check;
    use crate::laws::tests_support::assert_broken;

    const GOOD: &str = "
        30 probe 0
        30 firmware d.fw 0
        30 firmware_end -2
        30 cleanup 0
        30 probe_end 2
        30 probe 0
        30 firmware d.fw 0
        30 firmware_end 0
        30 probe_end 0
        31 firmware d.fw 0
        31 firmware_end 0
        9 release 0
        9 remove 0
        9 cleanup 0
        33 firmware d.fw 0
        33 firmware_end 0
        9 release_end
        32 firmware other.fw 7
        32 firmware_end 0
    ";

    #[test]
    fn holds() {
        assert_eq!(check(&recording(GOOD)), Ok(4));
    }

    #[test]
    fn the_driver_is_gone() {
        let late = altered(GOOD, "31 firmware_end 0", "");
        let late = altered(&late, "9 release_end", "9 release_end\n 31 firmware_end 0");
        assert_broken(check(&recording(&late)), "31 [000] firmware_end");
        let events = doctored(GOOD, "32 firmware other.fw 7", "32 firmware d.fw 0");
        assert_broken(check(&events), "32 [000] firmware");
    }

    #[test]
    fn the_probe_has_failed() {
        let late = altered(GOOD, "30 cleanup 0", "");
        let late = altered(
            &late,
            "30 probe_end 2",
            "30 probe_end 2\n 8 firmware x.fw 0\n 8 firmware_end 0",
        );
        assert_broken(check(&recording(&late)), "8 [000] firmware");
    }
}
