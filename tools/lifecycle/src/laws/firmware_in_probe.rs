// SPDX-License-Identifier: GPL-2.0

//! The firmware request lies inside the probe, and what is wrong with the file decides how this
//! probe ends, with its own errno.
//!
//! `drivers/base/firmware_loader/main.c`, `request_firmware()`: synchronous, in the task of the
//! caller. The errnos of the checks are the samples' (`Documentation/firmware-format.rst`).

use super::violation::Court;
use super::Violation;
use crate::probe::probes;
use crate::{errno, Event, What};

/// What a probe is expected to meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Length of the file in bytes; `None` if there is no file.
    pub bytes: Option<u64>,
    /// How the probe ends: 0 or a negative errno.
    pub ret: i32,
}

/// Judges the last probe of `device`.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event], device: &str, expected: Expected) -> Result<(), Violation> {
    const ENOENT: i32 = -2;
    let court = Court {
        law: "firmware_in_probe",
        events,
    };

    let outside = events.iter().enumerate().find(|(at, event)| {
        matches!(&event.what, What::FirmwareArrived { device: name, .. } if name == device)
            && !probes(events).iter().any(|probe| {
                probe.firmware.contains(at) && probe.ended.is_none_or(|ended| *at < ended)
            })
    });
    if let Some((at, _)) = outside {
        return Err(court.broken("firmware to arrive inside a probe only", court.at(at)));
    }

    let Some(probe) = probes(events)
        .into_iter()
        .rfind(|probe| probe.device == device)
    else {
        return Err(court.broken(format!("a probe of {device}"), "none"));
    };
    let [at] = probe.firmware[..] else {
        return Err(court.broken(
            format!("one firmware request in the probe of {device}"),
            format!("{} of them", probe.firmware.len()),
        ));
    };
    if let What::FirmwareArrived { bytes, ret, .. } = events[at].what {
        let (length, result) = match expected.bytes {
            Some(length) => (length, 0),
            None => (0, ENOENT),
        };
        court.demand(
            bytes == length && ret == result,
            format!("firmware of {length} bytes, {}", errno::name(result)),
            court.at(at),
        )?;
    }
    court.demand(
        probe.ret == Some(expected.ret),
        format!(
            "the probe of {device} to end with {}",
            errno::name(expected.ret)
        ),
        probe
            .ended
            .map_or("no end of it".to_owned(), |ended| court.at(ended)),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{assert_broken, doctored, log};
    use super::*;

    const GOOD: &str = "
        async 0
        arrived 0 0
        ended 0 -74
        sync 0 9
        arrived 0 -2
        ended 0 -2
    ";

    const CORRUPT: Expected = Expected {
        bytes: Some(24),
        ret: -74,
    };
    const MISSING: Expected = Expected {
        bytes: None,
        ret: -2,
    };

    #[test]
    fn holds() {
        check(&log(GOOD), "d.0", MISSING).unwrap();
        let first: Vec<_> = GOOD.lines().take(4).collect();
        check(&log(&first.join("\n")), "d.0", CORRUPT).unwrap();
    }

    #[test]
    fn another_end() {
        assert_broken(
            check(&doctored(GOOD, "ended 0 -2", "ended 0 0"), "d.0", MISSING),
            "ret=0",
        );
        assert_broken(
            check(&doctored(GOOD, "ended 0 -2", ""), "d.0", MISSING),
            "no end",
        );
    }

    #[test]
    fn another_file() {
        assert_broken(
            check(
                &doctored(GOOD, "arrived 0 -2", "arrived 0 0"),
                "d.0",
                MISSING,
            ),
            "bytes=24",
        );
        assert_broken(check(&log(GOOD), "d.0", CORRUPT), "ret=-2");
    }

    #[test]
    fn outside_the_probe() {
        let events = log(&format!("{GOOD}\n arrived 0 0"));
        assert_broken(check(&events, "d.0", MISSING), "firmware_arrived");
        assert_broken(
            check(&log("arrived 0 0\n async 0\n ended 0 0"), "d.0", MISSING),
            "firmware_arrived",
        );
    }

    #[test]
    fn nothing_to_judge() {
        assert_broken(check(&log(""), "d.0", MISSING), "none");
        assert_broken(
            check(&doctored(GOOD, "arrived 0 -2", ""), "d.0", MISSING),
            "0 of them",
        );
    }
}
