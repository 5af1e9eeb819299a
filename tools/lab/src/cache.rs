// SPDX-License-Identifier: GPL-2.0

//! The cache: downloads, root file system and prepared kernels, shared by all checkouts of a user.
//!
//! An entry is built aside under a `.partial-` name and renamed when it is whole, so whatever
//! carries its final name is whole. One lock keeps builders apart; leftovers are removed under it.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::statvfs::statvfs;
use nix::unistd::syncfs;

use crate::error::{Error, IoContext, Kind, Result, STORAGE_NEXT};
use crate::process::check_interrupted;
use crate::progress::note;

const PARTIAL: &str = ".partial-";

/// The lock that all users of the cache share.
const IN_USE: &str = "in-use";

/// The cache directory.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// Finds the cache directory; `XDG_CACHE_HOME` decides, as everywhere.
    pub(crate) fn locate() -> Result<Self> {
        let base = env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
            .ok_or_else(|| {
                Error::new(
                    Kind::Storage,
                    "no cache directory",
                    "neither XDG_CACHE_HOME nor HOME is set",
                    "set XDG_CACHE_HOME to a directory with 3 GB of room",
                )
            })?;
        let dir = base.join("async-probe");
        Ok(Self { dir })
    }

    /// One for a test.
    #[cfg(test)]
    pub(crate) fn at(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Makes the directory. A warm cache on a read-only file system is good enough to work with.
    fn make(&self) -> Result<()> {
        let made = fs::create_dir_all(&self.dir);
        match self.dir.is_dir() {
            true => Ok(()),
            false => made.at(&self.dir, "create the cache directory"),
        }
    }

    /// Sees to it that the cache stays while it is in use. On a read-only file system it does.
    pub(crate) fn in_use(&self) -> Result<Option<Lock>> {
        self.make()?;
        let path = self.dir.join(IN_USE);
        match Lock::open(&path) {
            Ok(file) => Lock::wait(file, &path, FlockArg::LockSharedNonblock).map(Some),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error).at(&path, "open the lock"),
        }
    }

    /// Waits until the cache is not in use, and keeps others from it.
    pub(crate) fn alone(&self) -> Result<Lock> {
        fs::create_dir_all(&self.dir).at(&self.dir, "create the cache directory")?;
        Lock::take(&self.dir.join(IN_USE))
    }

    /// Takes the lock of the cache; says which run it waits for. A user of the cache calls
    /// [`in_use()`](Self::in_use) first.
    pub(crate) fn lock(&self) -> Result<Lock> {
        self.make()?;
        Lock::take(&self.dir.join("lock"))
    }

    /// Takes a lock of its own for a part of the cache, whose entries take long to make.
    pub(crate) fn lock_part(&self, name: &str) -> Result<Lock> {
        let dir = self.path(name);
        fs::create_dir_all(&dir).at(&dir, "create the cache directory")?;
        Lock::take(&dir.join("lock"))
    }

    /// Fails early when the cache cannot be written or has less room than a step needs.
    pub(crate) fn need(&self, mebibytes: u64) -> Result<()> {
        fs::create_dir_all(&self.dir).at(&self.dir, "create the cache directory")?;
        tempfile::tempfile_in(&self.dir).at(&self.dir, "write to the cache directory")?;
        let Ok(stat) = statvfs(&self.dir) else {
            return Ok(());
        };
        let free = (stat.blocks_available() * stat.fragment_size()) >> 20;
        if free < mebibytes {
            return Err(Error::new(
                Kind::Storage,
                format!("not enough room in {}", self.dir.display()),
                format!("{free} MiB are free and this step needs {mebibytes} MiB"),
                STORAGE_NEXT,
            ));
        }
        Ok(())
    }

    /// The directory of an entry. If it is missing, `make` makes it aside, for which so much room is
    /// needed, with the lock of the cache held.
    pub(crate) fn ensure(
        &self,
        name: &str,
        mebibytes: u64,
        make: impl FnOnce(&Path, &Lock) -> Result<()>,
    ) -> Result<PathBuf> {
        let dir = self.path(name);
        if dir.is_dir() {
            return Ok(dir);
        }
        let lock = self.lock()?;
        if dir.is_dir() {
            // Another run has made it meanwhile.
            return Ok(dir);
        }
        self.need(mebibytes)?;
        let partial = self.begin(name, &lock)?;
        make(partial.path(), &lock)?;
        partial.finish()
    }

    /// Begins an entry aside. The lock is the proof that no other run does.
    pub(crate) fn begin(&self, name: &str, _lock: &Lock) -> Result<Partial> {
        let target = self.path(name);
        let parent = target.parent().unwrap_or(&self.dir).to_owned();
        fs::create_dir_all(&parent).at(&parent, "create the cache directory")?;
        sweep(&parent)?;
        let aside = parent.join(format!("{PARTIAL}{}", process::id()));
        fs::create_dir(&aside).at(&aside, "create the directory")?;
        Ok(Partial { aside, target })
    }
}

/// Removes what interrupted runs left behind.
fn sweep(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).at(dir, "read the directory")?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
            remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a directory tree, if it is there.
pub(crate) fn remove_tree(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result.at(path, "remove"),
    }
}

/// An entry that is being built; removed when dropped unfinished.
#[derive(Debug)]
pub(crate) struct Partial {
    aside: PathBuf,
    target: PathBuf,
}

impl Partial {
    /// Where to build.
    pub(crate) fn path(&self) -> &Path {
        &self.aside
    }

    /// Makes the entry whole: everything on disk, then its final name.
    pub(crate) fn finish(self) -> Result<PathBuf> {
        let dir = File::open(&self.aside).at(&self.aside, "open")?;
        syncfs(&dir).at(&self.aside, "write out")?;
        remove_tree(&self.target)?;
        fs::rename(&self.aside, &self.target).at(&self.target, "rename the finished entry to")?;
        Ok(self.target.clone())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.aside);
    }
}

