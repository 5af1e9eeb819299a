// SPDX-License-Identifier: GPL-2.0

//! Who waited for whom.
//!
//! A recording shows it: a flush of async work that was under way, or a function that takes the
//! lock of a device while that is being probed. `initcall_debug` shows the flushes. Other logs show
//! only that a call of userspace ended just when async probes did; such a wait is marked as
//! inferred.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::model::{function, Kind, Life, Span, Through, Wait};
use crate::event::Call;
use crate::Micros;

/// A call that waited returns this soon after what it waited for: there is the rest of the call,
/// and the time that the kernel takes to wake its task.
pub(super) const SOON: Micros = Micros(20_000);

/// Finds all waits.
pub(super) fn waits(life: &Life) -> Vec<Wait> {
    let mut found = flushes(life);
    found.extend(locks(life));
    found.extend(unregistrations(life));
    found.extend(flush_lines(life));
    if found.is_empty() {
        found.extend(inferred(life));
        found.extend(boot(life));
    }
    found.sort_by_key(|wait| (wait.begin, wait.events.first().copied()));
    found
}

/// An async probe: where it was scheduled, and what has come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsyncProbe {
    /// The mark of the scheduling, or where no source shows that, what set the probe off.
    pub scheduled: usize,
    /// The driver core's helper that the worker runs, or where no source shows that, the probe.
    /// None if it has not begun.
    pub run: Option<usize>,
}

impl Life {
    /// The async probes that the driver core has scheduled, in this order.
    pub fn async_probes(&self) -> Vec<AsyncProbe> {
        let runs: HashMap<usize, usize> = self
            .spans
            .iter()
            .enumerate()
            .filter(|(_, span)| matches!(span.kind, Kind::DriverAttach | Kind::DeviceAttach))
            .filter_map(|(at, span)| Some((span.cause?, at)))
            .collect();
        let mut probes: Vec<AsyncProbe> = self
            .of(Kind::Scheduled)
            .filter(|(_, span)| span.is_attach_helper())
            .map(|(scheduled, _)| AsyncProbe {
                scheduled,
                run: runs.get(&scheduled).copied(),
            })
            .collect();
        let unrecorded = self.of(Kind::Probe).filter_map(|(at, probe)| {
            let unseen = probe.facts.at.is_none() && probe.asynchronous == Some(true);
            let scheduled = probe.cause.filter(|_| unseen)?;
            Some(AsyncProbe {
                scheduled,
                run: Some(at),
            })
        });
        probes.extend(unrecorded);
        probes
    }
}

/// The flushes of all domains during async probes, and those of one domain.
fn flushes(life: &Life) -> Vec<Wait> {
    let spans = &life.spans;
    let probes = life.async_probes();
    // Of the work that a worker does: the probe in it.
    let probe_in: HashMap<usize, usize> = life
        .of(Kind::Probe)
        .filter_map(|(at, _)| {
            let work = life.within(at, |outer| {
                matches!(
                    outer.kind,
                    Kind::DriverAttach | Kind::DeviceAttach | Kind::AsyncWork
                )
            });
            Some((work?, at))
        })
        .collect();
    let domains: HashSet<u64> = life
        .of(Kind::Scheduled)
        .filter_map(|(_, span)| span.facts.domain)
        .collect();
    let mut waits = Vec::new();
    for (at, flush) in life.of(Kind::Flush) {
        let Some(domain) = flush.facts.domain else {
            continue;
        };
        let (on, scheduled): (Vec<usize>, Vec<usize>) = if domain == 0 {
            probes
                .iter()
                .filter(|probe| {
                    let run = probe.run.map(|run| &spans[run]);
                    spans[probe.scheduled].began < flush.began
                        && flush.began < run.map_or(usize::MAX, Span::end_place)
                        && run.is_none_or(|run| run.task != flush.task)
                })
                .filter_map(|probe| {
                    let on = probe_in.get(&probe.run?)?;
                    Some((*on, spans[probe.scheduled].began))
                })
                .unzip()
        } else if domains.contains(&domain) {
            // Which work is in which domain is not recorded: this is the work that a driver has
            // scheduled itself, and that has ended meanwhile.
            life.of(Kind::AsyncWork)
                .filter(|(_, run)| run.task != flush.task)
                .filter(|(_, run)| {
                    flush.began < run.end_place() && run.end_place() < flush.end_place()
                })
                .filter_map(|(at, run)| Some((*probe_in.get(&at)?, run.began)))
                .unzip()
        } else {
            continue;
        };
        if on.is_empty() {
            continue;
        }
        let mut events = scheduled;
        events.push(flush.began);
        events.extend(flush.ended);
        let caller = flush.facts.caller.as_deref().map(function);
        let through = caller.map_or(Through::AsyncWork, |caller| {
            Through::Flush(caller.to_owned())
        });
        let mut wait = wait(life, at, through, flush.ended, on, events);
        if let Some(wait) = &mut wait {
            wait.inferred = domain != 0;
        }
        waits.extend(wait);
    }
    waits
}

