// SPDX-License-Identifier: GPL-2.0

//! The bind uevent follows the end of the driver's probe callback, the unbind uevent follows its
//! remove callback, one for each: what userspace may wait on instead of insmod.
//!
//! `drivers/base/dd.c`: `really_probe()` calls `driver_bound()`, which sends the uevent, after the
//! callback has succeeded; `__device_release_driver()` sends its own as the last thing that it
//! does. A device whose uevents are suppressed (`dev_set_uevent_suppress()`) keeps this law badly.

use super::Bar;
use crate::laws::Violation;
use crate::recording::{span, Point, Span};
use crate::{Event, What};

const BIND: &str = "ACTION=bind";
const UNBIND: &str = "ACTION=unbind";

/// Judges every probe that has ended and every remove; those are the cases.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event]) -> Result<usize, Violation> {
    let bar = Bar::new("uevent_order", events);
    let mut cases = 0;
    for (at, probe) in bar.of(Point::Probe).filter(|(_, of)| of.ended.is_some()) {
        cases += 1;
        let sent = uevents(&bar, at, probe, BIND);
        if probe.ret != Some(0) {
            bar.demand(
                sent.is_empty(),
                format!("no bind uevent of {}, whose probe failed", probe.device()),
                &[&sent[..], &[probe.began, probe.end()]].concat(),
            )?;
            continue;
        }
        // What the driver itself printed last in the probe.
        let printed = events[probe.began..probe.end()].iter().rposition(|event| {
            matches!(&event.what, What::ProbeEnded { device, .. } if device == probe.device())
        });
        let printed = printed.map(|place| probe.began + place);
        let bound = bar
            .in_span(Point::Bound, at)
            .find(|(_, bound)| bound.is_at(probe.fetched.at))
            .map(|(_, bound)| bound.began);
        let in_order = matches!(sent[..], [sent] if bound < Some(sent) && printed < Some(sent));
        bar.demand(
            bound.is_some() && in_order,
            format!(
                "one bind uevent of {} after its probe callback",
                probe.device()
            ),
            &[
                &sent[..],
                &[
                    probe.began,
                    bound.or(printed).unwrap_or(probe.began),
                    probe.end(),
                ],
            ]
            .concat(),
        )?;
    }
    for (at, release) in bar.of(Point::Release).filter(|(_, of)| of.ended.is_some()) {
        let last = [Point::Remove, Point::Cleanup].map(|point| {
            bar.in_span(point, at)
                .find(|(_, of)| of.is_at(release.fetched.at))
                .map(|(_, of)| of.began)
        });
        let sent = uevents(&bar, at, release, UNBIND);
        let places = [&sent[..], &[release.began, release.end()]].concat();
        let [Some(remove), Some(cleanup)] = last else {
            bar.demand(
                sent.is_empty(),
                "no unbind uevent without a remove",
                &places,
            )?;
            continue;
        };
        cases += 1;
        bar.demand(
            matches!(sent[..], [sent] if remove < sent && cleanup < sent),
            format!("one unbind uevent of {} after its remove", release.device()),
            &[&places[..], &[remove, cleanup]].concat(),
        )?;
    }
    for (at, uevent) in bar.of(Point::Uevent) {
        let inside = |point| {
            span::within(&bar.spans, at, |of| {
                of.point == point && of.is_at(uevent.fetched.at)
            })
            .is_some()
        };
        let by_hand = bar
            .of_device(Point::Bound, uevent.fetched.at)
            .any(|(_, bound)| bound.pid == uevent.pid && bound.began < uevent.began);
        let expected = match uevent.fetched.name.as_deref() {
            Some(BIND) => inside(Point::Probe) || by_hand,
            Some(UNBIND) => inside(Point::Release),
            _ => true,
        };
        bar.demand(
            expected,
            "no bind uevent without a probe, no unbind uevent without a remove",
            &[uevent.began],
        )?;
    }
    Ok(cases)
}

/// Where in the log the task that is in the span sent this uevent of the same device.
fn uevents(bar: &Bar<'_>, at: usize, span: &Span<'_>, action: &str) -> Vec<usize> {
    bar.in_span(Point::Uevent, at)
        .filter(|(_, uevent)| {
            uevent.is_at(span.fetched.at) && uevent.fetched.name.as_deref() == Some(action)
        })
        .map(|(_, uevent)| uevent.began)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{altered, doctored, recording};
    use super::check;
    use crate::laws::tests_support::assert_broken;

    const GOOD: &str = "
        9 uevent 0 add
        30 probe 0
        ended 0 0
        30 bound 0
        30 uevent 0 bind
        30 probe_end 0
        31 probe 1
        31 cleanup 1
        31 probe_end 5
        9 release 0
        9 remove 0
        9 cleanup 0
        9 uevent 0 unbind
        9 release_end
        9 release 1
        9 release_end
    ";

    #[test]
    fn holds() {
        assert_eq!(check(&recording(GOOD)), Ok(3));
    }

    #[test]
    fn early() {
        let early = altered(GOOD, "30 uevent 0 bind", "");
        let before_bound = altered(&early, "30 bound 0", "30 uevent 0 bind\n 30 bound 0");
        assert_broken(check(&recording(&before_bound)), "ACTION=bind");
        let before_printed = GOOD
            .replace("        ended 0 0\n", "")
            .replace("30 uevent 0 bind", "30 uevent 0 bind\n ended 0 0");
        assert_broken(check(&recording(&before_printed)), "ACTION=bind");

        let early = altered(GOOD, "9 uevent 0 unbind", "");
        let before_remove = altered(&early, "9 remove 0", "9 uevent 0 unbind\n 9 remove 0");
        assert_broken(check(&recording(&before_remove)), "ACTION=unbind");
    }

    #[test]
    fn late_lost_or_twice() {
        for line in ["30 uevent 0 bind", "9 uevent 0 unbind"] {
            let twice = format!("{line}\n{line}");
            assert!(check(&doctored(GOOD, line, "")).is_err(), "no {line}");
            assert!(
                check(&doctored(GOOD, line, &twice)).is_err(),
                "{line} twice"
            );
        }
        let late = altered(GOOD, "9 uevent 0 unbind", "");
        let late = altered(&late, "9 release 1", "9 uevent 0 unbind\n 9 release 1");
        assert_broken(check(&recording(&late)), "cleanup");
    }

    #[test]
    fn of_a_failed_probe() {
        let events = doctored(GOOD, "31 cleanup 1", "31 uevent 1 bind\n 31 cleanup 1");
        assert_broken(check(&events), "ACTION=bind");
        let events = doctored(GOOD, "9 release 1", "9 release 1\n 9 uevent 1 unbind");
        assert_broken(check(&events), "ACTION=unbind");
    }

    #[test]
    fn out_of_the_blue() {
        let events = doctored(GOOD, "9 uevent 0 add", "9 uevent 7 bind");
        assert_broken(check(&events), "d.7");
    }
}
