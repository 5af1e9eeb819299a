// SPDX-License-Identifier: GPL-2.0

//! The architectures whose kernels can be recorded: the one table of them.
//!
//! The table of points has `$argN` for the Nth argument of a function, `$caller` for its caller,
//! `sys_` before the name of a system call, and `$sys1` for its first argument. A new architecture
//! is a row here; it has to select `HAVE_FUNCTION_ARG_ACCESS_API`.

/// An architecture.
#[derive(Debug, PartialEq, Eq)]
pub struct Arch {
    /// Its name, as `uname -m` prints it.
    pub name: &'static str,
    /// The name of `ARCH=` in the kernel's make, and Debian's name.
    others: [&'static str; 2],
    /// `COMMAND_LINE_SIZE` in its `asm/setup.h`: the bytes of a command line with the final NUL.
    pub command_line_size: usize,
    /// The registers of the first four arguments. They say the same as `$argN` in fewer bytes,
    /// which a command line has to have room for.
    arguments: [&'static str; 4],
    /// What holds the caller of a function at its entry.
    caller: &'static str,
    /// What is before `sys_` in the name of a system call's function (`asm/syscall_wrapper.h`).
    syscall: &'static str,
    /// The first argument of a system call, in the `struct pt_regs` that its function gets.
    first: &'static str,
}

/// All of them.
pub const ARCHES: &[Arch] = &[
    Arch {
        name: "x86_64",
        others: ["x86", "amd64"],
        command_line_size: 2048,
        arguments: ["%di", "%si", "%dx", "%cx"],
        caller: "$stack0",
        syscall: "__x64_",
        first: "+112($arg1)",
    },
    Arch {
        name: "aarch64",
        others: ["arm64", "arm64"],
        command_line_size: 2048,
        arguments: ["%x0", "%x1", "%x2", "%x3"],
        caller: "%lr",
        syscall: "__arm64_",
        first: "+0($arg1)",
    },
    Arch {
        name: "riscv64",
        others: ["riscv", "riscv64"],
        command_line_size: 1024,
        arguments: ["%a0", "%a1", "%a2", "%a3"],
        caller: "%ra",
        syscall: "__riscv_",
        first: "+280($arg1)",
    },
];

impl Arch {
    /// The architecture of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ARCHES
            .iter()
            .find(|arch| arch.name == name || arch.others.contains(&name))
    }

    /// The architecture that this program was built for.
    pub fn here() -> Option<&'static Self> {
        Self::named(std::env::consts::ARCH)
    }

    /// The symbol of a function of the table of points.
    pub(super) fn symbol(&self, function: &str) -> String {
        match function.starts_with("sys_") {
            true => format!("{}{function}", self.syscall),
            false => function.to_owned(),
        }
    }

    /// What fetches a value of the table of points.
    pub(super) fn expression(&self, neutral: &str) -> String {
        let arguments = (1..).map(|n| format!("$arg{n}")).zip(self.arguments);
        arguments.chain([("$caller".to_owned(), self.caller)]).fold(
            neutral.replace("$sys1", self.first),
            |expression, (name, here)| expression.replace(&name, here),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_calls_the_same() {
        let on = |name: &str| {
            let arch = Arch::named(name).unwrap();
            [
                arch.expression("+0(+0($arg1)):string"),
                arch.expression("$caller:symbol"),
                arch.expression("+0($sys1):ustring"),
                arch.symbol("sys_delete_module"),
                arch.symbol("really_probe"),
            ]
            .join(" ")
        };
        assert_eq!(
            on("amd64"),
            "+0(+0(%di)):string $stack0:symbol +0(+112(%di)):ustring __x64_sys_delete_module really_probe"
        );
        assert_eq!(
            on("arm64"),
            "+0(+0(%x0)):string %lr:symbol +0(+0(%x0)):ustring __arm64_sys_delete_module really_probe"
        );
        assert!(Arch::named("vax").is_none() && Arch::here().is_some());
    }
}
