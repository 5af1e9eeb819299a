// SPDX-License-Identifier: GPL-2.0

//! The supported series of kernels: the one list of them.

/// The series, newest first: the lab prepares their stock kernels, and the points of recordings
/// have been checked against their source.
pub const SERIES: &[&str] = &["7.3", "7.2"];

/// The series of a release such as `7.3.4+deb13-amd64`, if it is supported.
pub fn of(release: &str) -> Option<&'static str> {
    let is_of = |series: &&&str| {
        release
            .strip_prefix(**series)
            .is_some_and(|rest| rest.starts_with(['.', '-']))
    };
    SERIES.iter().find(is_of).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases() {
        assert_eq!(of("7.3.4+deb13-amd64"), Some("7.3"));
        assert_eq!(of("7.2-rc1"), Some("7.2"));
        assert_eq!(of("7.31.0"), None);
        assert_eq!(of("9.1.0"), None);
    }
}
