// SPDX-License-Identifier: GPL-2.0

//! The types of a [`Life`]. Lists refer to each other by index.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::resource::{Resource, Step};
use crate::event::{is_attach_helper, Call};
use crate::parse::log::Source;
use crate::probing::Probing;
use crate::{errno, Event, Micros, ProbeType, What};

/// The version of the format that a life is written in. It changes when a reader of the version
/// before would go wrong.
pub const VERSION: u32 = 2;

/// All that a log shows.
///
/// Each span and wait names the events that it was made of, by their places in the log. All times
/// are since boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// [`VERSION`].
    pub version: u32,
    /// When the first thing in it happened.
    pub begin: Micros,
    /// When the last did.
    pub end: Micros,
    /// The devices, in the order in which they appear.
    pub devices: Vec<Device>,
    /// The tasks, in the order in which they appear.
    pub tasks: Vec<Task>,
    /// What happened, in the order in which it began; what is around others comes before them.
    pub spans: Vec<Span>,
    /// Who waited for whom, in the order in which the waiting began.
    pub waits: Vec<Wait>,
    /// Who has written the log. What its sources cannot show is in no span.
    #[serde(skip)]
    pub sources: Vec<Source>,
    /// The drivers that the command line asks to be probed asynchronously, if the log shows that.
    #[serde(skip)]
    pub asked: Option<String>,
    /// How often the kernel probes a device that it binds.
    #[serde(skip)]
    pub probing: Probing,
    /// The log.
    #[serde(skip)]
    pub events: Vec<Event>,
}

/// A device. Names are all that a dmesg has, and they are unique on one bus only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// The drivers that tried it, in this order.
    pub drivers: Vec<String>,
    /// The one that it is below, of those that were probed.
    #[serde(skip)]
    pub below: Option<usize>,
    /// Its spans that are bars, in the order in which they begin.
    pub spans: Vec<usize>,
    /// All of its spans and marks, in the order of the list.
    #[serde(skip)]
    pub all: Vec<usize>,
}

/// A task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its number; none for what a log without numbers has done.
    pub pid: Option<u32>,
    /// Its name, if the log has it: the last one.
    pub name: Option<String>,
    /// Its spans that are bars, in the order in which they begin.
    pub spans: Vec<usize>,
}

impl Task {
    /// Whether it is a worker, which works for the whole kernel: what it does next has nothing to do
    /// with what it did.
    pub fn is_worker(&self) -> bool {
        let name = self.name.as_deref();
        name.is_some_and(|name| name.starts_with("kworker/"))
    }
}

/// Something that happened, and took time unless its kind is a mark ([`Kind::is_mark`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// What it is.
    pub kind: Kind,
    /// What it is about: a device, driver, module, file or function, or the action of a uevent.
    pub on: String,
    /// When it began.
    pub begin: Micros,
    /// When it ended; none if the log ends first.
    pub end: Option<Micros>,
    /// How long it took by the kernel's own measure, if that was printed. `end` and `begin` are when
    /// the lines were, which is a little later.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub took: Option<Micros>,
    /// The device, by name, in whose lane it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device: Option<usize>,
    /// The driver.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub driver: Option<String>,
    /// The task in whose lane it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub task: Option<usize>,
    /// The CPU that it began on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cpu: Option<u32>,
    /// Of a probe: whether a worker of the kernel's async pool did it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub asynchronous: Option<bool>,
    /// Its result, if it has one: 0 or a negative errno. It is written as null where the log says
    /// that it failed and not with which errno ([`errno::NOT_TOLD`]).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[serde(serialize_with = "told")]
    pub ret: Option<i32>,
    /// The innermost span of the same task that it is within.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parent: Option<usize>,
    /// The span that asked for it: of a probe where it was scheduled, or else the registration, the
    /// addition or the call that set it off; of async work where that was scheduled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<usize>,
    /// The events that it was made of, in the order of the log.
    pub events: Vec<usize>,
    /// Where in the log it began. Where no event shows it, the first event after it.
    #[serde(skip)]
    pub began: usize,
    /// Where in the log it ended, if it did.
    #[serde(skip)]
    pub ended: Option<usize>,
    /// What else is known of it.
    #[serde(skip)]
    pub facts: Facts,
}

