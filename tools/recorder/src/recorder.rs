// SPDX-License-Identifier: GPL-2.0

//! Records what the kernel does with any driver, by kprobe events in an instance of tracefs of its
//! own. Nothing of it is left when the recorder is gone, unless the next one is to find the kprobes
//! where they are: to put them in place and to take them away costs more than most tests.
//!
//! What is recorded, and where in the kernel, stands in `lifecycle::event::point`. The kernel
//! looks the functions up itself when a kprobe is made, so that the recorder need not read
//! `/proc/kallsyms`, which takes seconds on a slow machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use lifecycle::event::arch::Arch;
use lifecycle::event::definitions::{DEFINITIONS, WATCHES};
use lifecycle::event::point::{Definition, Point};
use lifecycle::event::resource::{Resource, Step};
use lifecycle::parse::recording::seal;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::boot;
use crate::config::probing;
use crate::tracefs::{
    change_kprobe, events_of, hits, put, read, recording, steady, tracefs, undisturbed, Hits,
    TRACEFS,
};
use crate::Error;

const GROUP: &str = "life";

/// The instances that the kernel prints when it dies (`kernel/trace/trace.c`).
const DUMPED: &str = "/proc/sys/kernel/ftrace_dump_on_oops";

/// Above the kernel's own text, and below that of every module, where that is known.
const MODULES: Option<u64> = if cfg!(target_arch = "x86_64") {
    // `MODULES_VADDR` is this or 512 MiB more (`arch/x86/include/asm/pgtable_64_types.h`).
    Some(0xffff_ffff_a000_0000)
} else {
    None
};

/// The number of tasks that may be in a function at once. The async workqueue runs 1024
/// (`WQ_DFL_ACTIVE`), and the kernel allows no more than this (`KRETPROBE_MAXACTIVE_MAX`).
const AT_ONCE: u32 = 4096;

/// The buffer of each CPU: some 50 000 events.
const BUFFER_KB: u32 = 4096;

/// The kernel remembers the names of so many tasks.
const TASK_NAMES: u32 = 8192;

/// A recording under way.
#[derive(Debug)]
pub struct Recorder {
    instance: PathBuf,
    task_names: String,
    points: Vec<Definition>,
    /// What each kprobe had counted when the recording began.
    before: Hits,
    /// Leaves the kprobes to the next recorder.
    stays: bool,
    /// Only one at a time.
    _lock: Flock<File>,
}

impl Recorder {
    /// Begins to record.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] where this kernel cannot be recorded; the text names what it lacks.
    /// [`Error::Io`] and [`Error::Unexpected`] if tracefs does not do as it is told.
    pub fn start() -> Result<Self, Error> {
        Self::start_with(DEFINITIONS)
    }

    /// The same for a list of points that need not be there.
    ///
    /// # Errors
    ///
    /// Those of [`start()`](Self::start).
    pub fn start_with(points: &[Definition]) -> Result<Self, Error> {
        let mut recorder = Self::new()?;
        recorder.clear();
        points.iter().try_for_each(|point| recorder.make(point))?;
        recorder.arm()?;
        recorder.begin()
    }

    /// The same for the points that this kernel has; also returns why others were left out.
    ///
    /// # Errors
    ///
    /// Those of [`start()`](Self::start), if probes cannot be recorded.
    pub fn start_with_what_there_is() -> Result<(Self, Vec<String>), Error> {
        let mut recorder = Self::new()?;
        recorder.clear();
        let mut without = vec![];
        for point in DEFINITIONS {
            match recorder.make(point) {
                Err(Error::Unavailable(why)) if point.point != Point::Probe => without.push(why),
                made => made?,
            }
        }
        recorder.arm()?;
        Ok((recorder.begin()?, without))
    }

    /// Begins to record with the kprobes that the recorder before has left in place, if it has, and
    /// leaves them to the next. If it `watches`, it also records what modules start and stop.
    ///
    /// # Errors
    ///
    /// Those of [`start()`](Self::start).
    pub fn take_over(watches: bool) -> Result<Self, Error> {
        let mut recorder = Self::new()?;
        let watched = if watches && MODULES.is_some() {
            WATCHES
        } else {
            &[]
        };
        if let Some(points) = recorder.armed(watched) {
            recorder.points = points;
        } else {
            recorder.clear();
            for point in DEFINITIONS {
                recorder.make(point)?;
            }
            recorder.watch(watched)?;
            recorder.arm()?;
        }
        if watches {
            // A machine that dies prints what is recorded; kernels before 6.10 print all or nothing.
            let _ = put(Path::new(DUMPED), GROUP);
        }
        // A recorder that does not come as far as this takes back what has been done.
        recorder.stays = true;
        recorder.begin()
    }

