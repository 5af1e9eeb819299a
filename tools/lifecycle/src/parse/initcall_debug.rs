// SPDX-License-Identifier: GPL-2.0

//! The lines of `initcall_debug`.

use super::number::digits;
use crate::event::{Initcall, Outcome, Symbol};
use crate::micros::Micros;

/// Of the two blanks behind it, web pages leave one.
const CALLING: &str = "calling ";
const RETURNED: &str = "initcall ";
const PROBED: &str = "probe of ";
const WAITING: &str = "async_waiting @ ";
const CONTINUING: &str = "async_continuing @ ";
const RUN: &str = "Run ";
const AS_INIT: &str = " as init process";

/// Reads the text of a line, printed by the task `caller` if that is known. Others print lines
/// that begin the same: what is not as here is theirs.
pub fn parse(text: &str, caller: Option<u32>) -> Option<Initcall> {
    if let Some(text) = text.strip_prefix(CALLING) {
        let (function, pid) = text.trim_start().rsplit_once(" @ ")?;
        let pid = digits(pid)?;
        // `calling  DEV+ @ PID` is about a device that is suspended or resumed
        // (drivers/base/power/main.c, initcall_debug_start(), since 2.6.33).
        if function.ends_with('+') {
            return None;
        }
        return Some(match work(function) {
            Some((cookie, function)) => Initcall::WorkBegan {
                cookie,
                function,
                pid,
            },
            None => Initcall::Calling {
                function: symbol(function)?,
                pid,
            },
        });
    }
    if let Some(text) = text.strip_prefix(RETURNED) {
        let (text, took) = after(text, " usecs")?;
        // Since 5.13 the end of async work has no result; before, that meant nothing
        // (kernel/async.c, async_run_entry_fn()).
        let (function, ret) = text.rsplit_once(" returned")?;
        if let Some((cookie, function)) = work(function) {
            return Some(Initcall::WorkEnded {
                cookie,
                function,
                took,
                until_init: !ret.is_empty(),
            });
        }
        return Some(Initcall::Returned {
            function: symbol(function)?,
            ret: ret.strip_prefix(' ')?.parse().ok()?,
            took,
        });
    }
    if let Some(text) = text.strip_prefix(PROBED) {
        // The names of devices, and of drivers, may contain spaces.
        let (text, took) = after(text, " usecs")?;
        let (name, ret) = text.rsplit_once(" returned ")?;
        // Another line follows in the same.
        if name.contains(" returned ") {
            return None;
        }
        let (device, driver) = match name.rsplit_once(" with driver ") {
            Some((device, driver)) => (device, Some(driver.into())),
            None => (name, None),
        };
        let ret = ret.parse().ok()?;
        return Some(Initcall::Probed {
            device: device.into(),
            driver,
            ret,
            outcome: Outcome::since_5_14(ret),
            took,
            pid: caller,
        });
    }
    if let Some(pid) = text.strip_prefix(WAITING) {
        return digits(pid).map(|pid| Initcall::Waiting { pid });
    }
    if let Some(program) = text.strip_prefix(RUN) {
        return program
            .strip_suffix(AS_INIT)
            .map(|program| Initcall::RunInit {
                program: program.into(),
            });
    }
    let (pid, took) = after(text.strip_prefix(CONTINUING)?, " usec")?;
    digits(pid).map(|pid| Initcall::Continuing { pid, took })
}

/// What follows a text that would be whole without it.
pub(super) fn trailing(text: &str) -> Option<&str> {
    let end = if text.starts_with(CALLING) {
        let from = text.find(" @ ")? + " @ ".len();
        from + text[from..].find(|c: char| !c.is_ascii_digit())?
    } else if text.starts_with(RETURNED) || text.starts_with(PROBED) {
        text.find(" usecs")? + " usecs".len()
    } else if text.starts_with(RUN) {
        text.find(AS_INIT)? + AS_INIT.len()
    } else if let Some(pid) = text.strip_prefix(WAITING) {
        WAITING.len() + pid.find(|c: char| !c.is_ascii_digit())?
    } else if text.starts_with(CONTINUING) {
        text.find(" usec")? + " usec".len()
    } else {
        return None;
    };
    let (whole, rest) = text.split_at(end);
    (!rest.is_empty() && parse(whole, None).is_some()).then_some(rest)
}

/// Whether the text begins as one of these lines does and is not whole.
pub(super) fn is_cut(text: &str) -> bool {
    // The words before a name or a number, where a line may be wrapped.
    const HEADS: [&str; 7] = [
        "calling",
        "initcall",
        "probe of",
        "async_waiting",
        "async_waiting @",
        "async_continuing",
        "async_continuing @",
    ];
    // A mailer ends a line that goes on in the next one so (RFC 2045, quoted-printable).
    let text = text.strip_suffix('=').unwrap_or(text);
    if HEADS.contains(&text.trim_end()) {
        return true;
    }
    if let Some(text) = text.strip_prefix(CONTINUING) {
        return is_head_of(text, "# after # usec");
    }
    if let Some((_, rest)) = text.strip_prefix(RUN).and_then(|of| of.split_once(" as")) {
        return is_head_of(rest, " init process");
    }
    let calling = text.strip_prefix(CALLING);
    let Some((name, rest)) = calling
        .map(|text| text.trim_start_matches(' '))
        .or_else(|| text.strip_prefix(RETURNED))
        .and_then(|text| text.split_once("+0x"))
    else {
        let Some(text) = text.strip_prefix(PROBED) else {
            return false;
        };
        let Some((_, rest)) = text.rsplit_once(" returned ") else {
            return false;
        };
        return is_head_of(rest, "# after # usecs");
    };
    if name.is_empty() || name.contains(' ') {
        return false;
    }
    let form = if text.starts_with(CALLING) {
        "#/# @ #"
    } else {
        "#/# returned # after # usecs"
    };
    let rest = match rest.split_once(" [") {
        Some((offset, rest)) => match rest.split_once(']') {
            Some((_, rest)) => format!("{offset}{rest}"),
            None => return true,
        },
        None => rest.to_owned(),
    };
    is_head_of(&rest, form)
}

