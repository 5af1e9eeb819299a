// SPDX-License-Identifier: GPL-2.0

//! Records what the kernel does with any driver, by kprobe events in an instance of tracefs of its
//! own. Nothing of it is left when the recorder is gone, unless the next one is to find the kprobes
//! where they are: to put them in place and to take them away costs more than most tests.
//!
//! What is recorded, and where in the kernel, stands in `lifecycle::event::point`. The kernel
//! looks the functions up itself when a kprobe is made, so that nobody has to read
//! `/proc/kallsyms`, which takes seconds on a slow machine.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use lifecycle::event::point::{Definition, DEFINITIONS};
use lifecycle::laws::{judge, Verdict};
use lifecycle::parse::recording::{self, Buffer};
use lifecycle::{Event, Life};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::kmod::{delete_module, DeleteModuleFlags};

use crate::kernel::probing;
use crate::{ensure, Failure};

const TRACEFS: &str = "/sys/kernel/tracing";
const GROUP: &str = "life";

/// How many tasks may be in a function at once: the async workqueue runs 1024 (`WQ_DFL_ACTIVE`), and
/// the kernel allows no more than this (`KRETPROBE_MAXACTIVE_MAX`).
const AT_ONCE: u32 = 4096;

/// The buffer of each CPU: some 50 000 events.
const BUFFER_KB: u32 = 4096;

/// The kernel remembers the names of so many tasks.
const TASK_NAMES: u32 = 8192;

/// How often it is tried to read tracefs while nothing happens.
const TRIES: usize = 20;

/// A recording under way.
#[derive(Debug)]
pub struct Recorder {
    instance: PathBuf,
    task_names: String,
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
    /// [`Failure::Skip`] where this kernel cannot be recorded; the reason names what it lacks.
    pub fn start() -> Result<Self, Failure> {
        Self::start_with(DEFINITIONS)
    }

    /// The same for a list of points that need not be there.
    ///
    /// # Errors
    ///
    /// Those of [`start()`](Self::start).
    pub fn start_with(points: &[Definition]) -> Result<Self, Failure> {
        let recorder = Self::new()?;
        recorder.clear();
        recorder.arm(points)?;
        recorder.begin()
    }

    /// Begins to record with the kprobes that the recorder before has left in place, if it has, and
    /// leaves them to the next.
    ///
    /// # Errors
    ///
    /// Those of [`start()`](Self::start).
    pub fn take_over() -> Result<Self, Failure> {
        let mut recorder = Self::new()?;
        if !recorder.is_armed() {
            recorder.clear();
            recorder.arm(DEFINITIONS)?;
        }
        // Who does not come as far as this takes back what has been done.
        recorder.stays = true;
        recorder.begin()
    }

    /// Takes back what [`take_over()`](Self::take_over) has left in place.
    ///
    /// # Errors
    ///
    /// [`Failure::Skip`] if there is none, or another one is recording.
    pub fn take_back() -> Result<(), Failure> {
        Self::new().map(drop)
    }

    fn new() -> Result<Self, Failure> {
        let tracefs = Path::new(TRACEFS);
        let instances = tracefs.join("instances");
        if !instances.is_dir() {
            return Err(Failure::Skip(format!(
                "recorder: tracefs is not mounted at {TRACEFS}"
            )));
        }
        if !tracefs.join("kprobe_events").exists() {
            return Err(Failure::Skip(
                "recorder: this kernel has no kprobe events: it lacks CONFIG_KPROBE_EVENTS"
                    .to_owned(),
            ));
        }
        let dir = File::open(&instances).map_err(|error| Failure::io("open", &instances, error))?;
        let lock = Flock::lock(dir, FlockArg::LockExclusiveNonblock)
            .map_err(|_| Failure::Skip("recorder: another one is recording".to_owned()))?;
        let task_names = read(&tracefs.join("saved_cmdlines_size"))?;
        // From here on the destructor takes back what has been done.
        Ok(Self {
            instance: instances.join(GROUP),
            task_names: task_names.trim().to_owned(),
            before: Hits::new(),
            stays: false,
            _lock: lock,
        })
    }

    /// Whether all kprobes are there and enabled.
    fn is_armed(&self) -> bool {
        let enabled = self.instance.join(format!("events/{GROUP}/enable"));
        let wanted = DEFINITIONS.iter().flat_map(Definition::events).count();
        fs::read_to_string(enabled).is_ok_and(|enabled| enabled.trim() == "1")
            && ours().len() == wanted
    }

    fn arm(&self, points: &[Definition]) -> Result<(), Failure> {
        let tracefs = Path::new(TRACEFS);
        for point in points {
            for line in point.kprobes(GROUP, AT_ONCE) {
                append(&tracefs.join("kprobe_events"), &line)
                    .map_err(|error| refusal(point, &error))?;
            }
        }
        let instance = &self.instance;
        fs::create_dir(instance).map_err(|error| Failure::io("create", instance, error))?;
        put(&tracefs.join("saved_cmdlines_size"), TASK_NAMES)?;
        for (file, value) in [
            ("trace_clock", "global".to_owned()),
            ("buffer_size_kb", BUFFER_KB.to_string()),
            // What comes first is kept; that something did not fit is counted.
            ("options/overwrite", "0".to_owned()),
            ("events/printk/console/enable", "1".to_owned()),
            (&format!("events/{GROUP}/enable"), "1".to_owned()),
        ] {
            put(&instance.join(file), value)?;
        }
        Ok(())
    }

