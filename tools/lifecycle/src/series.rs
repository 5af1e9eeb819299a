// SPDX-License-Identifier: GPL-2.0

//! The supported series of kernels: the one list of them.

/// The series, newest first: the lab prepares their stock kernels, and the points of recordings
/// have been checked against their source.
pub const SERIES: &[&str] = &["7.3", "7.2"];

/// Series of kernels without what modules in Rust need, newest first: the lab boots the stock
/// kernels with drivers in C, and the points of recordings have been checked against their source,
/// too.
pub const WITHOUT_RUST: &[&str] = &["6.12", "6.1"];

/// The series of a release such as `7.3.4+deb13-amd64`, if it is supported.
pub fn of(release: &str) -> Option<&'static str> {
    let is_of = |series: &&&str| {
        release
            .strip_prefix(**series)
            .is_some_and(|rest| rest.starts_with(['.', '-']))
    };
    SERIES.iter().chain(WITHOUT_RUST).find(is_of).copied()
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
        assert_eq!(of("7.3.4+deb13-amd64"), Some("7.3"));
        assert_eq!(of("7.2-rc1"), Some("7.2"));
        assert_eq!(of("6.1.0-50-amd64"), Some("6.1"));
        assert_eq!(of("7.31.0"), None);
        assert_eq!(of("9.1.0"), None);
        for (release, known) in [
            ("5.15.0", true),
            ("6.1.0-42-amd64", true),
            ("10.0", true),
            ("5.14.21", false),
            ("4.19.0", false),
            ("six", false),
            ("6", false),
        ] {
            assert_eq!(is_recorded_in_part(release), known, "{release}");
        }
    }
}
