// SPDX-License-Identifier: GPL-2.0

//! What a run depends on: where it is the same, so are all figures in virtual time.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a run depends on, but for the project itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The kernel's release.
    pub kernel: String,
    /// The version of QEMU.
    pub qemu: String,
    /// The compiler of the kernel's Rust code.
    pub rustc: String,
    /// The compiler of the kernel's C code.
    pub cc: String,
    /// Processors.
    pub cpus: u8,
    /// Memory.
    pub memory_mib: u32,
    /// How long one instruction takes, if time is virtual.
    pub ns_per_instruction: Option<u32>,
    /// What is random in the guest comes from it.
    pub seed: u64,
    /// The commit of the project, and whether the checkout differs from it.
    pub revision: String,
}

impl Identity {
    /// The machine alone, in one line.
    pub fn machine(&self) -> String {
        format!(
            "Linux {}, {} CPUs, {} MiB, {}",
            self.kernel,
            self.cpus,
            self.memory_mib,
            match self.ns_per_instruction {
                Some(ns) => format!("virtual time, {ns} ns per instruction"),
                None => "wall time".to_owned(),
            }
        )
    }

    /// In what another one differs, the revision aside: `kernel: 7.2 and 7.3`.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let of = |identity: &Self| {
            let ns = identity.ns_per_instruction;
            [
                ("kernel", identity.kernel.clone()),
                ("QEMU", identity.qemu.clone()),
                ("rustc", identity.rustc.clone()),
                ("C compiler", identity.cc.clone()),
                ("CPUs", identity.cpus.to_string()),
                ("MiB of memory", identity.memory_mib.to_string()),
                (
                    "ns per instruction",
                    ns.map_or("wall time".to_owned(), |ns| ns.to_string()),
                ),
                ("seed", identity.seed.to_string()),
            ]
        };
        of(self)
            .into_iter()
            .zip(of(other))
            .filter(|((_, ours), (_, theirs))| ours != theirs)
            .map(|((what, ours), (_, theirs))| format!("{what}: {ours} and {theirs}"))
            .collect()
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\nQEMU {}, rustc {}, {}, seed {}, revision {}",
            self.machine(),
            self.qemu,
            self.rustc,
            self.cc,
            self.seed,
            self.revision
        )
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn identity() -> Identity {
        Identity {
            kernel: "7.3".into(),
            qemu: "10.0".into(),
            rustc: "1.85.1".into(),
            cc: "gcc 14.2.0".into(),
            cpus: 2,
            memory_mib: 1024,
            ns_per_instruction: Some(1),
            seed: 1,
            revision: "abc".into(),
        }
    }

    #[test]
    fn the_revision_is_no_difference() {
        let other = Identity {
            revision: "def".into(),
            ..identity()
        };
        assert!(identity().differences(&other).is_empty());
    }

    #[test]
    fn all_else_is() {
        let other = Identity {
            kernel: "7.2".into(),
            ns_per_instruction: None,
            seed: 2,
            ..identity()
        };
        assert_eq!(
            identity().differences(&other),
            [
                "kernel: 7.3 and 7.2",
                "ns per instruction: 1 and wall time",
                "seed: 1 and 2",
            ]
        );
    }

    #[test]
    fn fits_a_terminal() {
        let identity = Identity {
            kernel: "7.3.4+deb13-amd64".into(),
            qemu: "10.0.8".into(),
            cc: "gcc 14.2.0".into(),
            seed: 1,
            revision: "0123456789ab-dirty".into(),
            ..identity()
        };
        assert!(identity.to_string().lines().all(|line| line.len() <= 80));
    }
}
