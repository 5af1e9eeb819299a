// SPDX-License-Identifier: GPL-2.0

//! The modules: where they are, loading and unloading.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

use lifecycle::event::Call;
use nix::errno::Errno;
use nix::kmod::{delete_module, finit_module, DeleteModuleFlags, ModuleInitFlags};

use crate::samples::{BUS, PLATFORM};
use crate::{kernel, kmsg, skip, Failure};

/// The crate's module, on which the others depend.
pub(crate) const ASYNC_PROBE: &str = "async_probe";

/// The directory of the modules, with [`ASYNC_PROBE`] loaded.
#[derive(Debug)]
pub(crate) struct Modules {
    directory: PathBuf,
    ours: Cell<bool>,
}

impl Modules {
    /// Finds the modules and loads the one that the others depend on. [`Failure::Skip`] where they
    /// cannot be tested, with the reason.
    pub(crate) fn find() -> Result<Self, Failure> {
        if !nix::unistd::geteuid().is_root() {
            return skip("must run as root");
        }
        let samples = [PLATFORM.devices, PLATFORM.module, BUS.devices, BUS.module];
        for module in samples {
            if is_loaded(module) {
                return skip(format!("{module} is loaded already: rmmod it first"));
            }
        }
        let Some(directory) = candidates().find(|dir| {
            let is_there = |module: &str| dir.join(format!("{module}.ko")).is_file();
            is_there(ASYNC_PROBE) && is_there(PLATFORM.devices) && is_there(PLATFORM.module)
        }) else {
            return skip(format!(
                "no directory with {ASYNC_PROBE}.ko, {}.ko and {}.ko: set ASYNC_PROBE_MODULES",
                PLATFORM.devices, PLATFORM.module
            ));
        };

        let modules = Self {
            directory,
            ours: Cell::new(false),
        };
        if !is_loaded(ASYNC_PROBE) {
            if let Err(errno) = insmod(&modules.path(ASYNC_PROBE), ASYNC_PROBE, "")? {
                return skip(format!("cannot load {ASYNC_PROBE}: {errno}"));
            }
            modules.ours.set(true);
        }
        Ok(modules)
    }

    pub(crate) fn path(&self, module: &str) -> PathBuf {
        self.directory.join(format!("{module}.ko"))
    }

    /// Unloads what [`find()`](Self::find) loaded.
    pub(crate) fn release(&self) -> Result<(), Failure> {
        if !self.ours.replace(false) {
            return Ok(());
        }
        rmmod(ASYNC_PROBE)?.map_err(|errno| Failure::assertion("rmmod async_probe", errno))
    }
}

impl Drop for Modules {
    fn drop(&mut self) {
        // `release()` has told what there was to tell.
        let _ = self.release();
    }
}

/// Where to look, in this order.
fn candidates() -> impl Iterator<Item = PathBuf> {
    let named = std::env::var_os("ASYNC_PROBE_MODULES").map(PathBuf::from);
    let only_named = named.is_some();
    let beside = std::env::current_exe()
        .ok()
        .and_then(|program| Some(program.parent()?.join("modules")));
    let installed = || {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
        directory_of(
            OsStr::new("async_probe.ko"),
            &Path::new("/lib/modules").join(release.trim()),
        )
    };
    named.into_iter().chain(
        beside
            .into_iter()
            .chain([PathBuf::from("/modules")])
            .chain(std::iter::once_with(installed).flatten())
            .filter(move |_| !only_named),
    )
}

/// The directory below `top` that holds a file of this name.
fn directory_of(name: &OsStr, top: &Path) -> Option<PathBuf> {
    let mut below = Vec::new();
    for entry in fs::read_dir(top).ok()?.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => below.push(entry.path()),
            Ok(_) if entry.file_name() == name => return Some(top.to_owned()),
            _ => {}
        }
    }
    below.iter().find_map(|dir| directory_of(name, dir))
}

/// Whether the kernel has a module of this name.
pub(crate) fn is_loaded(module: &str) -> bool {
    Path::new("/sys/module").join(module).exists()
}

/// An insmod of which the system call alone is left to be made.
#[derive(Debug)]
pub(crate) struct Insmod {
    file: File,
    parameters: CString,
}

