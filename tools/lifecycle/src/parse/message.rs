// SPDX-License-Identifier: GPL-2.0

//! The text of one message of the kernel's, without what is before it.

use super::initcall_debug;
use super::number::digits;
use super::refusal::Reason;
use super::timing::{kernel_event, user_event};
use crate::event::{What, KERNEL_PREFIX, USER_PREFIX};

/// What a message says.
pub(super) enum Message<'a> {
    /// An event.
    Event(What),
    /// A kernel of this release starts.
    Banner(&'a str),
    /// The release of the kernel that runs.
    Release(&'a str),
    /// A driver's probe of this device failed with this errno.
    Failed(&'a str, i32),
    /// The drivers that the command line asks to be probed asynchronously.
    Asked(&'a str),
    /// Lines are missing.
    Dropped,
    /// The next line is the last one once more.
    Replay,
    /// It begins as one of ours does, and another text is in it.
    Garbled,
    /// Something else.
    Other,
}

/// Reads a message that the task `caller` has printed, if that is known.
pub(super) fn read(text: &str, caller: Option<u32>) -> Result<Message<'_>, Reason> {
    if let Some(text) = text.strip_prefix(KERNEL_PREFIX) {
        return kernel_event(text).map(Message::Event);
    }
    if let Some(text) = text.strip_prefix(USER_PREFIX) {
        return user_event(text).map(Message::Event);
    }
    // A serial line may have blanks at its end, or what an editor has put there.
    let text = text.trim_end();
    if let Some(initcall) = initcall_debug::parse(text, caller) {
        return Ok(Message::Event(What::Initcall(initcall)));
    }
    if let Some(trailing) = initcall_debug::trailing(text) {
        return match initcall_debug::parse(unwrapped(text), caller) {
            Some(initcall) => Ok(Message::Event(What::Initcall(initcall))),
            None => Err(Reason::Behind(trailing.to_owned())),
        };
    }
    if is_replay(text) {
        return Ok(Message::Replay);
    }
    if initcall_debug::is_cut(text) {
        return Err(Reason::CutOff);
    }
    if is_in_milliseconds(text) {
        return Err(Reason::Milliseconds);
    }
    if is_loss(text) {
        return Ok(Message::Dropped);
    }
    if initcall_debug::is_garbled(text) {
        return Ok(Message::Garbled);
    }
    Ok(banner(text)
        .map(Message::Banner)
        .or_else(|| release(text).map(Message::Release))
        .or_else(|| asked(unwrapped(text)).map(Message::Asked))
        .or_else(|| failed(unwrapped(text)).map(|(device, errno)| Message::Failed(device, errno)))
        .unwrap_or(Message::Other))
}

/// Whether a message counts. Others than the kernel may write anything into its buffer, and of that
/// only their own events count.
pub(super) fn counts(is_kernel: bool, text: &str) -> bool {
    is_kernel || text.starts_with(USER_PREFIX)
}

/// The ends of lines in web pages, tables, and strings of programs.
const WRAPPERS: [&str; 15] = [
    "<br>", "<br/>", "<br />", "</span>", "</div>", "</p>", "</li>", "</td>", "</tr>", "\"", "'",
    "\",", "',", "|", "\\n",
];

/// A text without such ends.
fn unwrapped(text: &str) -> &str {
    let mut text = text;
    loop {
        let rest = text.trim_end();
        let rest = rest.strip_suffix("\\r").unwrap_or(rest);
        match WRAPPERS.iter().find_map(|end| rest.strip_suffix(end)) {
            Some(rest) => text = rest,
            None => return rest,
        }
    }
}

/// Whether the line is of a kernel before 2.6.29 (`init/main.c`, do_one_initcall()).
pub(super) fn is_in_milliseconds(text: &str) -> bool {
    text.starts_with("Calling initcall 0x")
        || text.strip_prefix("initcall ").is_some_and(|rest| {
            rest.ends_with(" msecs") && rest.contains(" returned ")
                || rest.starts_with("0x") && rest.contains("()")
        })
}

/// The release in the first line of a boot (`init/main.c`, `linux_banner`).
fn banner(text: &str) -> Option<&str> {
    text.strip_prefix("Linux version ")?
        .split_whitespace()
        .next()
}

/// The release in other lines: the manufacturer of a root hub (`drivers/usb/core/hcd.c`), the head
/// of an oops (`lib/dump_stack.c`). A gadget that is plugged in has the release of its own kernel.
fn release(text: &str) -> Option<&str> {
    let of_hub = || {
        let (bus, rest) = text.strip_prefix("usb usb")?.split_once(": ")?;
        digits::<u32>(bus)?;
        rest.strip_prefix("Manufacturer: Linux ")
    };
    let is_oops = text.starts_with("CPU: ") || text.starts_with("Pid: ");
    let of_oops = || Some(text.split_once(" Not tainted ").filter(|_| is_oops)?.1);
    of_hub().or_else(of_oops)?.split_whitespace().next()
}

/// What `Kernel command line:` (`init/main.c`) asks of the driver core. The last one wins; what is
/// behind `--` is for init.
fn asked(text: &str) -> Option<&str> {
    let line = text.strip_prefix("Kernel command line: ")?;
    // Quotation marks are around a value that has blanks, or around all of the parameter
    // (`lib/cmdline.c`, `next_arg()`).
    let mut is_quoted = false;
    let words = line.split(|c| {
        is_quoted ^= c == '"';
        c == ' ' && !is_quoted
    });
    let values = words.take_while(|word| *word != "--").filter_map(|word| {
        let (name, value) = word.trim_matches('"').split_once('=')?;
        let is_ours = name.replace('-', "_") == "driver_async_probe";
        is_ours.then(|| value.trim_matches('"'))
    });
    values.last()
}

/// `nic: probe of 0000:07:00.0 failed with error -12`, as kernels printed it before they wrote
/// `probe with driver`.
fn failed(text: &str) -> Option<(&str, i32)> {
    let (_, rest) = text.split_once(": probe of ")?;
    let (device, errno) = rest.split_once(" failed with error ")?;
    Some((device, errno.parse().ok()?))
}

/// Whether the line says that others are missing: the console's (`kernel/printk/printk.c`), which
/// had no end of line from 4.4 to 4.14, and that of a daemon that reads `/dev/kmsg` too slowly.
/// journald, too, says so in the kernel's buffer, but what it misses is missing in the journal.
pub(super) fn is_loss(text: &str) -> bool {
    let counted = |before: &str, after: &str| {
        text.match_indices(after).any(|(at, _)| {
            text[..at]
                .rsplit_once(before)
                .is_some_and(|(_, number)| digits::<u64>(number).is_some())
        })
    };
    counted("** ", " printk messages dropped **")
        || counted("Missed ", " kernel messages")
        || text.contains("/dev/kmsg buffer overrun, some messages lost")
            && !text.starts_with("systemd-journald[")
}

/// Whether the line says that the file which it is in lacks messages of the kernel's. rsyslog tells
/// for each of its sources (`runtime/ratelimit.c`), two of which have them. Android's logd thins
/// out what one user has written: those are of root's or its own.
pub(super) fn is_loss_of_daemon(text: &str) -> bool {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    has(&["imjournal: ", "imklog: "])
        && has(&[
            "begin to drop messages due to rate-limiting",
            "messages lost due to rate-limiting",
        ])
        || has(&["chatty"]) && has(&["uid=0(", "uid=1036("]) && has(&[" expire "])
}

/// A console that was taken over in the middle of a line prints the whole line once more.
pub(super) fn is_replay(text: &str) -> bool {
    text.ends_with("** replaying previous printk message **")
}

/// Where in a line the text of an event begins, whatever is before it.
pub(super) fn find(line: &str) -> Option<usize> {
    line.find(KERNEL_PREFIX)
        .or_else(|| initcall_debug::find(unwrapped(line)))
}
