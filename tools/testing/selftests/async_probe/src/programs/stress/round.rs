// SPDX-License-Identifier: GPL-2.0

//! A round: everything is loaded, the threads do their operations, everything is looked at and
//! unloaded.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use lifecycle::laws::{one_at_a_time, probe_remove_probe, Verdict};
use lifecycle::{Event, Life, Micros, What};
use nix::errno::Errno;

use super::machine;
use super::operation::{unloading_order, Operation};
use super::shared::{Kind, Shared};
use super::watchdog::{self, watch};
use crate::kernel::probing;
use crate::kmsg::Log;
use crate::random::Random;
use crate::samples::{designs, BUS};
use crate::{modules, succeeds, Failure};

/// Asynchronous work that no call waits for is over after that.
const SETTLED: Duration = Duration::from_secs(30);

/// How often the main thread looks.
const LOOK: Duration = Duration::from_millis(20);

/// A remove that comes less than so many microseconds after a probe was waiting for it.
const AT_ONCE: u64 = 500;

/// As many failures are told.
const ENOUGH: usize = 20;

/// Lines of the kernel that say that one of the modules failed.
const COMPLAINTS: [&str; 5] = [
    "cannot be added",
    "attach failed",
    "async_probe: asynchronous init of ",
    "cannot create duplicate filename",
    "don't try to register things with the same name",
];

/// How often each result of an operation came.
pub(crate) type Statistics = BTreeMap<(String, String), u32>;

/// The findings of a round, by property.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Operations that did not do as they should.
    pub(crate) operations: Vec<String>,
    /// Devices that are lost, or too many.
    pub(crate) devices: Vec<String>,
    /// Modules that could not be unloaded, and leftovers.
    pub(crate) leftovers: Vec<String>,
    /// Events in a wrong order.
    pub(crate) events: Vec<String>,
    /// How often each result came.
    pub(crate) statistics: Statistics,
    /// How many probes there were, and how many of them ran while another task waited for the
    /// device to unbind it.
    pub(crate) probes: (usize, usize),
    /// The number of events, and a digest of the log with its times.
    pub(crate) digest: (usize, u64),
}

impl Findings {
    /// Those of each test, in order.
    pub(crate) fn lists(&mut self) -> [&mut Vec<String>; 4] {
        [
            &mut self.operations,
            &mut self.devices,
            &mut self.leftovers,
            &mut self.events,
        ]
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Round<'a> {
    pub(crate) number: u32,
    pub(crate) seed: u64,
    pub(crate) operations: u32,
    pub(crate) threads: u32,
    /// Where the modules are.
    pub(crate) directory: &'a Path,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn say(result: Result<(), Errno>) -> String {
    match result {
        Ok(()) => "ok".to_owned(),
        Err(Errno::EWOULDBLOCK) => "EWOULDBLOCK".to_owned(),
        Err(errno) => format!("{errno:?}"),
    }
}

impl Round<'_> {
    fn kind(&self) -> Kind {
        Kind::of(self.number)
    }

    fn random(&self, place: u32) -> Random {
        Random::new(self.seed, &[self.number.into(), place.into()])
    }

    fn insmod(&self, module: &str, parameters: &str) -> Result<Result<(), Errno>, Failure> {
        let path = self.directory.join(format!("{module}.ko"));
        modules::insmod(&path, module, parameters)
    }

    fn rmmod(&self, module: &str) -> Result<Result<(), Errno>, Failure> {
        let what = format!("rmmod {module} at the end of round {}", self.number);
        watch(self.threads, &what, || modules::rmmod(module))
    }

    /// Loads, or fails.
    fn load(&self, module: &str, parameters: &str) -> Result<(), Failure> {
        match self.insmod(module, parameters)? {
            // It was there, and this is how it shows.
            Err(Errno::EEXIST) if self.kind() == Kind::Unloading => Ok(()),
            answer => succeeds(format_args!("insmod {module} {parameters}"), answer),
        }
    }

