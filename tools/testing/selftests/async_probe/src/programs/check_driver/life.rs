// SPDX-License-Identifier: GPL-2.0

//! The life of a driver, in parts; each part is a recording of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use lifecycle::driver::REGISTERED;
use lifecycle::errno::EPROBE_DEFER;
use lifecycle::event::Call;
use lifecycle::parse::recording;
use nix::errno::Errno;
use recorder::Recorder;

use super::machine::{self, Driver};
use super::own;
use super::plan::{Module, Plan};
use super::statics;
use crate::{kmsg, modules, sysfs, Failure};

/// Nothing has happened for so long: all is quiet.
const QUIET: Duration = Duration::from_millis(500);

/// How often is looked whether it is.
const LOOK: Duration = Duration::from_millis(20);

/// So long is waited for what may come late, where waiting costs nothing. The recordings of other
/// parts are out by then: what comes may be the end of the machine.
const PATIENCE: Duration = Duration::from_secs(150);

/// So often a device is unbound and bound while the driver is loaded.
const RACES: usize = 3;

/// After so long a device that is deleted has been released (`nothing_outlives`).
const RELEASED: Duration = Duration::from_secs(6);

/// So often is looked whether a module is being loaded.
const TRIES: usize = 100;

/// More probes than this without a rest are a loop, and so many more for each device.
const ENDLESS: u64 = 500;
const TRIED: u64 = 4;

/// So many devices of a driver are unbound and bound again.
const REBINDS: usize = 16;

/// So many devices of a driver are named, to tell it from others of its name.
const TOLD: usize = 4;

/// A module that has nothing to do with the driver.
const UNRELATED: &str = "unrelated";

/// The kernel's answer, or the reason why it could not be asked.
type Answer = Result<Result<(), Errno>, Failure>;

/// Why the life ends before its time.
pub(crate) enum Stop {
    /// It has been said.
    Said,
    /// The machine does not let it.
    Failed(Failure),
    /// The kernel has not answered; it has been said.
    Hangs,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<recorder::Error> for Stop {
    fn from(error: recorder::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Tells the lab.
pub(crate) fn say(what: &str, text: impl Display) {
    println!("check: {what} {text}");
}

/// Gives the lab a recording, in place of an earlier one of this part.
fn tell(part: &str, recording: &str) {
    say("recording", part);
    print!("{recording}");
    say("recorded", part);
}

/// Work in a thread of its own.
struct Pending<T> {
    what: String,
    result: Receiver<T>,
    done: Option<T>,
}

impl<T: Send + 'static> Pending<T> {
    fn begin(what: impl Into<String>, work: impl FnOnce() -> T + Send + 'static) -> Self {
        let (sender, result) = mpsc::channel();
        // If it hangs, the receiver is gone.
        thread::spawn(move || sender.send(work()));
        Self {
            what: what.into(),
            result,
            done: None,
        }
    }

    fn is_done(&mut self) -> bool {
        self.done = self.done.take().or_else(|| self.result.try_recv().ok());
        self.done.is_some()
    }

    fn finish(self, deadline: Duration) -> Result<T, Stop> {
        if let Some(done) = self.done {
            return Ok(done);
        }
        self.result.recv_timeout(deadline).map_err(|error| {
            let why = match error {
                RecvTimeoutError::Timeout => "no answer",
                RecvTimeoutError::Disconnected => "panicked",
            };
            say("stuck", format!("{}: {why}", self.what));
            Stop::Hangs
        })
    }
}

pub(crate) struct Life {
    plan: Plan,
    /// The drivers that the module registers.
    drivers: Vec<Driver>,
    /// Whether it can be loaded with `async_probe`.
    asynchronous: bool,
    /// What was there before it was loaded.
    before: BTreeSet<String>,
    /// The devices that it binds, as many of each driver as are bound again.
    devices: Vec<(Driver, String)>,
}

type Part = fn(&mut Life, &Recorder) -> Result<(), Stop>;

const PARTS: &[(&str, Part)] = &[
    ("load", Life::load),
    ("async_probe", Life::load_asynchronously),
    ("in_flight", Life::in_flight),
    ("two_loaders", Life::two_loaders),
    ("hasty", Life::hasty),
    ("driver_first", Life::driver_first),
];

impl Life {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            plan,
            drivers: Vec::new(),
            asynchronous: true,
            before: BTreeSet::new(),
            devices: Vec::new(),
        }
    }