/// The functions that take the lock of a device while another task probes it.
fn locks(life: &Life) -> Vec<Wait> {
    let spans = &life.spans;
    let mut probes: HashMap<u64, Vec<usize>> = HashMap::new();
    for (at, probe) in life.of(Kind::Probe) {
        if let Some(device) = probe.facts.at {
            probes.entry(device).or_default().push(at);
        }
    }
    let mut waits = Vec::new();
    for (at, span) in spans.iter().enumerate() {
        let locks = matches!(
            span.kind,
            Kind::Release
                | Kind::Bind
                | Kind::Attach
                | Kind::Del
                | Kind::DriverAttach
                | Kind::DeviceAttach
        );
        let probes = span.facts.at.and_then(|device| probes.get(&device));
        let Some(probes) = probes.filter(|_| locks) else {
            continue;
        };
        let blocking = probes
            .iter()
            .copied()
            .find(|probe| spans[*probe].spans(span.began) && spans[*probe].task != span.task);
        let Some(blocking) = blocking else {
            continue;
        };
        // The first that the task does when it has the lock.
        let ended = spans[blocking].ended.and_then(|ended| {
            let goes_on = spans[at..]
                .iter()
                .take_while(|of| of.began < span.end_place())
                .find(|of| of.task == span.task && ended < of.began);
            goes_on.map(|of| of.began).or(span.ended)
        });
        let mut events = vec![spans[blocking].began, span.began];
        events.extend(spans[blocking].ended);
        events.extend(ended);
        let on = vec![blocking];
        waits.extend(wait(life, at, Through::DeviceLock, ended, on, events));
    }
    waits
}

/// The unregistrations that could not begin to detach the driver while it probed.
fn unregistrations(life: &Life) -> Vec<Wait> {
    let mut waits = Vec::new();
    for (at, span) in life.of(Kind::Unregister) {
        if span.facts.by.is_none() {
            continue;
        }
        let detach = life.inside(Kind::Detach, at).next();
        let began = detach.map(|(_, detach)| detach.began);
        let blocking: Vec<usize> = life
            .of(Kind::Probe)
            .take_while(|(_, probe)| probe.began < span.began)
            .filter(|(_, probe)| probe.task != span.task)
            .filter(|(_, probe)| probe.same_driver(span) && probe.spans(span.began))
            .filter(|(_, probe)| began.is_none_or(|began| probe.end_place() < began))
            // What was scheduled when the driver was registered knows its driver.
            .filter(|(probe, _)| {
                let attach = life.within(*probe, |outer| outer.kind == Kind::DriverAttach);
                attach.is_none()
            })
            .map(|(probe, _)| probe)
            .collect();
        if blocking.is_empty() {
            continue;
        }
        let places = blocking
            .iter()
            .flat_map(|probe| [Some(life.spans[*probe].began), life.spans[*probe].ended]);
        let events = places.flatten().chain([span.began]).chain(began).collect();
        let through = Through::DriverInUse;
        waits.extend(wait(life, at, through, began, blocking, events));
    }
    waits
}

