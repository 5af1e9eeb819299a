// SPDX-License-Identifier: GPL-2.0

//! How often the kernel probes a device that it binds: with `CONFIG_DEBUG_TEST_DRIVER_REMOVE`
//! twice.
//!
//! `really_probe()` (`drivers/base/dd.c`) gives each probe that succeeds a *trial* there: it
//! removes the device, releases what the driver has left, and probes once more, all in one call.
//! That this is so is a law of its own, [`probe_remove_probe`](crate::laws::probe_remove_probe).
//! For all others the trials are folded away first: one call of `really_probe()` is one probe, from
//! the beginning of the first to the end of the second.
//!
//! Whether a kernel does it is told by its configuration, and never guessed from a log.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::recording::{spans, Point, Span};
use crate::{Event, What};

/// How often a kernel probes a device that it binds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Probing {
    /// Once.
    #[default]
    Once,
    /// Twice, with a remove in between: `CONFIG_DEBUG_TEST_DRIVER_REMOVE`.
    Twice,
}

impl Probing {
    /// How many lives a driver that is bound has had: that, and its trial.
    pub fn lives(self) -> u32 {
        match self {
            Self::Once => 1,
            Self::Twice => 2,
        }
    }

    /// The log with each call of `really_probe()` as one probe. A trial that is not as it should be
    /// stays, for the laws to find, and so does all that comes after it in the dmesg interface; of
    /// one that is under way nothing is seen but its beginning.
    pub fn fold(self, events: &[Event]) -> Cow<'_, [Event]> {
        match self {
            Self::Once => Cow::Borrowed(events),
            Self::Twice => Cow::Owned(folded(events)),
        }
    }
}

/// How far the trial of a probe has come, in the dmesg interface. Places are those in the list of
/// the device's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trial {
    /// The probe failed, or the driver core did after its remove: there is none.
    None,
    /// The log ends before it does.
    UnderWay,
    /// It was whole, and the second probe begins here.
    Whole(usize),
    /// Something else has happened here.
    Broken(usize),
}

/// Where in the log the events of each device are, in the dmesg interface.
pub(crate) fn devices(events: &[Event]) -> Vec<Vec<usize>> {
    let mut devices: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        if let Some(device) = event.what.device() {
            devices.entry(device).or_default().push(at);
        }
    }
    devices.into_values().collect()
}

/// Where the calls of `really_probe()` for a device begin, with their trials.
pub(crate) fn trials(events: &[Event], device: &[usize]) -> Vec<(usize, Trial)> {
    let mut trials = Vec::new();
    let mut from = 0;
    while let Some(began) =
        (from..device.len()).find(|at| matches!(events[device[*at]].what, What::ProbeBegan { .. }))
    {
        let trial = trial(events, device, began);
        from = match trial {
            Trial::Whole(again) => again + 1,
            Trial::None => began + 1,
            // What is first and what second cannot be told any more.
            Trial::UnderWay | Trial::Broken(_) => device.len(),
        };
        trials.push((began, trial));
    }
    trials
}

/// Whether the task is back in userspace between two places of the log, so that `really_probe()`
/// has returned: the driver core itself has failed, for want of memory, before it probed again.
fn has_called(events: &[Event], task: u32, from: usize, to: Option<&usize>) -> bool {
    let between = &events[from..to.copied().unwrap_or(events.len())];
    between.iter().any(|event| {
        matches!(event.what, What::CallBegan { pid, .. } | What::CallReturned { pid, .. }
            if pid == task)
    })
}

/// The trial of the probe that begins here.
fn trial(events: &[Event], device: &[usize], began: usize) -> Trial {
    let what = |at: usize| &events[device[at]].what;
    let What::ProbeBegan { driver, pid, .. } = what(began) else {
        return Trial::Broken(began);
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
            return Trial::None;
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
            return Trial::Broken(at);
        }
    }
    Trial::Whole(at)
}

/// The spans of a trial in a call of `really_probe()`, a remove and a clean-up, if it is whole.
pub(crate) fn recorded_trial<'s, 'a>(
    spans: &'s [Span<'a>],
    probe: usize,
) -> Option<[&'s Span<'a>; 2]> {
    let outer = &spans[probe];
    let mut steps = spans[probe..]
        .iter()
        .take_while(|span| span.began < outer.end())
        .filter(|span| {
            span.parent == Some(probe)
                && span.is_at(outer.fetched.at)
                && matches!(span.point, Point::Remove | Point::Cleanup)
        });
    let pair = [steps.next()?, steps.next()?];
    (pair.map(|span| span.point) == [Point::Remove, Point::Cleanup]).then_some(pair)
}