    /// All parts, each with its recording.
    pub(crate) fn live(mut self) -> Result<(), Stop> {
        for (name, part) in PARTS {
            say("part", name);
            let recorder = Recorder::take_over(true)?;
            let done = part(&mut self, &recorder);
            tell(name, &recorder.stop()?);
            done?;
        }
        // The machine is switched off with the driver loaded. If it dies, it prints the recording.
        say("part", "power_off");
        let _recorder = Recorder::take_over(true)?;
        // The part before may have unloaded them.
        for module in &self.plan.with {
            self.insmod(module)?;
        }
        self.before()?;
        self.load_driver("")?;
        // Where it hangs, its last line says in the shutdown of which device.
        let _ = std::fs::write("/sys/module/kernel/parameters/initcall_debug", "Y");
        Ok(())
    }

    /// Says what is there beyond what was there before; returns what is there.
    fn compare(&self, how: &str) -> BTreeSet<String> {
        let now = machine::snapshot();
        now.difference(&self.before).for_each(|line| say(how, line));
        now
    }

    /// Says what the static variables of the driver are now.
    fn say_statics(&self, how: &str) {
        for value in statics::values(&self.plan.driver.name, &self.plan.statics) {
            say("static", format!("{how} {value}"));
        }
    }

    /// Suspends all devices, and resumes them.
    fn suspend(&self) -> Result<(), Stop> {
        // A console that sleeps too does not tell of an oops (kernel/printk/printk.c).
        let _ = std::fs::write("/sys/module/printk/parameters/console_suspend", "N");
        // Linux 6 computes for the seconds for which Linux 7 sleeps (kernel/power/suspend.c).
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        if release.starts_with("6.") {
            let _ = std::fs::write("/sys/module/suspend/parameters/pm_test_delay", "0");
        }
        if std::fs::write("/sys/power/pm_test", "devices").is_err() {
            say("untried", "suspend");
            return Ok(());
        }
        // Where it hangs, its last line says in which callback (CONFIG_PM_SLEEP_DEBUG).
        let _ = std::fs::write("/sys/power/pm_print_times", "1");
        let answer = self.step("suspend", || std::fs::write("/sys/power/state", "freeze"))?;
        if let Err(error) = answer {
            say("suspend", error.raw_os_error().unwrap_or(0));
        }
        Ok(())
    }

    fn step<T: Send + 'static>(
        &self,
        what: impl Into<String>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Stop> {
        Pending::begin(what, work).finish(self.plan.deadline)
    }

    /// Loads a module that must load.
    fn insmod(&self, module: &Module) -> Result<(), Stop> {
        let (what, of) = (format!("insmod {}", module.name), module.clone());
        let answer = self.step(what, move || {
            modules::insmod(&of.path, &of.name, &of.parameters)
        })?;
        match answer? {
            // One may be built into the kernel.
            Ok(()) | Err(Errno::EEXIST) => Ok(()),
            Err(errno) => {
                say("refused", format!("{} {}", module.name, errno as i32));
                Err(Stop::Said)
            }
        }
    }

    /// Begins to load the driver, and to have it find its devices.
    fn begin_load(&self, more: &str) -> Pending<Answer> {
        let Module {
            path,
            name,
            parameters,
        } = self.plan.driver.clone();
        let parameters = format!("{parameters} {more}").trim().to_owned();
        let after = self.plan.after.clone();
        let known = name.clone();
        // A machine that dies in its init has not told where it was.
        thread::spawn(move || {
            let mut tries = 0..TRIES;
            while tries.next().is_some() && !modules::is_loaded(&known) {
                thread::sleep(Duration::from_millis(1));
            }
            kmsg::loaded(&known)
        });
        Pending::begin(format!("insmod {name} {parameters}"), move || {
            let answer = modules::insmod(&path, &name, &parameters)?;
            // That of this thread, which has done nothing else.
            if let Some(time) = machine::computed() {
                say("computed", time.as_micros());
            }
            if answer.is_ok() {
                kmsg::loaded(&name)?;
                shell("after", after)?;
            }
            Ok(answer)
        })
    }

    /// Loads the driver; whether it is there then.
    fn load_driver(&self, more: &str) -> Result<bool, Stop> {
        let answer = self.begin_load(more).finish(self.plan.deadline)?;
        self.is_loaded(answer, more)
    }

