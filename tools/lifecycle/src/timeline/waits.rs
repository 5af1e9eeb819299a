// SPDX-License-Identifier: GPL-2.0

//! Who waited for whom.
//!
//! A recording shows it: a flush of async work that was under way, or a function that takes the
//! lock of a device while that is being probed. Other logs show only that a call of userspace
//! ended just when async probes did. That is told as what it is, inferred.

use std::collections::{HashMap, HashSet};

use super::builder::Builder;
use super::{initcall, Kind, Through, Wait};
use crate::call::{self, calls, Call};
use crate::recording::{async_probes, span, Point, Span};
use crate::Micros;

/// A call that waited returns this soon after what it waited for: there is the rest of the call,
/// and the time that the kernel takes to wake its task.
pub(super) const SOON: Micros = Micros(20_000);

/// Finds all waits.
pub(super) fn waits(builder: &mut Builder<'_>) {
    let mut found = flushes(builder);
    found.extend(locks(builder));
    found.extend(unregistrations(builder));
    found.extend(initcall::waits(builder));
    if found.is_empty() {
        found.extend(inferred(builder));
        found.extend(initcall::boot(builder));
    }
    found.sort_by_key(|wait| (wait.begin, wait.events.first().copied()));
    builder.timeline.waits = found;
}

/// The flushes of all domains during async probes, and those of one domain.
fn flushes(builder: &Builder<'_>) -> Vec<Wait> {
    let spans = &builder.spans;
    let probes = async_probes(spans);
    // Of the work that a worker does: the bar of the probe in it.
    let probe_in: HashMap<usize, usize> = spans
        .iter()
        .enumerate()
        .filter(|(_, span)| span.point == Point::Probe)
        .filter_map(|(at, _)| {
            let outer = |of: &Span<'_>| {
                matches!(
                    of.point,
                    Point::DriverAttach | Point::DeviceAttach | Point::Run
                )
            };
            let work = span::within(spans, at, outer)?;
            Some((work.began, builder.bar_of[at]?))
        })
        .collect();
    let domains: HashSet<u64> = spans
        .iter()
        .filter(|span| matches!(span.point, Point::Schedule))
        .filter_map(|span| span.fetched.domain)
        .collect();
    let mut waits = Vec::new();
    for (at, flush) in spans.iter().enumerate() {
        let Some(domain) = flush.fetched.domain.filter(|_| flush.point == Point::Flush) else {
            continue;
        };
        let (on, scheduled): (Vec<usize>, Vec<usize>) = if domain == 0 {
            probes
                .iter()
                .filter(|probe| {
                    probe.scheduled.began < flush.began
                        && flush.began < probe.run.map_or(usize::MAX, Span::end)
                        && probe.run.is_none_or(|run| run.pid != flush.pid)
                })
                .filter_map(|probe| {
                    Some((*probe_in.get(&probe.run?.began)?, probe.scheduled.began))
                })
                .unzip()
        } else if domains.contains(&domain) {
            // Which work is in which domain is not recorded: what a driver has scheduled itself,
            // and has ended meanwhile.
            spans
                .iter()
                .filter(|run| run.point == Point::Run && run.pid != flush.pid)
                .filter(|run| flush.began < run.end() && run.end() < flush.end())
                .filter_map(|run| Some((*probe_in.get(&run.began)?, run.began)))
                .unzip()
        } else {
            continue;
        };
        if on.is_empty() {
            continue;
        }
        let mut events: Vec<usize> = scheduled;
        events.push(flush.began);
        events.extend(flush.ended);
        let caller = flush.caller.map(super::recorded::function);
        let through = caller.map_or(Through::AsyncWork, |caller| {
            Through::Flush(caller.to_owned())
        });
        waits.extend(
            wait(builder, at, through, flush.ended, on, events).map(|wait| Wait {
                inferred: domain != 0,
                ..wait
            }),
        );
    }
    waits
}

