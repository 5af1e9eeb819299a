// SPDX-License-Identifier: GPL-2.0

//! The names of errnos.

use nix::errno::Errno;

/// The result of what has failed where the log does not say with which errno. No errno of the
/// kernel's is beyond `MAX_ERRNO`, 4095 (`include/linux/err.h`).
pub const NOT_TOLD: i32 = i32::MIN;

/// There is no such thing.
pub const ENOENT: i32 = -2;
/// A signal came first.
pub const EINTR: i32 = -4;
/// It is to be tried again.
pub const EWOULDBLOCK: i32 = -11;
/// Another one uses it.
pub const EBUSY: i32 = -16;
/// Probe deferral is the driver core's own and has no name in userspace (`include/linux/errno.h`).
pub const EPROBE_DEFER: i32 = -517;

/// What a C function's return value means: `ok` for 0, else the name of the errno.
///
/// A number without a name is printed as it is.
pub fn name(ret: i32) -> String {
    match (ret, Errno::from_raw(ret.wrapping_neg())) {
        (0, _) => "ok".to_owned(),
        (NOT_TOLD, _) => "failed".to_owned(),
        (EPROBE_DEFER, _) => "EPROBE_DEFER".to_owned(),
        (_, Errno::UnknownErrno) => ret.to_string(),
        (_, errno) => format!("{errno:?}"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names() {
        for (ret, name) in [
            (0, "ok"),
            (-2, "ENOENT"),
            (-74, "EBADMSG"),
            (-517, "EPROBE_DEFER"),
            (-9999, "-9999"),
            (5, "5"),
            (i32::MIN, "failed"),
        ] {
            assert_eq!(super::name(ret), name);
        }
    }
}
