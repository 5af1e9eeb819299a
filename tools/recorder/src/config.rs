// SPDX-License-Identifier: GPL-2.0

//! How the running kernel is configured, where it tells (`CONFIG_IKCONFIG_PROC`).

use std::fs::File;
use std::io::{self, Read};
use std::sync::LazyLock;

use flate2::read::GzDecoder;
use lifecycle::Probing;

/// Where it tells.
const CONFIG: &str = "/proc/config.gz";

static SET: LazyLock<String> =
    LazyLock::new(|| File::open(CONFIG).and_then(unpack).unwrap_or_default());

fn unpack(file: impl Read) -> io::Result<String> {
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text)?;
    Ok(text)
}

/// Whether `CONFIG_<option>=y`. A kernel without `/proc/config.gz` counts as having none: Debian's
/// kernel is one, and has none of the options that are asked for.
pub fn has(option: &str) -> bool {
    is_set(&SET, option)
}

fn is_set(config: &str, option: &str) -> bool {
    config.lines().any(|line| {
        line.strip_prefix("CONFIG_")
            .and_then(|line| line.strip_prefix(option))
            == Some("=y")
    })
}

/// How often the kernel probes a device that it binds.
pub fn probing() -> Probing {
    if has("DEBUG_TEST_DRIVER_REMOVE") {
        Probing::Twice
    } else {
        Probing::Once
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        let config =
            "CONFIG_KASAN=y\n# CONFIG_KCSAN is not set\nCONFIG_RUST=m\nCONFIG_KASAN_INLINE=y\n";
        assert!(is_set(config, "KASAN"));
        assert!(is_set(config, "KASAN_INLINE"));
        for option in ["KCSAN", "RUST", "KASA", "INLINE"] {
            assert!(!is_set(config, option), "{option}");
        }
    }
}