    fn is_loaded(&self, answer: Answer, more: &str) -> Result<bool, Stop> {
        match answer? {
            Ok(()) => Ok(true),
            Err(errno) if more.is_empty() => {
                let name = &self.plan.driver.name;
                say("refused", format!("{name} {}", errno as i32));
                Err(Stop::Said)
            }
            Err(errno) => {
                say("refused_async", errno as i32);
                Ok(false)
            }
        }
    }

    fn try_rmmod(&self, module: &str) -> Result<Result<(), Errno>, Stop> {
        let name = module.to_owned();
        Ok(self.step(format!("rmmod {name}"), move || modules::rmmod(&name))??)
    }

    /// Takes back what the user's command has done.
    fn undo(&self) -> Result<(), Stop> {
        let undo = self.plan.undo.clone();
        Ok(self.step("the command that undoes", move || shell("undo", undo))??)
    }

    /// Unloads the driver, which must be possible.
    fn rmmod(&self) -> Result<(), Stop> {
        self.undo()?;
        let name = &self.plan.driver.name;
        self.try_rmmod(name)?.map_err(|errno| {
            let module = machine::module(name);
            say("stays", format!("{} {module}", errno as i32));
            Stop::Said
        })
    }

    fn before(&self) -> Result<(), Stop> {
        let before = self.plan.before.clone();
        Ok(self.step("the command before", move || shell("before", before))??)
    }

    /// Waits until no probe and no asynchronous work is under way; whether that has come.
    fn settle(&self, recorder: &Recorder) -> Result<bool, Stop> {
        let began = Instant::now();
        let mut last = BTreeMap::new();
        let mut since = began;
        let first = probes(recorder)?;
        loop {
            let hits = recorder.hits()?;
            let of = |event: &str| hits.get(event).copied().unwrap_or(0);
            let tried = of("probe") - first;
            let under_way = ["probe", "run"]
                .iter()
                .any(|event| of(event) > of(&format!("{event}_end")));
            if under_way || hits != last {
                since = Instant::now();
                last = hits;
            }
            if since.elapsed() > QUIET {
                return Ok(true);
            }
            if tried > ENDLESS && tried > ENDLESS + TRIED * machine::devices() {
                say("endless", tried);
                // Nothing can be read before it ends.
                let _ = self.try_rmmod(&self.plan.driver.name)?;
                return Err(Stop::Said);
            }
            if began.elapsed() > self.plan.deadline {
                say("unsettled", self.plan.deadline.as_secs());
                return Ok(false);
            }
            thread::sleep(LOOK);
        }
    }

    /// From loading to unloading, with each device unbound and bound once more.
    fn load(&mut self, recorder: &Recorder) -> Result<(), Stop> {
        let unwatched = recorder.unwatched();
        if !unwatched.is_empty() {
            let what: Vec<_> = unwatched.iter().map(ToString::to_string).collect();
            say("unwatched", what.join(", "));
        }
        for module in self.plan.needs.iter().chain(&self.plan.with) {
            self.insmod(module)?;
        }
        self.before()?;
        self.settle(recorder)?;
        let known = machine::drivers();
        self.before = machine::snapshot();
        let module = &self.plan.driver.name;
        let probes = self.plan.probes.iter();
        let probes = probes.map(|probe| format!("{module}:{probe}"));
        let own = own::Watch::begin(probes.collect());
        self.load_driver("")?;
        self.settle(recorder)?;
        for failed in own.failures() {
            say("own", format!("{} {}", failed.function, failed.errno));
        }
        drop(own);
        self.compare("plain");
        self.say_statics("plain");
        self.drivers = machine::drivers().difference(&known).cloned().collect();
        for driver in &self.drivers {
            let devices = driver.devices();
            let Driver { bus, name } = driver;
            say("driver", format!("{} {bus} {name}", devices.len()));
            if let Some(at) = machine::bus_at(bus) {
                say("bus", format!("{bus} {at}"));
            }
            for device in devices.iter().take(TOLD) {
                say("has", format!("{device} {bus} {name}"));
            }
            if !driver.file("unbind").exists() {
                say("fixed", format!("{bus} {name}"));
            }
        }
        // A driver that polls all the time leaves no moment for a copy.
        let failed = recorder
            .so_far()
            .map_or(vec![], |recording| failed_probes(&recording));
        let own = format!(" [{}]", self.plan.driver.name);
        if let Some(started) = machine::hrtimers().iter().find(|of| of.ends_with(&own)) {
            self.hrtimers_end(recorder, started)?;
        }
        for driver in self.drivers.clone() {
            if !driver.file("unbind").exists() {
                continue;
            }
            for (number, device) in driver.devices().into_iter().take(REBINDS).enumerate() {
                self.devices.push((driver.clone(), device.clone()));
                // The first one twice: what is left each time adds up.
                self.rebind(&driver, &device, if number == 0 { 2 } else { 1 })?;
            }
            let of_driver = failed.iter().filter(|(name, _)| *name == driver.name);
            for (_, device) in of_driver.take(TOLD) {
                if self.only_one(&driver, device)? {
                    break;
                }
            }
        }
        let settled = self.settle(recorder)?;
        // Suspend or rmmod may be the end of the machine, if something outlives a remove.
        if let Ok(recording) = recorder.so_far() {
            tell("load", &recording);
        }
        // A suspend waits for probes that do not end, with all tasks frozen (`dpm_prepare()`).
        if settled {
            self.suspend()?;
            self.settle(recorder)?;
        }
        self.rmmod()?;
        await_releases();
        let left = match (&self.plan.after, &self.plan.undo) {
            (Some(_), None) => "left_or_made",
            _ => "left",
        };
        let now = self.compare(left);
        let gone = self.before.difference(&now);
        gone.for_each(|line| say("gone", line));
        Ok(())
    }

