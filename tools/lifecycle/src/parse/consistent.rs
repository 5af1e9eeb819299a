// SPDX-License-Identifier: GPL-2.0

//! Logs that contradict themselves: what they say cannot all have happened.
//!
//! What a law promises is no business of this file: a log in which the kernel breaks a law is a
//! good log. Here is what no kernel can print, whatever it does: something that took longer than
//! there was time for, a result without what leads to it. Such a log has been put together, or
//! lines of it are missing.

use std::collections::HashMap;

use super::refusal::{Reason, Refusal};
use crate::event::point::Returns;
use crate::event::{Event, Initcall, Point, Recorded, Side, SmolStr, Symbol, What};
use crate::micros::Micros;

/// At which event something is wrong, and what.
type Contradiction = (usize, String);

/// Checks the events of a log, of which each has a line.
pub(super) fn check_lines(events: &[Event], lines: &[u32]) -> Result<(), Refusal> {
    find(events).map_or(Ok(()), |(at, what)| {
        let line = lines.get(at).map_or(1, |line| *line as usize);
        Err(Refusal::of_line(line, Reason::Contradiction(what), ""))
    })
}

/// Checks the events of a recording.
pub(super) fn check(events: &[Event]) -> Result<(), Reason> {
    let found = find(events).or_else(|| modules(events));
    found.map_or(Ok(()), |(at, what)| {
        let event = &events[at];
        Err(Reason::Contradiction(format!("{what} (`{event}`)")))
    })
}

/// What is under way.
#[derive(Default)]
struct Open<'a> {
    /// When each init function was called, and by which task.
    functions: HashMap<&'a Symbol, (Micros, u32)>,
    /// Since when each task has had no more time than its init functions took, and how long these
    /// took in sum.
    busy: HashMap<u32, (Micros, Micros)>,
    works: HashMap<u64, Micros>,
    waits: HashMap<u32, Micros>,
    devices: HashMap<(&'a SmolStr, &'a SmolStr), Device>,
    /// When the last probe of a device by a driver ended.
    probed: HashMap<(&'a SmolStr, &'a SmolStr), Micros>,
}

/// How far a device has come with a driver that prints its timing.
#[derive(Clone, Copy)]
enum Device {
    Probing(Micros),
    Bound,
    Unbound,
    Removing,
}

fn find(events: &[Event]) -> Option<Contradiction> {
    let mut open = Open::default();
    let mut events = events.iter().enumerate();
    events.find_map(|(at, event)| Some((at, open.take(event)?)))
}

/// By how much the times of two lines may differ from a length that the kernel measured between
/// them: each time may have the grain of a jiffy.
pub(super) const GRAIN: Micros = Micros(20_000);

/// Something that took this long ended at this time. It began no earlier than at `since`.
///
/// `took` is measured by another clock than the line's time.
fn too_long(what: &str, took: Micros, since: Micros, time: Micros) -> Option<String> {
    let room = time - since;
    let most = Micros(room.0.saturating_add(room.0 / 10)) + GRAIN;
    (took > most).then(|| format!("{what} took {took} ms, and there were {room} ms for it"))
}

impl<'a> Open<'a> {
    /// Takes the next event, and says what is wrong.
    fn take(&mut self, event: &'a Event) -> Option<String> {
        let time = event.time;
        match &event.what {
            What::Registered { took, .. } => too_long("the registration", *took, Micros(0), time),
            What::Unregistered { took, .. } => {
                too_long("the unregistration", *took, Micros(0), time)
            }
            What::ProbeBegan { device, driver, .. } => {
                let was = self.devices.insert((device, driver), Device::Probing(time));
                match was {
                    Some(Device::Probing(_)) => Some(format!(
                        "{device} is probed once more, and its probe has not ended"
                    )),
                    Some(Device::Bound) => Some(format!(
                        "{device} is probed once more, and has not been removed"
                    )),
                    _ => None,
                }
            }
            What::FirmwareArrived {
                device,
                driver,
                took,
                ..
            }
            | What::Ready {
                device,
                driver,
                took,
                ..
            } => {
                let since = match self.devices.get(&(device, driver)) {
                    Some(Device::Probing(began)) => *began,
                    _ => Micros(0),
                };
                too_long("this", *took, since, time)
            }
            What::ProbeEnded {
                device,
                driver,
                ret,
                took,
            } => {
                let is = if *ret == 0 {
                    Device::Bound
                } else {
                    Device::Unbound
                };
                match self.devices.insert((device, driver), is) {
                    Some(Device::Probing(began)) => too_long("the probe", *took, began, time),
                    // The log may begin within it.
                    None => too_long("the probe", *took, Micros(0), time),
                    Some(_) => Some(format!("the probe of {device} ends and has not begun")),
                }
            }
            What::Removing { device, driver } => {
                match self.devices.insert((device, driver), Device::Removing) {
                    Some(Device::Probing(_)) => {
                        Some(format!("{device} is removed, and its probe has not ended"))
                    }
                    Some(Device::Unbound) => {
                        Some(format!("{device} is removed, and its probe has failed"))
                    }
                    Some(Device::Removing) => Some(format!("{device} is removed twice")),
                    Some(Device::Bound) | None => None,
                }
            }
            What::Initcall(initcall) => self.initcall(initcall, time),
            _ => None,
        }
    }

