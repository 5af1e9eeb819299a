// SPDX-License-Identifier: GPL-2.0

//! The recorder sees all of a driver's life, names a function that it cannot record, notices a
//! loss, and leaves nothing behind.

//@ plain: it begins and ends recordings itself
//@ boots: two_nodes

use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;

use lifecycle::event::definitions::DEFINITIONS;
use lifecycle::event::point::{Definition, Point, Returns};
use lifecycle::parse::recording as text;
use lifecycle::parse::refusal::Reason;
use lifecycle::{ProbeType, What};
use nix::kmod::{delete_module, DeleteModuleFlags};
use recorder::Recorder;

use crate::recording::{events, judge};
use crate::samples::{Driver, PLATFORM};
use crate::{ensure, sysfs, unmet, Bench, Failure, Order, Test};

const DEVICES: usize = 3;

/// All that the recorder may change.
pub(crate) fn tracing() -> Result<Vec<String>, Failure> {
    let top = "/sys/kernel/tracing";
    let mut state = Vec::new();
    for file in [
        "kprobe_events",
        "saved_cmdlines_size",
        "tracing_on",
        "trace_clock",
    ] {
        state.push(sysfs::read(&format!("{top}/{file}"))?);
    }
    let instances = format!("{top}/instances");
    let names = fs::read_dir(&instances)
        .map_err(|error| Failure::io("read", instances, error))?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    state.extend(names);
    Ok(state)
}

/// Two points, as to record each takes 60 ms of guest time: what [`calls()`] passes, and the probe,
/// without which there is no recording.
fn few() -> Vec<Definition> {
    let few = |of: &&Definition| matches!(of.point, Point::Probe | Point::Rmmod);
    DEFINITIONS.iter().filter(few).copied().collect()
}

/// Makes system calls that do nothing but pass two recorded places.
fn calls(calls: u32) {
    for _ in 0..calls {
        // It fails, and that is all that it is for.
        let _ = delete_module(c"lifecycle-no-such-module", DeleteModuleFlags::O_NONBLOCK);
    }
}

fn life(bench: &mut Bench) -> Result<(), Failure> {
    let before = tracing()?;
    let (recorder, without) = Recorder::start_with_what_there_is()?;
    ensure("points that this kernel lacks", &without, &vec![])?;
    let driver = Driver::slow(ProbeType::PreferAsynchronous);
    bench.load(Order::DevicesFirst, DEVICES, driver, "")?;
    for module in [PLATFORM.module, PLATFORM.devices] {
        bench.rmmod(module)?;
    }
    let log = recorder.stop()?;
    ensure("tracefs afterwards", &tracing()?, &before)?;
    ensure("the points", &text::points(&log).len(), &DEFINITIONS.len())?;
    let recording = judge(text::parse(&log)?)?;

    recording.demand("one_at_a_time", DEVICES)?;
    recording.demand("uevent_order", 2 * DEVICES)?;
    recording.demand("insmod_waits", 1)?;
    recording.demand("register_returns", 1)?;
    // It stands at an offset of a structure of the kernel.
    let spans = recording.life.spans.iter();
    let types: Vec<_> = spans.filter_map(|span| span.facts.probe_type).collect();
    ensure(
        "the probe type of the driver",
        &types,
        &vec![ProbeType::PreferAsynchronous],
    )?;
    // The lines of the dmesg interface are among the events, those of userspace too. Two CPUs that
    // print at once may be seen in another order than they are logged.
    let printed = recording
        .life
        .events
        .iter()
        .map(|event| &event.what)
        .filter(|what| !matches!(what, What::Recorded(_)))
        .map(ToString::to_string)
        .collect::<BTreeSet<_>>();
    let logged = bench
        .printed()?
        .iter()
        .map(|event| event.what.to_string())
        .collect();
    ensure("the log in the recording", &printed, &logged)?;
    bench.comment(format!("{} events recorded", recording.life.events.len()));
    Ok(())
}

