// SPDX-License-Identifier: GPL-2.0

//! With `CONFIG_DEBUG_TEST_DRIVER_REMOVE` each probe that succeeds is followed, in the same task and
//! before anything else happens to the device, by remove, the drop of the driver data, the release
//! of devres and a second probe by the same driver, which finds nothing of the first.
//!
//! `drivers/base/dd.c`, `really_probe()`: after a successful `call_driver_probe()` it calls
//! `device_remove()` and `device_unbind_cleanup()` and goes back to `re_probe`, once, unless the
//! driver has `suppress_bind_attrs`; only the second probe comes to `driver_bound()`. The device lock
//! is held all the time.
//!
//! That there is no such thing without the option is for the law on recordings to say
//! ([`recorded::probe_remove_probe`](super::recorded::probe_remove_probe)): the dmesg interface does
//! not tell it from an unbind and a bind by one task.

use super::violation::Court;
use super::Violation;
use crate::probing::{devices, trials, Trial};
use crate::{Event, What};

const LAW: &str = "probe_remove_probe";

/// What is expected, in words.
const ORDER: &str = "probe_ended, removing, unbound, devres_released, probe_began";

/// Judges the trial of every probe that has succeeded in a whole log; returns how many there were.
///
/// It holds for a log without any: it goes with every run.
///
/// # Errors
///
/// How the law was broken.
pub fn check_all(events: &[Event]) -> Result<usize, Violation> {
    let court = Court { law: LAW, events };
    let mut cases = 0;
    for device in devices(events) {
        for (began, trial) in trials(events, &device) {
            let name = events[device[began]].what.device().unwrap_or_default();
            let last = match trial {
                Trial::None => continue,
                Trial::Whole(_) => {
                    cases += 1;
                    continue;
                }
                Trial::UnderWay => device.len() - 1,
                Trial::Broken(at) => at,
            };
            let seen = &device[began..=last];
            // That a probe begins and never ends breaks another law.
            let has_ended = |at: &usize| matches!(events[*at].what, What::ProbeEnded { .. });
            if trial == Trial::UnderWay && !seen.iter().any(has_ended) {
                continue;
            }
            let seen: Vec<_> = seen.iter().map(|at| court.at(*at)).collect();
            return Err(court.broken(format!("{ORDER} of {name} in one task"), seen.join("; ")));
        }
    }
    Ok(cases)
}