/// The functions that take the lock of a device while somebody else probes it.
fn locks(builder: &Builder<'_>) -> Vec<Wait> {
    let spans = &builder.spans;
    let mut probes: HashMap<u64, Vec<usize>> = HashMap::new();
    for (at, span) in spans.iter().enumerate() {
        if let Some(device) = span.fetched.at.filter(|_| span.point == Point::Probe) {
            probes.entry(device).or_default().push(at);
        }
    }
    let mut waits = Vec::new();
    for (at, span) in spans.iter().enumerate() {
        let locks = matches!(
            span.point,
            Point::Release
                | Point::Bind
                | Point::Attach
                | Point::Del
                | Point::DriverAttach
                | Point::DeviceAttach
        );
        let probes = span.fetched.at.and_then(|device| probes.get(&device));
        let Some(probes) = probes.filter(|_| locks) else {
            continue;
        };
        let blocking = probes
            .iter()
            .copied()
            .find(|probe| spans[*probe].spans(span.began) && spans[*probe].pid != span.pid);
        let Some((blocking, bar)) = blocking.and_then(|at| Some((at, builder.bar_of[at]?))) else {
            continue;
        };
        // The first that the task does when it has the lock.
        let ended = spans[blocking].ended.and_then(|ended| {
            let goes_on = spans
                .iter()
                .skip(at)
                .find(|of| of.pid == span.pid && ended < of.began && of.began < span.end());
            goes_on.map(|of| of.began).or(span.ended)
        });
        let mut events = vec![spans[blocking].began, span.began];
        events.extend(spans[blocking].ended);
        events.extend(ended);
        waits.extend(wait(
            builder,
            at,
            Through::DeviceLock,
            ended,
            vec![bar],
            events,
        ));
    }
    waits
}

/// The unregistrations that could not begin to detach the driver while it probed.
fn unregistrations(builder: &Builder<'_>) -> Vec<Wait> {
    let spans = &builder.spans;
    let mut waits = Vec::new();
    for (at, span) in spans.iter().enumerate() {
        if span.point != Point::Unregister {
            continue;
        }
        let detach = spans.iter().skip(at);
        let detach = detach
            .take_while(|of| of.began < span.end())
            .find(|of| of.point == Point::Detach && of.pid == span.pid);
        let began = detach.map(|detach| detach.began);
        let blocking: Vec<&Span<'_>> = spans[..at]
            .iter()
            .enumerate()
            .filter(|(_, probe)| probe.point == Point::Probe && probe.pid != span.pid)
            .filter(|(_, probe)| probe.fetched.by == span.fetched.by && probe.spans(span.began))
            .filter(|(_, probe)| began.is_none_or(|began| probe.end() < began))
            // What was scheduled when the driver was registered knows its driver.
            .filter(|(probe, _)| {
                let outer = |of: &Span<'_>| of.point == Point::DriverAttach;
                span::within(spans, *probe, outer).is_none()
            })
            .map(|(_, probe)| probe)
            .collect();
        if blocking.is_empty() {
            continue;
        }
        let places = blocking
            .iter()
            .flat_map(|probe| [Some(probe.began), probe.ended]);
        let events = places.flatten().chain([span.began]).chain(began).collect();
        let on = blocking
            .iter()
            .filter_map(|probe| builder.bar_of[spans.partition_point(|of| of.began < probe.began)])
            .collect();
        waits.extend(wait(builder, at, Through::DriverInUse, began, on, events));
    }
    waits
}

