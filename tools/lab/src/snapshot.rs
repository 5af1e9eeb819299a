// SPDX-License-Identifier: GPL-2.0

//! Guests that have booted, saved in the cache: another guest goes on from there.
//!
//! A snapshot is as good as a boot, to the byte of what the guest prints. The lab stops the machine
//! while one processor counts and the others sleep, so that the moment does not matter: the clock
//! of the guest is the number of its instructions. What the run brings comes in afterwards, as
//! memory that the guest reads. A snapshot is tried before it is kept.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crc32fast::Hasher;
use late_initramfs::{COUNTING, HEADER, NOTE, NOTHING, READING};
use nix::errno::Errno;
use nix::unistd::{lseek, Whence};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::cache::{digest, remove_tree, Cache, Lock};
use crate::error::{Error, IoContext, Kind, Result};
use crate::process::{check_interrupted, wait, Guarded};
use crate::progress::{note, Step};
use crate::qemu::{
    Bootable, Start, CONSOLE, ERRORS, INITRAMFS, LATE, LATE_MIB, MEMORY, OUT, RESULTS, SNAPSHOT,
    STATE,
};
use crate::qmp::Qmp;

/// All snapshots, in the cache.
const SNAPSHOTS: &str = "snapshots";

/// Changed when snapshots that others have taken cannot be used any more.
const FORMAT: &str = "3";

/// So many are kept; the one that was used last is the last to go.
const KEPT: usize = 10;

/// The snapshot, in the directory of its key.
const ENTRY: &str = "entry";

/// Why there is none, in that directory, if QEMU cannot save a device of the machine.
const REFUSED: &str = "refused";

/// The digests of its files, in the directory of the snapshot.
const SUMS: &str = "sums.json";

/// So often the lab tries to take one.
const ATTEMPTS: usize = 6;

/// How long a guest that was restored may take to say so.
const PATIENCE: Duration = Duration::from_secs(60);

/// A snapshot.
#[derive(Debug)]
pub(crate) struct Snapshot {
    dir: PathBuf,
}

impl Snapshot {
    /// The snapshot of this machine after a boot with this initramfs, taken first if it is missing.
    /// Says why if there is none; the guest boots then.
    ///
    /// # Errors
    ///
    /// [`Kind::Interrupted`] only.
    pub(crate) fn ensure(guest: &Bootable<'_>, initramfs: &[u8]) -> Result<Option<Self>> {
        match Self::find_or_take(guest, initramfs) {
            Err(error) if error.kind != Kind::Interrupted => {
                note(&format!(
                    "no snapshot, so the guest boots: {}: {}",
                    error.what, error.why
                ));
                Ok(None)
            }
            result => result,
        }
    }

    fn find_or_take(guest: &Bootable<'_>, initramfs: &[u8]) -> Result<Option<Self>> {
        let cache = Cache::locate()?;
        let key = format!("{SNAPSHOTS}/{}", key(guest, initramfs)?);
        let dir = cache.path(&key);
        if let Some(found) = Self::find(&dir)? {
            return Ok(Some(found));
        }
        if dir.join(REFUSED).exists() {
            return Ok(None);
        }
        let lock = cache.lock_part(&key)?;
        // Another run may have taken it meanwhile.
        if let Some(found) = Self::find(&dir)? {
            return Ok(Some(found));
        }
        let taken = take(guest, initramfs, &cache, &key, &lock)?;
        prune(&cache.path(SNAPSHOTS));
        Ok(taken)
    }

    /// The snapshot in the directory of a key, if it is there and whole.
    fn find(key: &Path) -> Result<Option<Self>> {
        let found = Self {
            dir: key.join(ENTRY),
        };
        if !found.dir.is_dir() {
            return Ok(None);
        }
        match found.damage() {
            None => {
                // For `prune()`; in a cache that cannot be written nothing is pruned.
                let _ = File::open(key.join("lock"))
                    .and_then(|lock| lock.set_modified(SystemTime::now()));
                Ok(Some(found))
            }
            Some(why) => {
                found.discard(&why)?;
                Ok(None)
            }
        }
    }

