// SPDX-License-Identifier: GPL-2.0

//! The bench that a test works on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use lifecycle::event::Call;
use lifecycle::laws::designs::{self, Promise};
use lifecycle::laws::mutant::Console;
use lifecycle::laws::one_at_a_time::under_way;
use lifecycle::laws::{self, Law, Verdict};
use lifecycle::life::Kind;
use lifecycle::{Event, Life, What};
use nix::errno::Errno;
use recorder::Recorder;

use crate::firmware_dir::FirmwareDir;
use crate::kernel::probing;
use crate::kmsg::Log;
use crate::modules::{self, Modules};
use crate::order::Order;
use crate::recording::{self, Recording};
use crate::samples::{self, Bus, Driver, Sample};
use crate::{ensure, succeeds, unmet, Failure};

/// How long to wait for what must come. Far longer than any probe of the tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// Modules, log and firmware for one test; what the test leaves behind goes with it.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    modules: &'a Modules,
    log: Log,
    firmware: FirmwareDir,
    loaded: Vec<&'static str>,
    background: Vec<JoinHandle<Result<Result<(), Errno>, Failure>>>,
    comments: Vec<String>,
    recorder: Option<Recorder>,
    excused: Vec<&'static str>,
}

impl<'a> Bench<'a> {
    /// An empty bench with good firmware for the drivers.
    pub(crate) fn new(modules: &'a Modules) -> Result<Self, Failure> {
        let firmware = FirmwareDir::new()?;
        for bus in Bus::BOTH {
            firmware.put_good(bus.driver)?;
        }
        Ok(Self {
            modules,
            log: Log::open()?,
            firmware,
            loaded: Vec::new(),
            background: Vec::new(),
            comments: Vec::new(),
            recorder: None,
            excused: Vec::new(),
        })
    }

    pub(crate) fn firmware(&self) -> &FirmwareDir {
        &self.firmware
    }

    /// Leaves out a law that the kernel cannot keep in what the test does.
    pub(crate) fn excuse(&mut self, law: &Law) {
        self.excused.push(law.name);
    }

    /// Says something with the test's result.
    pub(crate) fn comment(&mut self, line: impl Into<String>) {
        self.comments.push(line.into());
    }

    /// Says a figure that was measured: `make check` prints it beside the result.
    pub(crate) fn figure(&mut self, line: impl std::fmt::Display) {
        self.comment(format!("figure: {line}"));
    }

    pub(crate) fn comments(&self) -> &[String] {
        &self.comments
    }

    pub(crate) fn module(&self, module: &str) -> PathBuf {
        self.modules.path(module)
    }

    /// Takes charge of a module that something else loads.
    pub(crate) fn adopt(&mut self, module: &'static str) {
        self.loaded.push(module);
    }

    /// Loads a module, whatever comes of it. The kernel's answer is the result.
    pub(crate) fn try_insmod(
        &mut self,
        module: &'static str,
        parameters: &str,
    ) -> Result<Result<(), Errno>, Failure> {
        let result = modules::insmod(&self.modules.path(module), module, parameters)?;
        if result.is_ok() {
            self.loaded.push(module);
        }
        Ok(result)
    }

    pub(crate) fn insmod(&mut self, module: &'static str, parameters: &str) -> Result<(), Failure> {
        let answer = self.try_insmod(module, parameters)?;
        succeeds(format_args!("insmod {module} {parameters}"), answer)
    }

    /// Loads a module in a thread of its own. [`join()`](Self::join) waits for it.
    pub(crate) fn insmod_in_background(&mut self, module: &'static str, parameters: &str) {
        let path = self.modules.path(module);
        let parameters = parameters.to_owned();
        self.loaded.push(module);
        self.in_background(move || modules::insmod(&path, module, &parameters));
    }

    /// Does `work` in a thread of its own. [`join()`](Self::join) waits for it.
    pub(crate) fn in_background(
        &mut self,
        work: impl FnOnce() -> Result<Result<(), Errno>, Failure> + Send + 'static,
    ) {
        self.background.push(std::thread::spawn(work));
    }