/// A wait that a span shows.
fn wait(
    life: &Life,
    at: usize,
    through: Through,
    ended: Option<usize>,
    mut on: Vec<usize>,
    mut events: Vec<usize>,
) -> Option<Wait> {
    // The outermost function of the kernel that the task was in.
    let is_function = |span: &Span| span.kind.is_bar() && !matches!(span.kind, Kind::Call(_));
    let around = std::iter::successors(Some(at), |inner| life.within(*inner, is_function));
    let span = around.filter(|of| is_function(&life.spans[*of])).last()?;
    on.sort_by_key(|on| (life.end_of(*on), *on));
    events.sort_unstable();
    events.dedup();
    Some(Wait {
        task: life.spans[span].task,
        doing: doing_what(life, &life.spans[span]),
        span,
        through,
        begin: life.events[life.spans[at].began].time,
        end: ended.map(|ended| life.events[ended].time),
        on,
        more: 0,
        inferred: false,
        events,
    })
}

/// In words.
fn doing_what(life: &Life, span: &Span) -> String {
    let on = match span.on.as_str() {
        "" => "(no name)",
        on => on,
    };
    let task = span.task.and_then(|task| life.tasks[task].name.as_deref());
    let task = task.unwrap_or("a task");
    match span.kind {
        Kind::Init => format!("insmod of {on}"),
        Kind::Rmmod => format!("rmmod of {on}"),
        Kind::Release => format!("unbind of {on}"),
        Kind::Bind => format!("bind of {on}"),
        Kind::Attach => format!("attach of {on}"),
        Kind::Del => format!("removal of {on}"),
        Kind::Add => format!("addition of {on}"),
        Kind::AsyncWork => format!("async work of {task}"),
        Kind::Register => format!("register of {task}"),
        Kind::Unregister => format!("unregister of {task}"),
        Kind::Probe => format!("probe of {task}"),
        Kind::Firmware => format!("firmware of {task}"),
        Kind::Flush => format!("flush of {task}"),
        _ => task.to_owned(),
    }
}

/// The waits for async work that `initcall_debug` prints, for the work that ended meanwhile.
fn flush_lines(life: &Life) -> Vec<Wait> {
    let spans = &life.spans;
    let is_line = |span: &Span| life.is_initcall_line(span);
    // The work by its end, and of the driver core's work, which tries one driver after the other,
    // the probe that ended last.
    let mut probes: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
    for (at, probe) in life.of(Kind::Probe) {
        probes.entry(probe.task).or_default().push(at);
    }
    // The order of their lines may be another one.
    for probes in probes.values_mut() {
        probes.sort_by_key(|probe| spans[*probe].begin);
    }
    let mut by_end: Vec<(Micros, (usize, usize))> = Vec::new();
    let mut open: Vec<(Micros, (usize, usize))> = Vec::new();
    for (work, span) in life.of(Kind::AsyncWork).filter(|(_, span)| is_line(span)) {
        let end = life.end_of(work);
        let probes = probes.get(&span.task).filter(|_| span.is_attach_helper());
        let probe = probes.and_then(|probes| {
            let before = |probe: &usize| spans[*probe].begin + Micros(1) < span.begin;
            let began = probes[probes.partition_point(before)..].iter();
            let began = began.take_while(|probe| spans[**probe].begin <= end);
            // Of two that end at once, one is within the other.
            let within = began.filter(|probe| life.end_of(**probe) <= end);
            within.max_by_key(|probe| (life.end_of(**probe), Reverse(spans[**probe].begin)))
        });
        let on = probe.copied().unwrap_or(work);
        let of = if span.end.is_some() {
            &mut by_end
        } else {
            &mut open
        };
        of.push((end, (work, on)));
    }
    by_end.sort_unstable();
    let mut works: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
    for (work, span) in life.of(Kind::AsyncWork) {
        works.entry(span.task).or_default().push(work);
    }
    // The work that a flush is in.
    let own = |flush: &Span| {
        let works = works.get(&flush.task)?;
        let until = works.partition_point(|work| spans[*work].begin <= flush.begin);
        let last = works[..until].last().copied();
        last.filter(|work| flush.begin <= life.end_of(*work))
    };
    let helpers = life
        .of(Kind::AsyncWork)
        .filter(|(_, span)| span.is_attach_helper());
    let helpers = until(helpers.filter_map(|(_, span)| Some((span.begin, span.end?))));
    let flushes = || life.of(Kind::Flush).filter(|(_, span)| is_line(span));
    let ended = |at: usize| between(&by_end, spans[at].begin, life.end_of(at));
    let most = most(flushes().map(|(at, _)| ended(at).len() + open.len()));
    let of_initramfs = boot_waits_for_initramfs(life);
    let mut waits = Vec::new();
    for (at, flush) in flushes() {
        let end = life.end_of(at);
        // What has not ended holds up only what has not ended.
        let open = if flush.end.is_none() { &open[..] } else { &[] };
        let others = ended(at).iter().chain(open).rev();
        let others = others
            .filter(|(_, (work, _))| spans[*work].task != flush.task && spans[*work].begin <= end);
        let by_end = others.clone().map(|(end, (work, _))| (*end, *work));
        let awaited = match Some(at) == of_initramfs {
            true => Some(Awaited::Initramfs),
            false => {
                let outlives = |end| outlives(&helpers, flush.begin, end);
                let is_outlived = flush.end.is_some_and(outlives);
                Awaited::by(life, flush, own(flush), is_outlived, by_end)
            }
        };
        let Some(awaited) = awaited else { continue };
        let meanwhile = others.filter(|(_, (work, _))| awaited.is_of(&spans[*work]));
        let all = match most {
            usize::MAX => 0,
            _ => meanwhile.clone().count(),
        };
        let (works, mut on): (Vec<usize>, Vec<usize>) =
            meanwhile.take(most).map(|(_, pair)| *pair).unzip();
        if on.is_empty() {
            continue;
        }
        let events = evidence(life, &flush.events, &works);
        on.reverse();
        // The boot waits for async work after its last initcall, too.
        let around = life.within(at, |outer| {
            matches!(outer.kind, Kind::Boot) || outer.kind == Kind::Init && outer.end == flush.end
        });
        let doing = match around.map(|around| &spans[around]) {
            Some(boot) if boot.kind == Kind::Boot => format!("boot until {}", boot.on),
            Some(init) => format!("insmod of {}", init.on),
            None => match life.pid_of(flush) {
                Some(1) => "the kernel's init".to_owned(),
                pid => format!("task {}", pid.unwrap_or_default()),
            },
        };
        waits.push(Wait {
            task: flush.task,
            doing,
            span: around.unwrap_or(at),
            through: Through::AsyncWork,
            begin: flush.begin,
            end: flush.end,
            more: all.saturating_sub(on.len()),
            on,
            inferred: false,
            events,
        });
    }
    waits
}