    /// Why it cannot be used, if it cannot.
    fn damage(&self) -> Option<String> {
        let read = || -> Result<Option<String>> {
            let path = self.dir.join(SUMS);
            let text = fs::read(&path).at(&path, "read")?;
            let sums: BTreeMap<String, Sum> = match serde_json::from_slice(&text) {
                Ok(sums) => sums,
                Err(error) => return Ok(Some(format!("{SUMS}: {error}"))),
            };
            for (name, sum) in &sums {
                if sum != &Sum::of(&self.dir.join(name))? {
                    return Ok(Some(format!("{name} is not as it was written")));
                }
            }
            Ok(None)
        };
        read().unwrap_or_else(|error| Some(error.why))
    }

    /// Throws it away, and says why.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] if it cannot be removed.
    pub(crate) fn discard(&self, why: &str) -> Result<()> {
        note(&format!("a snapshot is thrown away: {why}"));
        remove_tree(&self.dir)
    }

    /// A guest that has come to where it was saved, with its files in `out`, until it is told to
    /// [`go_on()`]. What the boot has printed comes first. None if QEMU cannot read the snapshot.
    ///
    /// # Errors
    ///
    /// [`Kind::Vm`] if QEMU cannot, [`Kind::Storage`] if a file cannot be read or written.
    pub(crate) fn restore(
        &self,
        guest: &Bootable<'_>,
        out: &Path,
    ) -> Result<Option<(Guarded, Qmp)>> {
        for name in [CONSOLE, RESULTS] {
            let path = out.join(name);
            fs::copy(self.dir.join(name), &path).at(&path, "write")?;
        }
        let (qemu, mut qmp) = start(guest, out, Start::Snapshot, Some(&self.dir))?;
        let state = json!({ "uri": format!("file:{SNAPSHOT}/{STATE}") });
        qmp.execute("migrate-incoming", state)?;
        Ok(migrated(&mut qmp)?.then_some((qemu, qmp)))
    }
}

/// Lets a guest that was restored go on.
///
/// # Errors
///
/// [`Kind::Vm`] if QEMU does not.
pub(crate) fn go_on(qmp: &mut Qmp) -> Result<()> {
    // That this fails is known. QEMU frees what the restoring has left behind before it says so
    // (system/qdev-monitor.c, drain_call_rcu()), and not while the guest runs.
    let _ = qmp.execute("device_add", json!({ "driver": "none" }));
    qmp.execute("cont", json!({})).map(drop)
}

/// What a snapshot depends on.
fn key(guest: &Bootable<'_>, initramfs: &[u8]) -> Result<String> {
    let image = guest.kernel.image();
    let arguments = guest.arguments(["", ""], Start::Save)?;
    let root = guest.env.root();
    let program = root.join("usr/bin").join(&arguments[0]);
    let qemu = program.metadata().at(&program, "find")?;
    let sum = |bytes: &[u8]| format!("{} {:08x}", bytes.len(), crc32fast::hash(bytes));
    Ok(digest(&[
        FORMAT.to_owned(),
        arguments.join("\0"),
        sum(&fs::read(&image).at(&image, "read")?),
        sum(initramfs),
        // The version of QEMU: of a package, the time is that of its build.
        format!("{} {} {}", root.display(), qemu.len(), qemu.mtime()),
    ]))
}