    fn new() -> Result<Self, Error> {
        let tracefs = tracefs()?;
        // kprobe_profile has the names of events without their groups.
        if !boot::points().is_empty() {
            return Err(Error::Unavailable(
                "this kernel records itself since its boot, with kprobes of the same names: \
                 `probe-analyze collect` reads that; boot without kprobe_event= to record a command"
                    .to_owned(),
            ));
        }
        let instances = tracefs.join("instances");
        let dir = File::open(&instances).map_err(|error| Error::io("open", &instances, error))?;
        let lock = Flock::lock(dir, FlockArg::LockExclusiveNonblock)
            .map_err(|_| Error::Unavailable("another one is recording".to_owned()))?;
        let task_names = read(&tracefs.join("saved_cmdlines_size"))?;
        // From here on the destructor takes back what has been done.
        Ok(Self {
            instance: instances.join(GROUP),
            task_names: task_names.trim().to_owned(),
            points: vec![],
            before: Hits::new(),
            stays: false,
            _lock: lock,
        })
    }

    /// The points that are recorded already: all that there are, and of the watches those that this
    /// kernel has.
    fn armed(&self, watched: &[Definition]) -> Option<Vec<Definition>> {
        let enabled = self.instance.join(format!("events/{GROUP}/enable"));
        let enabled = fs::read_to_string(enabled).ok()?;
        let events = events_of(GROUP);
        let is_there = |of: &&Definition| {
            let mut names = of.events().map(|event| format!("{GROUP}/{event}"));
            names.all(|name| events.contains(&name))
        };
        let watches: Vec<_> = watched.iter().filter(is_there).copied().collect();
        let points = [DEFINITIONS, &watches].concat();
        let wanted = points.iter().flat_map(Definition::events).count();
        let is_whole = enabled.trim() == "1"
            && events.len() == wanted
            && watches.is_empty() == watched.is_empty();
        is_whole.then_some(points)
    }

    /// Makes the kprobes of these watches. A resource whose end a kernel does not show is not
    /// watched.
    fn watch(&mut self, watched: &[Definition]) -> Result<(), Error> {
        let resource = |of: &Definition| match of.point {
            Point::Of(resource, _) => Ok(resource),
            other => Err(other),
        };
        let mut lacks = vec![];
        for point in watched {
            match self.make(point) {
                // What the kernel lacks starts nothing.
                Err(Error::Unavailable(_)) if matches!(point.point, Point::Of(_, Step::Starts)) => {
                }
                Err(Error::Unavailable(_)) => lacks.push(resource(point)),
                made => made?,
            }
        }
        let is_lacking = |of: &Definition| lacks.contains(&resource(of));
        for event in self
            .points
            .iter()
            .filter(|of| is_lacking(of))
            .flat_map(Definition::events)
        {
            let events = Path::new(TRACEFS).join("kprobe_events");
            change_kprobe(&format!("-:{GROUP}/{event}"))
                .map_err(|error| Error::io("write", &events, error))?;
        }
        self.points.retain(|of| !is_lacking(of));
        Ok(())
    }

    /// Makes the kprobes of a point.
    fn make(&mut self, point: &Definition) -> Result<(), Error> {
        let arch = Arch::here().ok_or_else(|| {
            Error::Unavailable(format!(
                "the registers of {} are not known",
                std::env::consts::ARCH
            ))
        })?;
        for line in point.kprobes(arch, GROUP, AT_ONCE) {
            change_kprobe(&line).map_err(|error| refusal(point, &error))?;
        }
        self.points.push(*point);
        Ok(())
    }

