// SPDX-License-Identifier: GPL-2.0

//! The kernel's uevents, as udev gets them.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    bind, recv, setsockopt, socket, sockopt, AddressFamily, MsgFlags, NetlinkAddr, SockFlag,
    SockProtocol, SockType,
};

use crate::kmsg::wait_to_read;
use crate::Failure;

/// The kernel's own multicast group; udev's is another.
const KERNEL: u32 = 1;

/// Longer than any uevent (`UEVENT_BUFFER_SIZE`).
const MESSAGE: usize = 1 << 13;

/// Room for thousands of them.
const BUFFER: usize = 8 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Uevent {
    /// `add`, `bind`, `unbind`, `remove` and others.
    pub(crate) action: String,
    /// Name of the device, or of what else it is about.
    pub(crate) name: String,
    /// Its number: each has one more than the one before.
    pub(crate) number: u64,
}

/// A socket that gets them from now on.
#[derive(Debug)]
pub(crate) struct Uevents(OwnedFd);

impl Uevents {
    /// Opens the socket.
    pub(crate) fn open() -> Result<Self, Failure> {
        let failed = |errno: Errno| Failure::io("open", "the uevent socket", errno);
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::NetlinkKObjectUEvent,
        )
        .map_err(failed)?;
        setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).map_err(failed)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, KERNEL)).map_err(failed)?;
        Ok(Self(socket))
    }

    /// The next uevent, if one comes in time. It fails for want of room, too.
    pub(crate) fn next(&self, timeout: Duration) -> Result<Option<Uevent>, Failure> {
        let deadline = Instant::now() + timeout;
        let mut message = [0; MESSAGE];
        loop {
            match recv(self.0.as_raw_fd(), &mut message, MsgFlags::empty()) {
                Ok(length) => {
                    if let Some(uevent) = read(&message[..length]) {
                        return Ok(Some(uevent));
                    }
                }
                Err(Errno::EAGAIN) => {
                    let failed = |errno| Failure::io("poll", "uevents", errno);
                    if !wait_to_read(&self.0, deadline).map_err(failed)? {
                        return Ok(None);
                    }
                }
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Failure::io("read", "uevents", errno)),
            }
        }
    }
}

/// `bind@/devices/platform/d.0`, then `KEY=value`, each with a zero after it.
fn read(message: &[u8]) -> Option<Uevent> {
    let text = std::str::from_utf8(message).ok()?;
    let value = |key: &str| {
        text.split('\0')
            .find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
    };
    Some(Uevent {
        action: value("ACTION")?.to_owned(),
        name: value("DEVPATH")?.rsplit('/').next()?.to_owned(),
        number: value("SEQNUM")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_kernel_sends_them() {
        let message = b"bind@/devices/platform/d.0\0ACTION=bind\0DEVPATH=/devices/platform/d.0\0\
            SUBSYSTEM=platform\0DRIVER=d\0SEQNUM=1234\0";
        let bind = Uevent {
            action: "bind".to_owned(),
            name: "d.0".to_owned(),
            number: 1234,
        };
        assert_eq!(read(message), Some(bind));
        assert_eq!(read(b"libudev\0..."), None);
        assert_eq!(read(b"\xff"), None);
    }
}