/// A held lock.
#[derive(Debug)]
pub(crate) struct Lock(#[allow(dead_code, reason = "held until dropped")] Flock<File>);

impl Lock {
    /// Takes the lock of a file, waiting for the run that holds it.
    pub(crate) fn take(path: &Path) -> Result<Self> {
        let file = Self::open(path).at(path, "open the lock")?;
        Self::wait(file, path, FlockArg::LockExclusiveNonblock)
    }

    /// Makes an output directory and takes its lock: two runs would write the same files.
    pub(crate) fn directory(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).at(dir, "create the directory")?;
        Self::take(&dir.join(".lock"))
    }

    fn open(path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .or_else(|error| File::open(path).map_err(|_| error))
    }

    fn wait(mut file: File, path: &Path, how: FlockArg) -> Result<Self> {
        let mut told = false;
        loop {
            match Flock::lock(file, how) {
                Ok(lock) if !is_at(&lock, path) => {
                    // The holder has removed it, and maybe the directory.
                    if let Some(dir) = path.parent() {
                        fs::create_dir_all(dir).at(dir, "create the directory")?;
                    }
                    file = Self::open(path).at(path, "open the lock")?;
                }
                Ok(mut lock) => {
                    let _ = lock.set_len(0);
                    let _ = lock.rewind();
                    let _ = write!(lock, "{}", holder());
                    return Ok(Self(lock));
                }
                Err((mut back, Errno::EWOULDBLOCK)) => {
                    if !told {
                        told = true;
                        let mut who = String::new();
                        let _ = back.rewind();
                        let _ = back.read_to_string(&mut who);
                        note(&format!(
                            "waiting for {who}, which holds {}",
                            path.display()
                        ));
                    }
                    file = back;
                }
                Err((_, errno)) => return Err(errno).at(path, "lock"),
            }
            check_interrupted()?;
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Whether a file is still the one at this path.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(file), Ok(there)) => (file.dev(), file.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

fn holder() -> String {
    let args: Vec<String> = env::args().skip(1).take(2).collect();
    let dir = env::current_dir().unwrap_or_default();
    format!(
        "pid {} (lab {} in {})",
        process::id(),
        args.join(" "),
        dir.display()
    )
}

/// A short, stable digest for the names of entries (FNV-1a).
pub(crate) fn digest(parts: &[impl AsRef<str>]) -> String {
    let hash = parts
        .iter()
        .flat_map(|part| part.as_ref().bytes().chain([0]))
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{hash:016x}")[..10].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn cache() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        (dir, cache)
    }

    #[test]
    fn an_entry_is_made_once() {
        let (_dir, cache) = cache();
        let failed = cache.ensure("some/entry", 1, |dir, _| {
            fs::write(dir.join("half"), "").unwrap();
            Err(Error::interrupted())
        });
        assert!(failed.is_err() && !cache.path("some/entry").exists());
        let made = cache.ensure("some/entry", 1, |dir, _| {
            fs::write(dir.join("whole"), "").at(dir, "write")
        });
        let again = cache.ensure("some/entry", 1, |_, _| Err(Error::interrupted()));
        assert_eq!(made.unwrap(), again.unwrap());
        assert!(cache.path("some/entry/whole").exists());
        assert!(!cache.path("some/entry/half").exists());
    }

    #[test]
    fn an_unfinished_entry_never_appears() {
        let (_dir, cache) = cache();
        let lock = cache.lock().unwrap();
        let partial = cache.begin("kernels/k", &lock).unwrap();
        fs::write(partial.path().join("file"), "x").unwrap();
        drop(partial);
        assert!(!cache.path("kernels/k").exists());
        assert_eq!(fs::read_dir(cache.path("kernels")).unwrap().count(), 0);
    }

    #[test]
    fn a_finished_entry_replaces_the_old_one() {
        let (_dir, cache) = cache();
        let lock = cache.lock().unwrap();
        for text in ["old", "new"] {
            let partial = cache.begin("entry", &lock).unwrap();
            fs::write(partial.path().join("file"), text).unwrap();
            partial.finish().unwrap();
        }
        let text = fs::read_to_string(cache.path("entry").join("file")).unwrap();
        assert_eq!(text, "new");
    }

    #[test]
    fn leftovers_of_killed_runs_are_swept() {
        let (_dir, cache) = cache();
        let lock = cache.lock().unwrap();
        let left = cache.path(".partial-1");
        fs::create_dir(&left).unwrap();
        drop(cache.begin("entry", &lock).unwrap());
        assert!(!left.exists());
    }

    #[test]
    fn who_removes_the_cache_waits_for_who_uses_it() {
        let (_dir, cache) = cache();
        let users = [cache.in_use().unwrap(), cache.in_use().unwrap()];
        assert!(users.iter().all(Option::is_some));
        let gone = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(300));
                gone.store(true, Ordering::SeqCst);
                drop(users);
            });
            let _alone = cache.alone().unwrap();
            assert!(gone.load(Ordering::SeqCst));
        });
    }

    #[test]
    fn a_lock_that_was_removed_is_made_again() {
        let (_dir, cache) = cache();
        let alone = cache.alone().unwrap();
        thread::scope(|scope| {
            let user = scope.spawn(|| cache.in_use().unwrap());
            thread::sleep(Duration::from_millis(300));
            remove_tree(&cache.path("")).unwrap();
            drop(alone);
            assert!(user.join().unwrap().is_some());
        });
        assert!(cache.path(IN_USE).exists());
    }

    #[test]
    fn digests_tell_the_parts_apart() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_eq!(digest(&["a"]).len(), 10);
    }
}
