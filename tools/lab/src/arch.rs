// SPDX-License-Identifier: GPL-2.0

//! The architectures of guests: the one table of them.
//!
//! A new one is a row here and a configuration of its name in `scripts/kernel`.

use crate::config::Config;

/// An architecture: what the kernel, Debian, Rust and QEMU call it, and its machine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arch {
    /// As `uname -m` prints it; the name of its configuration in `scripts/kernel`.
    pub name: &'static str,
    /// Its directory in the kernel's `arch`, and `ARCH=` of its make.
    pub kernel: &'static str,
    /// The triple of its compilers, `CROSS_COMPILE=` without the last hyphen.
    pub triple: &'static str,
    /// More for the kernel's make.
    pub make: &'static str,
    /// The target of the kernel's make that builds the bootable image.
    pub target: &'static str,
    /// That image, below the directory in `arch`.
    pub image: &'static str,
    /// Globs of the kernel's source, besides its directory: what its build reads of others.
    pub sources: &'static [&'static str],
    /// Globs of the kernel's source: the directories of other architectures.
    pub others: &'static [&'static str],
    /// Debian's name.
    pub debian: &'static str,
    /// Debian's packages that the root file system needs for it.
    pub packages: &'static [&'static str],
    /// Files of the root file system that a program of it needs which is not static. Without them
    /// the kernel's own runner of kselftests is not tried, which needs timeout(1).
    pub libc: &'static [&'static str],
    /// The target of Rust for static programs.
    pub rust: &'static str,
    /// As ELF files have it.
    pub elf: object::Architecture,
    /// QEMU's program.
    pub qemu: &'static str,
    /// QEMU's machine.
    pub machine: &'static str,
    /// Added to it where no figures are compared. QEMU emulates the periodic timer of the HPET even
    /// where the kernel has masked it, which in virtual time takes seven times as long as to wait
    /// does without. But without it a guest from a snapshot is microseconds off one that has booted.
    pub timers: &'static str,
    /// Taken from the processor in virtual time: the instructions whose results are random.
    pub random: &'static str,
    /// Changes the processor where no figures are compared. The kernel then copies and clears memory
    /// in words, without the string instructions that QEMU's translator executes byte by byte, or
    /// word by word (of an AMD K8 before revision C, `init_amd_k8()`): that takes the host an eighth
    /// of the time. Its page tables have four levels, not five. An instruction count is another one
    /// then.
    pub slow: &'static str,
    /// What a kernel must have to take devices while it runs; none if that machine does not.
    pub hotplug: Option<&'static str>,
    /// The device of the first serial line, and of the second.
    pub serials: [&'static str; 2],
    /// More for the kernel's command line in real time.
    pub wall: &'static str,
}

/// All of them; the first is the default.
pub(crate) const ARCHES: &[Arch] = &[
    Arch {
        name: "x86_64",
        kernel: "x86",
        triple: "x86_64-linux-gnu",
        make: "",
        target: "bzImage",
        image: "boot/bzImage",
        sources: &[],
        others: &["*/arch/[!x]*/*", "*/arch/xtensa/*"],
        debian: "amd64",
        packages: &["qemu-system-x86"],
        libc: &[
            "lib64/ld-linux-x86-64.so.2",
            "lib/x86_64-linux-gnu/libc.so.6",
        ],
        rust: "x86_64-unknown-linux-gnu",
        elf: object::Architecture::X86_64,
        qemu: "qemu-system-x86_64",
        machine: "pc",
        timers: ",hpet=off",
        random: ",-rdrand,-rdseed",
        slow: ",-erms,-fsrm,model=4,stepping=0,-la57",
        hotplug: Some("CONFIG_HOTPLUG_PCI_ACPI=y"),
        serials: ["ttyS0", "ttyS1"],
        // A busy host lets the check of the timer's interrupt time out, and the kernel panics
        // (arch/x86/kernel/apic/io_apic.c, check_timer()).
        wall: "no_timer_check",
    },
    Arch {
        name: "aarch64",
        kernel: "arm64",
        triple: "aarch64-linux-gnu",
        make: "CROSS_COMPILE_COMPAT=arm-linux-gnueabihf-",
        target: "Image",
        image: "boot/Image",
        sources: &["*/arch/arm", "*/arch/x86/entry/syscalls"],
        others: &[
            "*/arch/[!a]*/*",
            "*/arch/alpha/*",
            "*/arch/arc/*",
            "*/arch/arm/*",
        ],
        debian: "arm64",
        packages: &[
            "qemu-system-arm",
            "gcc-14-aarch64-linux-gnu",
            "libc6-dev-arm64-cross",
            "gcc-arm-linux-gnueabihf",
        ],
        libc: &[],
        rust: "aarch64-unknown-linux-musl",
        elf: object::Architecture::Aarch64,
        qemu: "qemu-system-aarch64",
        machine: "virt",
        timers: "",
        random: "",
        slow: "",
        hotplug: None,
        serials: ["ttyAMA0", "ttyAMA1"],
        wall: "",
    },
];

impl Arch {
    /// Whether its machine and a kernel of this configuration take devices while they run.
    pub(crate) fn plugs(&self, config: &Config) -> bool {
        self.hotplug.is_some_and(|needed| config.holds(needed))
    }

    /// The architecture of a name, or of the kernel's `ARCH=`, for the command line.
    ///
    /// # Errors
    ///
    /// The names that there are, if it is none of them.
    pub(crate) fn named(name: &str) -> Result<&'static Self, String> {
        let names: Vec<&str> = ARCHES.iter().map(|arch| arch.name).collect();
        ARCHES
            .iter()
            .find(|arch| [arch.name, arch.kernel].contains(&name))
            .ok_or_else(|| format!("expected one of {}", names.join(", ")))
    }

    /// That of the host; the default, if it is none of them.
    pub(crate) fn host() -> &'static Self {
        Self::named(std::env::consts::ARCH).unwrap_or(&ARCHES[0])
    }

    /// A package of it as the host's apt calls it: `busybox-static:arm64`.
    pub(crate) fn package(&self, name: &str) -> String {
        match self == Self::host() {
            true => name.to_owned(),
            false => format!("{name}:{}", self.debian),
        }
    }

    /// The bootable image in a tree that was built.
    pub(crate) fn image(&self) -> String {
        format!("arch/{}/{}", self.kernel, self.image)
    }

    /// A compiler of its triple, as `gcc-14`.
    pub(crate) fn compiler(&self, name: &str) -> String {
        format!("{}-{name}", self.triple)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Project;

    #[test]
    fn each_has_a_configuration() {
        let dir = Project::locate().unwrap().top().join("scripts/kernel");
        for arch in ARCHES {
            assert_eq!(Arch::named(arch.name), Ok(arch));
            assert_eq!(Arch::named(arch.kernel), Ok(arch));
            let path = dir.join(format!("{}.config", arch.name));
            assert!(path.is_file(), "{}", path.display());
        }
        assert!(Arch::named("vax").unwrap_err().contains(ARCHES[0].name));
    }
}
