// SPDX-License-Identifier: GPL-2.0

//! An async probe runs on the node of its device.
//!
//! `include/linux/async.h`, `async_schedule_dev()` passes the device's node on;
//! `kernel/async.c` queues the work there (`queue_work_node()`).
//!
//! Needs a machine with two nodes or more.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use lifecycle::recording::{spans, Point};
use selftests::recorder::Recorder;
use selftests::{ensure, ktap, Bench, Failure, Test};

const MODULE: &str = "kthread_probe";
const DEVICES: usize = 8;

/// The node of a CPU.
fn node_of(cpu: u32) -> Option<u32> {
    (0..1024)
        .find(|node| Path::new(&format!("/sys/devices/system/cpu/cpu{cpu}/node{node}")).exists())
}

/// The nodes that have CPUs.
fn nodes() -> BTreeSet<u32> {
    (0..4096)
        .take_while(|cpu| Path::new(&format!("/sys/devices/system/cpu/cpu{cpu}")).exists())
        .filter_map(node_of)
        .collect()
}

fn numa(bench: &mut Bench, parameters: &str) -> Result<(), Failure> {
    let nodes = nodes();
    if nodes.len() < 2 {
        return Err(Failure::Skip("needs two nodes with processors".to_owned()));
    }
    let recorder = Recorder::start()?;
    bench.insmod(
        MODULE,
        &format!("devices={DEVICES} spread prefer_async=1 firmware_ms=500 {parameters}"),
    )?;
    let mut expected = Vec::new();
    for device in 0..DEVICES {
        let path = format!("/sys/devices/platform/{MODULE}.{device}/numa_node");
        let node =
            std::fs::read_to_string(&path).map_err(|error| Failure::io("read", &path, error))?;
        expected.push((
            format!("{MODULE}.{device}"),
            node.trim().parse::<u32>().ok(),
        ));
    }
    ensure(
        "the nodes of the devices",
        &expected.iter().filter_map(|(_, node)| *node).collect(),
        &nodes,
    )?;
    bench.rmmod(MODULE)?;
    let recording = recorder.judge()?;
    let spans = spans(&recording.events);
    let mut ran: Vec<_> = spans
        .iter()
        .filter(|span| span.point == Point::Probe)
        .map(|probe| (probe.device().to_owned(), node_of(probe.cpu)))
        .collect();
    ran.sort();
    ensure("the nodes of the probes", &ran, &expected)
}

fn main() -> ExitCode {
    let tests = [
        ("plain insmod", ""),
        ("insmod with async_probe", "async_probe"),
    ];
    let tests = tests.map(|(name, parameters)| {
        Test::new(format!("numa: {name}"), move |bench| {
            numa(bench, parameters)
        })
    });
    ktap::run(tests.into())
}
