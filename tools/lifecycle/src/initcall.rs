// SPDX-License-Identifier: GPL-2.0

//! What any kernel prints with `initcall_debug` on its command line.
//!
//! `init/main.c`, `do_one_initcall()`, and `drivers/base/dd.c`, `really_probe_debug()`; since 7.3 the
//! latter names the driver. With `dyndbg="file kernel/async.c +p"` besides, `kernel/async.c` says
//! who runs async work and who waits for it.
//!
//! The length of an initcall is printed from one global variable: where two modules are loaded at
//! once it is wrong, and the timestamps of the lines are not.

use std::fmt;

use crate::dmesg::digits;
use crate::Micros;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Initcall {
    /// `calling  init_module+0x0/0x10 [mod] @ 9`: an init function is called.
    Calling {
        /// The function.
        function: Symbol,
        /// The task that calls it.
        pid: u32,
    },
    /// `initcall init_module+0x0/0x10 [mod] returned 0 after 7 usecs`: it has returned.
    Returned {
        /// The function.
        function: Symbol,
        /// Its result.
        ret: i32,
        /// How long it took.
        took: Micros,
    },
    /// `probe of slow.0 with driver slow returned 0 after 7 usecs`: a driver has tried a device.
    Probed {
        /// Name of the device.
        device: String,
        /// Name of the driver, since 7.3.
        driver: Option<String>,
        /// The result.
        ret: i32,
        /// How long it took.
        took: Micros,
        /// The task, if the line has its caller.
        pid: Option<u32>,
    },
    /// `calling  3_work+0x0/0x10 @ 9`: a worker begins a piece of async work.
    WorkBegan {
        /// The work's number.
        cookie: u64,
        /// Its function.
        function: Symbol,
        /// The worker.
        pid: u32,
    },
    /// `initcall 3_work+0x0/0x10 returned after 7 usecs`: the work has ended.
    WorkEnded {
        /// The work's number.
        cookie: u64,
        /// Its function.
        function: Symbol,
        /// How long it took.
        took: Micros,
    },
    /// `async_waiting @ 9`: a task waits for async work.
    Waiting {
        /// The task.
        pid: u32,
    },
    /// `async_continuing @ 9 after 7 usec`: it goes on.
    Continuing {
        /// The task.
        pid: u32,
        /// How long it waited.
        took: Micros,
    },
    /// `Run /init as init process`: the boot is over. It comes without `initcall_debug`, too.
    RunInit {
        /// The program.
        program: String,
    },
}

/// A function as the kernel prints it: `init_module+0x0/0x10 [mod]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Symbol {
    /// The function, `init_module+0x0/0x10`, or an address.
    pub text: String,
    /// The module that it is in.
    pub module: Option<String>,
}

impl Symbol {
    fn parse(text: &str) -> Option<Self> {
        let (text, module) = match text.split_once(" [") {
            Some((text, module)) => (text, Some(module.strip_suffix(']')?.to_owned())),
            None => (text, None),
        };
        let plain = !text.is_empty() && !text.contains(' ') && module.as_deref() != Some("");
        plain.then(|| Self {
            text: text.to_owned(),
            module,
        })
    }

    /// The function alone.
    pub fn function(&self) -> &str {
        self.text.split('+').next().unwrap_or(&self.text)
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match &self.module {
            Some(module) => write!(f, " [{module}]"),
            None => Ok(()),
        }
    }
}

const CALLING: &str = "calling  ";
const RETURNED: &str = "initcall ";
const PROBED: &str = "probe of ";
const WAITING: &str = "async_waiting @ ";
const CONTINUING: &str = "async_continuing @ ";
const RUN: &str = "Run ";
const AS_INIT: &str = " as init process";

impl Initcall {
    /// Reads the text of a line, printed by the task `caller` if that is known. Others print lines
    /// that begin the same: what is not as here is theirs.
    pub fn parse(text: &str, caller: Option<u32>) -> Option<Self> {
        if let Some(text) = text.strip_prefix(CALLING) {
            let (function, pid) = text.rsplit_once(" @ ")?;
            let pid = digits(pid)?;
            return Some(match work(function) {
                Some((cookie, function)) => Self::WorkBegan {
                    cookie,
                    function,
                    pid,
                },
                None => Self::Calling {
                    function: Symbol::parse(function)?,
                    pid,
                },
            });
        }
        if let Some(text) = text.strip_prefix(RETURNED) {
            let (text, took) = after(text, " usecs")?;
            if let Some((cookie, function)) = text.strip_suffix(" returned").and_then(work) {
                return Some(Self::WorkEnded {
                    cookie,
                    function,
                    took,
                });
            }
            let (function, ret) = text.rsplit_once(" returned ")?;
            return Some(Self::Returned {
                function: Symbol::parse(function)?,
                ret: ret.parse().ok()?,
                took,
            });
        }
        if let Some(text) = text.strip_prefix(PROBED) {
            // The names of devices, and of drivers, may contain spaces.
            let (text, took) = after(text, " usecs")?;
            let (name, ret) = text.rsplit_once(" returned ")?;
            let (device, driver) = match name.rsplit_once(" with driver ") {
                Some((device, driver)) => (device, Some(driver.to_owned())),
                None => (name, None),
            };
            return Some(Self::Probed {
                device: device.to_owned(),
                driver,
                ret: ret.parse().ok()?,
                took,
                pid: caller,
            });
        }
        if let Some(pid) = text.strip_prefix(WAITING) {
            return digits(pid).map(|pid| Self::Waiting { pid });
        }
        if let Some(program) = text.strip_prefix(RUN) {
            return program.strip_suffix(AS_INIT).map(|program| Self::RunInit {
                program: program.to_owned(),
            });
        }
        let (pid, took) = after(text.strip_prefix(CONTINUING)?, " usec")?;
        digits(pid).map(|pid| Self::Continuing { pid, took })
    }