    pub(crate) fn run(&self) -> Result<Findings, Failure> {
        let mut findings = Findings::default();
        let shared = Shared {
            population: AtomicI64::new(8),
            left: AtomicU32::new(self.operations),
            stop: AtomicBool::new(false),
            log: Mutex::new(Log::open()?),
            failures: Mutex::default(),
        };
        let registration = ["sync", "async"][self.number as usize / 2 % 2];
        self.load("async_probe", "")?;
        self.load(
            "slow_bus",
            &format!("devices=8 registration={registration}"),
        )?;

        self.operate(&shared, &mut findings);
        let closed = watch(self.threads, "looking for all devices", || {
            self.account(&shared, &mut findings)
        })
        .and_then(|()| self.unload(&mut findings));
        if let Err(failure) = closed {
            // Later findings follow from this one.
            findings.leftovers.push(failure.to_string());
            findings.leftovers.extend(machine::leftovers());
        }

        let mut log = lock(&shared.log);
        log.read()?;
        let events = log.events();
        let life = Life::new(log.printed().to_vec(), probing());
        for law in [&one_at_a_time::LAW, &probe_remove_probe::LAW] {
            if let Verdict::Broken(violation) = law.verdict(&life) {
                findings.events.push(violation.to_string());
            }
        }
        let under_way: Vec<_> = one_at_a_time::under_way(&life).into_iter().collect();
        if !under_way.is_empty() {
            findings.events.push(format!(
                "something is under way after all is unloaded: {}",
                under_way.join(", ")
            ));
        }
        let complaints = log
            .lines()
            .iter()
            .filter(|line| COMPLAINTS.iter().any(|text| line.contains(text)));
        findings.operations.extend(complaints.cloned());
        // The firmware is always there.
        let failed = events.iter().filter(|event| {
            matches!(
                event.what,
                What::ProbeEnded { ret, .. } | What::Ready { ret, .. } if ret != 0
            )
        });
        findings.operations.extend(failed.map(ToString::to_string));
        findings.probes = probes(events);
        findings.digest = (events.len(), digest(&log));
        findings
            .operations
            .extend(lock(&shared.failures).drain(..).take(ENOUGH));
        for text in findings.lists().into_iter().flatten() {
            *text = format!("round {} ({:?}): {text}", self.number, self.kind());
        }
        Ok(findings)
    }

    /// Has the threads do the operations, and looks after them.
    fn operate(&self, shared: &Shared, findings: &mut Findings) {
        thread::scope(|scope| {
            let workers: Vec<_> = (0..self.threads)
                .map(|thread| scope.spawn(move || self.work(thread, shared)))
                .collect();
            while workers.iter().any(|worker| !worker.is_finished()) {
                thread::sleep(LOOK);
                if let Err(failure) = lock(&shared.log).read() {
                    shared.stop.store(true, Ordering::Relaxed);
                    lock(&shared.failures).push(failure.to_string());
                }
            }
            for worker in workers {
                match worker.join() {
                    Ok(statistics) => {
                        for (key, times) in statistics {
                            *findings.statistics.entry(key).or_default() += times;
                        }
                    }
                    Err(_) => lock(&shared.failures).push("a thread panicked".to_owned()),
                }
            }
        });
    }

    fn work(&self, thread: u32, shared: &Shared) -> Statistics {
        let mut random = self.random(thread);
        let mut statistics = Statistics::new();
        let take = |left: u32| left.checked_sub(1);
        while !shared.stop.load(Ordering::Relaxed)
            && shared
                .left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                .is_ok()
        {
            let operation = Operation::draw(self.kind(), shared, &mut random);
            let what = operation.to_string();
            let result = watch(thread, &what, || {
                operation.carry_out(self.directory, shared)
            });

            let said = say(result);
            let line = format!("thread {thread}: {what}: {said}");
            if !operation.may(result, self.kind()) {
                lock(&shared.failures).push(line.clone());
            }
            watchdog::note(line);
            *statistics.entry((operation.name(), said)).or_default() += 1;
            // The kernel's log is short: each operation makes room for the next.
            if let Ok(mut log) = shared.log.try_lock() {
                if let Err(failure) = log.read() {
                    shared.stop.store(true, Ordering::Relaxed);
                    lock(&shared.failures).push(failure.to_string());
                }
            }
        }
        statistics
    }

