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

/// What each of them waits for, as far as its stack tells, and the stack: first those in which a
/// function of a module is.
pub fn tasks(console: &str) -> Vec<String> {
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
    let mut said = Vec::new();
    for (name, stack) in tasks.into_iter().take(TASKS) {
        said.push(format!("{name}: {}", words(&stack)));
        let frames = stack.into_iter().skip_while(|frame| is_waiting(frame));
        said.extend(frames.take(QUOTED).map(|frame| format!("  {frame}")));
    }
    said
}

/// Whether it is a line of a stack that is certain.
fn is_frame(text: &str) -> bool {
    text.starts_with(' ') && text.contains("+0x") && !text.contains(" ? ") && !text.contains("RIP:")
}

fn is_waiting(frame: &str) -> bool {
    let function = frame.split('+').next().unwrap_or(frame);
    WAITING.iter().any(|waiting| function.starts_with(waiting))
}

/// For what a task waits.
fn words(stack: &[String]) -> String {
    let has = |functions: &[&str]| {
        let function = |frame: &String| frame.split('+').next().unwrap_or(frame).to_owned();
        stack
            .iter()
            .map(function)
            .any(|of| functions.contains(&of.as_str()))
    };
    let own = stack.iter().find(|frame| frame.ends_with(']'));
    let by = own.map_or(String::new(), |frame| format!(", called by {frame}"));
    let flushes = ["wait_for_device_probe", "async_synchronize_cookie_domain"];
    let what = if has(&flushes) && has(&["really_probe"]) {
        "a probe waits for all asynchronous probes, of which it may be one itself"
    } else if has(&flushes) {
        "waits for asynchronous probes"
    } else if has(&["mutex_lock", "__mutex_lock_slowpath", "mutex_lock_killable"]) {
        "waits for a mutex"
    } else if has(&[
        "wait_for_completion",
        "__wait_for_common",
        "wait_for_common",
    ]) {
        "waits for a completion"
    } else {
        "is blocked"
    };
    format!("{what}{by}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_what() {
        let console = "[    1.0] all is well
[  107.5] sysrq: Show Blocked State
[  107.5] task:kworker/u8:1 state:D stack:0     pid:12    tgid:12
[  107.5]  __schedule+0x52a/0x1080
[  107.5]  schedule+0x28/0xa0
[  107.5]  ? stale+0x1/0x2
[  107.5]  async_synchronize_cookie_domain+0x1/0x2
[  107.5]  wait_for_device_probe+0x1/0x2
[  107.5]  mut_probe+0x1/0x2 [mut]
[  107.5]  really_probe+0x1/0x2
[  107.5] task:insmod state:D stack:0     pid:13    tgid:13
[  107.5]  __schedule+0x52a/0x1080
[  107.5]  __wait_for_common+0x1/0x2
[  107.5]  mut_exit+0x1/0x2 [mut]
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
        assert!(!said.iter().any(|line| line.contains("stale")));
    }
}
