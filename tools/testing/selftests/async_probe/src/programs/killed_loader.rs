// SPDX-License-Identifier: GPL-2.0

//! SIGKILL to the loader during a synchronous probe that creates a kernel thread makes that probe
//! fail with `EINTR`, and all unwinds; an asynchronous probe is untouched.
//!
//! With the constants of 2014: udev killed a worker 30 seconds after it had started, and the
//! firmware takes 60. `kernel/kthread.c`, `__kthread_create_on_node()` waits for the new thread
//! unless it is killed; an async worker never is.
//!
//! The program is its own worker: with `--load FILE PARAMETERS` it loads a module and ends.

//@ boots: two_nodes

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::{mpsc, Mutex};
use std::time::{Duration, Instant};

use lifecycle::life::Kind;
use lifecycle::{errno, Life};
use nix::errno::Errno;
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;

use crate::modules::{self, Insmod};
use crate::{ensure, ktap, skip, sysfs, Bench, Failure, Test};

const MODULE: &str = "kthread_probe";
const DEVICE: &str = "kthread_probe.0";

/// When udev killed a worker, from its start.
const KILLED_AFTER: Duration = Duration::from_secs(30);

/// How long the firmware takes.
const FIRMWARE: Duration = Duration::from_secs(60);

/// How often a probe is tried that may have its kernel thread in time.
const ATTEMPTS: u32 = 3;

/// One life of the driver.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    parameters: &'static str,
    /// How the probe ends.
    ret: i32,
    /// Whether the worker still waits when it is to be killed.
    killed: bool,
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "sync",
        parameters: "prefer_async=0 kthread=0",
        ret: 0,
        killed: true,
    },
    Scenario {
        name: "sync, kernel thread",
        parameters: "prefer_async=0 kthread=1",
        ret: -(Errno::EINTR as i32),
        killed: true,
    },
    Scenario {
        name: "async, kernel thread",
        parameters: "prefer_async=1 kthread=1",
        ret: 0,
        killed: true,
    },
    Scenario {
        name: "async, kernel thread, async_probe",
        parameters: "prefer_async=1 kthread=1 async_probe",
        ret: 0,
        killed: false,
    },
];

/// The outcome.
struct Outcome {
    /// How long the worker lived.
    worker: Duration,
    /// Result of the probe: 0 or a negative errno.
    ret: i32,
    /// How long the probe took.
    probe: Duration,
}

/// Loads the module in a worker that is killed as udev did, and waits for the probe. There is no
/// outcome if the kernel thread was there before the probe waited for it: the probe looks for a
/// signal only while it waits (`kernel/kthread.c`, `__kthread_create_on_node()`).
fn live(bench: &mut Bench, scenario: &Scenario) -> Result<Option<Outcome>, Failure> {
    modules::wait_until_gone(MODULE);
    bench.record()?;
    let program =
        std::env::current_exe().map_err(|error| Failure::io("find", "this program", error))?;
    let parameters = format!(
        "firmware_ms={} {}",
        FIRMWARE.as_millis(),
        scenario.parameters
    );
    let began = Instant::now();
    let mut worker = Command::new(&program)
        .arg0("killed_loader")
        .arg("--load")
        .arg(bench.module(MODULE))
        .arg(&parameters)
        .spawn()
        .map_err(|error| Failure::io("run", &program, error))?;
    bench.adopt(MODULE);
    let pid = i32::try_from(worker.id()).map_err(|error| Failure::assertion("a PID", error))?;
    let pid = Pid::from_raw(pid);
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || sender.send(worker.wait()));
    let ended = ended.recv_timeout(KILLED_AFTER).or_else(|_| {
        // If it has ended just now, there is no such process.
        let _ = kill(pid, Signal::SIGKILL);
        ended.recv()
    });
    let status = ended
        .map_err(|_| Failure::assertion("the worker to end", "a panic"))?
        .map_err(|error| Failure::io("wait for", "the worker", error))?;
    let lived = began.elapsed();
    ensure(
        "the worker to be killed",
        &(status.signal() == Some(Signal::SIGKILL as i32)),
        &scenario.killed,
    )?;
    // The probe goes on without its loader where it is asynchronous.
    std::thread::sleep((FIRMWARE + Duration::from_secs(5)).saturating_sub(began.elapsed()));

    if scenario.ret != 0 && bound() {
        bench.rmmod(MODULE)?;
        bench.recording()?;
        return Ok(None);
    }
    if scenario.ret == 0 {
        ensure("whether the device is bound", &bound(), &true)?;
    } else {
        // Without a killed loader the same probe succeeds.
        sysfs::put(format!("/sys/module/{MODULE}/parameters/firmware_ms"), "0")?;
        sysfs::put(format!("/sys/bus/platform/drivers/{MODULE}/bind"), DEVICE)?;
        ensure("whether the device is bound by hand", &bound(), &true)?;
    }
    bench.rmmod(MODULE)?;
    let recording = bench.recording()?;
    recording.demand("one_at_a_time", if scenario.ret == 0 { 1 } else { 2 })?;
    recording.demand("killed_loader", usize::from(scenario.ret != 0))?;
    first_probe(&recording.life, lived).map(Some)
}