/// Judges the first probe of each device by `driver`, of which there are `devices`, all of which
/// succeed: nothing of the first life is in the way of the second.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event], driver: &str, devices: usize) -> Result<(), Violation> {
    let court = Court { law: LAW, events };
    check_all(events)?;
    let mut cases = 0;
    for device in self::devices(events) {
        let first = trials(events, &device)
            .into_iter()
            .find(|(began, _)| events[device[*began]].what.driver() == Some(driver));
        let Some((_, Trial::Whole(again))) = first else {
            continue;
        };
        cases += 1;
        let began = device[again];
        let name = events[began].what.device().unwrap_or_default();
        let end = device[again + 1..]
            .iter()
            .find(|at| !matches!(events[**at].what, What::FirmwareArrived { .. }));
        court.demand(
            end.is_some_and(|at| matches!(events[*at].what, What::ProbeEnded { ret: 0, .. })),
            format!("the second probe of {name} to succeed as the first"),
            court.at(end.copied().unwrap_or(began)),
        )?;
    }
    court.demand(
        devices > 0 && cases == devices,
        format!("{devices} devices that {driver} has probed twice"),
        format!("{cases} of them"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{assert_broken, log};
    use super::*;

    const GOOD: &[&str] = &[
        "async 0",
        "arrived 0 0",
        "ended 0 0",
        "removing 0",
        "unbound 0",
        "devres_released 0",
        "async 0",
        "arrived 0 0",
        "ended 0 0",
    ];

    fn verdict(lines: &[&str]) -> Result<(), Violation> {
        check(&log(&lines.join("\n")), "d", 1)
    }

    /// With other lines in the place of some.
    fn altered(range: std::ops::Range<usize>, lines: &[&'static str]) -> Result<(), Violation> {
        let mut altered = GOOD.to_vec();
        altered.splice(range, lines.iter().copied());
        verdict(&altered)
    }

    #[test]
    fn holds() {
        verdict(GOOD).unwrap();
        let all = |lines: &[&str]| check_all(&log(&lines.join("\n")));
        assert_eq!(all(GOOD), Ok(1));
        // Nothing is tried after a failure, and who binds by hand afterwards begins anew.
        let failed = ["sync 0 9", "ended 0 -2", "devres_released 0"];
        assert_eq!(all(&[&failed[..], GOOD].concat()), Ok(1));
        // The second life may come to another end, for reasons of its own.
        assert_eq!(all(&[&GOOD[..8], &failed[1..]].concat()), Ok(1));
        let unbound = [GOOD, &GOOD[3..6], GOOD].concat();
        assert_eq!(all(&unbound), Ok(2));
        assert_eq!(all(&[]), Ok(0));
        assert_eq!(all(&GOOD[..2]), Ok(0));
    }

    #[test]
    fn holds_for_other_devices_meanwhile() {
        let other: Vec<_> = GOOD.iter().map(|line| line.replacen('0', "1", 1)).collect();
        let both: Vec<_> = GOOD
            .iter()
            .zip(&other)
            .flat_map(|(one, other)| [*one, other.as_str()])
            .collect();
        check(&log(&both.join("\n")), "d", 2).unwrap();
        assert_broken(check(&log(&both.join("\n")), "d", 3), "2 of them");
    }

    #[test]
    fn holds_in_two_phases() {
        altered(1..3, &["ended 0 0", "arrived 0 0", "ready 0 0"]).unwrap();
        altered(5..5, &["arrived 0 0", "ready 0 0"]).unwrap();
    }

    #[test]
    fn every_line_counts() {
        for (at, line) in GOOD.iter().enumerate() {
            if line.starts_with("arrived") {
                continue;
            }
            assert!(altered(at..at + 1, &[]).is_err(), "without {at}");
            if at < 8 {
                assert!(altered(at..at, &[line]).is_err(), "{at} twice");
            }
        }
        for at in 2..6 {
            let turned = altered(at..at + 2, &[GOOD[at + 1], GOOD[at]]);
            assert!(turned.is_err(), "{at} and the next");
        }
    }

    #[test]
    fn never_tried() {
        assert_broken(verdict(&GOOD[..3]), "probe_ended");
        assert_broken(verdict(&GOOD[..6]), "devres_released");
        // It is bound at once, and unbound by somebody later.
        assert_broken(altered(6..7, &["unregistered", "sync 0 9"]), "task=insmod");
    }

    #[test]
    fn the_driver_core_fails() {
        // It had no memory for the links in sysfs, say.
        let lines = "
            call insmod m 9
            sync 0 9
            ended 0 0
            removing 0
            unbound 0
            devres_released 0
            return insmod m 9 0
        ";
        assert_eq!(check_all(&log(lines)), Ok(0));
        let again = lines.to_owned() + &lines.replace("return", "sync 0 9\n ended 0 0\n return");
        assert_eq!(check_all(&log(&again)), Ok(1));
        assert_broken(check(&log(lines), "d", 1), "0 of them");
    }

    #[test]
    fn something_is_left() {
        assert_broken(altered(8..9, &["ended 0 -17"]), "ret=-17");
        assert_broken(verdict(&GOOD[..7]), "probe_began");
        assert_broken(altered(5..7, &["async 0", "devres_released 0"]), "unbound");
    }

    #[test]
    fn in_another_task_or_by_another_driver() {
        assert_broken(altered(6..7, &["sync 0 8"]), "pid=8");
        let mut events = log(&GOOD.join("\n"));
        if let What::ProbeBegan { driver, .. } = &mut events[6].what {
            *driver = "e".into();
        }
        assert_broken(check(&events, "d", 1), "driver=e");
    }

    #[test]
    fn nothing_to_judge() {
        assert_broken(verdict(&[]), "0 of them");
        assert_broken(altered(2..9, &["ended 0 -2"]), "0 of them");
    }
}