/// Boots, saves, and tries what was saved.
fn take(
    guest: &Bootable<'_>,
    initramfs: &[u8],
    cache: &Cache,
    key: &str,
    lock: &Lock,
) -> Result<Option<Snapshot>> {
    let step = Step::begin("booting once, for a snapshot");
    let room = u64::from(guest.machine.memory) + LATE_MIB;
    cache.need(room)?;
    let partial = cache.begin(&format!("{key}/{ENTRY}"), lock)?;
    for attempt in 1..=ATTEMPTS {
        step.message(&format!("attempt {attempt}"));
        match save(guest, initramfs, partial.path()) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(error) => {
                // For lack of room it is refused this time only.
                if error.what.contains(MIGRATE) && cache.need(room).is_ok() {
                    let path = cache.path(key).join(REFUSED);
                    fs::write(&path, &error.why).at(&path, "write")?;
                }
                return Err(error);
            }
        }
        let snapshot = Snapshot {
            dir: partial.path().to_owned(),
        };
        tried(guest, &snapshot)?;
        let path = partial.path().join(SUMS);
        let sums = serde_json::to_vec(&sums(partial.path())?).unwrap_or_default();
        fs::write(&path, sums).at(&path, "write")?;
        let dir = partial.finish()?;
        step.done();
        return Ok(Some(Snapshot { dir }));
    }
    Err(Error::new(
        Kind::Vm,
        "a snapshot cannot be taken",
        format!("in {ATTEMPTS} attempts the guest was not stopped in time: is the host busy?"),
        "run the same command again, or add SNAPSHOT=0",
    ))
}

/// The command of QEMU that some devices refuse.
const MIGRATE: &str = "migrate";

/// Boots until the guest counts, and saves that; tells whether it was stopped in time.
fn save(guest: &Bootable<'_>, initramfs: &[u8], dir: &Path) -> Result<bool> {
    let image = dir.join(INITRAMFS);
    fs::write(&image, initramfs).at(&image, "write")?;
    late(dir, &[])?;
    for name in [CONSOLE, RESULTS] {
        let path = dir.join(name);
        File::create(&path).at(&path, "write")?;
    }
    let (mut qemu, mut qmp) = start(guest, dir, Start::Save, None)?;
    qmp.execute("cont", json!({}))?;
    let patience = Duration::from_secs(guest.machine.wall_deadline.into());
    let counts = || noted(dir).map(|note| note >= COUNTING);
    wait_for(&mut qemu, "the guest does not boot", counts, patience)?;
    loop {
        qmp.execute("stop", json!({}))?;
        if noted(dir)? == READING {
            return Ok(false);
        }
        let registers = qmp.human("info registers -a")?;
        // On arm64 it does not tell which processors are asleep.
        let [shown, asleep] = ["HLT=", "HLT=1"].map(|flag| registers.matches(flag).count());
        if shown == 0 || shown == asleep + 1 {
            break;
        }
        // Another processor does work of the kernel's. A guest that is stopped twice is
        // microseconds off one that has booted.
        if guest.machine.exact {
            return Ok(false);
        }
        qmp.execute("cont", json!({}))?;
        thread::sleep(Duration::from_millis(1));
    }
    qmp.execute(MIGRATE, json!({ "uri": format!("file:{OUT}/{STATE}") }))?;
    if !migrated(&mut qmp)? {
        return Err(not_migrated());
    }
    qmp.execute("quit", json!({}))?;
    wait(&mut qemu, || ())?;
    for name in [INITRAMFS, LATE, ERRORS] {
        let path = dir.join(name);
        fs::remove_file(&path).at(&path, "remove")?;
    }
    Ok(true)
}

/// Waits until the guest has done something.
fn wait_for(
    qemu: &mut Guarded,
    otherwise: &str,
    done: impl Fn() -> Result<bool>,
    patience: Duration,
) -> Result<()> {
    let began = Instant::now();
    loop {
        let ended = qemu.try_wait()?;
        if done()? {
            return Ok(());
        }
        let why = match ended {
            // 128 and SIGBUS: memory that is a file finds no room.
            Some(status) if status.code() == Some(135) => "the disk is full".to_owned(),
            Some(status) => format!("QEMU has ended: {status}"),
            None if began.elapsed() > patience => "it takes too long".to_owned(),
            None => {
                check_interrupted()?;
                thread::sleep(Duration::from_millis(1));
                continue;
            }
        };
        return Err(Error::new(Kind::Vm, otherwise, why, "add SNAPSHOT=0"));
    }
}

