// SPDX-License-Identifier: GPL-2.0

//! Fuzzes the parsers of both logs, dmesg and recordings.
//!
//! With cargo-fuzz (`cargo install cargo-fuzz`), on a stable toolchain, in `tools/lifecycle`:
//!
//! ```sh
//! mkdir -p fuzz/corpus/logs && cp tests/recordings/* fuzz/corpus/logs
//! RUSTC_BOOTSTRAP=1 cargo fuzz run logs -- -max_total_time=60
//! ```
//!
//! A fuzzer does not guess checksums. So each input is read as a recording as it is, and once more
//! with its seal made right. Whatever is read, the laws judge it, and when it is written again it
//! reads the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lifecycle::laws::recorded::judge;
use lifecycle::recording::text;
use lifecycle::{dmesg, Timeline, What};

fuzz_target!(|log: &str| {
    let _ = dmesg::parse(log);
    recording(log);

    let end = log.rfind("# lifecycle: end").unwrap_or(log.len());
    recording(&text::seal(log[..end].to_owned()));
});

/// Reads a recording, judges it, and writes it again.
fn recording(log: &str) {
    let Ok(events) = text::parse(log) else {
        return;
    };
    for event in &events {
        let _ = event.to_string();
    }
    judge(&events);
    Timeline::of(&events);
    // printk's lines are written without the task that printed them, and may have been anything.
    if events
        .iter()
        .all(|event| matches!(event.what, What::Recorded(_)))
    {
        assert_eq!(text::parse(&text::write("7.3.4", &events)), Ok(events));
    }
}