#[allow(clippy::ref_option)] // serde wants a reference.
fn told<S: serde::Serializer>(ret: &Option<i32>, to: S) -> Result<S::Ok, S::Error> {
    ret.filter(|ret| *ret != errno::NOT_TOLD).serialize(to)
}

/// What only some spans have, and some sources show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Where the device is in memory, or the data of scheduled work.
    pub at: Option<u64>,
    /// Where the driver is in memory.
    pub by: Option<u64>,
    /// Where the bus is in memory.
    pub bus: Option<u64>,
    /// Of a registration: what the driver asks of the driver core.
    pub probe_type: Option<ProbeType>,
    /// Of a registration: the drivers that the command line wants to be probed asynchronously.
    pub asked: Option<String>,
    /// Of a probe: the driver core has failed, before the driver was called or after it succeeded.
    pub by_core: bool,
    /// Of a registration: the module of the driver.
    pub module: Option<String>,
    /// The function that called, or to which it returned: a symbol. Of a resource and of
    /// scheduled work: its function.
    pub caller: Option<String>,
    /// The async domain; 0 for all that are registered.
    pub domain: Option<u64>,
    /// Of queued work: the NUMA node that it is queued for; -1 for none.
    pub node: Option<i32>,
    /// Of firmware: its length. Of a module that has been looked at: that of its text and data.
    pub bytes: Option<u64>,
    /// Of async work: its number in the order in which all of it was scheduled.
    pub cookie: Option<u64>,
    /// Of a probe: that it is in its task is not in the log. The task alone was in an initcall then.
    pub presumed: bool,
    /// Of an insmod: whether its parameters ask for asynchronous probes (`async_probe`).
    pub async_probe: Option<bool>,
}

/// The kinds of spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A device waits for its probe: from when it was scheduled, or else from the registration of
    /// the driver or the addition of the device, whichever came last. In no task's lane.
    Waiting,
    /// A driver tries a device: a call of `really_probe()`, with its trial if there is one.
    Probe,
    /// With `CONFIG_DEBUG_TEST_DRIVER_REMOVE`: the part of a probe that removes the device again,
    /// up to its second probe.
    Trial,
    /// A firmware file is requested.
    Firmware,
    /// What a probe in two phases left to be done. In no task's lane.
    SecondPhase,
    /// The driver's remove callback, the end of its data, and devres.
    Remove,
    /// A module's init, until its loader may return.
    Init,
    /// An init function, of a module or of the kernel.
    Initcall,
    /// What the kernel does after its last initcall, until it runs init: above all it waits for
    /// async work (`init/main.c`, `kernel_init()`).
    Boot,
    /// The system call that unloads a module.
    Rmmod,
    /// A driver is registered.
    Register,
    /// A driver is unregistered.
    Unregister,
    /// A driver loses all of its devices.
    Detach,
    /// A bus is registered.
    Bus,
    /// A bus is unregistered.
    BusGone,
    /// A device is given one driver and no other: sysfs `bind`, or a driver's own.
    Bind,
    /// A device is given a driver that fits.
    Attach,
    /// A device's driver is taken off it.
    Release,
    /// A device is added.
    Add,
    /// A device is removed.
    Del,
    /// A task waits for async work.
    Flush,
    /// A worker runs one piece of async work.
    AsyncWork,
    /// The driver core's async probe of a device by a driver that has just been registered.
    DriverAttach,
    /// The driver core's async probe of a device that has just been added.
    DeviceAttach,
    /// A kernel thread is created.
    Thread,
    /// Userspace's call, as userspace saw it.
    Call(Call),
    /// A mark: an async function is scheduled.
    Scheduled,
    /// A mark: work is queued with a node that it should run on.
    Queued,
    /// A mark: a device has a driver.
    Bound,
    /// A mark: driver data and devres go, after a remove or after a failed probe.
    Cleanup,
    /// A mark: the driver data has been dropped.
    Unbound,
    /// A mark: devres has been released.
    DevresReleased,
    /// A mark: a uevent is put together.
    Uevent,
    /// A mark: a device's memory goes.
    Freed,
    /// A mark: the kernel asks for a module.
    RequestModule,
    /// A mark: a module's memory goes.
    ModuleFreed,
    /// A mark: a resource of a module starts, runs or stops.
    Of(Resource, Step),
    /// A mark: userspace has looked where a module is.
    Loaded,
    /// A mark: a line that cannot follow the lines before it.
    Stray,
}

