// SPDX-License-Identifier: GPL-2.0

//! The tasks that the kernel says are blocked, when it is asked for them (sysrq w).

/// So many functions of a task's stack are quoted.
const QUOTED: usize = 9;

/// So many tasks are quoted.
const TASKS: usize = 4;

/// The functions that a task waits in by the kernel's own design: how it waits, not for what.
const WAITING: &[&str] = &[
    "__schedule",
    "schedule",
    "__mutex_lock",
    "__wait_for_common",
    "wait_for_completion",
    "rwsem_down",
    "msleep",
    "usleep_range",
    "__down",
    "mutex_lock",
    "prepare_to_wait",
];

/// Those that wait for a lock, which another task holds or has not released.
const LOCKS: [(&str, &str); 3] = [
    ("mutex_lock", "waits for a mutex"),
    ("rwsem_down", "waits for an rw-semaphore"),
    ("__down", "waits for a semaphore"),
];

/// Whether a task waits for a lock, as its line says.
pub(crate) fn waits_for_lock(line: &str) -> bool {
    LOCKS.iter().any(|(_, what)| line.contains(what))
}

/// What each of them waits for, as far as its stack tells, and the stack: first those in which a
/// function of a module is.
pub(crate) fn tasks(console: &str) -> Vec<String> {
    let mut tasks: Vec<(String, Vec<String>)> = Vec::new();
    let lines = console.lines();
    for line in lines.skip_while(|line| !line.contains("Show Blocked State")) {
        let text = line
            .split_once("] ")
            .map_or("", |(_, text)| text.trim_end());
        if let Some(task) = text.strip_prefix("task:") {
            let name = task.split(" state:").next().unwrap_or(task).trim_end();
            tasks.push((name.to_owned(), Vec::new()));
        } else if let (Some((_, stack)), true) = (tasks.last_mut(), is_frame(text)) {
            stack.push(text.trim().to_owned());
        }
    }
    tasks.sort_by_key(|(_, stack)| !stack.iter().any(|frame| frame.ends_with(']')));
    let mut said: Vec<String> = Vec::new();
    let mut known: Vec<Vec<String>> = Vec::new();
    for (name, stack) in tasks {
        if known.contains(&stack) || known.len() == TASKS {
            continue;
        }
        said.push(format!("{name}: {}", words(&stack)));
        let frames = stack.iter().skip_while(|frame| is_waiting(frame));
        said.extend(frames.take(QUOTED).map(|frame| format!("  {frame}")));
        known.push(stack);
    }
    said
}

/// The callback of a suspend or resume that has not returned, if the machine has not come out of
/// it: `/sys/power/pm_print_times` has the kernel tell of each (`drivers/base/power/main.c`).
pub(crate) fn suspending(console: &str) -> Option<String> {
    let (_, after) = console.rsplit_once("] PM: suspend entry")?;
    if after.contains("] PM: suspend exit") {
        return None;
    }
    let mut called: Vec<(&str, &str)> = Vec::new();
    for line in after.lines() {
        // `[ 9.2] driver device: PM: calling function [module] @ 118, parent: platform`
        let text = line.split_once("] ").map_or(line, |(_, text)| text);
        let Some((device, what)) = text.split_once(": ") else {
            continue;
        };
        let what = what.trim_start_matches("PM: ");
        let calling = what.strip_prefix("calling ");
        if let Some((function, _)) = calling.and_then(|of| of.split_once(" @ ")) {
            called.push((device, function));
        } else if what.contains(" returned ") {
            called.retain(|(of, _)| *of != device);
        }
    }
    let (device, function) = called.pop()?;
    Some(format!("{function} of {device} does not return"))
}

/// The device that was shut down last (`drivers/base/core.c`, `device_shutdown()`, with
/// `initcall_debug`).
pub(crate) fn shutting_down(console: &str) -> Option<String> {
    let mut lines = console.lines().rev();
    let device = lines.find_map(|line| line.trim_end().strip_suffix(": shutdown"))?;
    let device = device.split_once("] ").map_or(device, |(_, device)| device);
    Some(format!("the shutdown of {device} does not return"))
}

/// What the tasks wait for, in one line.
pub(crate) fn summary(tasks: &[String]) -> String {
    let tasks = tasks.iter().filter(|line| !line.starts_with(' '));
    let words = tasks.filter_map(|line| line.split(": ").last());
    words.collect::<Vec<_>>().join("; ")
}

/// Whether it is a line of a stack that is certain. An address at the very end of a function is
/// that of the code behind it, which has no name: there the recorder's probes return to.
fn is_frame(text: &str) -> bool {
    let place = text.split_once("+0x").map(|(_, place)| place);
    let place = place.and_then(|place| place.split(' ').next()?.split_once("/0x"));
    text.starts_with(' ')
        && place.is_some_and(|(offset, length)| offset != length)
        && !text.contains(" ? ")
        && !text.contains("RIP:")
}

/// The function of a frame, as its source has it: the compiler appends to its name.
fn function(frame: &str) -> &str {
    frame.split(['+', '.']).next().unwrap_or(frame)
}

