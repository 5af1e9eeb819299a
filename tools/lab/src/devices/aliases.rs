// SPDX-License-Identifier: GPL-2.0

//! Which modules of the kernel take a device: their aliases, against what the device says it is.

use std::collections::BTreeSet;
use std::fs;

use crate::cache::Cache;
use crate::error::{Error, IoContext, Kind, Result};
use crate::kernel::Kernel;
use crate::kmod::stock;
use crate::process::Logged;
use crate::session::Session;

/// The aliases of all modules of a kernel.
#[derive(Debug)]
pub(crate) struct Aliases {
    /// A pattern, and the module.
    rows: Vec<(String, String)>,
}

impl Aliases {
    /// Those of the kernel's package; depmod reads them from the modules, the first time.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if the kernel comes without modules.
    pub(crate) fn find(session: &Session) -> Result<Self> {
        let kernel = match &session.kernel {
            Kernel::Prepared(kernel) if kernel.is_stock() => kernel,
            other => {
                return Err(Error::new(
                    Kind::Usage,
                    "no list of modules and their aliases",
                    format!("{} comes without modules.alias", other.name()),
                    "name the module (MODULE=), or take Debian's kernel (KERNEL=stock)",
                ))
            }
        };
        let logs = session.project.out("log");
        let modules = stock::unpacked(kernel, &session.env, &logs)?;
        let cache = Cache::locate()?;
        let release = &kernel.meta.release;
        let entry = format!("modules/alias-{release}");
        let dir = cache.ensure(&entry, 10, |dir, _| {
            Logged {
                what: "reading the aliases of the kernel's modules",
                log: logs.join("depmod.log"),
                kind: Kind::Kernel,
                next: "`make clean-cache`, then run the same command again",
            }
            .run(
                session
                    .env
                    .script(&format!(
                        "mkdir -p /tmp/in/lib/modules /tmp/out\n\
                         ln -s /lab/debs /tmp/in/lib/modules/{release}\n\
                         depmod -b /tmp/in -o /tmp/out {release}\n\
                         cp /tmp/out/lib/modules/{release}/modules.alias /lab/out"
                    ))
                    .bind(&modules, "/lab/debs")
                    .bind(dir, "/lab/out")
                    .command(),
            )
        })?;
        let file = dir.join("modules.alias");
        let text = fs::read_to_string(&file).at(&file, "read")?;
        Ok(Self::read(&text))
    }

    /// Reads `modules.alias`: `alias pci:v00008086d* e1000e`.
    fn read(text: &str) -> Self {
        let rows = text.lines().filter_map(|line| {
            let (pattern, module) = line.strip_prefix("alias ")?.rsplit_once(' ')?;
            Some((pattern.to_owned(), module.to_owned()))
        });
        Self {
            rows: rows.collect(),
        }
    }

    /// The modules that take what says so of itself, those with the closest patterns first.
    pub(crate) fn modules(&self, modaliases: &[String]) -> Vec<&str> {
        let mut found: Vec<(usize, &str)> = self
            .rows
            .iter()
            .filter(|(pattern, _)| modaliases.iter().any(|own| matches(pattern, own)))
            .map(|(pattern, module)| {
                let fixed = pattern.bytes().filter(|byte| *byte != b'*').count();
                (usize::MAX - fixed, module.as_str())
            })
            .collect();
        found.sort_unstable();
        let mut seen = BTreeSet::new();
        let modules = found.into_iter().map(|(_, module)| module);
        modules.filter(|module| seen.insert(*module)).collect()
    }
}

/// Matches as `fnmatch(3)` does, which modprobe uses: `*`, `?` and `[0-9]`.
fn matches(pattern: &str, text: &str) -> bool {
    fn at(pattern: &[u8], text: &[u8]) -> bool {
        let Some((first, rest)) = pattern.split_first() else {
            return text.is_empty();
        };
        let next = |is: bool, rest: &[u8]| is && at(rest, &text[1..]);
        match (first, text.first()) {
            (b'*', _) => (0..=text.len()).any(|skipped| at(rest, &text[skipped..])),
            (_, None) => false,
            (b'?', _) => next(true, rest),
            (b'[', Some(byte)) => {
                let Some(end) = rest.iter().position(|byte| *byte == b']') else {
                    return false;
                };
                next(in_set(&rest[..end], *byte), &rest[end + 1..])
            }
            (own, Some(byte)) => next(own == byte, rest),
        }
    }
    at(pattern.as_bytes(), text.as_bytes())
}

/// Whether a byte is in a set such as `0-9a-f`.
fn in_set(set: &[u8], byte: u8) -> bool {
    match set {
        [from, b'-', to, rest @ ..] => (*from..=*to).contains(&byte) || in_set(rest, byte),
        [one, rest @ ..] => *one == byte || in_set(rest, byte),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, is) in [
            (
                "pci:v00008086d*sv*",
                "pci:v00008086d000010D3sv00001AF4",
                true,
            ),
            ("pci:v00008086d*bc03", "pci:v00008086d000010D3bc02", false),
            ("usb:v0403p6001d[0-9]*", "usb:v0403p6001d0400", true),
            ("usb:d0[1-3a]", "usb:d0a", true),
            ("usb:d0[1-3a]", "usb:d04", false),
            ("virtio:d0000000?v*", "virtio:d00000002v00001AF4", true),
            ("a", "ab", false),
            ("a*", "", false),
        ] {
            assert_eq!(matches(pattern, text), is, "{pattern} {text}");
        }
    }

    #[test]
    fn the_closest_comes_first() {
        let aliases = Aliases::read(
            "# comment\nalias pci:v*d*bc01* ata_generic\nalias pci:v00001AF4d* other\n\
             alias pci:v00001AF4d00000001bc01 own\nalias pci:v00001AF4d* own\n",
        );
        let modaliases = ["pci:v00001AF4d00000001bc01".to_owned()];
        assert_eq!(
            aliases.modules(&modaliases),
            ["own", "other", "ata_generic"]
        );
        assert!(aliases.modules(&[]).is_empty());
    }
}