/// Lets a guest go on from a snapshot, until it has found that nothing was brought.
fn tried(guest: &Bootable<'_>, snapshot: &Snapshot) -> Result<()> {
    let dir = tempfile::tempdir_in(&snapshot.dir).at(&snapshot.dir, "create a directory")?;
    let out = dir.path();
    fs::write(out.join(INITRAMFS), []).at(out, "write to")?;
    late(out, &[])?;
    let restored = snapshot.restore(guest, out)?;
    let (mut qemu, mut qmp) = restored.ok_or_else(not_migrated)?;
    go_on(&mut qmp)?;
    let results = out.join(RESULTS);
    let says = || {
        let text = fs::read_to_string(&results).at(&results, "read")?;
        Ok(text.lines().any(|line| line == NOTHING))
    };
    let otherwise = format!("the guest does not say `{NOTHING}`");
    wait_for(&mut qemu, &otherwise, says, PATIENCE)
}

/// Starts QEMU, which waits for commands.
fn start(
    guest: &Bootable<'_>,
    out: &Path,
    start: Start,
    snapshot: Option<&Path>,
) -> Result<(Guarded, Qmp)> {
    let (qmp, stdin) = Qmp::pair()?;
    let qemu = guest.start(out, start, snapshot, stdin)?;
    let mut qmp = qmp.open()?;
    let leave_out = json!([
        { "capability": "x-ignore-shared", "state": true },
        { "capability": "events", "state": true },
    ]);
    let leave_out = json!({ "capabilities": leave_out });
    qmp.execute("migrate-set-capabilities", leave_out)?;
    // An announcement would wake QEMU's main loop while the guest runs, and move its clock.
    let silent = json!({ "announce-rounds": 0 });
    qmp.execute("migrate-set-parameters", silent)?;
    Ok((qemu, qmp))
}

/// Waits until the state is written, or read; tells whether it is.
fn migrated(qmp: &mut Qmp) -> Result<bool> {
    loop {
        let event = qmp.event("MIGRATION")?;
        match event["status"].as_str() {
            Some("completed") => return Ok(true),
            Some("failed") => return Ok(false),
            _ => {}
        }
    }
}

fn not_migrated() -> Error {
    Error::new(
        Kind::Vm,
        "QEMU cannot read or write a snapshot",
        "its reason is in qemu.log",
        "add SNAPSHOT=0",
    )
}

/// What the guest has noted.
fn noted(dir: &Path) -> Result<u8> {
    let path = dir.join(LATE);
    let mut note = [0];
    let read = File::open(&path).and_then(|file| file.read_exact_at(&mut note, NOTE as u64));
    read.at(&path, "read").map(|()| note[0])
}

/// Writes what a run brings, with its header before it, as the memory of a device; tells whether
/// there is room for it.
///
/// # Errors
///
/// [`Kind::Storage`] if it cannot be written.
pub(crate) fn late(out: &Path, archive: &[u8]) -> Result<bool> {
    let path = out.join(LATE);
    let mut header = [0; HEADER];
    header[..NOTE].copy_from_slice(&(archive.len() as u64).to_le_bytes());
    if (header.len() + archive.len()) as u64 > LATE_MIB << 20 {
        return Ok(false);
    }
    let write = || {
        fs::write(&path, [&header, archive].concat())?;
        let file = File::options().write(true).open(&path)?;
        file.set_len(LATE_MIB << 20)
    };
    write().at(&path, "write")?;
    Ok(true)
}

/// What a file is.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sum {
    length: u64,
    crc32: u32,
}