    /// Unloads the driver and loads it again. If one of its hrtimers is there meanwhile, this is the
    /// end of the life: when the memory of one is used anew, no timer of that processor expires.
    fn hrtimers_end(&self, recorder: &Recorder, started: &str) -> Result<(), Stop> {
        say("hrtimer", started);
        self.rmmod()?;
        let left = machine::stray_hrtimers();
        left.iter().for_each(|line| say("left", line));
        if !left.is_empty() {
            return Err(Stop::Said);
        }
        self.load_driver("")?;
        self.settle(recorder)?;
        say("hrtimers_ended", "");
        Ok(())
    }

    /// Unbinds and binds a device; both are in the recording, with the kernel's answers.
    fn rebind(&self, driver: &Driver, device: &str, times: usize) -> Result<(), Stop> {
        let mut usage = Vec::new();
        for call in [Call::Unbind, Call::Bind].repeat(times) {
            // One device may take another with it.
            if call == Call::Unbind && !driver.devices().iter().any(|there| there == device) {
                return Ok(());
            }
            if self.write(driver, call, device)?.is_err() {
                return Ok(());
            }
            if call == Call::Unbind {
                usage.extend(driver.usage(device));
            }
        }
        if let [first, .., last] = usage[..] {
            if first < last {
                say("usage", format!("{device} {first} {last}"));
            }
        }
        Ok(())
    }

    /// A device whose probe has failed binds while no other one of the driver is bound, and then the
    /// probe of another one fails: whether that is so, and binds what was bound before.
    fn only_one(&self, driver: &Driver, device: &str) -> Result<bool, Stop> {
        let others = driver.devices();
        let Some(first) = others.first().filter(|_| others.len() <= REBINDS) else {
            return Ok(false);
        };
        for other in &others {
            let _ = self.write(driver, Call::Unbind, other)?;
        }
        let mut refused = None;
        if self.write(driver, Call::Bind, device)?.is_ok() {
            let functions = REGISTERED.iter().map(|(function, _)| *function);
            let watch = own::Watch::begin(functions.map(str::to_owned).collect());
            // That it is bound already, or is to be tried again, is no failure.
            let is_free = !driver.devices().contains(first);
            let answer = self.write(driver, Call::Bind, first)?;
            let error = answer
                .err()
                .filter(|errno| is_free && *errno != Errno::EAGAIN);
            // An outer function fails after those that it calls.
            refused = error.map(|errno| {
                let module = &self.plan.driver.name;
                let by = watch.failures().pop().map_or(String::new(), |failed| {
                    let object = statics::at(module, &self.plan.statics, failed.of);
                    format!(" {} {}", failed.function, object.unwrap_or_default())
                });
                format!("{device} {first} {}{by}", errno as i32)
            });
            let _ = self.write(driver, Call::Unbind, device)?;
        }
        for other in &others {
            let again = self.write(driver, Call::Bind, other)?;
            // It fails for another reason.
            refused = refused.filter(|_| other != first || again.is_ok());
        }
        refused.iter().for_each(|words| say("only_one", words));
        Ok(refused.is_some())
    }