    /// Empties the buffers while no kprobe is hit.
    fn begin(mut self) -> Result<Self, Failure> {
        (self.before, ()) = undisturbed(hits, || put(&self.instance.join("trace"), 0))?;
        Ok(self)
    }

    /// Ends the recording and returns it, sealed.
    ///
    /// # Errors
    ///
    /// [`Failure::Io`] if tracefs does not give it.
    pub fn stop(self) -> Result<String, Failure> {
        let per_cpu = self.instance.join("per_cpu");
        let counted = || Ok((hits()?, buffers(&per_cpu)?));
        let ((hits, buffers), trace) = undisturbed(counted, || read(&self.instance.join("trace")))?;
        let kernel = read(Path::new("/proc/sys/kernel/osrelease"))?;

        let mut log = recording::header(kernel.trim(), probing());
        log += &trace;
        for (cpu, buffer) in buffers {
            log += &recording::buffer_line(cpu, buffer);
        }
        for (event, (hits, missed)) in hits {
            let (hits_before, missed_before) = self.before.get(&event).copied().unwrap_or((0, 0));
            log += &recording::kprobe_line(&event, hits - hits_before, missed - missed_before);
        }
        Ok(recording::seal(log))
    }

    /// How often each event has come since the recording began.
    ///
    /// # Errors
    ///
    /// [`Failure::Io`] if tracefs does not tell.
    pub fn hits(&self) -> Result<BTreeMap<String, u64>, Failure> {
        let before = |event: &str| self.before.get(event).map_or(0, |(hits, _)| *hits);
        let since = |(event, (hits, _)): (String, _)| {
            let hits = hits - before(&event);
            (event, hits)
        };
        Ok(hits()?.into_iter().map(since).collect())
    }

    /// Ends the recording and reads it.
    ///
    /// # Errors
    ///
    /// Those of [`stop()`](Self::stop); the test fails if the recording is not whole.
    pub fn events(self) -> Result<Vec<Event>, Failure> {
        let log = self.stop()?;
        recording::parse(&log).map_err(|error| Failure::assertion("a whole recording", error))
    }

    /// Ends the recording and holds it against all laws that are true of every driver.
    ///
    /// # Errors
    ///
    /// Those of [`events()`](Self::events), or the law that is broken.
    pub fn judge(self) -> Result<Recording, Failure> {
        let events = self.events()?;
        let mut cases = BTreeMap::new();
        let life = Life::new(events, probing());
        for (law, verdict) in judge(&life) {
            match verdict {
                Verdict::Kept(kept) => cases.insert(law, kept),
                Verdict::Broken(violation) => return Err(violation.into()),
                Verdict::NoCase | Verdict::CannotBeSeen(_) => cases.insert(law, 0),
            };
        }
        Ok(Recording {
            events: life.events,
            cases,
        })
    }

    /// Removes the instance and the kprobes, whoever left them behind.
    fn clear(&self) {
        // Nothing of it need be there, and nobody is left to be told what cannot be removed.
        let instance = &self.instance;
        if instance.exists() {
            let _ = put(&instance.join(format!("events/{GROUP}/enable")), 0);
            let _ = fs::remove_dir(instance);
        }
        for event in ours() {
            let _ = append(
                &Path::new(TRACEFS).join("kprobe_events"),
                &format!("-:{event}"),
            );
        }
    }
}

/// A recording in which no law is broken.
#[derive(Debug)]
pub struct Recording {
    /// Its events.
    pub events: Vec<Event>,
    /// How many cases there were of each law.
    pub cases: BTreeMap<&'static str, usize>,
}

