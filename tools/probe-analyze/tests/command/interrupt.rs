// SPDX-License-Identifier: GPL-2.0

//! A signal ends the program at once, whatever it is at.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use lifecycle::Micros;
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;

use crate::run::probe_analyze;

/// More than a debug build reads within the time for which a test waits.
fn long_log() -> String {
    let mut log = String::new();
    for at in 0..300_000_u64 {
        let time = |after| format!("[{:>12}]", Micros(at * 100 + after).printk());
        log += &format!(
            "{} calling  m{at}_init+0x0/0x40 @ 1\n\
             {} probe of dev{at} returned 0 after 20 usecs\n\
             {} initcall m{at}_init+0x0/0x40 returned 0 after 50 usecs\n",
            time(0),
            time(30),
            time(50)
        );
    }
    log
}

/// Sends the signal, and returns the exit code of a program that must end within a second.
fn interrupted(mut child: Child, signal: Signal) -> Option<i32> {
    kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
    let sent = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(sent.elapsed() < Duration::from_secs(5), "it goes on");
        sleep(Duration::from_millis(5));
    }
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), None);
    status.code()
}

#[test]
fn while_it_waits_for_standard_input() {
    let child = probe_analyze(&["report", "-"]).start();
    sleep(Duration::from_millis(300));
    assert_eq!(interrupted(child, Signal::SIGINT), Some(130));
}

#[test]
fn while_it_works() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    fs::write(&log, long_log()).unwrap();
    let out = directory.path().join("out");
    let (log, arg) = (log.to_str().unwrap(), out.to_str().unwrap());
    for args in [
        vec!["report", log],
        vec!["diff", log, log],
        vec!["timeline", log, "--out", arg],
    ] {
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            let mut child = probe_analyze(&args).start();
            sleep(Duration::from_millis(300));
            assert!(child.try_wait().unwrap().is_none(), "{args:?}: too early");
            assert_eq!(interrupted(child, signal), Some(130), "{args:?}");
        }
    }
    assert!(!out.exists());
}