    fn write(&self, driver: &Driver, call: Call, device: &str) -> Result<Result<(), Errno>, Stop> {
        let path = driver.file(&call.to_string());
        let path = path.to_string_lossy().into_owned();
        let device = device.to_owned();
        let what = format!("{call} {device}");
        Ok(self.step(what, move || sysfs::write_to(&path, call, &device, &device))??)
    }

    /// The same with the module parameter.
    fn load_asynchronously(&mut self, recorder: &Recorder) -> Result<(), Stop> {
        self.asynchronous = self.load_driver("async_probe")?;
        if !self.asynchronous {
            return Ok(());
        }
        self.settle(recorder)?;
        self.say_statics("async_probe");
        self.rmmod()
    }

    /// Each device is unbound as soon as the driver is loaded, and the driver is unloaded as soon as
    /// they are bound again: what a probe has begun may still be under way.
    fn hasty(&mut self, recorder: &Recorder) -> Result<(), Stop> {
        self.load_driver("")?;
        let is_there = |driver: &Driver| driver.file("uevent").exists();
        if !self.drivers.iter().any(is_there) {
            // Something registers it later, and is under way now.
            self.unload_and_wait(recorder)?;
            self.load_driver("")?;
        }
        for call in [Call::Unbind, Call::Bind] {
            for (driver, device) in &self.devices {
                if driver.file(&call.to_string()).exists() {
                    // The kernel's answer is in the recording.
                    let _ = self.write(driver, call, device)?;
                }
            }
            if call == Call::Unbind {
                self.settle(recorder)?;
                thread::sleep(2 * QUIET);
            }
        }
        self.undo()?;
        self.unload_and_wait(recorder)?;
        if is_virtual() {
            thread::sleep(PATIENCE);
        }
        Ok(())
    }

    /// The driver is unloaded at once, or when that is not refused any more.
    fn unload_and_wait(&mut self, recorder: &Recorder) -> Result<(), Stop> {
        let _ = self.try_rmmod(&self.plan.driver.name)?;
        self.settle(recorder)?;
        thread::sleep(2 * QUIET);
        if modules::is_loaded(&self.plan.driver.name) {
            self.rmmod()?;
        }
        Ok(())
    }

    /// Actions of others while a probe is under way.
    fn in_flight(&mut self, recorder: &Recorder) -> Result<(), Stop> {
        if self.asynchronous {
            self.beside(recorder)?;
            self.unbind_in_flight(recorder)?;
            self.unload_in_flight(recorder, "async_probe")?;
        }
        self.unload_in_flight(recorder, "")
    }

    /// Two tasks load the driver at once, and a third one unbinds and binds its devices meanwhile.
    fn two_loaders(&mut self, recorder: &Recorder) -> Result<(), Stop> {
        let first = self.begin_load("");
        let of = self.plan.driver.clone();
        let second = Pending::begin(format!("a second insmod {}", of.name), move || {
            modules::insmod(&of.path, &of.name, &of.parameters)
        });
        for _ in 0..RACES {
            for (driver, device) in &self.devices {
                for call in [Call::Unbind, Call::Bind] {
                    if driver.file(&call.to_string()).exists() {
                        // The kernel's answer is in the recording.
                        let _ = self.write(driver, call, device)?;
                    }
                }
            }
            thread::sleep(LOOK);
        }
        // It may come too late, and fail.
        let _ = second.finish(self.plan.deadline)?;
        let answer = first.finish(self.plan.deadline)?;
        // An init that counts on its devices fails if they are unbound meanwhile.
        if matches!(answer, Ok(Err(_))) && !modules::is_loaded(&self.plan.driver.name) {
            return Ok(());
        }
        self.land(recorder, answer, "")
    }