fn is_waiting(frame: &str) -> bool {
    let function = function(frame);
    WAITING.iter().any(|waiting| function.starts_with(waiting))
}

/// What runs in a task, by the function of the kernel that has called it.
const CALLED: &[(&str, &str)] = &[
    ("really_probe", "a probe"),
    ("device_release_driver_internal", "a remove"),
    ("do_one_initcall", "an init function"),
    ("__do_sys_delete_module", "an exit function"),
    ("__x64_sys_delete_module", "an exit function"),
];

/// For what a task waits.
fn words(stack: &[String]) -> String {
    let functions: Vec<&str> = stack.iter().map(|frame| function(frame)).collect();
    let has = |of: &[&str]| of.iter().any(|of| functions.contains(of));
    let who = functions.iter().find_map(|function| {
        let mut called = CALLED.iter();
        called.find_map(|(by, what)| (by == function).then_some(*what))
    });
    let own = stack.iter().find(|frame| frame.ends_with(']'));
    let by = own.map_or(String::new(), |frame| format!(", called by {frame}"));
    let what = if has(&["wait_for_device_probe", "async_synchronize_cookie_domain"]) {
        match who {
            Some("a probe") => "waits for all asynchronous probes, of which it may be one itself",
            _ => "waits for asynchronous probes",
        }
    } else {
        let mut waits = LOCKS
            .iter()
            .chain(&[("wait_for_common", "waits for a completion")]);
        let waits = waits.find(|(part, _)| functions.iter().any(|of| of.contains(part)));
        waits.map_or("is blocked", |(_, what)| what)
    };
    let who = who.map_or(String::new(), |who| format!("{who} "));
    format!("{who}{what}{by}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_suspend() {
        let console = "[ 9.1] PM: suspend entry (s2idle)
[ 9.2] foo foo.1: PM: calling platform_pm_suspend @ 118, parent: platform
[ 9.2] foo foo.1: PM: platform_pm_suspend returned 0 after 2 usecs
[ 9.2] foo foo.0: PM: calling platform_pm_suspend @ 118, parent: platform
";
        let expected = "platform_pm_suspend of foo foo.0 does not return";
        assert_eq!(suspending(console).as_deref(), Some(expected));
        assert_eq!(
            suspending(&format!("{console}[ 9.9] PM: suspend exit\n")),
            None
        );
        assert_eq!(suspending("[ 9.9] all is well\n"), None);
    }

    #[test]
    fn what_does_not_shut_down() {
        let console = "[ 9.1] bar bar.0: shutdown\n[ 9.1] foo foo.0: shutdown\n[ 9.2] bye\n";
        let expected = "the shutdown of foo foo.0 does not return";
        assert_eq!(shutting_down(console).as_deref(), Some(expected));
        assert_eq!(shutting_down("[ 9.9] all is well\n"), None);
    }

    #[test]
    fn who_waits_for_what() {
        let console = "[    1.0] all is well
[  107.5] sysrq: Show Blocked State
[  107.5] task:kworker/u8:1 state:D stack:0     pid:12    tgid:12
[  107.5]  __schedule+0x52a/0x1080
[  107.5]  schedule+0x28/0xa0
[  107.5]  ? stale+0x1/0x2
[  107.5]  end_of_another+0x20/0x20
[  107.5]  async_synchronize_cookie_domain+0x1/0x2
[  107.5]  wait_for_device_probe+0x1/0x2
[  107.5]  mut_probe+0x1/0x2 [mut]
[  107.5]  really_probe+0x1/0x2
[  107.5] task:insmod state:D stack:0     pid:13    tgid:13
[  107.5]  __schedule+0x52a/0x1080
[  107.5]  __wait_for_common+0x1/0x2
[  107.5]  mut_exit+0x1/0x2 [mut]
[  107.5] task:echo state:D stack:0     pid:13    tgid:13
[  107.5]  __mutex_lock.constprop.0+0x1/0x2
[  107.5]  device_release_driver_internal+0x1/0x2
[  107.5] task:echo state:D stack:0     pid:14    tgid:14
[  107.5]  __mutex_lock.constprop.0+0x1/0x2
[  107.5]  device_release_driver_internal+0x1/0x2
";
        let said = tasks(console);
        assert_eq!(
            said[0],
            "kworker/u8:1: a probe waits for all asynchronous probes, of which it may be one itself, \
             called by mut_probe+0x1/0x2 [mut]"
        );
        assert_eq!(said[1], "  async_synchronize_cookie_domain+0x1/0x2");
        assert!(said.contains(
            &"insmod: waits for a completion, called by mut_exit+0x1/0x2 [mut]".to_owned()
        ));
        for line in ["stale", "end_of_another"] {
            assert!(!said.iter().any(|of| of.contains(line)));
        }
        let echo = said.iter().filter(|line| line.starts_with("echo"));
        assert_eq!(
            echo.collect::<Vec<_>>(),
            ["echo: a remove waits for a mutex"]
        );
        assert_eq!(said.len(), 9, "{said:?}");
    }
}