/// A wait that a span shows.
fn wait(
    builder: &Builder<'_>,
    at: usize,
    through: Through,
    ended: Option<usize>,
    mut on: Vec<usize>,
    mut events: Vec<usize>,
) -> Option<Wait> {
    let spans = &builder.spans;
    // The outermost thing that the task was doing.
    let mut outermost = builder.bar_of[at].map(|bar| (at, bar));
    let mut inner = at;
    while let Some(outer) = spans[inner].parent {
        outermost = builder.bar_of[outer].map(|bar| (outer, bar)).or(outermost);
        inner = outer;
    }
    let (doing, bar) = outermost?;
    let timeline = &builder.timeline;
    on.sort_by_key(|bar| (timeline.end_of(*bar), *bar));
    events.sort_unstable();
    events.dedup();
    Some(Wait {
        task: timeline.bars[bar].task,
        doing: doing_what(&spans[doing]),
        bar,
        through,
        begin: builder.time(spans[at].began),
        end: ended.map(|ended| builder.time(ended)),
        on,
        inferred: false,
        events,
    })
}

/// In words.
fn doing_what(span: &Span<'_>) -> String {
    let device = span.device();
    match span.point {
        Point::Init => format!("insmod of {}", span.name()),
        Point::Rmmod => format!("rmmod of {}", span.name()),
        Point::Release => format!("unbind of {device}"),
        Point::Bind => format!("bind of {device}"),
        Point::Attach => format!("attach of {device}"),
        Point::Del => format!("removal of {device}"),
        Point::Add => format!("addition of {device}"),
        Point::Run => format!("async work of {}", span.task),
        point => format!("{point} of {}", span.task),
    }
}

/// The calls of userspace that ended when async probes did.
fn inferred(builder: &Builder<'_>) -> Vec<Wait> {
    let timeline = &builder.timeline;
    let probes: Vec<usize> = (0..timeline.bars.len())
        .filter(|bar| timeline.bars[*bar].kind == Kind::Probe)
        .collect();
    let bars: HashMap<usize, usize> = timeline
        .bars
        .iter()
        .enumerate()
        .filter(|(_, bar)| matches!(bar.kind, Kind::Call(_)))
        .map(|(at, bar)| (bar.events[0], at))
        .collect();
    calls(builder.events)
        .iter()
        .filter_map(|call| inferred_wait(builder, &probes, call, *bars.get(&call.began)?))
        .collect()
}

fn inferred_wait(
    builder: &Builder<'_>,
    probes: &[usize],
    call: &Call<'_>,
    bar: usize,
) -> Option<Wait> {
    let bars = &builder.timeline.bars;
    let began = builder.time(call.began);
    let returned = call.returned.map(|returned| builder.time(returned))?;
    let before = |probe: &&usize| bars[**probe].begin <= began;
    let ended_meanwhile = |probe: &&usize| {
        bars[**probe]
            .end
            .is_some_and(|end| began < end && end <= returned)
    };
    let (through, mut on): (Through, Vec<usize>) = match call.kind {
        call::Kind::Insmod | call::Kind::Rmmod => {
            let asynchronous = |probe: &&usize| bars[**probe].asynchronous == Some(true);
            // One that was there before and goes on shows that the call did not wait for all.
            let outlived = |probe: &&usize| {
                builder.timeline.end_of(**probe) > returned && asynchronous(probe) && before(probe)
            };
            if probes.iter().any(|probe| outlived(&probe)) {
                return None;
            }
            let awaited = probes.iter().filter(asynchronous).filter(ended_meanwhile);
            (Through::AsyncWork, awaited.copied().collect())
        }
        call::Kind::Bind | call::Kind::Unbind | call::Kind::DriversProbe => {
            let of_device = |probe: &&usize| bars[**probe].on == call.on;
            let awaited = probes.iter().filter(of_device).filter(before);
            let awaited = awaited.filter(ended_meanwhile);
            (Through::DeviceLock, awaited.copied().collect())
        }
        _ => return None,
    };
    on.sort_by_key(|probe| (bars[*probe].end, *probe));
    let last = bars[*on.last()?].end?;
    if through == Through::AsyncWork && returned - last > SOON {
        return None;
    }
    // Its own registration comes before the waiting.
    let registered = bars
        .iter()
        .filter(|bar| matches!(bar.kind, Kind::Register | Kind::Unregister))
        .filter_map(|bar| bar.end)
        .filter(|end| began < *end && *end < last)
        .filter(|_| call.kind == call::Kind::Insmod)
        .max();
    let mut events: Vec<usize> = on
        .iter()
        .flat_map(|probe| bars[*probe].events.iter().copied())
        .chain([call.began])
        .chain(call.returned)
        .collect();
    events.sort_unstable();
    events.dedup();
    Some(Wait {
        task: bars[bar].task,
        doing: format!("{} of {}", call.kind, call.on),
        bar,
        through,
        begin: registered.unwrap_or(began).max(began),
        end: Some(last),
        on,
        inferred: true,
        events,
    })
}