impl Kind {
    /// Whether it takes no time.
    pub fn is_mark(self) -> bool {
        matches!(
            self,
            Self::Scheduled
                | Self::Queued
                | Self::Bound
                | Self::Cleanup
                | Self::Unbound
                | Self::DevresReleased
                | Self::Uevent
                | Self::Freed
                | Self::ModuleFreed
                | Self::RequestModule
                | Self::Of(..)
                | Self::Loaded
                | Self::Stray
        )
    }

    /// Whether it has a place in the lanes of its device and its task.
    pub fn is_bar(self) -> bool {
        !self.is_mark()
            && !matches!(
                self,
                Self::Detach
                    | Self::Bus
                    | Self::BusGone
                    | Self::DriverAttach
                    | Self::DeviceAttach
                    | Self::Thread
                    | Self::Trial
            )
    }
}

/// Its name.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Waiting => "probe is due",
            Self::Probe => "probe",
            Self::Trial => "trial",
            Self::Firmware => "firmware",
            Self::SecondPhase => "second phase",
            Self::Remove => "remove",
            Self::Init => "init",
            Self::Initcall => "initcall",
            Self::Boot => "boot",
            Self::Rmmod => "rmmod",
            Self::Register => "registration",
            Self::Unregister => "unregistration",
            Self::Detach => "detach",
            Self::Bus => "registration of the bus",
            Self::BusGone => "unregistration of the bus",
            Self::Bind => "bind",
            Self::Attach => "attach",
            Self::Release => "release",
            Self::Add => "add",
            Self::Del => "del",
            Self::Flush => "flush",
            Self::AsyncWork => "async work",
            Self::DriverAttach | Self::DeviceAttach => "async probe",
            Self::Thread => "new thread",
            Self::Call(call) => return call.fmt(f),
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Bound => "bound",
            Self::Cleanup => "clean-up",
            Self::Unbound => "driver data dropped",
            Self::DevresReleased => "devres released",
            Self::Uevent => "uevent",
            Self::Freed => "device freed",
            Self::ModuleFreed => "module freed",
            Self::RequestModule => "request of a module",
            Self::Of(resource, step) => return write!(f, "{resource} {step}"),
            Self::Loaded => "loaded",
            Self::Stray => "cannot follow the lines before it",
        })
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde wants a reference.
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// A task could not go on because of others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The task.
    pub task: Option<usize>,
    /// What it was about to do, outermost: `insmod of unrelated`.
    pub doing: String,
    /// The span of that.
    pub span: usize,
    /// What it waited at.
    pub through: Through,
    /// When the waiting began.
    pub begin: Micros,
    /// When it ended; none if the log ends first.
    pub end: Option<Micros>,
    /// What it waited for, probes or other async work, in the order in which that ended: the last
    /// one decided.
    pub on: Vec<usize>,
    /// How many more ended before these. They are not listed in a life whose waits are for more than
    /// a million probes together.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub more: usize,
    /// The log does not show the waiting, only that it fits.
    pub inferred: bool,
    /// The events that show it, in the order of the log.
    pub events: Vec<usize>,
}

/// What a task can wait at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Through {
    /// It waited for async work; the function that asked for that, `do_init_module`.
    Flush(String),
    /// It waited for async work; the log does not say where.
    AsyncWork,
    /// It waited for the lock of the device that is being probed.
    DeviceLock,
    /// It waited to unregister a driver that was being given devices: the task that looks through
    /// the drivers of a bus keeps the one that probes on the list (`klist_remove()`), and a writer
    /// to its `bind` keeps that file.
    DriverInUse,
}