    fn arm(&self) -> Result<(), Error> {
        let instance = &self.instance;
        fs::create_dir(instance).map_err(|error| Error::io("create", instance, error))?;
        put(&Path::new(TRACEFS).join("saved_cmdlines_size"), TASK_NAMES)?;
        for (file, value) in [
            ("trace_clock", "global".to_owned()),
            ("buffer_size_kb", BUFFER_KB.to_string()),
            // What comes first is kept; that something did not fit is counted.
            ("options/overwrite", "0".to_owned()),
            ("events/printk/console/enable", "1".to_owned()),
        ] {
            put(&instance.join(file), value)?;
        }
        if let Some(modules) = MODULES {
            for point in self.points.iter().filter(|point| point.is_filtered()) {
                let filter = format!("events/{GROUP}/{}/filter", point.event);
                put(&instance.join(filter), format!("func >= {modules:#x}"))?;
            }
        }
        put(&instance.join(format!("events/{GROUP}/enable")), 1)?;
        Ok(())
    }

    /// Empties the buffers while no kprobe is hit.
    fn begin(mut self) -> Result<Self, Error> {
        let filtered = self.points.iter().filter(|point| point.is_filtered());
        let filtered = hits(filtered)?;
        let counted = || hits(steady(&self.points));
        let (before, ()) = undisturbed(counted, || put(&self.instance.join("trace"), 0))?;
        self.before = before;
        self.before.extend(filtered);
        Ok(self)
    }

    /// Ends the recording and returns it, sealed.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if tracefs does not give it, [`Error::Unexpected`] if it never stands still
    /// while it is read.
    pub fn stop(self) -> Result<String, Error> {
        self.so_far()
    }

    /// What is recorded so far, sealed; the recording goes on.
    ///
    /// # Errors
    ///
    /// Those of [`Recorder::stop()`].
    pub fn so_far(&self) -> Result<String, Error> {
        recording(&self.instance, &self.points, &self.before, probing()).map(seal)
    }

    /// What modules start, of those that are watched, without this kernel showing it.
    pub fn unwatched(&self) -> BTreeSet<Resource> {
        let started = |points: &[Definition]| -> BTreeSet<Resource> {
            let started = points.iter().filter_map(|of| match of.point {
                Point::Of(resource, Step::Starts) => Some(resource),
                _ => None,
            });
            started.collect()
        };
        &started(WATCHES) - &started(&self.points)
    }

    /// How often each event has come since the recording began, but for those with a filter.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] or [`Error::Unexpected`] if tracefs does not tell.
    pub fn hits(&self) -> Result<BTreeMap<String, u64>, Error> {
        let before = |event: &str| self.before.get(event).map_or(0, |(hits, _)| *hits);
        let since = |(event, (hits, _)): (String, _)| {
            let hits = hits - before(&event);
            (event, hits)
        };
        Ok(hits(steady(&self.points))?.into_iter().map(since).collect())
    }

    /// Removes the instance and the kprobes, also those of a recorder that was killed.
    fn clear(&self) {
        // None of it need be there, and a destructor cannot return an error.
        let instance = &self.instance;
        if instance.exists() {
            let _ = put(&instance.join(format!("events/{GROUP}/enable")), 0);
            let _ = fs::remove_dir(instance);
        }
        for event in events_of(GROUP) {
            let _ = change_kprobe(&format!("-:{event}"));
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        self.clear();
        let _ = put(
            &Path::new(TRACEFS).join("saved_cmdlines_size"),
            &self.task_names,
        );
    }
}

/// Removes what [`Recorder::take_over()`] has left, unless another recorder is at work.
pub fn put_away() {
    if !Path::new(TRACEFS).join("instances").join(GROUP).exists() {
        return;
    }
    // Where nothing can be recorded there is nothing left.
    if let Ok(mut recorder) = Recorder::new() {
        // `SAVED_CMDLINES_DEFAULT`: the recorder that changed it is gone.
        "128".clone_into(&mut recorder.task_names);
    }
}

/// What the kernel means by refusing a kprobe.
fn refusal(point: &Definition, error: &io::Error) -> Error {
    let Definition { function, file, .. } = point;
    // `[   12.345678] trace_kprobe: error: Invalid probed address or symbol`
    let log = fs::read_to_string(Path::new(TRACEFS).join("error_log")).unwrap_or_default();
    let why = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EADDRNOTAVAIL) => "this kernel has several functions of that name",
        _ => log
            .lines()
            .rev()
            .find_map(|line| line.split_once("trace_kprobe: error: "))
            .map_or("this kernel has no such function", |(_, why)| {
                why.trim_end()
            }),
    };
    Error::Unavailable(format!(
        "cannot record {function} ({file}): {why} ({error})"
    ))
}
