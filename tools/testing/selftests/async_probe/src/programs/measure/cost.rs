// SPDX-License-Identifier: GPL-2.0

//! The cost of a device, in Rust and in C.

use std::fs;
use std::time::Duration;

use bench::cost::{Call, Cost, Language, Twins};

use super::system::{insmod, rmmod, settle, Result};
use crate::kmsg::Log;

/// How long the system is left alone, until objects that are freed late are free.
const SETTLE: Duration = Duration::from_millis(500);

pub(crate) fn cost(twins: Twins, language: Language, devices: usize) -> Result<Cost> {
    let modules = twins.modules(language);
    let attach = match modules.parent {
        Some(parent) => format!("driver={} parent={parent}", modules.driver_name),
        None => format!("driver={}", modules.driver_name),
    };

    settle(SETTLE)?;
    let mut log = Log::open()?;
    let before = slab_bytes()?;
    insmod(modules.devices, &format!("devices={devices}"))?;
    if let Some(driver) = modules.driver {
        insmod(driver, "")?;
    }
    insmod("bench_attach", &attach)?;
    rmmod("bench_attach")?;
    settle(SETTLE)?;
    let bound = slab_bytes()?;
    insmod("bench_attach", &format!("{attach} unbind_all=1"))?;
    rmmod("bench_attach")?;
    settle(SETTLE)?;
    let unbound = slab_bytes()?;
    if let Some(driver) = modules.driver {
        rmmod(driver)?;
    }
    rmmod(modules.devices)?;

    log.read()?;
    let lines = log.lines();
    let find = |call: Call| {
        lines
            .iter()
            .find_map(|line| ns(line, call))
            .ok_or_else(|| format!("{twins}, {language:?}: no line of `{call}` in the log"))
    };
    let mean = |ns: u64| ns / devices as u64;
    let each = |bytes: i64| bytes / devices as i64;
    Ok(Cost {
        twins,
        language,
        devices,
        add_ns: mean(find(Call::Add)?),
        match_ns: find(Call::Match)?,
        bind_ns: find(Call::Bind)?,
        unbind_ns: find(Call::Unbind)?,
        remove_ns: mean(find(Call::Remove)?),
        device_bytes: each(unbound - before),
        bound_bytes: each(bound - unbound),
    })
}

/// Reads `bench_attach: call=bind driver=d devices=10 ns=17297`.
fn ns(line: &str, call: Call) -> Option<u64> {
    let (_, fields) = line.split_once(&format!("call={call} "))?;
    fields
        .split_whitespace()
        .find_map(|field| field.strip_prefix("ns="))?
        .parse()
        .ok()
}

/// The memory of all slab objects in use.
fn slab_bytes() -> Result<i64> {
    let path = "/proc/slabinfo";
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let mut bytes = 0;
    for line in text.lines().skip(2) {
        let mut fields = line.split_whitespace().skip(1);
        let active: i64 = fields.next().unwrap_or_default().parse()?;
        let size: i64 = fields.nth(1).unwrap_or_default().parse()?;
        bytes += active * size;
    }
    Ok(bytes)
}
