// SPDX-License-Identifier: GPL-2.0

//! How to add something to the kernel's command line.
//!
//! A boot line has characters that shells and boot loaders interpret: `;`, `$`, `(` and `)`.

use clap::ValueEnum;
use serde::Serialize;

/// A boot loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loader {
    /// GRUB with grub-mkconfig, as Debian and Ubuntu have it
    Grub,
    /// systemd-boot
    SystemdBoot,
    /// A boot script of U-Boot
    UBoot,
    /// QEMU that loads the kernel itself
    Qemu,
}

impl Loader {
    /// A boot line, quoted as the loader's configuration wants it.
    pub fn quote(self, line: &str) -> String {
        match self {
            // The file is read by a shell, where `$` has a meaning within double quotes.
            // grub-mkconfig copies the value into grub.cfg. The single quotes keep `;` and `$` from
            // GRUB, which takes the quotes away.
            Self::Grub => {
                let quoted = |word: &str| match word.contains([';', '$', '(']) {
                    true => format!("'{}'", word.replace('$', "\\$")),
                    false => word.to_owned(),
                };
                let words: Vec<String> = line.split(' ').map(quoted).collect();
                let line = words.join(" ");
                format!("GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX {line}\"")
            }
            // The value goes to the kernel as it is, and the key may be there several times.
            Self::SystemdBoot => format!("options {line}"),
            Self::UBoot => format!(
                "setenv probe_analyze '{line}'\n\
                 setenv bootargs \"${{bootargs}} ${{probe_analyze}}\""
            ),
            Self::Qemu => format!("-append '{line}'"),
        }
    }

    /// What to type, before the boot and after it.
    pub fn steps(self) -> &'static [&'static str] {
        match self {
            Self::Grub => &[
                "probe-analyze boot-line --for grub >/etc/default/grub.d/probe-analyze.cfg",
                "update-grub",
                "afterwards: rm /etc/default/grub.d/probe-analyze.cfg; update-grub",
            ],
            Self::SystemdBoot => &[
                "probe-analyze boot-line --for systemd-boot >>ENTRY, where `bootctl list` names ENTRY",
                "afterwards: remove the last line of ENTRY",
            ],
            Self::UBoot => &[
                "with extlinux.conf: add the line to `append`, as it is",
                "with a boot script: add what `probe-analyze boot-line --for u-boot` prints before \
                 the command that boots, and pack the script again with mkimage",
                "the console of U-Boot takes lines of CONFIG_SYS_CBSIZE bytes, which may be less",
            ],
            Self::Qemu => &[
                "qemu-system-... -kernel ... -append \"... $(probe-analyze boot-line --quiet)\"",
            ],
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grub => "GRUB (Debian, Ubuntu)",
            Self::SystemdBoot => "systemd-boot",
            Self::UBoot => "U-Boot",
            Self::Qemu => "QEMU that loads the kernel",
        }
    }
}
