// SPDX-License-Identifier: GPL-2.0

//! Fuzzes the parser of firmware images, the file that the kernel modules compile.
//!
//! With cargo-fuzz (`cargo install cargo-fuzz`), on a stable toolchain, in `samples/firmware`:
//!
//! ```sh
//! RUSTC_BOOTSTRAP=1 cargo fuzz run parse -- -max_total_time=60
//! ```
//!
//! A fuzzer does not guess checksums. So each input is parsed three times: as it is, with its magic
//! and header checksum made right, and with all made right, so that it is an image. Every time the
//! parser must say what the reference says, and what it accepts must encode to the same bytes.

#![no_main]

use firmware::encode;
use firmware::image::Image;
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/image/reference.rs"]
mod reference;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();

    check(&bytes);
    reference::repair_header(&mut bytes);
    check(&bytes);
    reference::repair_all(&mut bytes);
    check(&bytes);
});

/// Parses `bytes`, and compares what comes out of it.
fn check(bytes: &[u8]) {
    let parsed = Image::parse(bytes);

    assert_eq!(parsed.map(|image| image.payload()), reference::parse(bytes));
    if let Ok(image) = parsed {
        assert_eq!(encode::image(image.payload()).as_deref(), Ok(bytes));
    }
}
