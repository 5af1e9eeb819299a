// SPDX-License-Identifier: GPL-2.0

//! The architectures for which a boot line can be made.

/// An architecture.
#[derive(Debug)]
pub struct Arch {
    /// Its name, as `uname -m` prints it.
    pub name: &'static str,
    /// `COMMAND_LINE_SIZE` in its `asm/setup.h`: the bytes of a command line with the final NUL.
    pub command_line_size: usize,
    /// What stands for the first four arguments of a function, and for its caller, at its entry.
    /// The table of points has the registers of x86-64.
    fetch: [(&'static str, &'static str); 5],
}

/// All of them. `$argN` needs `HAVE_FUNCTION_ARG_ACCESS_API`, which all three select. It says the
/// same as a register of x86-64 and is longer. The caller is in the link register of the others.
pub const ARCHS: &[Arch] = &[
    Arch {
        name: "x86_64",
        command_line_size: 2048,
        fetch: [
            ("%di", "%di"),
            ("%si", "%si"),
            ("%dx", "%dx"),
            ("%cx", "%cx"),
            ("$stack0", "$stack0"),
        ],
    },
    Arch {
        name: "aarch64",
        command_line_size: 2048,
        fetch: [
            ("%di", "$arg1"),
            ("%si", "$arg2"),
            ("%dx", "$arg3"),
            ("%cx", "$arg4"),
            ("$stack0", "%lr"),
        ],
    },
    Arch {
        name: "riscv64",
        command_line_size: 1024,
        fetch: [
            ("%di", "$arg1"),
            ("%si", "$arg2"),
            ("%dx", "$arg3"),
            ("%cx", "$arg4"),
            ("$stack0", "%ra"),
        ],
    },
];

impl Arch {
    /// The architecture of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        // What the kernel's ARCH= and Debian call them.
        let name = match name {
            "amd64" | "x86" => "x86_64",
            "arm64" => "aarch64",
            "riscv" => "riscv64",
            other => other,
        };
        ARCHS.iter().find(|arch| arch.name == name)
    }

    /// A kprobe event of x86-64 as one of this architecture.
    pub fn translate(&self, kprobe: &str) -> String {
        self.fetch
            .iter()
            .fold(kprobe.to_owned(), |kprobe, (x86, here)| {
                kprobe.replace(x86, here)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn translated() {
        let kprobe = "p:a f dev=+0(+0(%di)):string from=$stack0:symbol";
        assert_eq!(Arch::named("amd64").unwrap().translate(kprobe), kprobe);
        assert_eq!(
            Arch::named("arm64").unwrap().translate(kprobe),
            "p:a f dev=+0(+0($arg1)):string from=%lr:symbol"
        );
        assert!(Arch::named("vax").is_none());
    }
}