/// Which work a flush waits for, of that which ended meanwhile.
enum Awaited {
    /// That of the initramfs, which has a domain of its own (`init/initramfs.c`,
    /// `wait_for_initramfs()`).
    Initramfs,
    /// All else.
    Others,
    /// What is in another domain than the driver core's functions.
    Domain,
    /// What was scheduled before the work that waits (`kernel/async.c`,
    /// `async_synchronize_cookie()`).
    Before(u64),
    /// What the work that waits has scheduled itself, in a domain of its own.
    After(u64),
}

impl Awaited {
    fn is_of(&self, work: &Span) -> bool {
        let cookie = work.facts.cookie.unwrap_or_default();
        match self {
            Self::Initramfs => work.is_of_initramfs(),
            Self::Others => !work.is_of_initramfs(),
            Self::Domain => !work.is_of_initramfs() && !work.is_attach_helper(),
            Self::Before(of) => !work.is_of_initramfs() && cookie < *of,
            Self::After(of) => !work.is_of_initramfs() && cookie > *of && !work.is_attach_helper(),
        }
    }

    /// Tells it by which of `others`, from the last end on, ended last: the flush then ends at once.
    /// It is in the work `own`, if it is in any. If work of the driver core outlives it, it is no wait
    /// for all. None if what it waits for is not in the log.
    fn by(
        life: &Life,
        flush: &Span,
        own: Option<usize>,
        is_outlived: bool,
        others: impl Iterator<Item = (Micros, usize)> + Clone,
    ) -> Option<Self> {
        let spans = &life.spans;
        let cookie = own.and_then(|work| spans[work].facts.cookie);
        let candidates = match cookie {
            Some(cookie) => vec![Self::Before(cookie), Self::After(cookie), Self::Initramfs],
            None if is_outlived => vec![Self::Domain, Self::Initramfs],
            None => vec![Self::Others, Self::Initramfs],
        };
        // How many others ended after the last of its own, if the flush ends with that.
        let nearness = |of: &Self| {
            let mut others = others.clone().enumerate();
            let (at, (end, work)) = others.find(|(_, (_, work))| of.is_of(&spans[*work]))?;
            match flush.end {
                Some(ended) => (ended <= end + SOON).then_some(at),
                None => spans[work].end.is_none().then_some(0),
            }
        };
        let found = candidates.into_iter();
        let found = found.filter_map(|of| Some((nearness(&of)?, of)));
        found.min_by_key(|(at, _)| *at).map(|(_, of)| of)
    }
}

