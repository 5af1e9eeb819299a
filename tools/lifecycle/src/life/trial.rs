// SPDX-License-Identifier: GPL-2.0

//! The trials of probes in the dmesg interface, with `CONFIG_DEBUG_TEST_DRIVER_REMOVE`.
//!
//! `really_probe()` (`drivers/base/dd.c`) gives each probe that succeeds a trial there: it removes
//! the device, releases the resources of the driver, and probes once more, all in one call. In a
//! life one call of `really_probe()` is one probe, and its trial is a span within it.

use std::collections::{BTreeMap, HashMap};

use crate::{Event, Micros, What};

/// How far the trial of a probe has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trial {
    /// The probe failed: there is none.
    None,
    /// The probe succeeded, and the driver core has failed before it tried again.
    Failed,
    /// The log ends before it does.
    UnderWay,
    /// It was whole, and the second probe begins here.
    Whole(usize),
    /// Another event has come in between.
    Broken,
}

/// What the trials of a log have to tell, by places in the log.
#[derive(Debug, Default)]
pub(super) struct Trials {
    /// The events of trials.
    pub(super) hidden: Vec<bool>,
    /// The trials, by where their probe began: from its first end to its second beginning.
    pub(super) of_probe: HashMap<usize, (usize, Option<usize>)>,
    /// For each end of a probe or of a second phase: how much longer that took than the line of the
    /// second life says.
    pub(super) longer: HashMap<usize, Micros>,
    /// Where the probes began that succeeded, and after which the driver core failed.
    pub(super) failed: Vec<usize>,
}

/// Finds the trials.
pub(super) fn trials(events: &[Event]) -> Trials {
    let mut devices: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        if let Some(device) = event.what.device() {
            devices.entry(device).or_default().push(at);
        }
    }
    let mut found = Trials {
        hidden: vec![false; events.len()],
        ..Trials::default()
    };
    for device in devices.into_values() {
        of_device(events, &device, &mut found);
    }
    found
}

/// The log of a kernel that probes twice, with each call of `really_probe()` as one probe. A trial
/// that is not as it should be stays, and so does all that comes after it; of a trial that is under
/// way nothing is seen but the beginning of its probe.
pub fn fold(events: &[Event]) -> Vec<Event> {
    let trials = trials(events);
    let kept = events
        .iter()
        .enumerate()
        .filter(|(at, _)| !trials.hidden[*at]);
    kept.map(|(at, event)| {
        let mut event = event.clone();
        if let (Some(longer), What::ProbeEnded { took, .. } | What::Ready { took, .. }) =
            (trials.longer.get(&at), &mut event.what)
        {
            *took = *took + *longer;
        }
        event
    })
    .collect()
}

fn of_device(events: &[Event], device: &[usize], found: &mut Trials) {
    let is_begin = |at: &usize| matches!(events[device[*at]].what, What::ProbeBegan { .. });
    let mut from = 0;
    while let Some(began) = (from..device.len()).find(is_begin) {
        let (again, whole) = match trial(events, device, began) {
            trial @ (Trial::None | Trial::Failed) => {
                let failed = (trial == Trial::Failed).then_some(device[began]);
                found.failed.extend(failed);
                from = began + 1;
                continue;
            }
            // The first and the second life cannot be told apart any more.
            Trial::Broken => return,
            Trial::UnderWay => (device.len() - 1, false),
            Trial::Whole(again) => (again, true),
        };
        for at in &device[began + 1..=again] {
            found.hidden[*at] = true;
        }
        let is_end = |at: &&usize| matches!(events[**at].what, What::ProbeEnded { .. });
        if let Some(ended) = device[began..=again].iter().find(is_end) {
            let until = whole.then(|| device[again]);
            found.of_probe.insert(device[began], (*ended, until));
        }
        let longer = events[device[again]].time - events[device[began]].time;
        for at in &device[again + 1..] {
            match events[*at].what {
                What::FirmwareArrived { .. } => {}
                What::ProbeEnded { .. } | What::Ready { .. } => {
                    found.longer.insert(*at, longer);
                }
                _ => break,
            }
        }
        from = again + 1;
    }
}

/// Whether the task is back in userspace between two places of the log, so that `really_probe()`
/// has returned.
fn has_called(events: &[Event], task: u32, from: usize, to: Option<&usize>) -> bool {
    let between = &events[from..to.copied().unwrap_or(events.len())];
    between.iter().any(|event| {
        matches!(event.what, What::CallBegan { pid, .. } | What::CallReturned { pid, .. }
            if pid == task)
    })
}