    fn initcall(&mut self, initcall: &'a Initcall, time: Micros) -> Option<String> {
        match initcall {
            Initcall::Calling { function, pid } => {
                // Modules that are loaded at once may have init functions of one name.
                self.functions.entry(function).or_insert((time, *pid));
                let busy = self.busy.entry(*pid).or_insert((time, Micros(0)));
                if busy.1 <= time - busy.0 {
                    *busy = (time, Micros(0));
                }
                None
            }
            Initcall::Returned { function, took, .. } => {
                let Some((began, pid)) = self.functions.remove(function) else {
                    return too_long("the initcall", *took, Micros(0), time);
                };
                // A task is in one at a time.
                let (since, sum) = self.busy.get_mut(&pid)?;
                *sum = *sum + *took;
                too_long("the initcall", *took, began, time)
                    .or_else(|| too_long("the initcalls of a task", *sum, *since, time))
            }
            // Each piece has a number of its own (`kernel/async.c`, `next_cookie`).
            Initcall::WorkBegan { cookie, .. } => {
                let again = self.works.insert(*cookie, time).is_some();
                again.then(|| format!("async work {cookie} begins twice"))
            }
            Initcall::WorkEnded { cookie, took, .. } => {
                let began = self.works.get(cookie).copied().unwrap_or_default();
                too_long("the work", *took, began, time)
            }
            Initcall::Waiting { pid } => {
                self.waits.insert(*pid, time);
                None
            }
            Initcall::Continuing { pid, took } => {
                let began = self.waits.remove(pid).unwrap_or_default();
                too_long("the wait", *took, began, time)
            }
            // Names of devices are unique on one bus, and a driver is of one.
            Initcall::Probed {
                device,
                driver: Some(driver),
                took,
                ..
            } => {
                let last = self.probed.insert((device, driver), time);
                too_long("the probe", *took, last.unwrap_or_default(), time)
            }
            Initcall::Probed { took, .. } => too_long("the probe", *took, Micros(0), time),
            Initcall::RunInit { .. } => None,
        }
    }
}

/// A function that a task is in.
struct Inside<'a> {
    point: Point,
    /// The device or the module that it is about.
    at: Option<u64>,
    name: Option<&'a SmolStr>,
    /// Where its device was bound, or its module was freed.
    done: Option<usize>,
}

/// What a recording says of probes and modules is whole: `really_probe()` binds the device if it
/// succeeds and only then (`driver_bound()`, `drivers/base/dd.c`), and `free_module()` is called by
/// an rmmod that succeeds or an init that fails (`kernel/module/main.c`).
fn modules(events: &[Event]) -> Option<Contradiction> {
    let is_bound =
        |event: &Event| matches!(&event.what, What::Recorded(of) if of.point == Point::Bound);
    // A boot records some points only.
    let bound_is_seen = events.iter().any(is_bound);
    let mut tasks: HashMap<u32, Vec<Inside<'_>>> = HashMap::new();
    // The result of the last rmmod of each module, if it has returned.
    let mut rmmods: HashMap<&SmolStr, Option<i32>> = HashMap::new();
    let wrong = |at: usize, what: &str| Some((at, what.to_owned()));
    for (at, event) in events.iter().enumerate() {
        let What::Recorded(Recorded {
            pid, point, side, ..
        }) = &event.what
        else {
            continue;
        };
        let inside = tasks.entry(*pid).or_default();
        match side {
            Side::Begins(fetched) => {
                let by = match point {
                    Point::Bound => inside
                        .iter_mut()
                        .rfind(|of| of.point == Point::Probe && of.at == fetched.at),
                    Point::FreeModule => inside
                        .iter_mut()
                        .rfind(|of| matches!(of.point, Point::Rmmod | Point::Init)),
                    _ => None,
                };
                let name = fetched.name.as_ref();
                match (point, by) {
                    (_, Some(by)) => by.done = Some(at),
                    (Point::FreeModule, None) => {
                        let last = name.and_then(|name| rmmods.get(name).copied().flatten());
                        if last.is_some_and(|ret| ret != 0) {
                            return wrong(at, "an rmmod has failed, and its module is gone");
                        }
                    }
                    _ => {}
                }
                if *point == Point::Rmmod {
                    rmmods.extend(name.map(|name| (name, None)));
                }
                if point.definition().returns != Returns::Unseen {
                    inside.push(Inside {
                        point: *point,
                        at: fetched.at,
                        name,
                        done: None,
                    });
                }
            }
            Side::Returns { ret, .. } => {
                let Some(of) = inside.pop() else { continue };
                if of.point == Point::Rmmod {
                    rmmods.extend(of.name.map(|name| (name, *ret)));
                }
                let what = match (of.point, ret, of.done) {
                    (Point::Probe, Some(0), None) if bound_is_seen => {
                        "a probe has succeeded, and its device is not bound"
                    }
                    (Point::Probe, Some(ret), Some(_)) if *ret != 0 => {
                        "a probe has failed, and its device is bound"
                    }
                    (Point::Rmmod, Some(ret), Some(_)) if *ret != 0 => {
                        "an rmmod has failed, and its module is gone"
                    }
                    (Point::Init, Some(0), Some(_)) => {
                        "an init has succeeded, and its module is gone"
                    }
                    _ => continue,
                };
                return wrong(of.done.unwrap_or(at), what);
            }
        }
    }
    None
}