/// The wait for the initramfs, with which the boot goes on after its last initcall
/// (`init/main.c`, `kernel_init_freeable()`).
fn boot_waits_for_initramfs(life: &Life) -> Option<usize> {
    let task = life.init_task()?;
    let mut works = life.each(Kind::AsyncWork);
    let unpacked = works.find(|work| work.is_of_initramfs())?.end;
    let of_boot = |span: &Span| span.task == Some(task) && !span.is_of_module();
    let initcalls = life.of(Kind::Initcall).filter(|(_, span)| of_boot(span));
    let end = initcalls.last()?.1.end?;
    let mut flushes = life.of(Kind::Flush).filter(|(_, span)| of_boot(span));
    let (at, flush) = flushes.find(|(_, flush)| end <= flush.begin)?;
    // The line of this wait may be missing, and this be the next.
    let is_late = unpacked
        .zip(flush.end)
        .is_some_and(|(done, end)| done + SOON < end);
    (!is_late).then_some(at)
}

/// The kernel's own wait for async probes before it runs init, where no line tells of it: the last
/// of those that ended before was not long before.
fn boot(life: &Life) -> Option<Wait> {
    let (at, boot) = life.of(Kind::Boot).next()?;
    if life.inside(Kind::Flush, at).next().is_some() {
        return None;
    }
    let end = boot.end?;
    let mut on: Vec<usize> = life
        .of(Kind::Probe)
        .filter(|(_, probe)| probe.asynchronous == Some(true))
        .filter(|(_, probe)| probe.end > Some(boot.begin) && probe.end <= Some(end))
        .map(|(at, _)| at)
        .collect();
    on.sort_by_key(|probe| (life.end_of(*probe), *probe));
    let last = life.end_of(*on.last()?);
    if last + SOON < end {
        return None;
    }
    Some(Wait {
        task: boot.task,
        doing: format!("boot until {}", boot.on),
        span: at,
        through: Through::AsyncWork,
        begin: boot.begin,
        end: Some(last),
        events: evidence(life, &boot.events, &on),
        on,
        more: 0,
        inferred: true,
    })
}

/// What ended in this time, after its beginning.
fn between<T>(by_end: &[(Micros, T)], begin: Micros, end: Micros) -> &[(Micros, T)] {
    let until = |time| by_end.partition_point(|(ended, _)| *ended <= time);
    let (from, until) = (until(begin), until(end));
    &by_end[from.min(until)..until]
}

/// How many entries one wait may list of what it waited for. A thousand calls that wait for the
/// same thousand probes list a million together; ten times as many of both would list a hundred
/// million.
fn most(each: impl Iterator<Item = usize>) -> usize {
    match each.sum::<usize>() > 1_000_000 {
        true => 16,
        false => usize::MAX,
    }
}

/// The events of a wait, in the order of the log.
fn evidence(life: &Life, own: &[usize], on: &[usize]) -> Vec<usize> {
    let others = on.iter().flat_map(|on| &life.spans[*on].events);
    let mut events: Vec<usize> = own.iter().chain(others).copied().collect();
    events.sort_unstable();
    events.dedup();
    events
}

/// The calls of userspace that ended when async probes did.
fn inferred(life: &Life) -> Vec<Wait> {
    let ended = Ended::of(life);
    let calls = life.spans.iter().enumerate();
    let calls = calls.filter_map(|(at, call)| match call.kind {
        Kind::Call(kind) => Some((at, kind)),
        _ => None,
    });
    let most = most(calls.clone().map(|(at, _)| ended.meanwhile(life, at).len()));
    calls
        .filter_map(|(at, kind)| inferred_wait(life, &ended, kind, at, most))
        .collect()
}

