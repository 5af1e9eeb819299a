// SPDX-License-Identifier: GPL-2.0

//! Fuzzes the parsers of both logs, dmesg and recordings.
//!
//! With cargo-fuzz (`cargo install cargo-fuzz`), on a stable toolchain, in `tools/lifecycle`:
//!
//! ```sh
//! mkdir -p fuzz/corpus/logs && cp tests/recordings/*.txt tests/logs/*.txt fuzz/corpus/logs
//! RUSTC_BOOTSTRAP=1 cargo fuzz run logs -- -max_total_time=60
//! ```
//!
//! A fuzzer does not guess checksums. So each input is read as a recording as it is, and once more
//! with its seal made right. Whatever is read, the laws judge it, there is a report on it, it has
//! no difference to itself, and when it is written again it reads the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lifecycle::diff::Diff;
use lifecycle::laws::judge;
use lifecycle::parse::log;
use lifecycle::parse::recording as text;
use lifecycle::report::log::{report, Detail};
use lifecycle::summary::Summary;
use lifecycle::{Life, Probing, What};

fuzz_target!(|log: &str| {
    summed_up(log);
    recording(log);

    let end = log.rfind("# lifecycle: end").unwrap_or(log.len());
    let sealed = text::seal(log[..end].to_owned());
    summed_up(&sealed);
    recording(&sealed);
});

/// Reads a log of whatever kind and reports on it.
fn summed_up(log: &str) {
    let Ok(log) = log::parse(log, None) else {
        return;
    };
    let summary = Summary::of("log", log);
    let _ = report(&summary, Detail::All);
    assert_eq!(Diff::of(&summary, &summary).changes, []);
}

/// Reads a recording, judges it, and writes it again.
fn recording(log: &str) {
    let Ok(events) = text::parse(log) else {
        return;
    };
    for event in &events {
        let _ = event.to_string();
    }
    for probing in [Probing::Once, Probing::Twice] {
        judge(&Life::new(events.clone(), probing));
    }
    // printk's lines are written without the task that printed them, and may have been anything.
    if events
        .iter()
        .all(|event| matches!(event.what, What::Recorded(_)))
    {
        assert_eq!(text::parse(&text::write("7.3.4", &events)), Ok(events));
    }
}