fn folded(events: &[Event]) -> Vec<Event> {
    let mut gone = vec![false; events.len()];
    // How much longer a probe took than its second life says.
    let mut longer = vec![None; events.len()];
    for device in devices(events) {
        for (began, trial) in trials(events, &device) {
            let again = match trial {
                Trial::None | Trial::Broken(_) => continue,
                Trial::UnderWay => device.len() - 1,
                Trial::Whole(again) => again,
            };
            for at in &device[began + 1..=again] {
                gone[*at] = true;
            }
            for at in &device[again + 1..] {
                match events[*at].what {
                    What::FirmwareArrived { .. } => {}
                    What::ProbeEnded { .. } | What::Ready { .. } => {
                        longer[*at] = Some(events[device[again]].time - events[device[began]].time);
                    }
                    _ => break,
                }
            }
        }
    }
    let spans = spans(events);
    for (probe, _) in spans
        .iter()
        .enumerate()
        .filter(|(_, span)| span.point == Point::Probe)
    {
        for span in recorded_trial(&spans, probe).into_iter().flatten() {
            gone[span.began] = true;
        }
    }
    let kept = events.iter().zip(longer).zip(gone);
    kept.filter(|(_, gone)| !gone)
        .map(|((event, longer), _)| {
            let mut event = event.clone();
            if let (Some(longer), What::ProbeEnded { took, .. } | What::Ready { took, .. }) =
                (longer, &mut event.what)
            {
                *took = *took + longer;
            }
            event
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Probing::{Once, Twice};
    use crate::laws::test_life::recording;
    use crate::{Micros, What};

    /// One whole life in both kinds of log, and one that fails.
    const TWICE: &str = "
        30 probe 0
        async 0
        arrived 0 0
        31 probe 1
        ended 0 0
        30 remove 0
        removing 0
        async 1
        30 cleanup 0
        unbound 0
        devres_released 0
        async 0
        arrived 1 -2
        arrived 0 0
        ended 1 -2
        31 cleanup 1
        devres_released 1
        ended 0 0
        30 bound 0
        31 probe_end 2
        30 probe_end 0
        9 release 0
        9 remove 0
        removing 0
        9 cleanup 0
        unbound 0
        devres_released 0
        9 release_end
    ";

    fn lines(text: &str) -> Vec<&str> {
        text.lines()
            .filter(|line| !line.trim().is_empty())
            .collect()
    }

    fn folded(lines: &[&str]) -> Vec<String> {
        let events = recording(&lines.join("\n"));
        let folded = Twice.fold(&events);
        folded.iter().map(|event| event.what.to_string()).collect()
    }

    #[test]
    fn one_probe_is_seen() {
        let all = lines(TWICE);
        // The first life but for its beginning, and the beginning of the second.
        let gone = [2, 4, 5, 6, 8, 9, 10, 11];
        let expected: Vec<_> = recording(TWICE)
            .iter()
            .enumerate()
            .filter(|(at, _)| !gone.contains(at))
            .map(|(at, event)| match at {
                // The first life took ten lines more.
                17 => event.what.to_string().replace("ms=1.000", "ms=11.000"),
                _ => event.what.to_string(),
            })
            .collect();
        assert_eq!(folded(&all), expected);
        let events = recording(TWICE);
        assert_eq!(*Once.fold(&events), events);
    }

    #[test]
    fn what_is_under_way_is_seen_later() {
        let printed: Vec<_> = lines(TWICE)
            .into_iter()
            .filter(|line| line.ends_with(" 0") || line.ends_with(" 0 0"))
            .filter(|line| line.trim().starts_with(char::is_alphabetic))
            .collect();
        // From the first beginning to the second, there is a probe that has begun.
        for count in 1..=7 {
            assert_eq!(folded(&printed[..count]).len(), 1, "{count}");
        }
        assert_eq!(folded(&printed[..9]).len(), 3);
        assert_eq!(folded(&printed).len(), 6);
    }

    #[test]
    fn ready_counts_from_the_first_beginning() {
        let events = recording(
            "async 0\n ended 0 0\n removing 0\n arrived 0 0\n unbound 0\n ready 0 0\n
             devres_released 0\n async 0\n ended 0 0\n arrived 0 0\n ready 0 0",
        );
        let took: Vec<_> = Twice
            .fold(&events)
            .iter()
            .filter_map(|event| match event.what {
                What::ProbeEnded { took, .. } | What::Ready { took, .. } => Some(took),
                _ => None,
            })
            .collect();
        assert_eq!(took, [Micros(8000), Micros(16_000)]);
    }

    #[test]
    fn what_is_no_trial_stays() {
        let all = lines(TWICE);
        for (at, with) in [(4, "ended 0 0\n ended 0 0"), (9, "unbound 0\n unbound 0")] {
            let mut wrong = all.clone();
            wrong[at] = with;
            // Those of the recording are one, still.
            assert_eq!(folded(&wrong).len(), all.len() + 1 - 2, "{with}");
        }
        // The other way round.
        let mut wrong = all.clone();
        wrong.swap(5, 8);
        assert_eq!(folded(&wrong).len(), all.len() - 6);
        let mut wrong = all;
        wrong[11] = "sync 0 8";
        assert_eq!(folded(&wrong).len(), wrong.len() - 2);
    }
}
