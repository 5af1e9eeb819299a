// SPDX-License-Identifier: GPL-2.0

//! Lines of what any kernel prints with `initcall_debug` on its command line.
//!
//! `init/main.c`, `do_one_initcall()`, and `drivers/base/dd.c`, `really_probe_debug()`; since 7.3
//! the latter names the driver. With `dyndbg="file kernel/async.c +p"` besides, `kernel/async.c`
//! says who runs async work and who waits for it.
//!
//! The length of an initcall is printed from one global variable: where two modules are loaded at
//! once it is wrong, and the timestamps of the lines are not.

use derive_more::Display;
use smol_str::SmolStr;

use crate::errno;
use crate::micros::Micros;

/// One line, as `Display` prints it.
#[derive(Clone, Debug, Display, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // Of a field that says no more than its name.
pub enum Initcall {
    /// `calling  init_module+0x0/0x10 [mod] @ 9`: an init function is called.
    #[display("calling  {function} @ {pid}")]
    Calling { function: Symbol, pid: u32 },
    /// `initcall init_module+0x0/0x10 [mod] returned 0 after 7 usecs`: it has returned.
    #[display("initcall {function} returned {ret} after {} usecs", took.0)]
    Returned {
        function: Symbol,
        ret: i32,
        took: Micros,
    },
    /// `probe of slow.0 with driver slow returned 0 after 7 usecs`: a driver has tried a device.
    #[display("probe of {device}{} returned {ret} after {} usecs", with(driver.as_ref()), took.0)]
    Probed {
        device: SmolStr,
        /// Name of the driver, since 7.3.
        driver: Option<SmolStr>,
        /// The number in the line. What it means depends on the kernel.
        ret: i32,
        outcome: Outcome,
        took: Micros,
        /// The task, if the line has its caller.
        pid: Option<u32>,
    },
    /// `calling  3_work+0x0/0x10 @ 9`: a worker begins a piece of async work.
    #[display("calling  {cookie}_{function} @ {pid}")]
    WorkBegan {
        cookie: u64,
        function: Symbol,
        pid: u32,
    },
    /// `initcall 3_work+0x0/0x10 returned after 7 usecs`: the work has ended.
    #[display("initcall {cookie}_{function} returned after {} usecs", took.0)]
    WorkEnded {
        cookie: u64,
        function: Symbol,
        took: Micros,
        /// A kernel before 5.13 has printed it. Such a kernel tells of async work only until it
        /// runs init (`kernel/async.c`, `system_state < SYSTEM_RUNNING`).
        until_init: bool,
    },
    /// `async_waiting @ 9`: a task waits for async work.
    #[display("async_waiting @ {pid}")]
    Waiting { pid: u32 },
    /// `async_continuing @ 9 after 7 usec`: it goes on.
    #[display("async_continuing @ {pid} after {} usec", took.0)]
    Continuing { pid: u32, took: Micros },
    /// `Run /init as init process`: the boot is over. It comes without `initcall_debug`, too.
    #[display("Run {program} as init process")]
    RunInit { program: SmolStr },
}

fn with(driver: Option<&SmolStr>) -> String {
    driver.map_or(String::new(), |driver| format!(" with driver {driver}"))
}

/// What became of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The device is bound.
    Bound,
    /// The device is not bound: the errno, negative, if the log has it.
    Failed(Option<i32>),
    /// Bound or failed: the log does not say which kernel has printed it, and its number is 0 or 1.
    Unknown,
}

impl Outcome {
    /// What the number means since 5.14: 0 is bound, and a driver's errno is positive
    /// (`drivers/base/dd.c`, `really_probe()`).
    pub fn since_5_14(ret: i32) -> Self {
        match ret.saturating_abs().saturating_neg() {
            0 => Self::Bound,
            errno => Self::Failed(Some(errno)),
        }
    }

    /// The result of the probe in the convention of C, if it is known whether the device is bound.
    pub fn ret(self) -> Option<i32> {
        match self {
            Self::Bound => Some(0),
            Self::Failed(errno) => Some(errno.unwrap_or(errno::NOT_TOLD)),
            Self::Unknown => None,
        }
    }
}

/// Whether a function is one of the driver core's helpers, which attach a device each
/// (`drivers/base/dd.c`).
pub(crate) fn is_attach_helper(function: &str) -> bool {
    function.ends_with("_attach_async_helper")
}

/// A function as the kernel prints it: `init_module+0x0/0x10 [mod]`.
#[derive(Clone, Debug, Display, PartialEq, Eq, Hash)]
#[display("{text}{}", module.as_ref().map_or(String::new(), |module| format!(" [{module}]")))]
pub struct Symbol {
    /// The function, `init_module+0x0/0x10`, or an address.
    pub text: SmolStr,
    /// The module that it is in.
    pub module: Option<SmolStr>,
}

impl Symbol {
    /// The function alone.
    pub fn function(&self) -> &str {
        self.text.split('+').next().unwrap_or(&self.text)
    }
}
