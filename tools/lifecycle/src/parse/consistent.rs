// SPDX-License-Identifier: GPL-2.0

//! Logs that contradict themselves: what they say cannot all have happened.
//!
//! What a law promises is no business of this file: a log in which the kernel breaks a law is a
//! good log. Here is what no kernel can print, whatever it does: something that took longer than
//! there was time for, a result without what leads to it. Such a log has been put together, or
//! lines of it are missing.

use std::collections::HashMap;

use super::refusal::{Reason, Refusal};
use crate::event::{Event, Initcall, Point, SmolStr, Symbol, What};
use crate::micros::Micros;
use crate::recording::spans;

/// What is wrong, and at which event.
struct Contradiction {
    at: usize,
    what: String,
}

/// Checks the events of a log, of which each has a line.
pub(super) fn check_lines(events: &[Event], lines: &[u32]) -> Result<(), Refusal> {
    find(events).map_or(Ok(()), |found| {
        let line = lines.get(found.at).map_or(1, |line| *line as usize);
        Err(Refusal::of_line(
            line,
            Reason::Contradiction(found.what),
            "",
        ))
    })
}

/// Checks the events of a recording.
pub(super) fn check(events: &[Event]) -> Result<(), Reason> {
    find(events)
        .or_else(|| modules(events))
        .map_or(Ok(()), |found| {
            let event = events[found.at].to_string();
            Err(Reason::Contradiction(format!("{} (`{event}`)", found.what)))
        })
}

/// What is under way.
#[derive(Default)]
struct Open<'a> {
    functions: HashMap<&'a Symbol, Micros>,
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
    events.iter().enumerate().find_map(|(at, event)| {
        let what = open.take(event)?;
        Some(Contradiction { at, what })
    })
}

/// Something that took this long ended at this time. It began no earlier than at `since`.
///
/// `took` is measured by another clock than the line's time, and both may have the grain of a
/// jiffy.
fn too_long(what: &str, took: Micros, since: Micros, time: Micros) -> Option<String> {
    const GRAIN: Micros = Micros(20_000);
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
            Initcall::Calling { function, .. } => {
                // Modules that are loaded at once may have init functions of one name.
                self.functions.entry(function).or_insert(time);
                None
            }
            Initcall::Returned { function, took, .. } => {
                let began = self.functions.remove(function).unwrap_or_default();
                too_long("the initcall", *took, began, time)
            }
            Initcall::WorkBegan { cookie, .. } => {
                self.works.insert(*cookie, time);
                None
            }
            Initcall::WorkEnded { cookie, took, .. } => {
                let began = self.works.remove(cookie).unwrap_or_default();
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

/// What a recording says of probes and modules is whole: `really_probe()` binds the device if it
/// succeeds and only then (`driver_bound()`, `drivers/base/dd.c`), and `free_module()` is called by
/// an rmmod that succeeds or an init that fails (`kernel/module/main.c`).
fn modules(events: &[Event]) -> Option<Contradiction> {
    let spans = spans(events);
    let mut bound = vec![false; spans.len()];
    for span in spans.iter().filter(|span| span.point == Point::Bound) {
        let mut outer = span.parent;
        while let Some(at) = outer {
            if spans[at].point == Point::Probe && spans[at].is_at(span.fetched.at) {
                bound[at] = true;
                break;
            }
            outer = spans[at].parent;
        }
    }
    // A boot records some points only.
    let bound_is_seen = spans.iter().any(|span| span.point == Point::Bound);
    let name = |of: &crate::recording::Span<'_>| of.fetched.name.clone();
    spans.iter().enumerate().find_map(|(at, span)| {
        let what = match span.point {
            Point::Probe => match (span.ret?, bound[at]) {
                (0, false) if bound_is_seen => "a probe has succeeded, and its device is not bound",
                (ret, true) if ret != 0 => "a probe has failed, and its device is bound",
                _ => return None,
            },
            Point::FreeModule => {
                let mut outer = span.parent;
                let by = std::iter::from_fn(|| {
                    let at = outer?;
                    outer = spans[at].parent;
                    Some(&spans[at])
                });
                let mut by = by.filter(|by| matches!(by.point, Point::Rmmod | Point::Init));
                match by.next() {
                    Some(by) if by.point == Point::Rmmod && by.ret.is_some_and(|ret| ret != 0) => {
                        "an rmmod has failed, and its module is gone"
                    }
                    Some(by) if by.point == Point::Init && by.ret == Some(0) => {
                        "an init has succeeded, and its module is gone"
                    }
                    Some(_) => return None,
                    None => {
                        let last = spans[..at]
                            .iter()
                            .rfind(|last| last.point == Point::Rmmod && name(last) == name(span))?;
                        match last.ret {
                            Some(ret) if ret != 0 => "an rmmod has failed, and its module is gone",
                            _ => return None,
                        }
                    }
                }
            }
            _ => return None,
        };
        Some(Contradiction {
            at: span.began,
            what: what.to_owned(),
        })
    })
}