/// Prints what it is: `flush of async work by do_init_module`.
impl fmt::Display for Through {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flush(by) => write!(f, "flush of async work by {by}"),
            Self::AsyncWork => f.pad("async work"),
            Self::DeviceLock => f.pad("lock of the device"),
            Self::DriverInUse => f.pad("driver in use"),
        }
    }
}

impl Span {
    /// Whether it is the driver core's async function that probes one device, or its scheduling.
    pub(crate) fn is_attach_helper(&self) -> bool {
        is_attach_helper(&self.on)
    }

    /// Whether it is the async work that unpacks the initramfs, in a domain of its own
    /// (`init/initramfs.c`).
    pub(crate) fn is_of_initramfs(&self) -> bool {
        self.on == "do_populate_rootfs"
    }

    /// Of an initcall: whether it is that of a module.
    pub(crate) fn is_of_module(&self) -> bool {
        self.on.ends_with(']')
    }

    /// Where in the log it ends, or the end of the log.
    pub fn end_place(&self) -> usize {
        self.ended.unwrap_or(usize::MAX)
    }

    /// Whether it is under way at this place in the log.
    pub fn spans(&self, place: usize) -> bool {
        self.began < place && place < self.end_place()
    }

    /// Whether both are about the same device: by where it is in memory if that is known of both,
    /// else by name.
    pub fn same_device(&self, other: &Self) -> bool {
        match (self.facts.at, other.facts.at) {
            (Some(one), Some(other)) => one == other,
            _ => self.device.is_some() && self.device == other.device,
        }
    }

    /// Whether both are about the same driver: by where it is in memory if that is known of both,
    /// else by name.
    pub fn same_driver(&self, other: &Self) -> bool {
        match (self.facts.by, other.facts.by) {
            (Some(one), Some(other)) => one == other,
            _ => self.driver.is_some() && self.driver == other.driver,
        }
    }
}

/// The function of a symbol: `do_init_module` of `do_init_module+0x1ae/0x250`.
pub fn function(symbol: &str) -> &str {
    symbol.split('+').next().unwrap_or(symbol)
}

impl Life {
    /// The task that boots the kernel, and then runs init.
    pub(crate) fn init_task(&self) -> Option<usize> {
        self.tasks.iter().position(|task| task.pid == Some(1))
    }

