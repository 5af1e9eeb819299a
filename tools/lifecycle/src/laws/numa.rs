// SPDX-License-Identifier: GPL-2.0

//! An asynchronous probe is queued for the node of its device.

use std::collections::{BTreeMap, HashMap};

use super::prelude::*;

/// The law.
pub static LAW: Law = Law {
    name: "numa",
    promise: "An asynchronous probe is queued for the NUMA node of its device. On which CPU it then \
              runs is not promised.",
    kernel: "include/linux/async.h: async_schedule_dev(), and kernel/async.c: \
             async_schedule_dev_nocall(), pass dev_to_node() on to queue_work_node(), which \
             kernel/workqueue.c calls best effort. Where memory is short the probe runs in the caller, \
             and is queued nowhere.",
    mend: "A device whose node is set after it was registered is probed on another node. Call \
           set_dev_node() before device_add().",
    // No log shows the nodes of devices: a test reads them in sysfs.
    needs: &[Sight::AsyncWork, Sight::Expectation],
    check: |_| Ok(0),
    mutants: &[Mutant::live("node_is_forgotten")],
};

/// Judges every async probe of these devices, given with their nodes, -1 for none, and returns how
/// many there were.
///
/// # Errors
///
/// How the law was broken.
pub fn check(life: &Life, nodes: &BTreeMap<String, i32>) -> Result<usize, Violation> {
    let court = Court::of(LAW.name, life);
    let mut tasks: HashMap<Option<usize>, Vec<&Span>> = HashMap::new();
    for span in &life.spans {
        if matches!(span.kind, Kind::Queued | Kind::Scheduled) {
            tasks.entry(span.task).or_default().push(span);
        }
    }
    let mut cases = 0;
    for probe in life.async_probes() {
        let scheduled = &life.spans[probe.scheduled];
        let Some(run) = probe.run.map(|run| &life.spans[run]) else {
            continue;
        };
        let device = life.device_of(run);
        let (false, Some(node)) = (run.task == scheduled.task, nodes.get(device)) else {
            continue;
        };
        cases += 1;
        let of_task = tasks.get(&scheduled.task).map_or(&[][..], Vec::as_slice);
        let after = of_task.partition_point(|span| span.began <= scheduled.began);
        let next = of_task.get(after).filter(|next| next.kind == Kind::Queued);
        court.demand(
            next.is_some_and(|queued| queued.facts.node == Some(*node)),
            format!("the async probe of {device} to be queued for node {node}"),
            &[
                scheduled.began,
                next.map_or(usize::MAX, |queued| queued.began),
            ],
        )?;
    }
    Ok(cases)
}
