// SPDX-License-Identifier: GPL-2.0

//! A checkout with an environment and a kernel: what subcommands work with.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::base::Base;
use crate::cache::{Cache, Lock};
use crate::choice::Choice;
use crate::devices::models::Qemu;
use crate::environment::Environment;
use crate::error::Result;
use crate::initramfs::Initramfs;
use crate::instruments::Instruments;
use crate::kernel::{Kernel, Workshop};
use crate::machine::Machine;
use crate::modules::{command, Modules};
use crate::options::KernelOptions;
use crate::paths::name;
use crate::progress::{says, Verbosity};
use crate::project::Project;
use crate::vm::{Boot, Brings};

/// A checkout with an environment and a kernel.
#[derive(Debug)]
pub(crate) struct Session {
    pub project: Project,
    pub env: Environment,
    pub kernel: Kernel,
    /// What the kernel needs beyond the usual.
    pub instruments: Instruments,
    base: Base,
    /// Held until dropped.
    _in_use: Option<Lock>,
}

impl Session {
    /// Sets up what is missing, with a kernel for modules in Rust.
    pub(crate) fn open(options: &KernelOptions) -> Result<Self> {
        Choice::parse(&options.kernel)?.must_have_rust()?;
        Self::make(options, false)
    }

    /// The same, also with a kernel for modules in C alone.
    pub(crate) fn of_any(options: &KernelOptions) -> Result<Self> {
        Self::make(options, false)
    }

    /// The same, and if `refresh` looks for a newer stock kernel even though one is prepared.
    pub(crate) fn make(options: &KernelOptions, refresh: bool) -> Result<Self> {
        let arch = options.arch;
        let project = Project::locate()?;
        project.writable()?;
        let choice = Choice::parse(&options.kernel)?;
        let cache = Cache::locate()?;
        let in_use = cache.in_use()?;
        let logs = project.out("log");
        let env = Environment::ensure(arch, choice.packages(), &cache, &project)?;
        let shop = Workshop {
            cache: &cache,
            env: &env,
            arch,
            project: &project,
            logs: &logs,
        };
        let kernel = choice.ensure(refresh, &shop)?;
        let instruments = Instruments::read(&kernel.config()?);
        let base = Base::new(&project, &env, arch);
        Ok(Self {
            project,
            env,
            kernel,
            instruments,
            base,
            _in_use: in_use,
        })
    }

    /// The QEMU that the kernel runs in.
    pub(crate) fn qemu(&self) -> Qemu<'_> {
        Qemu {
            env: &self.env,
            arch: self.kernel.arch(),
        }
    }

    /// Builds the modules; there are none for a kernel without what they need.
    pub(crate) fn modules(&self) -> Result<Modules> {
        if self.kernel.is_without_rust() {
            return Ok(Modules::default());
        }
        self.build(&[], says(Verbosity::Verbose))
    }

    /// The same without what debuggers need: a guest takes seconds of the host's time to unpack that.
    pub(crate) fn stripped_modules(&self) -> Result<Modules> {
        self.modules()?.stripped(&self.env, self.kernel.arch())
    }

    /// Builds the crate and the samples only.
    pub(crate) fn samples(&self) -> Result<Modules> {
        self.build(&["ASYNC_PROBE_SAMPLES_ONLY=1"], says(Verbosity::Verbose))
    }

    /// Builds with variables for make, and shows all that it says if `shown`.
    pub(crate) fn build(&self, variables: &[&str], shown: bool) -> Result<Modules> {
        Modules::build(&self.project, &self.kernel, &self.env, variables, shown)
    }

    /// The command that builds the modules of a directory of the checkout, there.
    pub(crate) fn make_in(&self, dir: &str, variables: &[&str]) -> Command {
        command(
            &self.project,
            &self.kernel,
            &self.env,
            [dir, dir],
            variables,
        )
    }

    /// What every job brings into its guest: the modules, and firmware for their devices.
    pub(crate) fn initramfs(&self, modules: &Modules) -> Result<Initramfs> {
        self.initramfs_with(&modules.files()?)
    }

    /// The same with these modules.
    pub(crate) fn initramfs_with(&self, modules: &[PathBuf]) -> Result<Initramfs> {
        let mut initramfs = Initramfs::default();
        add_firmware(&mut initramfs, SMALL);
        for file in modules {
            initramfs.file(&format!("modules/{}", name(file)), file, false);
        }
        Ok(initramfs)
    }

    /// A boot of the kernel in a machine; its files go to `out`.
    pub(crate) fn boot<'a>(&'a self, machine: &Machine, out: &'a Path) -> Boot<'a> {
        Boot {
            kernel: &self.kernel,
            env: &self.env,
            base: &self.base,
            machine: self.instruments.machine(machine),
            out,
            brings: Brings::Late,
            kprobes: None,
        }
    }
}

/// The files that the sample drivers ask for.
const FIRMWARE: &[&str] = &[
    "lib/firmware/async_probe/slow.fw",
    "lib/firmware/async_probe/slow_platform.fw",
];

/// A payload of so many bytes is small enough that its checksum does not show in the timing.
pub(crate) const SMALL: u32 = 16 << 10;

/// An image with a payload of so many bytes.
pub(crate) fn firmware(length: u32) -> Vec<u8> {
    firmware::encode::image(&firmware::encode::payload(length, 0)).unwrap_or_default()
}

/// Adds such images for the devices of the samples.
pub(crate) fn add_firmware(initramfs: &mut Initramfs, length: u32) {
    let image = firmware(length);
    for file in FIRMWARE {
        initramfs.bytes(file, &image, false);
    }
}
