// SPDX-License-Identifier: GPL-2.0

//! What a reader of a report has to know of the log.

use derive_more::Display;

use crate::micros::Micros;

/// One fact about a log that has been read.
#[derive(Clone, Debug, Display, PartialEq, Eq)]
#[allow(missing_docs)] // The text of each says what it is.
pub enum Note {
    /// Of several boots in the log, this one has been read, from 1.
    #[display("boot {number} of the {of} in the log{}", without_probes(*empty))]
    Boot {
        number: usize,
        of: usize,
        /// How many of those after it have no line of ours.
        empty: usize,
    },
    #[display(
        "whether {_0} of the probes bound their devices is not known: a result of 0 is success since \
         Linux 5.14 and failure before it, and the log does not say which kernel printed it"
    )]
    UnknownOutcomes(usize),
    #[display(
        "no probe is in the log, and initcalls are: Linux 5.8 to 6.3 prints probes only with \
         `dyndbg=\"file drivers/base/dd.c +p\"` on the command line besides initcall_debug"
    )]
    NoProbes,
    #[display("{_0} lines are not counted: two consoles have printed each line")]
    Copies(usize),
    #[display("from line {_0} on a second console prints the boot once more: this is not counted")]
    Replayed(usize),
    #[display("the log begins within line {_0}, which is not read")]
    HeadCut(usize),
    #[display("line {_0} says that lines have been left out: probes and initcalls may be missing")]
    LeftOut(usize),
    #[display("the last line has no end and may be cut off")]
    OpenEnd,
    #[display("times count from the first line of the log, not from the start of the kernel")]
    FromFirstLine,
    #[display(
        "{lines} lines are not read, line {first} first: another text stands between the time and \
         the kernel's message"
    )]
    Behind { lines: usize, first: usize },
    #[display(
        "how long {calls} init functions took is not certain, that of line {first} first: much less \
         by the kernel's own measure than by the times of their lines, as where one of the two \
         clocks is set or stands still meanwhile"
    )]
    Jumps { calls: usize, first: usize },
    #[display(
        "init functions take {lines} ms in sum by the times of their lines, and {kernel} ms by the \
         kernel's own measure: a slow console takes the rest; boot with `quiet` and without \
         `ignore_loglevel`, and take the log with `dmesg`"
    )]
    Console { lines: Micros, kernel: Micros },
    #[display(
        "no line says when {calls} init functions were called, that which returns in line {first} \
         first: how long they took is by the kernel's own measure, which is wrong where modules were \
         loaded at once"
    )]
    Uncalled { calls: usize, first: usize },
    #[display(
        "no line says when {calls} init functions returned, that which is called in line {first} \
         first: they are taken to have ended when their task called the next, or ran init"
    )]
    Unreturned { calls: usize, first: usize },
    #[display(
        "no line says when {works} pieces of async work, or waits for it, ended, that which begins in \
         line {first} first: who waited for whom is not whole"
    )]
    Unended { works: usize, first: usize },
    #[display(
        "{lines} lines are not read, line {first} first: they begin as a line of initcall_debug and \
         do not end as one, so that a probe or an initcall is missing"
    )]
    Garbled { lines: usize, first: usize },
}

/// What is behind that boot.
fn without_probes(boots: usize) -> String {
    match boots {
        0 => String::new(),
        1 => ": the one after it has no line about probes".to_owned(),
        more => format!(": the {more} after it have no line about probes"),
    }
}