#[cfg(test)]
mod tests {
    use crate::laws::recorded::tests_support::recording;
    use crate::{Micros, Timeline};

    /// Who waited, what for, how long, and how many events show it.
    fn waits(lines: &str) -> Vec<String> {
        let timeline = Timeline::of(&recording(lines));
        let wait = |wait: &crate::timeline::Wait| {
            let on = wait.on.iter().map(|bar| timeline.bars[*bar].on.as_str());
            let on: Vec<&str> = on.collect();
            let took = wait.end.unwrap_or(timeline.end) - wait.begin;
            let inferred = if wait.inferred { " inferred" } else { "" };
            format!(
                "{}: {}: {}: {}{inferred}",
                wait.doing,
                wait.through,
                on.join(" "),
                took.0 / 1000
            )
        };
        assert!(timeline.begin >= Micros(1_000_000));
        timeline.waits.iter().map(wait).collect()
    }

    const CONVOY: &str = "
        9 init d
        9 register
        9 schedule 0
        9 schedule 1
        9 register_end 0
        9 init_end 0
        30 driver_attach 0
        30 probe 0
        8 init other
        8 flush 0
        31 driver_attach 1
        31 probe 1
        30 probe_end 0
        30 driver_attach_end
        31 probe_end 0
        31 driver_attach_end
        8 flush_end
        8 init_end 0
        8 init other
        8 flush 0
        8 flush_end
        8 init_end 0
    ";

    #[test]
    fn a_convoy() {
        let wait = "insmod of other: flush of async work by someone: d.0 d.1: 7";
        assert_eq!(waits(CONVOY), [wait]);
        // A flush of a domain that nothing was scheduled in.
        assert_eq!(waits(&CONVOY.replace("8 flush 0", "8 flush 7")), [""; 0]);
        // A flush that does not return.
        let cut: String = CONVOY.split_inclusive("31 probe 1\n").take(1).collect();
        assert_eq!(
            waits(&cut),
            ["insmod of other: flush of async work by someone: d.0 d.1: 2"]
        );
    }

    #[test]
    fn a_device_that_is_being_probed() {
        let lines = "
            30 probe 0
            8 release 0
            9 release 1
            9 release_end
            30 probe_end 0
            8 remove 0
            8 release_end
        ";
        assert_eq!(waits(lines), ["unbind of d.0: lock of the device: d.0: 4"]);
        // Nobody waits for himself.
        let own = lines.replace("        9 release 1", "        30 attach 0");
        let own = own.replace("9 release_end", "30 attach_end 0");
        assert_eq!(waits(&own), waits(lines));
        let free = lines.replace("30 probe 0", "");
        assert_eq!(waits(&free.replace("30 probe_end 0", "")), [""; 0]);
    }

    #[test]
    fn a_driver_that_is_in_use() {
        let lines = "
            30 device_attach 0
            30 probe 0
            8 rmmod d
            8 unregister
            30 probe_end 0
            30 device_attach_end
            8 detach
            8 detach_end
            8 unregister_end
            8 rmmod_end 0
        ";
        assert_eq!(waits(lines), ["rmmod of d: driver in use: d.0: 3"]);
        // Whoever knows the driver does not look for it.
        let known = lines.replace("device_attach", "driver_attach");
        assert_eq!(waits(&known), [""; 0]);
    }
}