    /// Waits for all that runs in the background to succeed.
    pub(crate) fn join(&mut self) -> Result<(), Failure> {
        let mut verdict = Ok(());
        for thread in self.background.drain(..) {
            let result = match thread.join() {
                Ok(answer) => {
                    answer.and_then(|answer| succeeds("the call in the background", answer))
                }
                Err(_) => unmet("no panic", "a panic in the background"),
            };
            verdict = verdict.and(result);
        }
        verdict
    }

    /// Loads devices and driver in this order. `more` is appended to the parameters of the module
    /// that comes second; where no module does, as devices are added to the sample bus, to those of
    /// the driver.
    pub(crate) fn load(
        &mut self,
        order: Order,
        devices: usize,
        driver: Driver,
        more: &str,
    ) -> Result<(), Failure> {
        let sample = driver.sample;
        let bus = sample.bus();
        let with_more = |parameters: String| format!("{parameters} {more}").trim_end().to_owned();
        match (order, sample.second(order).0) {
            (Order::DevicesFirst, _) => {
                self.insmod(bus.devices, &sample.devices(devices))?;
                bus.wait_for_devices(devices)?;
                self.insmod(bus.module, &with_more(driver.to_string()))
            }
            (Order::DriverFirst, Call::Insmod) => {
                self.insmod(bus.module, &driver.to_string())?;
                self.insmod(bus.devices, &with_more(sample.devices(devices)))
            }
            (Order::DriverFirst, call) => {
                self.insmod(bus.devices, "devices=0")?;
                self.insmod(bus.module, &with_more(driver.to_string()))?;
                // `module_init` registers when insmod has returned.
                bus.wait_until_registered()?;
                self.add(call, devices)
            }
        }
    }

    /// Loads devices and driver in this order, up to the probe of device 0, which is under way
    /// then. The call that would wait for it goes on in the background.
    pub(crate) fn take_off(
        &mut self,
        order: Order,
        devices: usize,
        driver: Driver,
    ) -> Result<(), Failure> {
        let sample = driver.sample;
        let bus = sample.bus();
        if !sample.probes_in_caller(order) {
            self.load(order, devices, driver, "async_probe")?;
            return self.wait_for_probe(&bus.device(0));
        }
        match (order, sample.second(order).0) {
            (Order::DevicesFirst, _) => {
                self.insmod(bus.devices, &sample.devices(devices))?;
                self.insmod_in_background(bus.module, &driver.to_string());
            }
            (Order::DriverFirst, Call::Insmod) => {
                self.insmod(bus.module, &driver.to_string())?;
                self.insmod_in_background(bus.devices, &sample.devices(devices));
            }
            (Order::DriverFirst, call) => {
                self.load(order, 0, driver, "")?;
                self.in_background(move || samples::add(call, devices));
            }
        }
        self.wait_for_probe(&bus.device(0))
    }

    /// Adds as many devices to the sample bus, with [`Call::Add`] or [`Call::AddAsync`].
    pub(crate) fn add(&mut self, call: Call, devices: usize) -> Result<(), Failure> {
        succeeds(call, samples::add(call, devices)?)
    }

    pub(crate) fn rmmod(&mut self, module: &'static str) -> Result<(), Failure> {
        succeeds(format_args!("rmmod {module}"), modules::rmmod(module)?)?;
        self.loaded.retain(|loaded| *loaded != module);
        Ok(())
    }

    /// Unloads a module in a thread of its own. [`join()`](Self::join) waits for it.
    pub(crate) fn rmmod_in_background(&mut self, module: &'static str) {
        self.in_background(move || modules::rmmod(module));
    }

    /// Unloads a module that the kernel must refuse to unload.
    pub(crate) fn rmmod_refused(
        &mut self,
        module: &'static str,
        errno: Errno,
    ) -> Result<(), Failure> {
        let result = modules::rmmod(module)?;
        ensure(&format!("rmmod {module}"), &result, &Err(errno))
    }