impl Insmod {
    /// Opens the file of the module. Skips the test if there is no such file.
    pub(crate) fn prepare(path: &Path, parameters: &str) -> Result<Self, Failure> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return skip(format!("no {}", path.display()))
            }
            Err(error) => return Err(Failure::io("open", path, error)),
        };
        let parameters =
            CString::new(parameters).map_err(|error| Failure::io("parameters of", path, error))?;
        Ok(Self { file, parameters })
    }

    /// Makes the call, and returns the kernel's answer.
    pub(crate) fn call(&self) -> Result<(), Errno> {
        finit_module(&self.file, &self.parameters, ModuleInitFlags::empty())
    }
}

/// An rmmod of which the system call alone is left to be made.
#[derive(Debug)]
pub(crate) struct Rmmod(CString);

impl Rmmod {
    /// Takes the name of the module.
    pub(crate) fn prepare(module: &str) -> Result<Self, Failure> {
        let name = CString::new(module).map_err(|error| Failure::io("the name", module, error))?;
        Ok(Self(name))
    }

    /// Makes the call, and returns the kernel's answer.
    pub(crate) fn call(&self) -> Result<(), Errno> {
        delete_module(&self.0, DeleteModuleFlags::O_NONBLOCK)
    }
}

/// Loads the module in the file with these parameters, and leaves in the log when. The kernel's
/// answer is the result.
pub(crate) fn insmod(
    path: &Path,
    module: &str,
    parameters: &str,
) -> Result<Result<(), Errno>, Failure> {
    let insmod = Insmod::prepare(path, parameters)?;
    wait_until_gone(module);
    let asks = asks_for_async_probes(parameters);
    kmsg::around(Call::Insmod, module, Some(asks), || insmod.call())
}

/// Whether the parameters of a module ask for asynchronous probes (`kernel/module/main.c`,
/// `unknown_module_param_cb()`: what is no boolean value does, too, and the last one counts).
fn asks_for_async_probes(parameters: &str) -> bool {
    let mut values = parameters.split_whitespace().filter_map(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        (name == "async_probe").then_some(value)
    });
    let is_no = |value: &str| value.starts_with(['n', 'N', 'f', 'F', '0']) || value == "off";
    values.next_back().is_some_and(|value| !is_no(value))
}

/// Unloads a module, and leaves in the log when. The kernel's answer is the result.
pub(crate) fn rmmod(module: &str) -> Result<Result<(), Errno>, Failure> {
    let rmmod = Rmmod::prepare(module)?;
    let result = kmsg::around(Call::Rmmod, module, None, || rmmod.call());
    if let Ok(mut unloaded) = UNLOADED.lock() {
        unloaded.insert(module.to_owned(), Instant::now());
    }
    result
}

/// When modules were unloaded.
static UNLOADED: Mutex<BTreeMap<String, Instant>> = Mutex::new(BTreeMap::new());

/// A kernel with `CONFIG_DEBUG_KOBJECT_RELEASE` releases objects up to four seconds after their
/// last reference is gone. Only then the directory of a driver is gone, and its name can be used
/// again.
const RELEASED: Duration = Duration::from_secs(5);

/// Waits, on such a kernel, until nothing is left of a module that has been unloaded.
pub(crate) fn wait_until_gone(module: &str) {
    if !kernel::has("DEBUG_KOBJECT_RELEASE") {
        return;
    }
    let unloaded = UNLOADED
        .lock()
        .ok()
        .and_then(|all| all.get(module).copied());
    if let Some(unloaded) = unloaded {
        sleep(RELEASED.saturating_sub(unloaded.elapsed()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_async_probes() {
        for asks in [
            "async_probe",
            "a=1 async_probe=1",
            "async_probe=0 async_probe=y",
        ] {
            assert!(asks_for_async_probes(asks), "{asks}");
        }
        for not in [
            "",
            "devices=3",
            "async_probe=0",
            "async_probe async_probe=off",
        ] {
            assert!(!asks_for_async_probes(not), "{not}");
        }
    }

    #[test]
    fn finds_the_directory_of_a_module() {
        let top = tempfile::tempdir().unwrap();
        let name = OsStr::new("async_probe.ko");
        assert_eq!(directory_of(name, top.path()), None);

        let extra = top.path().join("updates/extra");
        fs::create_dir_all(&extra).unwrap();
        fs::create_dir_all(top.path().join("kernel/async_probe.ko")).unwrap();
        // What a kernel's build leaves there must not lead in circles.
        std::os::unix::fs::symlink(top.path(), top.path().join("build")).unwrap();
        assert_eq!(directory_of(name, top.path()), None);

        fs::write(extra.join(name), "").unwrap();
        assert_eq!(directory_of(name, top.path()), Some(extra));
    }
}
