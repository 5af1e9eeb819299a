// SPDX-License-Identifier: GPL-2.0

//! What a kernel needs whose instruments look at all that it does: more time and more memory.

use lifecycle::Probing;

use crate::config::Config;
use crate::machine::Machine;

/// Instruments that make everything slow.
const SLOW: &[&str] = &["CONFIG_KASAN=y", "CONFIG_KCSAN=y", "CONFIG_PROVE_LOCKING=y"];

/// How many times as long a slow kernel may take.
const TIMES: u32 = 10;

/// How many times as much memory it gets: shadows, backtraces, and what has been freed for a while.
const MEMORY: u32 = 2;

/// What the command line says for an instrument: that KASAN should not end with its first
/// complaint, that KCSAN does not watch the kernel boot, until `init.sh` has told it of races that
/// are meant, and that the log has room for a line about each kobject that is released.
const TOLD: &[(&str, &str)] = &[
    ("CONFIG_KASAN=y", "kasan_multi_shot"),
    ("CONFIG_KCSAN=y", "kcsan.early_enable=0"),
    ("CONFIG_DEBUG_KOBJECT_RELEASE=y", "log_buf_len=4M"),
];

/// What the configuration asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instruments {
    /// How many times as long as on the stock kernel everything may take.
    pub times: u32,
    /// How often the kernel probes a device.
    pub probing: Probing,
    memory: u32,
    append: String,
}

impl Instruments {
    /// Those of a configuration.
    pub(crate) fn read(config: &Config) -> Self {
        let slow = SLOW.iter().any(|line| config.holds(line));
        let told = TOLD.iter().filter(|(line, _)| config.holds(line));
        Self {
            times: if slow { TIMES } else { 1 },
            probing: if config.holds("CONFIG_DEBUG_TEST_DRIVER_REMOVE=y") {
                Probing::Twice
            } else {
                Probing::Once
            },
            memory: if slow { MEMORY } else { 1 },
            append: told.map(|(_, words)| format!(" {words}")).collect(),
        }
    }

    /// The machine in which such a kernel does what others do in this one.
    pub(crate) fn machine(&self, machine: &Machine) -> Machine {
        Machine {
            memory: machine.memory * self.memory,
            deadline: machine.deadline * self.times,
            wall_deadline: machine.wall_deadline * self.times,
            append: machine.append.clone() + &self.append,
            ..machine.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels() {
        let stock = Instruments::read(&"CONFIG_KFENCE=y\n# CONFIG_KASAN is not set\n".into());
        assert_eq!((stock.times, stock.memory), (1, 1));
        assert_eq!(stock.probing, Probing::Once);
        assert!(stock.append.is_empty());

        let debug = Instruments::read(&"CONFIG_KASAN=y\nCONFIG_PROVE_LOCKING=y\n".into());
        assert_eq!((debug.times, debug.memory), (TIMES, MEMORY));
        assert_eq!(debug.append, " kasan_multi_shot");

        let remove = Instruments::read(&"CONFIG_DEBUG_TEST_DRIVER_REMOVE=y\n".into());
        assert_eq!((remove.times, remove.probing), (1, Probing::Twice));
    }
}