/// The probe that the worker set off.
fn first_probe(life: &Life, worker: Duration) -> Result<Outcome, Failure> {
    let mut probes = life.of(Kind::Probe);
    let probe = probes.find(|(_, probe)| life.device_of(probe) == DEVICE);
    let outcome = probe.and_then(|(at, probe)| {
        Some(Outcome {
            worker,
            ret: probe.ret?,
            probe: Duration::from_micros(life.length(at).0),
        })
    });
    outcome.ok_or_else(|| Failure::assertion(format!("a probe of {DEVICE}"), "none"))
}

fn bound() -> bool {
    Path::new(&format!("/sys/bus/platform/drivers/{MODULE}/{DEVICE}")).exists()
}

fn killed_loader(bench: &mut Bench, scenario: &Scenario) -> Result<(), Failure> {
    if !bench.module(MODULE).is_file() {
        return skip(format!("no {MODULE}.ko"));
    }
    let mut lives = (0..ATTEMPTS).filter_map(|_| live(bench, scenario).transpose());
    let none = || Failure::assertion("the probe to fail", format!("not in {ATTEMPTS} attempts"));
    let outcome = lives.next().unwrap_or_else(|| Err(none()))?;
    if let Ok(mut table) = TABLE.lock() {
        table.push(format!(
            "{:<34} {:>10.3} s {:>8.3} s {:>8}",
            scenario.name,
            outcome.worker.as_secs_f64(),
            outcome.probe.as_secs_f64(),
            errno::name(outcome.ret)
        ));
    }
    ensure("the result of the probe", &outcome.ret, &scenario.ret)?;
    ensure(
        "whether the worker lived until its probe had ended",
        &(outcome.worker >= FIRMWARE),
        &scenario.killed,
    )
}

/// Rows of the table, one for each scenario that has been run.
static TABLE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The outcomes of all scenarios, in one table.
fn side_by_side(bench: &mut Bench) -> Result<(), Failure> {
    let rows = TABLE.lock().map(|table| table.clone()).unwrap_or_default();
    if rows.len() < SCENARIOS.len() {
        return skip("not all of the others were run");
    }
    bench.figure(format!(
        "{:<34} {:>12} {:>10} {:>8}",
        "loader killed after 30 s", "loader lived", "probe took", "result"
    ));
    for row in rows {
        bench.figure(row);
    }
    Ok(())
}

/// The worker: loads the module, as `modprobe` in a rule of udev.
fn load(file: &str, parameters: &str) -> ExitCode {
    match Insmod::prepare(Path::new(file), parameters).map(|insmod| insmod.call()) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

pub(crate) fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [load_word, file, parameters] = arguments.as_slice() {
        if load_word == "--load" {
            return load(file, parameters);
        }
    }
    let tests = SCENARIOS.iter().map(|scenario| {
        Test::new(format!("killed_loader: {}", scenario.name), move |bench| {
            killed_loader(bench, scenario)
        })
    });
    let last = Test::new("killed_loader: side by side", side_by_side);
    ktap::run(tests.chain([last]).collect())
}