/// The ends of probes and registrations.
struct Ended<'a> {
    /// The asynchronous probes, by their ends.
    asynchronous: Vec<(Micros, usize)>,
    /// The beginnings of asynchronous probes, each with the last end of those until then.
    until: Vec<(Micros, Micros)>,
    /// The probes of each device, by name.
    of_device: HashMap<&'a str, Vec<usize>>,
    /// The ends of registrations and unregistrations.
    registered: BTreeSet<Micros>,
}

impl<'a> Ended<'a> {
    fn of(life: &'a Life) -> Self {
        let mut ended = Self {
            asynchronous: Vec::new(),
            until: Vec::new(),
            of_device: HashMap::new(),
            registered: BTreeSet::new(),
        };
        let mut until = Vec::new();
        for (at, span) in life.spans.iter().enumerate() {
            match span.kind {
                Kind::Probe => {
                    ended.of_device.entry(&span.on).or_default().push(at);
                    if span.asynchronous == Some(true) {
                        until.push((span.begin, life.end_of(at)));
                        let key = span.end.map(|end| (end, at));
                        ended.asynchronous.extend(key);
                    }
                }
                Kind::Register | Kind::Unregister => ended.registered.extend(span.end),
                _ => {}
            }
        }
        ended.asynchronous.sort_unstable();
        ended.until = self::until(until.into_iter());
        ended
    }

    /// The asynchronous probes that ended while a call was under way, in this order.
    fn meanwhile(&self, life: &Life, call: usize) -> &[(Micros, usize)] {
        let (begin, end) = (life.spans[call].begin, life.end_of(call));
        between(&self.asynchronous, begin, end)
    }
}

/// The beginnings of these, each with the last end of those until then.
fn until(spans: impl Iterator<Item = (Micros, Micros)>) -> Vec<(Micros, Micros)> {
    let mut until: Vec<_> = spans.collect();
    until.sort_unstable();
    let mut last = Micros(0);
    for (_, end) in &mut until {
        last = last.max(*end);
        *end = last;
    }
    until
}

/// Whether one of these that was there before this time goes on after another.
fn outlives(until: &[(Micros, Micros)], before: Micros, after: Micros) -> bool {
    let begun = until.partition_point(|(begin, _)| *begin <= before);
    begun > 0 && after < until[begun - 1].1
}

fn inferred_wait(
    life: &Life,
    ended: &Ended<'_>,
    kind: Call,
    at: usize,
    most: usize,
) -> Option<Wait> {
    let call = &life.spans[at];
    let returned = call.end?;
    let mut more = 0;
    let (through, on): (Through, Vec<usize>) = match kind {
        Call::Insmod | Call::Rmmod => {
            // A probe that goes on shows that the call did not wait for all.
            if outlives(&ended.until, call.begin, returned) {
                return None;
            }
            let all = ended.meanwhile(life, at);
            more = all.len().saturating_sub(most);
            let on = all[more..].iter().map(|(_, at)| *at);
            (Through::AsyncWork, on.collect())
        }
        Call::Bind | Call::Unbind | Call::DriversProbe => {
            let mut on = ended.of_device.get(call.on.as_str())?.clone();
            on.retain(|probe| {
                let probe = &life.spans[*probe];
                let meanwhile = |end| call.begin < end && end <= returned;
                probe.begin <= call.begin && probe.end.is_some_and(meanwhile)
            });
            on.sort_by_key(|probe| (life.spans[*probe].end, *probe));
            (Through::DeviceLock, on)
        }
        _ => return None,
    };
    let last = life.spans[*on.last()?].end?;
    if through == Through::AsyncWork && returned - last > SOON {
        return None;
    }
    // Its own registration comes before the waiting.
    let registered = ended.registered.range(..last).next_back();
    let registered = registered.filter(|_| kind == Call::Insmod).copied();
    Some(Wait {
        task: call.task,
        doing: format!("{kind} of {}", call.on),
        span: at,
        through,
        begin: registered.unwrap_or(call.begin).max(call.begin),
        end: Some(last),
        events: evidence(life, &call.events, &on),
        on,
        more,
        inferred: true,
    })
}