    /// Compares the devices that are there with those that must be, when all is quiet.
    fn account(&self, shared: &Shared, findings: &mut Findings) -> Result<(), Failure> {
        let lost = &mut findings.devices;
        let mut say = |text: String| lost.push(text);

        if self.kind() == Kind::Unloading {
            self.load("async_probe", "")?;
            self.load("slow_bus", "devices=3")?;
        }

        // Asynchronous work ends.
        let registered =
            wait_for(|| machine::count().is_ok_and(|count| count == BUS.devices().len() as i64));
        let (count, devices) = (machine::count(), BUS.devices());
        if !registered {
            say(format!("count is {count:?}, but sysfs has {devices:?}"));
        }
        let population = shared.population.load(Ordering::Relaxed);
        if self.kind() != Kind::Unloading && count != Ok(population) {
            say(format!(
                "by what was added and removed there are {population} devices, count is {count:?}"
            ));
        }
        if self.kind() == Kind::Gentle && modules::is_loaded("slow_bus_driver") {
            // No further call binds them.
            let bound = wait_for(|| machine::devices_bound(false).is_empty());
            if !bound {
                say(format!(
                    "never bound to the driver that is loaded: {:?}",
                    machine::devices_bound(false)
                ));
            }
        }

        let answer = machine::write(&format!("{}/drivers_autoprobe", BUS.path), "1");
        succeeds("a write to drivers_autoprobe", answer)?;
        for module in ["slow_bus_driver", "slow_platform_driver"] {
            match modules::rmmod(module)? {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(errno) => findings
                    .leftovers
                    .push(format!("rmmod {module} with nothing under way: {errno}")),
            }
        }
        let bound = machine::devices_bound(true);
        if !bound.is_empty() {
            say(format!("bound without a driver: {bound:?}"));
        }

        let designs = designs();
        let design = designs[self.number as usize % designs.len()];
        self.load("slow_bus_driver", &format!("design={design} firmware_ms=1"))?;
        if !wait_for(|| machine::devices_bound(false).is_empty()) {
            say(format!(
                "not bound by design={design}: {:?}",
                machine::devices_bound(false)
            ));
        }
        if BUS.devices() != devices {
            say(format!(
                "the driver has changed the devices from {devices:?} to {:?}",
                BUS.devices()
            ));
        }
        Ok(())
    }

    /// Unloads everything in one of the right orders, having tried a wrong one.
    fn unload(&self, findings: &mut Findings) -> Result<(), Failure> {
        let left = &mut findings.leftovers;
        let mut random = self.random(self.threads);

        for module in ["slow_platform_devices", "slow_platform_driver"] {
            let parameters = if module == "slow_platform_driver" {
                "firmware_ms=1"
            } else {
                "devices=3"
            };
            match self.insmod(module, parameters)? {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => left.push(format!("insmod {module} with nothing under way: {errno}")),
            }
        }
        for module in ["async_probe", "slow_bus"] {
            if let Err(seen) = expect(self.rmmod(module)?, Err(Errno::EWOULDBLOCK)) {
                left.push(format!("rmmod {module} while it is used: {seen}"));
            }
        }
        for module in unloading_order(&mut random) {
            if let Err(seen) = expect(self.rmmod(module)?, Ok(())) {
                left.push(format!("rmmod {module}: {seen}"));
            }
        }
        left.extend(machine::leftovers());
        Ok(())
    }
}

fn expect(result: Result<(), Errno>, expected: Result<(), Errno>) -> Result<(), String> {
    if result == expected {
        Ok(())
    } else {
        Err(say(result))
    }
}

/// Waits until it is so, for 30 seconds at most; whether it is.
fn wait_for(is_so: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + SETTLED;
    while !is_so() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(LOOK);
    }
    true
}

/// The number of probes, and of those that were followed by a remove at once.
fn probes(events: &[Event]) -> (usize, usize) {
    let mut ended = BTreeMap::new();
    let (mut all, mut chased) = (0, 0);
    for event in events {
        let Some(device) = event.what.device() else {
            continue;
        };
        match event.what {
            What::ProbeEnded { .. } => {
                all += 1;
                ended.insert(device, event.time);
            }
            What::Removing { .. } => {
                let at_once = |ended: Micros| event.time.0 - ended.0 < AT_ONCE;
                chased += usize::from(ended.remove(device).is_some_and(at_once));
            }
            _ => {}
        }
    }
    (all, chased)
}

/// FNV-1a of the log and of the times of its events.
fn digest(log: &Log) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    for event in log.events() {
        add(&event.time.0.to_le_bytes());
    }
    for line in log.lines() {
        add(line.as_bytes());
    }
    hash
}