    /// Does to a device what `call` says.
    pub(crate) fn write(&mut self, call: Call, device: &str) -> Result<(), Failure> {
        if matches!(call, Call::Bind | Call::Unbind) {
            Bus::of(device).wait_until_registered()?;
        }
        let answer = samples::write(call, device)?;
        succeeds(format_args!("{call} of {device}"), answer)
    }

    /// The events so far, with a probe and its trial as one probe on a kernel that probes twice.
    pub(crate) fn events(&mut self) -> Result<&[Event], Failure> {
        self.log.catch_up()?;
        Ok(self.log.events())
    }

    /// The events so far, as they were printed.
    pub(crate) fn printed(&mut self) -> Result<&[Event], Failure> {
        self.log.catch_up()?;
        Ok(self.log.printed())
    }

    /// Leaves out the events so far when the log is judged: they break laws on purpose.
    pub(crate) fn forget(&mut self) -> Result<(), Failure> {
        self.log.read()?;
        self.log.forget();
        Ok(())
    }

    /// The text of all records of the log so far, ours and others'.
    pub(crate) fn lines(&mut self) -> Result<&[String], Failure> {
        self.log.catch_up()?;
        Ok(self.log.lines())
    }

    /// What a law of a console says of the log so far.
    pub(crate) fn judge_console(
        &mut self,
        law: &Console,
    ) -> Result<Result<usize, String>, Failure> {
        let lines = self.lines()?.iter();
        let console = lines.map(|line| format!("[    0.000000] {line}\n"));
        Ok((law.check)(&console.collect::<String>()))
    }

    /// Waits until the events are as wanted.
    pub(crate) fn wait(
        &mut self,
        wanted: &str,
        is_there: impl Fn(&[Event]) -> bool,
    ) -> Result<(), Failure> {
        if self.log.wait(PATIENCE, is_there)? {
            return Ok(());
        }
        let seen = format!("nothing of it after {} seconds", PATIENCE.as_secs());
        unmet(wanted, seen)
    }

    /// Waits until a probe of the device has begun.
    pub(crate) fn wait_for_probe(&mut self, name: &str) -> Result<(), Failure> {
        self.wait(&format!("a probe of {name} to begin"), |events| {
            events.iter().any(
                |event| matches!(&event.what, What::ProbeBegan { device, .. } if device == name),
            )
        })
    }

    /// Waits until as many probes have ended, with any result.
    pub(crate) fn wait_for_ends(&mut self, probes: usize) -> Result<(), Failure> {
        self.wait_for_ends_since(0, probes)
    }

    /// Waits until as many probes have ended since the log had `from` events.
    pub(crate) fn wait_for_ends_since(
        &mut self,
        from: usize,
        probes: usize,
    ) -> Result<(), Failure> {
        self.wait(&format!("{probes} probes to end"), |events| {
            let ended = |event: &&Event| matches!(event.what, What::ProbeEnded { .. });
            events[from..].iter().filter(ended).count() >= probes
        })
    }

    /// Waits until as many second phases have ended.
    pub(crate) fn wait_until_ready(&mut self, devices: usize) -> Result<(), Failure> {
        self.wait(&format!("{devices} devices to be ready"), |events| {
            let ready = |event: &&Event| matches!(event.what, What::Ready { .. });
            events.iter().filter(ready).count() >= devices
        })
    }

    /// Unloads what is loaded, after all that runs in the background has ended, and reads the rest
    /// of the log. Returns the first thing that went wrong; the rest is done all the same.
    pub(crate) fn clean_up(&mut self) -> Result<(), Failure> {
        let mut verdict = self.join();
        for module in self.loaded.drain(..).rev() {
            if modules::is_loaded(module) {
                let what = format!("rmmod {module}");
                let answer = modules::rmmod(module);
                verdict = verdict.and(answer.and_then(|answer| succeeds(what, answer)));
            }
        }
        verdict.and(self.log.catch_up())
    }

    /// Has the test recorded from now on, unless it is already. Skips it where this kernel cannot
    /// be recorded.
    pub(crate) fn record(&mut self) -> Result<(), Failure> {
        if self.recorder.is_none() {
            self.recorder = Some(Recorder::take_over(false)?);
        }
        Ok(())
    }

