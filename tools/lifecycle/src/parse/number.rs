// SPDX-License-Identifier: GPL-2.0

//! Numbers as the kernel prints them.

use std::str::FromStr;

use crate::micros::Micros;

/// Decimal digits and nothing else.
pub(super) fn digits<T: FromStr>(text: &str) -> Option<T> {
    let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

/// A number as `%u` prints it: no sign, no leading zero.
pub(super) fn number<T: FromStr>(text: &str) -> Option<T> {
    (text == "0" || !text.starts_with('0'))
        .then(|| digits(text))
        .flatten()
}

/// A time since boot: no kernel has run for 30 years.
pub(super) fn since_boot(time: Micros) -> Option<Micros> {
    (time.0 < 1_000_000_000_000_000).then_some(time)
}

/// Seconds since boot, with six decimals.
pub(super) fn seconds(text: &str) -> Option<Micros> {
    let (seconds, micros) = text.split_once('.')?;
    let seconds: u64 = digits(seconds)?;
    let micros: u64 = digits(micros).filter(|_| micros.len() == 6)?;
    seconds
        .checked_mul(1_000_000)?
        .checked_add(micros)
        .map(Micros)
        .and_then(since_boot)
}
