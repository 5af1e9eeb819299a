// SPDX-License-Identifier: GPL-2.0

//! The supported series of kernels: the one list of them.

/// The series, newest first: the lab prepares their stock kernels, and the points of recordings
/// have been checked against their source.
pub const SERIES: &[&str] = &["7.3", "7.2"];

/// Series of kernels without what modules in Rust need, newest first: the lab boots the stock
/// kernels with drivers in C, and the points of recordings have been checked against their source,
/// too.
pub const WITHOUT_RUST: &[&str] = &["6.12", "6.1"];

/// Whether a release such as `7.3.4+deb13-amd64` is of a supported series.
pub fn is_supported(release: &str) -> bool {
    let is_of = |series| {
        let rest = release.strip_prefix(series);
        rest.is_some_and(|rest| rest.starts_with(['.', '-']))
    };
    SERIES
        .iter()
        .chain(WITHOUT_RUST)
        .any(|series| is_of(*series))
}

/// Whether the points that a boot is recorded with are in the kernel of this release, with the same
/// arguments: the boots of such kernels are read. Before 5.14 the result of `really_probe()` meant
/// something else (drivers/base/dd.c).
pub fn is_recorded_in_part(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next()?.parse::<u32>().ok();
    match (number(), number()) {
        (Some(major), Some(minor)) => (major, minor) >= (5, 15),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases() {
        for (release, supported, in_part) in [
            ("7.3.4+deb13-amd64", true, true),
            ("7.2-rc1", true, true),
            ("6.1.0-50-amd64", true, true),
            ("7.31.0", false, true),
            ("9.1.0", false, true),
            ("5.15.0", false, true),
            ("10.0", false, true),
            ("5.14.21", false, false),
            ("4.19.0", false, false),
            ("six", false, false),
            ("6", false, false),
        ] {
            assert_eq!(is_supported(release), supported, "{release}");
            assert_eq!(is_recorded_in_part(release), in_part, "{release}");
        }
    }
}
