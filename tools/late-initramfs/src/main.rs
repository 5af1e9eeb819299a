// SPDX-License-Identifier: GPL-2.0

//! Gives the lab the time to take a snapshot, then unpacks what the run brings. With `KPROBES` in
//! the environment the kprobes of the recorder are made first: to make them takes 0.9 s of the
//! processor, which the snapshot saves.
//!
//! The archive is in the memory of a device (ivshmem-plain). To read it takes instructions and
//! nothing else: no interrupt and no answer of the host, whose moment would be another one in each
//! run.

use std::fs::{self, File, Permissions};
use std::hint::black_box;
use std::io;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use cpio::newc::Reader;
use late_initramfs::{BOOTED, COUNTING, HEADER, NOTE, NOTHING, READING, SLOT};
use memmap2::{MmapMut, MmapOptions};
use recorder::Recorder;

/// The memory of the device. The second one is there on each kernel, but arm64 reads it at aligned
/// addresses only. The first one, which may be combined, is missing on x86 without
/// `CONFIG_X86_PAT`.
const MEMORY: [&str; 2] = ["resource2_wc", "resource2"];

/// After so long the kernel has optimized the kprobes (`kernel/kprobes.c`, `kprobe_optimizer()`).
/// It may do that on another processor, and a guest of which two processors run is not saved.
const OPTIMIZED: Duration = Duration::from_secs(1);

/// After so long another processor has written the line to the console. With KASAN that takes
/// longer than the lab takes to stop the machine.
const WRITTEN: Duration = Duration::from_millis(50);

/// How often the program counts, while the lab stops the machine: 0.15 s or more on the host. It
/// does nothing else, so that the place where it is stopped does not matter.
const COUNTS: u32 = 12_000_000;

/// The type in a mode.
const TYPE: u32 = 0o170_000;
const DIRECTORY: u32 = 0o040_000;
const SYMLINK: u32 = 0o120_000;

fn main() -> io::Result<()> {
    let device = PathBuf::from(format!("/sys/bus/pci/devices/0000:00:{SLOT}.0"));
    let mut memory = MEMORY.iter().map(|name| device.join(name));
    let Some(path) = memory.find(|path| path.exists()) else {
        // All that the run brings was in the initramfs.
        return Ok(());
    };
    if let Some(kprobes) = std::env::var_os("KPROBES") {
        // Where this kernel cannot be recorded, what the run brings will say so.
        let _ = Recorder::take_over(kprobes == "watches");
        sleep(OPTIMIZED);
    }
    println!("{BOOTED}");
    sleep(WRITTEN);
    let memory = File::options().read(true).write(true).open(path)?;
    let mut header = map(&memory, HEADER)?;
    black_box(&mut header)[NOTE] = COUNTING;
    for count in 0..COUNTS {
        black_box(count);
    }
    black_box(&mut header)[NOTE] = READING;
    let header = black_box(header);
    let length = header.first_chunk().copied().map_or(0, u64::from_le_bytes);
    if length == 0 {
        println!("{NOTHING}");
        return Ok(());
    }
    let length = usize::try_from(length).map_err(io::Error::other)?;
    unpack(&map(&memory, HEADER + length)?[HEADER..])
}

fn map(memory: &File, length: usize) -> io::Result<MmapMut> {
    // SAFETY: The host writes this memory before the guest goes on, and no more afterwards.
    unsafe { MmapOptions::new().len(length).map_mut(memory) }
}

fn unpack(archive: &[u8]) -> io::Result<()> {
    let mut rest = archive;
    loop {
        let reader = Reader::new(&mut rest)?;
        let entry = reader.entry();
        if entry.is_trailer() {
            return Ok(());
        }
        let (name, mode) = (format!("/{}", entry.name()), entry.mode());
        let size = entry.file_size() as usize;
        let (data, after) = rest
            .split_at_checked(size.next_multiple_of(4))
            .ok_or_else(|| io::Error::other("the archive is cut off"))?;
        rest = after;
        put(Path::new(&name), mode, &data[..size])?;
    }
}

fn put(path: &Path, mode: u32, data: &[u8]) -> io::Result<()> {
    if mode & TYPE == DIRECTORY {
        return fs::create_dir_all(path);
    }
    if path.symlink_metadata().is_ok() {
        fs::remove_file(path)?;
    }
    if mode & TYPE == SYMLINK {
        return symlink(String::from_utf8_lossy(data).as_ref(), path);
    }
    fs::write(path, data)?;
    fs::set_permissions(path, Permissions::from_mode(mode & !TYPE))
}