    /// Where in a line such a text begins, whatever is before it.
    pub fn find(line: &str) -> Option<usize> {
        [CALLING, RETURNED, PROBED, WAITING, CONTINUING, RUN]
            .into_iter()
            .filter_map(|begin| line.find(begin))
            .find(|at| Self::parse(&line[*at..], None).is_some())
    }
}

/// `<text> after <number><unit>`.
fn after<'a>(text: &'a str, unit: &str) -> Option<(&'a str, Micros)> {
    let (text, took) = text.strip_suffix(unit)?.rsplit_once(" after ")?;
    Some((text, Micros(digits(took)?)))
}

/// `<cookie>_<function>`.
fn work(text: &str) -> Option<(u64, Symbol)> {
    let (cookie, function) = text.split_once('_')?;
    Some((digits(cookie)?, Symbol::parse(function)?))
}

/// Prints the text of the line.
impl fmt::Display for Initcall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calling { function, pid } => write!(f, "{CALLING}{function} @ {pid}"),
            Self::Returned {
                function,
                ret,
                took,
            } => write!(
                f,
                "{RETURNED}{function} returned {ret} after {} usecs",
                took.0
            ),
            Self::Probed {
                device,
                driver,
                ret,
                took,
                ..
            } => {
                write!(f, "{PROBED}{device}")?;
                if let Some(driver) = driver {
                    write!(f, " with driver {driver}")?;
                }
                write!(f, " returned {ret} after {} usecs", took.0)
            }
            Self::WorkBegan {
                cookie,
                function,
                pid,
            } => write!(f, "{CALLING}{cookie}_{function} @ {pid}"),
            Self::WorkEnded {
                cookie,
                function,
                took,
            } => write!(
                f,
                "{RETURNED}{cookie}_{function} returned after {} usecs",
                took.0
            ),
            Self::Waiting { pid } => write!(f, "{WAITING}{pid}"),
            Self::Continuing { pid, took } => {
                write!(f, "{CONTINUING}{pid} after {} usec", took.0)
            }
            Self::RunInit { program } => write!(f, "{RUN}{program}{AS_INIT}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(text: &str, module: Option<&str>) -> Symbol {
        Symbol {
            text: text.to_owned(),
            module: module.map(str::to_owned),
        }
    }

    #[test]
    fn reads_what_it_prints() {
        let probed = |device: &str, driver: Option<&str>, ret| Initcall::Probed {
            device: device.to_owned(),
            driver: driver.map(str::to_owned),
            ret,
            took: Micros(7),
            pid: None,
        };
        for (text, initcall) in [
            (
                "calling  init_module+0x0/0xff0 [unrelated] @ 9",
                Initcall::Calling {
                    function: symbol("init_module+0x0/0xff0", Some("unrelated")),
                    pid: 9,
                },
            ),
            (
                "initcall 0xffffffffc0a00000 returned -19 after 0 usecs",
                Initcall::Returned {
                    function: symbol("0xffffffffc0a00000", None),
                    ret: -19,
                    took: Micros(0),
                },
            ),
            (
                "probe of serio1 with driver atkbd returned 19 after 7 usecs",
                probed("serio1", Some("atkbd"), 19),
            ),
            // Before 7.3.
            (
                "probe of 00:03:0.0 returned 0 after 7 usecs",
                probed("00:03:0.0", None, 0),
            ),
            (
                "probe of Fixed MDIO bus.0 with driver i8042 kbd returned -517 after 7 usecs",
                probed("Fixed MDIO bus.0", Some("i8042 kbd"), -517),
            ),
            (
                "calling  3___driver_attach_async_helper+0x0/0xf0 @ 12",
                Initcall::WorkBegan {
                    cookie: 3,
                    function: symbol("__driver_attach_async_helper+0x0/0xf0", None),
                    pid: 12,
                },
            ),
            (
                "initcall 3_work+0x0/0xf0 [m] returned after 497583 usecs",
                Initcall::WorkEnded {
                    cookie: 3,
                    function: symbol("work+0x0/0xf0", Some("m")),
                    took: Micros(497_583),
                },
            ),
            ("async_waiting @ 113", Initcall::Waiting { pid: 113 }),
            (
                "Run /init as init process",
                Initcall::RunInit {
                    program: "/init".to_owned(),
                },
            ),
            (
                "async_continuing @ 113 after 0 usec",
                Initcall::Continuing {
                    pid: 113,
                    took: Micros(0),
                },
            ),
        ] {
            assert_eq!(
                Initcall::parse(text, None).as_ref(),
                Some(&initcall),
                "{text}"
            );
            assert_eq!(initcall.to_string(), text);
            assert_eq!(Initcall::find(&format!("<7>Nov 22 host: {text}")), Some(16));
        }
    }

    #[test]
    fn lines_of_others() {
        for text in [
            "",
            "calling home",
            "calling  home",
            "calling  a b @ 9",
            "calling   @ 9",
            "calling  init @ -1",
            "calling  init [] @ 9",
            "initcall blacklisted",
            "initcall foo+0x0/0x10 returned with preemption imbalance ",
            "initcall foo+0x0/0x10 returned 0 after 7 msecs",
            "initcall foo+0x0/0x10 returned 0 after -7 usecs",
            "probe of slow.0 failed with error -2",
            "probe of slow.0 rejects match -19",
            "probe of slow.0 returned 0 after 99999999999999999999 usecs",
            "async_waiting @ everybody",
            "async_continuing @ 9",
        ] {
            assert_eq!(Initcall::parse(text, None), None, "{text}");
            assert_eq!(Initcall::find(text), None, "{text}");
        }
    }
}