impl Recording {
    /// There were as many cases of this law.
    ///
    /// # Errors
    ///
    /// The test fails if there were not.
    pub fn demand(&self, law: &str, cases: usize) -> Result<(), Failure> {
        let found = self.cases.get(law).copied().unwrap_or(0);
        ensure(&format!("cases of {law}"), &found, &cases)
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

/// Removes what [`Recorder::take_over()`] has left, unless somebody is recording.
pub fn put_away() {
    if !Path::new(TRACEFS).join("instances").join(GROUP).exists() {
        return;
    }
    // Where nothing can be recorded there is nothing left.
    if let Ok(mut recorder) = Recorder::new() {
        // `SAVED_CMDLINES_DEFAULT`: who changed it is gone.
        "128".clone_into(&mut recorder.task_names);
    }
}

/// What the kernel means by refusing a kprobe.
fn refusal(point: &Definition, error: &io::Error) -> Failure {
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
    Failure::Skip(format!(
        "recorder: cannot record {function} ({file}): {why} ({error})"
    ))
}

/// Our kprobe events, as `life/probe`.
fn ours() -> Vec<String> {
    // `r4096:life/probe_end really_probe …`
    let events = fs::read_to_string(Path::new(TRACEFS).join("kprobe_events")).unwrap_or_default();
    events
        .lines()
        .filter_map(|line| line.split_once(':')?.1.split(' ').next())
        .filter(|event| event.starts_with(&format!("{GROUP}/")))
        .map(str::to_owned)
        .collect()
}

/// Does something while `count` stands still, and returns what that is.
fn undisturbed<C: PartialEq, T>(
    count: impl Fn() -> Result<C, Failure>,
    mut work: impl FnMut() -> Result<T, Failure>,
) -> Result<(C, T), Failure> {
    let mut before = count()?;
    for _ in 0..TRIES {
        let done = work()?;
        let after = count()?;
        if before == after {
            return Ok((after, done));
        }
        before = after;
    }
    Err(Failure::assertion(
        "a moment in which nothing is recorded",
        format!("none in {TRIES} tries"),
    ))
}

/// What the kernel has counted for each CPU since the buffers were emptied.
fn buffers(per_cpu: &Path) -> Result<Vec<(u32, Buffer)>, Failure> {
    let mut cpus: Vec<u32> = fs::read_dir(per_cpu)
        .map_err(|error| Failure::io("read", per_cpu, error))?
        .flatten()
        .filter_map(|entry| {
            entry
                .file_name()
                .to_str()?
                .strip_prefix("cpu")?
                .parse()
                .ok()
        })
        .collect();
    cpus.sort_unstable();
    cpus.into_iter()
        .map(|cpu| {
            let stats = read(&per_cpu.join(format!("cpu{cpu}/stats")))?;
            let number = |key: &str| {
                stats
                    .lines()
                    .find_map(|line| line.strip_prefix(key)?.strip_prefix(": ")?.parse().ok())
                    .ok_or_else(|| Failure::assertion(format!("`{key}` of CPU {cpu}"), &stats))
            };
            let buffer = Buffer {
                entries: number("entries")?,
                overrun: number("overrun")?,
                commit_overrun: number("commit overrun")?,
                dropped: number("dropped events")?,
            };
            Ok((cpu, buffer))
        })
        .collect()
}

/// How often each event was hit and missed, since it was made.
type Hits = BTreeMap<String, (u64, u64)>;

/// The kprobes of other groups are there too: each of ours must be there once.
fn hits() -> Result<Hits, Failure> {
    let profile = read(&Path::new(TRACEFS).join("kprobe_profile"))?;
    let mut counted = Hits::new();
    for event in DEFINITIONS.iter().flat_map(Definition::events) {
        let of: Vec<_> = profile
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|words| words.first() == Some(&event.as_str()))
            .collect();
        let numbers = match of.as_slice() {
            [words] => match words[..] {
                [_, hits, missed] => hits.parse().ok().zip(missed.parse().ok()),
                _ => None,
            },
            _ => None,
        };
        let numbers = numbers.ok_or_else(|| {
            Failure::assertion(
                format!("one kprobe event of the name {event}"),
                format!("{} of them", of.len()),
            )
        })?;
        counted.insert(event, numbers);
    }
    Ok(counted)
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .map_err(|error| Failure::io("read", path, error))
}

fn put(path: &Path, value: impl std::fmt::Display) -> Result<(), Failure> {
    fs::write(path, format!("{value}\n")).map_err(|error| Failure::io("write", path, error))
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    OpenOptions::new()
        .append(true)
        .open(path)?
        .write_all(format!("{line}\n").as_bytes())
}

/// What one event costs, in nanoseconds of this machine's clock: with virtual time of one
/// instruction per nanosecond, in instructions.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// A system call without the recorder.
    pub without: u64,
    /// The same with it.
    pub with: u64,
    /// What each of its two events costs.
    pub per_event: u64,
}

/// Measures the cost on a system call that does nothing else: the unloading of a module that is not
/// there, whose beginning and return are recorded.
///
/// # Errors
///
/// Those of the recorder.
pub fn cost() -> Result<Cost, Failure> {
    const CALLS: u32 = 1000;
    let measure = || {
        let began = Instant::now();
        calls(CALLS);
        u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX) / u64::from(CALLS)
    };
    // Whatever happens the first time only has happened.
    measure();
    let without = measure();
    let recorder = Recorder::start()?;
    let with = measure();
    recorder.events()?;
    Ok(Cost {
        without,
        with,
        per_event: with.saturating_sub(without) / 2,
    })
}

/// Makes system calls that do nothing but pass two recorded places.
pub fn calls(calls: u32) {
    for _ in 0..calls {
        // It fails, and that is all that it is for.
        let _ = delete_module(c"lifecycle-no-such-module", DeleteModuleFlags::O_NONBLOCK);
    }
}
