// SPDX-License-Identifier: GPL-2.0

//! `probe-analyze collect`: what a boot left behind, in one file that can be sent to someone else.
//!
//! The file is a recording. Other texts that explain it are parts of it, before its seal.

pub mod anonymise;

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use lifecycle::parse::recording::{parse, part, seal};
use lifecycle::Micros;
use nix::libc::O_NONBLOCK;

use crate::cli::Collect;
use crate::error::{Error, Kind, Result};
use crate::record::unavailable;
use crate::{file, output};

use anonymise::Anonymiser;

/// The texts that are collected from files.
const FILES: &[(&str, &str)] = &[
    ("cmdline", "/proc/cmdline"),
    ("modules", "/proc/modules"),
    ("deferred", "/sys/kernel/debug/devices_deferred"),
    ("os-release", "/etc/os-release"),
];

/// The texts that programs print, where there are such programs.
const PROGRAMS: &[(&str, &[&str])] = &[
    ("systemd-time", &["systemd-analyze", "time"]),
    ("systemd-blame", &["systemd-analyze", "blame", "--no-pager"]),
    (
        "systemd-critical-chain",
        &["systemd-analyze", "critical-chain", "--no-pager"],
    ),
    (
        "systemd-units",
        &[
            "systemctl",
            "show",
            "--no-pager",
            "--property=Id,InactiveExitTimestampMonotonic,ActiveEnterTimestampMonotonic",
            "*",
        ],
    ),
];

/// Files whose contents identify the machine.
const IDENTITIES: &[(&str, &str)] = &[
    ("host", "/proc/sys/kernel/hostname"),
    ("serial", "/sys/class/dmi/id/product_serial"),
    ("serial", "/sys/class/dmi/id/board_serial"),
    ("serial", "/sys/class/dmi/id/chassis_serial"),
    ("uuid", "/sys/class/dmi/id/product_uuid"),
    ("asset", "/sys/class/dmi/id/chassis_asset_tag"),
    ("serial", "/proc/device-tree/serial-number"),
    ("uuid", "/etc/machine-id"),
];

/// Directories in which each entry may have files whose contents identify the machine.
const DEVICES: &[(&str, &[&str])] = &[
    ("/sys/block", &["device/serial", "device/wwid", "wwid"]),
    ("/sys/bus/usb/devices", &["serial"]),
    ("/sys/class/net", &["address"]),
];

/// Collects, and writes the file.
///
/// # Errors
///
/// [`Kind::Unrecordable`] if the kernel was not booted to record itself, [`Kind::Log`] if what it
/// recorded is not whole, [`Kind::Storage`] if the file cannot be written.
pub fn run(args: &Collect) -> Result<()> {
    file::check(&args.output)?;
    let recording = recorder::boot::recording().map_err(|error| match error {
        recorder::Error::Unavailable(why) => Error::new(
            Kind::Unrecordable,
            "there is no recording of the boot",
            why,
            "run `probe-analyze boot-line`, boot with what it prints, and run this again as root",
        ),
        error => unavailable(error),
    })?;
    let mut parts = collected();
    let recording = if args.anonymise {
        let mut anonymiser = Anonymiser::knowing(&identities());
        anonymiser.learn(&recording);
        for (_, text) in &parts {
            anonymiser.learn(text);
        }
        for (_, text) in &mut parts {
            *text = anonymiser.replace(text);
        }
        anonymiser.replace(&recording)
    } else {
        recording
    };
    let parts_text: String = parts.iter().map(|(name, text)| part(name, text)).collect();
    let text = seal(recording + &parts_text);
    let events = parse(&text).map_err(|refusal| {
        Error::new(
            Kind::Log,
            "the recording of the boot is not whole, and was not written",
            refusal.to_string(),
            "boot again with a larger buffer: trace_buf_size=32M in the place of 8M",
        )
    })?;
    file::write(&args.output, &text)?;
    let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
    if args.json {
        output::json(&serde_json::json!({
            "file": args.output, "events": events.len(), "parts": names,
        }))?;
    } else if !args.quiet {
        output::note(&format!(
            "{} events, and {}, in {out}; probe-analyze report {out} shows them",
            events.len(),
            names.join(", "),
            out = args.output.display(),
        ));
        if !args.anonymise {
            output::note(
                "the file has serial numbers, addresses and the name of this machine; --anonymise \
                 replaces them",
            );
        }
    }
    Ok(())
}

/// All texts that are there.
fn collected() -> Vec<(&'static str, String)> {
    let mut parts = vec![];
    parts.extend(dmesg().map(|text| ("dmesg", text)));
    for (name, path) in FILES {
        parts.extend(fs::read_to_string(path).ok().map(|text| (*name, text)));
    }
    parts.push(("devices", devices()));
    for (name, command) in PROGRAMS {
        let output = Command::new(command[0]).args(&command[1..]).output();
        // systemd-analyze fails until the boot is finished.
        let text = output.ok().filter(|output| output.status.success());
        let text = text.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        parts.extend(text.map(|text| (*name, text)));
    }
    parts.retain(|(_, text)| !text.is_empty());
    parts
}

/// Where the devices of all buses are below `/sys/devices`.
fn devices() -> String {
    let entries = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten();
    let links = entries(Path::new("/sys/bus")).flat_map(|bus| entries(&bus.path().join("devices")));
    let paths = links.filter_map(|link| fs::read_link(link.path()).ok());
    let mut paths: Vec<String> = paths
        .filter_map(|path| Some(path.to_str()?.rsplit_once("../devices/")?.1.to_owned() + "\n"))
        .collect();
    paths.sort();
    paths.concat()
}

/// The kernel's log, as `dmesg` prints it.
fn dmesg() -> Option<String> {
    let mut kmsg = OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open("/dev/kmsg")
        .ok()?;
    let mut text = String::new();
    // Records are of 8 KiB at most (`PRINTK_MESSAGE_MAX`, kernel/printk/internal.h).
    let mut record = vec![0; 8192];
    loop {
        match kmsg.read(&mut record) {
            // Records were overwritten before they were read.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Ok(0) | Err(_) => return Some(text),
            Ok(length) => {
                let record = String::from_utf8_lossy(&record[..length]);
                text += &line(&record).unwrap_or_default();
            }
        }
    }
}

/// `6,339,5140900,-;text` and lines with details, as a line of dmesg.
fn line(record: &str) -> Option<String> {
    let (head, rest) = record.split_once(';')?;
    let micros: u64 = head.split(',').nth(2)?.parse().ok()?;
    let text = rest.lines().next().unwrap_or_default();
    Some(format!("[{:>12}] {text}\n", Micros(micros).printk()))
}

/// What identifies this machine, as far as it tells.
fn identities() -> Vec<(&'static str, String)> {
    let mut words = vec![];
    for (kind, path) in IDENTITIES {
        words.extend(identity(kind, Path::new(path)));
    }
    for (directory, files) in DEVICES {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        for entry in entries {
            for file in *files {
                words.extend(identity("serial", &entry.path().join(file)));
            }
        }
    }
    words
}

fn identity(kind: &'static str, path: &Path) -> Option<(&'static str, String)> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim_end_matches('\0').trim().to_owned();
    (!text.is_empty()).then_some((kind, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_kmsg() {
        assert_eq!(
            line("6,339,5140900,-;NET: Registered protocol\n SUBSYSTEM=net\n").as_deref(),
            Some("[    5.140900] NET: Registered protocol\n")
        );
        assert_eq!(
            line("4,1,12000000001,c;a;b\n").as_deref(),
            Some("[12000.000001] a;b\n")
        );
        assert_eq!(line("nothing"), None);
    }
}
