// SPDX-License-Identifier: GPL-2.0

//! An async probe is queued for the node of its device, whether the driver or the device comes
//! second.
//!
//! `include/linux/async.h`, `async_schedule_dev()`, and `kernel/async.c`,
//! `async_schedule_dev_nocall()`. Where the probes then ran is said with the result: the kernel
//! promises no more than its best effort.
//!
//! Needs a machine with two nodes or more.

//@ boots: two_nodes

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use lifecycle::laws::numa;
use lifecycle::life::Kind;

use crate::slow::slow_ms;
use crate::{ensure, skip, sysfs, Bench, Failure, Test};

const MODULE: &str = "kthread_probe";
const DEVICES: usize = 8;

/// The node of a CPU.
fn node_of(cpu: u32) -> Option<i32> {
    (0..1024)
        .find(|node| Path::new(&format!("/sys/devices/system/cpu/cpu{cpu}/node{node}")).exists())
}

/// The nodes that have CPUs.
fn nodes() -> BTreeSet<i32> {
    (0..4096)
        .take_while(|cpu| Path::new(&format!("/sys/devices/system/cpu/cpu{cpu}")).exists())
        .filter_map(node_of)
        .collect()
}

/// The devices with their nodes, as sysfs has them.
fn devices() -> Result<BTreeMap<String, i32>, Failure> {
    (0..DEVICES)
        .map(|device| {
            let name = format!("{MODULE}.{device}");
            let path = format!("/sys/devices/platform/{name}/numa_node");
            let node = sysfs::read(&path)?;
            let node = node
                .parse()
                .map_err(|_| Failure::assertion(format!("a node in {path}"), &node))?;
            Ok((name, node))
        })
        .collect()
}

fn test(bench: &mut Bench, parameters: &str) -> Result<(), Failure> {
    let nodes = nodes();
    if nodes.len() < 2 {
        return skip("needs two nodes with processors");
    }
    bench.record()?;
    bench.insmod(
        MODULE,
        &format!(
            "devices={DEVICES} spread prefer_async=1 firmware_ms={} {parameters}",
            slow_ms()
        ),
    )?;
    let devices = devices()?;
    ensure(
        "the nodes of the devices",
        &devices.values().copied().collect(),
        &nodes,
    )?;
    bench.rmmod(MODULE)?;

    let recording = bench.recording()?;
    let life = &recording.life;
    let cases = numa::check(life, &devices)?;
    ensure("async probes", &cases, &DEVICES)?;
    let there = life
        .of(Kind::Probe)
        .filter(|(_, probe)| {
            let node = probe.cpu.and_then(node_of);
            node.as_ref() == devices.get(life.device_of(probe))
        })
        .count();
    bench.comment(format!(
        "{there} of {DEVICES} probes began on the node of their device"
    ));
    Ok(())
}

pub(crate) fn tests() -> Vec<Test> {
    let tests = [
        ("the driver comes second", ""),
        ("the devices come second", "devices_last"),
        ("insmod with async_probe", "async_probe"),
    ];
    let tests = tests.map(|(name, parameters)| {
        Test::new(format!("numa: {name}"), move |bench| {
            test(bench, parameters)
        })
    });
    tests.into()
}