/// Whether the text begins as one of these lines does, and is neither one nor another line of the
/// kernel's: a program has written to the port in the middle of it.
pub(super) fn is_garbled(text: &str) -> bool {
    let is_other = |words: &[&str]| words.iter().any(|word| text.contains(word));
    text.starts_with("calling  ") && !is_other(&["+ @ "])
        || text.starts_with(RETURNED) && !is_other(&[" returned with ", "blacklist"])
        || text.starts_with(PROBED) && !is_other(&[" failed with ", " rejects match "])
}

/// Whether the text is the head of something of the form, in which `#` stands for a number, without
/// being all of it.
fn is_head_of(text: &str, form: &str) -> bool {
    let mut text = text;
    for (at, part) in form.split('#').enumerate() {
        if at > 0 {
            text = text.strip_prefix('-').unwrap_or(text);
            text = text.strip_prefix("0x").unwrap_or(text);
            text = text.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        }
        match text.strip_prefix(part) {
            Some(rest) => text = rest,
            None => return part.starts_with(text),
        }
        if text.is_empty() && at + 1 < form.split('#').count() {
            return true;
        }
    }
    false
}

/// Whether what follows the text could make it one of these lines.
pub(super) fn may_become(text: &str) -> bool {
    let begins = [CALLING, RETURNED, PROBED, WAITING, CONTINUING, RUN];
    begins.iter().any(|begin| begin.starts_with(text))
        || (begins.iter().any(|begin| text.starts_with(begin)) && parse(text, None).is_none())
}

/// Where in a line such a text begins, whatever is before it. Others say as the kernel does that
/// they run an init.
pub fn find(line: &str) -> Option<usize> {
    [CALLING, RETURNED, PROBED, WAITING, CONTINUING]
        .into_iter()
        .filter_map(|begin| line.find(begin))
        .find(|at| parse(&line[*at..], None).is_some())
}

/// `<function>`, with ` [<module>]` if it is in one.
fn symbol(text: &str) -> Option<Symbol> {
    let (text, module) = match text.split_once(" [") {
        Some((text, module)) => (text, Some(module.strip_suffix(']')?.into())),
        None => (text, None),
    };
    let plain = !text.is_empty() && !text.contains(' ') && module.as_deref() != Some("");
    plain.then(|| Symbol {
        text: text.into(),
        module,
    })
}

/// `<text> after <number><unit>`.
fn after<'a>(text: &'a str, unit: &str) -> Option<(&'a str, Micros)> {
    let (text, took) = text.strip_suffix(unit)?.rsplit_once(" after ")?;
    Some((text, Micros(digits(took)?)))
}

/// `<cookie>_<function>`.
fn work(text: &str) -> Option<(u64, Symbol)> {
    let (cookie, function) = text.split_once('_')?;
    Some((digits(cookie)?, symbol(function)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tests/logs` has reports on what is read.
    #[test]
    fn reads_what_it_prints() {
        for text in [
            "calling  init_module+0x0/0xff0 [unrelated] @ 9",
            "initcall 0xffffffffc0a00000 returned -19 after 0 usecs",
            "probe of serio1 with driver atkbd returned 19 after 7 usecs",
            // Before 7.3.
            "probe of 00:03:0.0 returned 0 after 7 usecs",
            "probe of Fixed MDIO bus.0 with driver i8042 kbd returned -517 after 7 usecs",
            "calling  3___driver_attach_async_helper+0x0/0xf0 @ 12",
            "initcall 3_work+0x0/0xf0 [m] returned after 497583 usecs",
            "async_waiting @ 113",
            "Run /init as init process",
            "async_continuing @ 113 after 0 usec",
        ] {
            let in_a_page = format!("{text}<br>");
            assert_eq!(trailing(&in_a_page), Some("<br>"), "{text}");
            let initcall = parse(text, None).map(|initcall| initcall.to_string());
            assert_eq!(initcall.as_deref(), Some(text));
            let found = find(&format!("<7>Nov 22 host: {text}"));
            assert_eq!(found, (!text.starts_with(RUN)).then_some(16));
        }
    }

    #[test]
    fn a_line_that_is_cut() {
        for whole in [
            "calling  init_module+0x0/0xff0 [unrelated] @ 9",
            "initcall a_init+0x0/0x10 returned -19 after 12 usecs",
            "initcall 3_work+0x0/0xf0 [m] returned 0 after 497583 usecs",
            "probe of Fixed MDIO bus.0 with driver i8042 kbd returned -517 after 7 usecs",
            "async_continuing @ 113 after 310000 usec",
            "Run /init as init process",
        ] {
            assert!(!is_cut(whole), "{whole}");
            let known = ["+0x", " returned ", "async_continuing", " as"]
                .iter()
                .find_map(|word| Some(whole.find(word)? + word.len()))
                .unwrap();
            for cut in known..whole.len() {
                let cut = &whole[..cut];
                assert!(is_cut(cut) || parse(cut, None).is_some(), "{cut}");
            }
            for cut in 0..whole.len() {
                let cut = &whole[..cut];
                assert!(may_become(cut) || parse(cut, None).is_some(), "{cut}");
            }
        }
    }
}
