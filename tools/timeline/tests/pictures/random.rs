// SPDX-License-Identifier: GPL-2.0

//! Random logs: devices that are probed, fail, have second phases and go, calls around them, and a
//! cut anywhere.

use lifecycle::Micros;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// The life of one device.
#[derive(Clone, Debug)]
struct Life {
    began: u64,
    firmware: Option<(u64, i32)>,
    probe: u64,
    ret: i32,
    second: Option<u64>,
    removed: Option<u64>,
    asynchronous: bool,
}

fn ret() -> impl Strategy<Value = i32> {
    prop_oneof![3 => Just(0), 1 => Just(-2), 1 => Just(-517)]
}

prop_compose! {
    fn life()(
        began in 0..2_000_000_u64,
        firmware in option::of((1..100_000_u64, ret())),
        probe in 0..1_000_000_u64,
        ret in ret(),
        second in option::of(0..1_000_000_u64),
        removed in option::of(0..1_000_000_u64),
        asynchronous in any::<bool>(),
    ) -> Life {
        Life { began, firmware, probe, ret, second, removed, asynchronous }
    }
}

impl Life {
    /// Its lines with their times.
    fn lines(&self, device: usize) -> Vec<(u64, String)> {
        let at = |time: u64, event: &str, rest: String| {
            let line = format!("async_probe: timing: {event} dev=d.{device} driver=d{rest}");
            (time, line)
        };
        let (pid, worker) = (100 + device % 40, device % 40);
        let (how, task) = if self.asynchronous {
            (1, format!("kworker/u8:{worker}"))
        } else {
            (0, format!("insmod-{worker}"))
        };
        let mut lines = vec![at(
            self.began,
            "probe_began",
            format!(" async={how} cpu=0 pid={pid} task={task}"),
        )];
        let ended = self.began + self.probe;
        if let Some((after, ret)) = self.firmware.filter(|(after, _)| *after <= self.probe) {
            let bytes = if ret == 0 { 24 } else { 0 };
            let rest = format!(" bytes={bytes} ret={ret} ms={}", Micros(after));
            lines.push(at(self.began + after, "firmware_arrived", rest));
        }
        let rest = format!(" ret={} ms={}", self.ret, Micros(self.probe));
        lines.push(at(ended, "probe_ended", rest));
        if self.ret != 0 {
            return lines;
        }
        let mut last = ended;
        if let Some(second) = self.second {
            last += second;
            let rest = format!(" ret=0 ms={}", Micros(last - self.began));
            lines.push(at(last, "ready", rest));
        }
        if let Some(removed) = self.removed {
            for (after, event) in ["removing", "unbound", "devres_released"]
                .iter()
                .enumerate()
            {
                lines.push(at(last + removed + after as u64, event, String::new()));
            }
        }
        lines
    }
}

/// A log, of seconds or of a few microseconds.
pub(crate) fn log() -> impl Strategy<Value = String> {
    let calls = vec((0..3_000_000_u64, 0..1_000_000_u64, 1..4_u32), 0..4);
    let tight = any::<bool>();
    (vec(life(), 0..60), calls, 0..=100_usize, 0..4_u64, tight)
        .prop_map(|(lives, calls, cut, jitter, tight)| write(lives, calls, cut, jitter, tight))
}

fn write(
    lives: Vec<Life>,
    calls: Vec<(u64, u64, u32)>,
    cut: usize,
    jitter: u64,
    tight: bool,
) -> String {
    let time = |time: u64| if tight { time % 20 } else { time };
    let lives = lives.into_iter().map(|life| Life {
        began: time(life.began),
        firmware: life.firmware.map(|(after, ret)| (time(after), ret)),
        probe: time(life.probe),
        second: life.second.map(time),
        removed: life.removed.map(time),
        ..life
    });
    let mut lines: Vec<(u64, String)> = lives
        .enumerate()
        .flat_map(|(device, life)| life.lines(device))
        .collect();
    // A task is in one call at a time.
    let mut free = [0; 4];
    for (number, (began, took, pid)) in calls.into_iter().enumerate() {
        let free = &mut free[pid as usize];
        let (began, took) = (time(began).max(*free), time(took));
        *free = began + took;
        let call = format!("call=insmod on=m{number} pid={pid}");
        lines.push((began, format!("lifecycle: call_began {call}")));
        let returned = format!("lifecycle: call_returned {call} ret=0");
        lines.push((began + took, returned));
    }
    lines.sort_by_key(|(time, _)| *time);
    lines.truncate(lines.len() * cut / 100);
    lines
        .into_iter()
        .enumerate()
        .map(|(at, (time, line))| {
            // Two CPUs may stamp neighbouring lines a little out of order.
            let time = 1_000_000 + time - jitter * u64::from(at % 3 == 0);
            format!("[{:>12}] {line}\n", Micros(time).printk())
        })
        .collect()
}