    /// Ends the recording of the test, which must break no law.
    pub(crate) fn recording(&mut self) -> Result<Recording, Failure> {
        let recorder = self.recorder.take();
        let recorder = recorder.ok_or_else(|| Failure::assertion("a recording", "none"))?;
        recording::judge(recording::events(recorder)?)
    }

    /// What the log shows until now.
    pub(crate) fn life(&mut self) -> Result<Life, Failure> {
        self.life_since(0)
    }

    /// What the log shows from the event at this place of [`printed()`](Self::printed) until now.
    pub(crate) fn life_since(&mut self, from: usize) -> Result<Life, Failure> {
        Ok(Life::new(self.printed()?[from..].to_vec(), probing()))
    }

    /// Demands that the law was kept until now, in so many cases at least.
    pub(crate) fn keeps(&mut self, law: &Law, at_least: usize) -> Result<(), Failure> {
        Ok(law.demand(&self.life()?, at_least)?)
    }

    /// Demands that the call which brought what comes second, and the probes that it set off, have
    /// kept this promise.
    pub(crate) fn keeps_promise(
        &mut self,
        sample: Sample,
        order: Order,
        devices: usize,
        promise: Promise,
    ) -> Result<(), Failure> {
        let (call, on) = sample.second(order);
        let (life, driver) = (self.life()?, sample.bus().driver);
        Ok(designs::check(&life, call, on, driver, devices, promise)?)
    }

    /// The result of the first probe of each device that the driver has tried until now.
    pub(crate) fn first_results(
        &mut self,
        driver: &str,
    ) -> Result<BTreeMap<String, Option<i32>>, Failure> {
        let mut results = BTreeMap::new();
        for (_, probe) in self.life()?.of(Kind::Probe) {
            if probe.driver.as_deref() == Some(driver) {
                results.entry(probe.on.clone()).or_insert(probe.ret);
            }
        }
        Ok(results)
    }

    /// How many probes the driver has begun until now.
    pub(crate) fn probes_by(&mut self, driver: &str) -> Result<usize, Failure> {
        let life = self.life()?;
        let probes = life.of(Kind::Probe);
        let of_driver = probes.filter(|(_, probe)| probe.driver.as_deref() == Some(driver));
        Ok(of_driver.count())
    }

    /// Demands that the device was never probed, which had gone when `gone` events had been
    /// printed. Its probe was scheduled together with that of the witness, which began later.
    pub(crate) fn never_probed(
        &mut self,
        gone: usize,
        device: &str,
        witness: &str,
    ) -> Result<(), Failure> {
        let life = self.life()?;
        let first = |name: &str| {
            let mut probes = life.of(Kind::Probe);
            let first = probes.find(|(_, probe)| probe.on == name);
            first.map(|(_, probe)| probe.began)
        };
        ensure(
            &format!("where in the log {device} is probed, which is gone"),
            &first(device),
            &None,
        )?;
        ensure(
            &format!("the first probe of {witness} after {gone} events"),
            &first(witness).map(|began| gone <= began),
            &Some(true),
        )
    }

    /// Holds the whole log, and what is recorded, against all laws.
    pub(crate) fn judge(&mut self) -> Result<(), Failure> {
        let life = Life::new(self.log.printed().to_vec(), probing());
        for (law, verdict) in laws::judge(&life) {
            if self.excused.contains(&law) {
                continue;
            }
            if let Verdict::Broken(violation) = verdict {
                return Err(violation.into());
            }
        }
        let under_way: Vec<_> = under_way(&life).into_iter().collect();
        if !under_way.is_empty() {
            return unmet(
                "nothing under way after the modules are gone",
                under_way.join(", "),
            );
        }
        if self.recorder.is_some() {
            self.recording()?;
        }
        Ok(())
    }

    /// All of the log, for the reader of a failure.
    pub(crate) fn transcript(&self) -> String {
        self.log.lines().join("\n")
    }
}

impl Drop for Bench<'_> {
    fn drop(&mut self) {
        // After a clean-up there is nothing left to do.
        let _ = self.clean_up();
    }
}