    /// The places in the list of the spans of a kind.
    pub fn spans_of(&self, kind: Kind) -> impl Iterator<Item = usize> + '_ {
        self.of(kind).map(|(at, _)| at)
    }

    /// The spans of a kind, with their places in the list.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = (usize, &Span)> + '_ {
        let spans = self.spans.iter().enumerate();
        spans.filter(move |(_, span)| span.kind == kind)
    }

    /// The spans about the same device, with their places in the list.
    pub fn of_device<'s>(&'s self, span: &'s Span) -> impl Iterator<Item = (usize, &'s Span)> {
        let known = span
            .device
            .map(|device| self.devices[device].all.as_slice());
        // A device whose name is not known is told by where it is in memory.
        let unknown = 0..if known.is_none() { self.spans.len() } else { 0 };
        let places = known.unwrap_or_default().iter().copied().chain(unknown);
        let spans = places.map(|at| (at, &self.spans[at]));
        spans.filter(move |(_, of)| of.same_device(span))
    }

    /// The spans about the device of this name, with their places in the list.
    pub fn named(&self, name: &str) -> impl Iterator<Item = (usize, &Span)> + '_ {
        let device = self.devices.iter().find(|device| device.name == name);
        let all = device.map(|device| device.all.as_slice());
        let all = all.unwrap_or_default().iter();
        all.map(|at| (*at, &self.spans[*at]))
    }

    /// Whether a line of `initcall_debug`, printed at its end, is all that shows it.
    pub fn is_initcall_line(&self, span: &Span) -> bool {
        matches!(self.events[span.events[0]].what, What::Initcall(_))
    }

    /// Takes in where devices are in sysfs: paths, whose parts are names of devices or others.
    pub fn place(&mut self, paths: &[String]) {
        let devices = self.devices.iter().enumerate();
        let names = devices.map(|(at, device)| (device.name.clone(), at));
        let names: HashMap<String, usize> = names.collect();
        for path in paths {
            let mut parts = path.rsplit('/').map(|part| names.get(part).copied());
            let probed = |at: &usize| !self.devices[*at].drivers.is_empty();
            if let Some(Some(device)) = parts.next() {
                self.devices[device].below = parts.flatten().find(probed);
            }
        }
    }

    /// The innermost span around this one that satisfies the condition.
    pub fn within(&self, span: usize, mut wanted: impl FnMut(&Span) -> bool) -> Option<usize> {
        let mut outer = self.spans[span].parent;
        while let Some(at) = outer.filter(|at| !wanted(&self.spans[*at])) {
            outer = self.spans[at].parent;
        }
        outer
    }

    /// The innermost bar around this span.
    pub fn bar_around(&self, span: usize) -> Option<usize> {
        self.within(span, |outer| outer.kind.is_bar())
    }

    /// The spans of a kind within a span, at any depth.
    pub fn inside(&self, kind: Kind, outer: usize) -> impl Iterator<Item = (usize, &Span)> + '_ {
        let end = self.spans[outer].end_place();
        let mut after = self.spans.iter().enumerate().skip(outer + 1);
        // The spans are in the order in which they began.
        std::iter::from_fn(move || after.find(|(_, span)| span.kind == kind || end < span.began))
            .take_while(move |(_, span)| span.began <= end)
            .filter(move |(at, span)| span.kind == kind && self.is_inside(*at, outer))
    }

    /// The same, of those about the device of the outer span. It is quicker where there are many
    /// devices.
    pub fn own(&self, kind: Kind, outer: usize) -> impl Iterator<Item = (usize, &Span)> + '_ {
        let of = &self.spans[outer];
        let all = of.device.map(|device| self.devices[device].all.as_slice());
        let all = all.unwrap_or_default();
        let after = &all[all.partition_point(|at| *at <= outer)..];
        let spans = after.iter().map(|at| (*at, &self.spans[*at]));
        spans
            .take_while(|(_, span)| span.began <= of.end_place())
            .filter(move |(at, span)| {
                span.kind == kind && span.same_device(of) && self.is_inside(*at, outer)
            })
    }

    /// Whether a span is within another one, at any depth.
    fn is_inside(&self, inner: usize, outer: usize) -> bool {
        let mut parent = self.spans[inner].parent;
        while let Some(of) = parent.filter(|of| *of > outer) {
            parent = self.spans[of].parent;
        }
        parent == Some(outer)
    }

    /// When a span ends, or the log.
    pub fn end_of(&self, span: usize) -> Micros {
        self.spans[span].end.unwrap_or(self.end)
    }

    /// The flush by which the loader of a module waits for asynchronous probes, after the module's
    /// init (`kernel/module/main.c`, `do_init_module()`). An init may wait for itself, by
    /// `wait_for_device_probe()`.
    pub fn loader_waits(&self, init: usize) -> Option<&Span> {
        let mut flushes = self.inside(Kind::Flush, init).map(|(_, flush)| flush);
        flushes.find(|flush| {
            let caller = flush.facts.caller.as_deref().map(function);
            flush.parent == Some(init)
                && flush.facts.domain == Some(0)
                && caller == Some("do_init_module")
        })
    }

    /// How long a span took; until the end of the log if it has not ended.
    pub fn length(&self, span: usize) -> Micros {
        let of = &self.spans[span];
        of.took.unwrap_or(self.end_of(span) - of.begin)
    }

    /// How many tasks have a lane.
    pub fn lanes(&self) -> usize {
        let tasks = self.tasks.iter();
        tasks.filter(|task| !task.spans.is_empty()).count()
    }

    /// The name of the device that a span is about.
    pub fn device_of(&self, span: &Span) -> &str {
        span.device
            .map_or("(no name)", |device| self.devices[device].name.as_str())
    }

    /// The number of the task of a span, if the log has it.
    pub fn pid_of(&self, span: &Span) -> Option<u32> {
        self.tasks[span.task?].pid
    }
}