    /// Begins to load the driver and waits until a probe begins.
    fn take_off(&self, recorder: &Recorder, more: &str) -> Result<Pending<Answer>, Stop> {
        let known = probes(recorder)?;
        let mut load = self.begin_load(more);
        let began = Instant::now();
        while probes(recorder)? <= known && began.elapsed() < self.plan.deadline {
            if load.is_done() && began.elapsed() > QUIET {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(load)
    }

    /// Waits until the driver is loaded and quiet, and unloads it.
    fn land(&self, recorder: &Recorder, answer: Answer, more: &str) -> Result<(), Stop> {
        if self.is_loaded(answer, more)? {
            self.settle(recorder)?;
            if modules::is_loaded(&self.plan.driver.name) {
                if more.is_empty() {
                    self.say_statics("again");
                }
                self.rmmod()?;
            }
        }
        Ok(())
    }

    /// An unrelated module comes and goes.
    fn beside(&self, recorder: &Recorder) -> Result<(), Stop> {
        let path = PathBuf::from(format!("/modules/{UNRELATED}.ko"));
        if !path.exists() {
            // It is built for kernels with Rust only.
            return Ok(());
        }
        let flight = self.take_off(recorder, "async_probe")?;
        self.insmod(&Module {
            path,
            name: UNRELATED.to_owned(),
            parameters: String::new(),
        })?;
        // The kernel may refuse: others may have loaded it.
        let _ = self.try_rmmod(UNRELATED)?;
        self.land(recorder, flight.finish(self.plan.deadline)?, "async_probe")
    }

    /// A device is unbound.
    fn unbind_in_flight(&self, recorder: &Recorder) -> Result<(), Stop> {
        let flight = self.take_off(recorder, "async_probe")?;
        let first = self
            .drivers
            .iter()
            .filter(|driver| driver.file("unbind").exists())
            .find_map(|driver| Some((driver, driver.devices().into_iter().next()?)));
        if let Some((driver, device)) = first {
            // The kernel's answer is in the recording.
            let _ = self.write(driver, Call::Unbind, &device)?;
        }
        self.land(recorder, flight.finish(self.plan.deadline)?, "async_probe")
    }

    /// The driver itself is unloaded.
    fn unload_in_flight(&self, recorder: &Recorder, more: &str) -> Result<(), Stop> {
        let flight = self.take_off(recorder, more)?;
        // Without the parameter the kernel refuses.
        let _ = self.try_rmmod(&self.plan.driver.name)?;
        self.land(recorder, flight.finish(self.plan.deadline)?, more)
    }

    /// The driver comes before the devices, and they go before it.
    fn driver_first(&mut self, recorder: &Recorder) -> Result<(), Stop> {
        let with = &self.plan.with;
        for (number, module) in with.iter().enumerate().rev() {
            if let Err(errno) = self.try_rmmod(&module.name)? {
                say("bound_to_stay", format!("{} {}", module.name, errno as i32));
                // As before, for the next part.
                return with[number + 1..]
                    .iter()
                    .try_for_each(|module| self.insmod(module));
            }
        }
        if with.is_empty() {
            return Ok(());
        }
        self.load_driver("")?;
        for module in with {
            self.insmod(module)?;
        }
        self.before()?;
        self.settle(recorder)?;
        for module in with.iter().rev() {
            // A device may be in use.
            let _ = self.try_rmmod(&module.name)?;
        }
        self.settle(recorder)?;
        self.rmmod()?;
        await_releases();
        Ok(())
    }
}

/// Waits until what has been deleted is released: the end of it is in the recording.
fn await_releases() {
    if is_virtual() {
        thread::sleep(RELEASED);
        // That is an event, which tells that so much time has passed.
        let _ = std::fs::read("/sys/devices/system/cpu/cpu0/uevent");
    }
}

/// Whether waiting costs nothing.
fn is_virtual() -> bool {
    std::env::var_os("ASYNC_PROBE_ICOUNT_SHIFT").is_some()
}

/// The drivers and devices of the probes that have failed, but for those to be tried again.
fn failed_probes(recorded: &str) -> Vec<(String, String)> {
    // The lab says what is wrong with a recording.
    let events = recording::parse(recorded).unwrap_or_default();
    let probes = lifecycle::Life::new(events, recording::probing(recorded)).probes();
    let failed = probes.into_iter().filter(|probe| {
        let ret = probe.ret.unwrap_or(0);
        ret < 0 && ret != EPROBE_DEFER
    });
    failed
        .filter_map(|probe| Some((probe.driver?, probe.device)))
        .collect()
}

/// How many probes have begun.
fn probes(recorder: &Recorder) -> Result<u64, Stop> {
    Ok(recorder.hits()?.get("probe").copied().unwrap_or(0))
}

/// Runs a command of the user's; its output is that of the program.
fn shell(which: &str, command: Option<String>) -> Result<(), Failure> {
    let Some(command) = command else {
        return Ok(());
    };
    let status = Command::new("sh")
        .args(["-c", &command])
        .status()
        .map_err(|error| Failure::io("run", "sh", error))?;
    if !status.success() {
        say("command", format!("{which} {status}"));
    }
    Ok(())
}