fn missing_function(bench: &mut Bench) -> Result<(), Failure> {
    let before = tracing()?;
    let missing = Definition {
        point: Point::Probe,
        event: "missing",
        function: "lifecycle_no_such_function",
        file: "nowhere.c",
        fetch: &[],
        returns: Returns::Nothing,
    };
    let points = [few(), vec![missing]].concat();
    let refusal = match Recorder::start_with(&points).map_err(Failure::from) {
        Err(Failure::Skip(reason)) => reason,
        other => return unmet("a refusal", format!("{other:?}")),
    };
    ensure(
        &format!("the name of the function in `{refusal}`"),
        &refusal.starts_with("recorder: cannot record lifecycle_no_such_function (nowhere.c): "),
        &true,
    )?;
    bench.comment(refusal);
    ensure("tracefs afterwards", &tracing()?, &before)
}

/// The kprobes of a kernel that records its boot have the names of the recorder's.
fn beside_a_boot(_bench: &mut Bench) -> Result<(), Failure> {
    let before = tracing()?;
    let change = |line: &str| {
        let file = "/sys/kernel/tracing/kprobe_events";
        sysfs::append(file, line).map_err(|error| Failure::io("append to", file, error))
    };
    ensure(
        "a boot that was not recorded",
        &matches!(
            recorder::boot::recording(),
            Err(recorder::Error::Unavailable(why)) if why.contains("kprobes/probe")
        ),
        &true,
    )?;
    change("p:kprobes/bound driver_bound")?;
    let refused = Recorder::start();
    change("-:kprobes/bound")?;
    ensure(
        "a refusal",
        &matches!(refused, Err(recorder::Error::Unavailable(why)) if why.contains("records itself")),
        &true,
    )?;
    ensure("tracefs afterwards", &tracing()?, &before)
}

fn only_one(_bench: &mut Bench) -> Result<(), Failure> {
    let first = Recorder::start_with(&few())?;
    let second = Recorder::start();
    ensure(
        "the second recorder",
        &matches!(second, Err(recorder::Error::Unavailable(_))),
        &true,
    )?;
    events(first).map(drop)
}

/// The smallest buffer is too small for the recording.
fn loss(_bench: &mut Bench) -> Result<(), Failure> {
    let recorder = Recorder::start_with(&few())?;
    sysfs::put("/sys/kernel/tracing/instances/life/buffer_size_kb", "4\n")?;
    calls(1000);
    let log = recorder.stop()?;
    let reason = text::parse(&log).map_err(|error| error.reason);
    ensure(
        "a recording that is not whole",
        &reason.err(),
        &Some(Reason::Lost),
    )
}

/// The cost of one event, on a system call that does nothing else, and whose beginning and return
/// are recorded: in nanoseconds, with virtual time of one instruction per nanosecond in
/// instructions.
fn cost(bench: &mut Bench) -> Result<(), Failure> {
    const CALLS: u32 = 1000;
    let measure = || {
        let began = Instant::now();
        calls(CALLS);
        (began.elapsed() / CALLS).as_nanos()
    };
    // Whatever happens the first time only has happened.
    measure();
    let without = measure();
    let recorder = Recorder::start_with(&few())?;
    let with = measure();
    events(recorder)?;
    bench.comment(format!(
        "delete_module of nothing takes {without} ns, under the recorder {with} ns"
    ));
    let unit = match std::env::var("ASYNC_PROBE_ICOUNT_SHIFT").as_deref() {
        Ok("0") => "instructions",
        _ => "ns",
    };
    bench.figure(format!(
        "cost per recorded event: {} {unit}",
        with.saturating_sub(without) / 2
    ));
    Ok(())
}

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("recorder: all of a life", life),
        Test::new(
            "recorder: names a function that is missing",
            missing_function,
        ),
        Test::new("recorder: not beside a boot's", beside_a_boot),
        Test::new("recorder: one at a time", only_one),
        Test::new("recorder: notices loss", loss),
        Test::new("recorder: cost per event", cost),
    ]
}