/// The trial of the probe that begins here, in the list of the device's events.
fn trial(events: &[Event], device: &[usize], began: usize) -> Trial {
    let what = |at: usize| &events[device[at]].what;
    let What::ProbeBegan { driver, pid, .. } = what(began) else {
        return Trial::None;
    };
    let steps: [fn(&What) -> bool; 5] = [
        |what| matches!(what, What::ProbeEnded { ret: 0, .. }),
        |what| matches!(what, What::Removing { .. }),
        |what| matches!(what, What::Unbound { .. }),
        |what| matches!(what, What::DevresReleased { .. }),
        |what| matches!(what, What::ProbeBegan { .. }),
    ];
    let mut at = began;
    for (step, is_next) in steps.into_iter().enumerate() {
        at += 1;
        // What the driver does with its firmware, in one phase or two, it does in both lives.
        while at < device.len()
            && matches!(what(at), What::FirmwareArrived { .. } | What::Ready { .. })
        {
            at += 1;
        }
        if step == 4 && has_called(events, *pid, device[at - 1], device.get(at)) {
            return Trial::Failed;
        }
        if at == device.len() {
            return Trial::UnderWay;
        }
        let in_task = match what(at) {
            What::ProbeBegan { pid, .. } => Some(pid),
            What::ProbeEnded { ret, .. } if step == 0 && *ret != 0 => return Trial::None,
            _ => None,
        };
        let same = what(at).driver() == Some(driver) && in_task.is_none_or(|of| of == pid);
        if !same || !is_next(what(at)) {
            return Trial::Broken;
        }
    }
    Trial::Whole(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laws::test_life::life;

    /// One whole life, and one that fails.
    const TWICE: &[&str] = &[
        "async 0",
        "arrived 0 0",
        "ended 0 0",
        "removing 0",
        "async 1",
        "unbound 0",
        "devres_released 0",
        "async 0",
        "arrived 1 -2",
        "arrived 0 0",
        "ended 1 -2",
        "devres_released 1",
        "ended 0 0",
        "removing 0",
        "unbound 0",
        "devres_released 0",
    ];

    fn events(lines: &[&str]) -> Vec<Event> {
        life(&lines.join("\n")).events
    }

    #[test]
    fn one_probe_is_seen() {
        let all = events(TWICE);
        // The first life but for its beginning, and the beginning of the second.
        let gone = [1, 2, 3, 5, 6, 7];
        let mut expected: Vec<Event> = all
            .iter()
            .enumerate()
            .filter(|(at, _)| !gone.contains(at))
            .map(|(_, event)| event.clone())
            .collect();
        // The first life took seven lines more.
        if let What::ProbeEnded { took, .. } = &mut expected[6].what {
            *took = Micros(8_000);
        }
        assert_eq!(fold(&all), expected);
    }

    #[test]
    fn a_trial_under_way_is_seen_later() {
        let own: Vec<&str> = TWICE
            .iter()
            .copied()
            .filter(|line| !line.contains('1'))
            .collect();
        // From the first beginning to the second, there is a probe that has begun.
        for count in 1..=7 {
            assert_eq!(fold(&events(&own[..count])).len(), 1, "{count}");
        }
        assert_eq!(fold(&events(&own[..9])).len(), 3);
        assert_eq!(fold(&events(&own)).len(), 6);
    }

    #[test]
    fn ready_counts_from_the_first_beginning() {
        let lines = "async 0\n ended 0 0\n removing 0\n arrived 0 0\n unbound 0\n ready 0 0\n
             devres_released 0\n async 0\n ended 0 0\n arrived 0 0\n ready 0 0";
        let folded = fold(&life(lines).events);
        let took = folded.iter().filter_map(|event| match event.what {
            What::ProbeEnded { took, .. } | What::Ready { took, .. } => Some(took),
            _ => None,
        });
        assert_eq!(took.collect::<Vec<_>>(), [Micros(8000), Micros(16_000)]);
    }

    #[test]
    fn a_broken_trial_stays() {
        for (at, with) in [(2, "ended 0 0\n ended 0 0"), (5, "unbound 0\n unbound 0")] {
            let mut wrong = TWICE.to_vec();
            wrong[at] = with;
            assert_eq!(fold(&events(&wrong)).len(), TWICE.len() + 1, "{with}");
        }
        // The second probe is in another task.
        let mut wrong = TWICE.to_vec();
        wrong[7] = "sync 0 8";
        assert_eq!(fold(&events(&wrong)).len(), TWICE.len());
    }
}