impl Sum {
    fn of(path: &Path) -> Result<Self> {
        let file = File::open(path).at(path, "open")?;
        let length = file.metadata().at(path, "read")?.len();
        let crc32 = content(file, length).at(path, "read")?;
        Ok(Self { length, crc32 })
    }
}

/// The CRC-32 of all blocks that are not zero, and of their places. Most of a guest's memory is
/// holes.
fn content(mut file: File, length: u64) -> std::io::Result<u32> {
    const BLOCK: usize = 64 << 10;
    static ZEROS: [u8; BLOCK] = [0; BLOCK];
    let mut crc32 = Hasher::new();
    let mut block = vec![0; BLOCK];
    let mut at = 0;
    while at < length {
        // From the next data on, at the beginning of its block.
        match lseek(
            &file,
            i64::try_from(at).unwrap_or(i64::MAX),
            Whence::SeekData,
        ) {
            Ok(data) => at = data as u64 / BLOCK as u64 * BLOCK as u64,
            Err(Errno::ENXIO) => break,
            Err(errno) => return Err(errno.into()),
        }
        file.seek(SeekFrom::Start(at))?;
        let mut got = 0;
        while got < BLOCK {
            match file.read(&mut block[got..]) {
                Ok(0) => break,
                Ok(more) => got += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if block[..got] != ZEROS[..got] {
            crc32.update(&at.to_le_bytes());
            crc32.update(&block[..got]);
        }
        at += BLOCK as u64;
    }
    Ok(crc32.finalize())
}

/// The sums of all files in a directory.
fn sums(dir: &Path) -> Result<BTreeMap<String, Sum>> {
    let mut sums = BTreeMap::new();
    for entry in fs::read_dir(dir).at(dir, "read the directory")? {
        let entry = entry.at(dir, "read the directory")?;
        let name = entry.file_name().to_string_lossy().into_owned();
        sums.insert(name, Sum::of(&entry.path())?);
    }
    debug_assert!(sums.keys().any(|name| name.starts_with(MEMORY)));
    Ok(sums)
}

/// Removes what was used least lately. One that is in use goes on to be: its files are open.
fn prune(dir: &Path) {
    let used = |key: &PathBuf| {
        let lock = key.join("lock").metadata();
        lock.and_then(|lock| lock.modified()).ok()
    };
    let mut keys: Vec<PathBuf> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    keys.sort_by_key(|key| std::cmp::Reverse(used(key)));
    for key in keys.iter().skip(KEPT) {
        let _ = remove_tree(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::ARCHES;
    use crate::environment::Environment;
    use crate::kernel::Kernel;
    use crate::machine::Machine;

    /// A snapshot of these files, with its sums.
    fn snapshot(key: &Path) -> Snapshot {
        let dir = key.join(ENTRY);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join(STATE), "state").unwrap();
        let memory = File::create(dir.join("memory0")).unwrap();
        memory.set_len(10 << 20).unwrap();
        memory.write_all_at(b"data", 5 << 20).unwrap();
        let sums = serde_json::to_vec(&sums(&dir).unwrap()).unwrap();
        fs::write(dir.join(SUMS), sums).unwrap();
        Snapshot { dir }
    }

    #[test]
    fn another_kernel_machine_qemu_or_initramfs_is_another_snapshot() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let arch = &ARCHES[0];
        let (image, program) = (arch.image(), format!("usr/bin/{}", arch.qemu));
        write(&image, "kernel");
        write(&program, "qemu");
        let kernel = Kernel::Tree {
            path: dir.path().to_owned(),
            arch,
        };
        let env = Environment::at(dir.path());
        let key = |args: &[&str], initramfs: &[u8]| {
            let guest = Bootable {
                env: &env,
                kernel: &kernel,
                machine: &Machine::of(args),
            };
            key(&guest, initramfs).unwrap()
        };
        let mut keys = vec![
            key(&[], b"base"),
            key(&[], b"other"),
            key(&["--seed=2"], b"base"),
            key(&["--memory=512"], b"base"),
            key(&["--append=x"], b"base"),
        ];
        assert_eq!(keys[0], key(&["--deadline=1", "--snapshot=0"], b"base"));
        write(&image, "Kernel");
        keys.push(key(&[], b"base"));
        write(&program, "another qemu");
        keys.push(key(&[], b"base"));
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }

    #[test]
    fn what_is_damaged_is_thrown_away() {
        type Damage = fn(&Path);
        let damages: [(&str, Damage); 6] = [
            ("state is not", |dir| {
                fs::write(dir.join(STATE), "stale").unwrap()
            }),
            ("No such file", |dir| {
                fs::remove_file(dir.join(STATE)).unwrap()
            }),
            ("memory0 is not", |dir| {
                let memory = File::options().write(true).open(dir.join("memory0"));
                memory.unwrap().write_all_at(b"x", 9 << 20).unwrap();
            }),
            ("memory0 is not", |dir| {
                let memory = File::options().write(true).open(dir.join("memory0"));
                memory.unwrap().set_len(9 << 20).unwrap();
            }),
            ("sums.json: ", |dir| fs::write(dir.join(SUMS), "{").unwrap()),
            ("No such file", |dir| {
                fs::remove_file(dir.join(SUMS)).unwrap()
            }),
        ];
        for (why, damage) in damages {
            let key = tempfile::tempdir().unwrap();
            let whole = snapshot(key.path());
            assert_eq!(whole.damage(), None);
            assert!(Snapshot::find(key.path()).unwrap().is_some());
            damage(&whole.dir);
            let said = whole.damage().unwrap();
            assert!(said.contains(why), "{said}");
            assert!(Snapshot::find(key.path()).unwrap().is_none());
            assert!(!whole.dir.exists());
        }
    }

    #[test]
    fn zeros_and_holes_are_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let sum = |name: &str, data: &[(u64, &[u8])]| {
            let path = dir.path().join(name);
            let file = File::create(&path).unwrap();
            file.set_len(1 << 20).unwrap();
            for (at, bytes) in data {
                file.write_all_at(bytes, *at).unwrap();
            }
            Sum::of(&path).unwrap()
        };
        let one: (u64, &[u8]) = (300_000, b"one");
        assert_eq!(sum("a", &[one]), sum("b", &[(0, &[0; 100_000]), one]));
        assert_ne!(sum("a", &[one]), sum("b", &[(300_001, b"one")]));
        // A block further on.
        assert_ne!(sum("a", &[one]), sum("b", &[(365_536, b"one")]));
    }

    #[test]
    fn what_was_used_last_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..KEPT as u64 + 2 {
            let key = dir.path().join(number.to_string());
            fs::create_dir(&key).unwrap();
            let lock = File::create(key.join("lock")).unwrap();
            // The first was used last.
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1000 - number);
            lock.set_modified(time).unwrap();
        }
        prune(dir.path());
        let is_there = |number: usize| dir.path().join(number.to_string()).exists();
        assert!(is_there(0) && is_there(KEPT - 1) && !is_there(KEPT) && !is_there(KEPT + 1));
    }

    #[test]
    fn what_a_run_brings_has_its_length_before_it() {
        let dir = tempfile::tempdir().unwrap();
        assert!(late(dir.path(), b"archive").unwrap());
        let mut file = File::open(dir.path().join(LATE)).unwrap();
        assert_eq!(file.metadata().unwrap().len(), LATE_MIB << 20);
        let mut start = [0; 24];
        file.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0archive\0");
        assert_eq!(noted(dir.path()).unwrap(), 0);
        let file = File::options().write(true).open(dir.path().join(LATE));
        file.unwrap().write_all_at(&[READING], NOTE as u64).unwrap();
        assert_eq!(noted(dir.path()).unwrap(), READING);
        let much = vec![0; (LATE_MIB << 20) as usize - 15];
        assert!(!late(dir.path(), &much).unwrap());
    }
}
