// SPDX-License-Identifier: GPL-2.0

//! How long the slow probes of the tests take.

use std::env;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

/// Where the environment says it.
const VARIABLE: &str = "ASYNC_PROBE_SLOW_MS";

/// Far longer than anything that may not wait for a slow probe, and short enough to run by hand in
/// real time.
const DEFAULT: u32 = 500;

/// Less is not slow, and after more of it a test that probes eight devices one after the other
/// would give up.
const ALLOWED: RangeInclusive<u32> = 100..=2000;

static SLOW_MS: LazyLock<Result<u32, String>> =
    LazyLock::new(|| parse(env::var_os(VARIABLE).map(|value| value.to_string_lossy().into())));

fn parse(value: Option<String>) -> Result<u32, String> {
    let Some(value) = value else {
        return Ok(DEFAULT);
    };
    let ms = value.parse().ok().filter(|ms| ALLOWED.contains(ms));
    ms.ok_or_else(|| {
        let (from, to) = (ALLOWED.start(), ALLOWED.end());
        format!("{VARIABLE}={value}: give milliseconds, from {from} to {to}")
    })
}

/// How long the slow probes of the tests take, in milliseconds.
///
/// # Panics
///
/// If the environment says nonsense, which [`check`] tells first.
pub(crate) fn slow_ms() -> u32 {
    SLOW_MS.clone().unwrap_or_else(|error| panic!("{error}"))
}

/// Whether the environment says what can be used.
pub(crate) fn check() -> Result<(), &'static str> {
    SLOW_MS.as_ref().map(drop).map_err(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds() {
        assert_eq!(parse(None), Ok(DEFAULT));
        for ms in [100, 2000] {
            assert_eq!(parse(Some(ms.to_string())), Ok(ms));
        }
        for value in ["", "99", "2001", "-1", "2s"] {
            let error = parse(Some(value.to_owned())).unwrap_err();
            assert!(error.starts_with(&format!("ASYNC_PROBE_SLOW_MS={value}: ")));
        }
    }
}
