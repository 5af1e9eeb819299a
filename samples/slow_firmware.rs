// SPDX-License-Identifier: GPL-2.0

//! The slow part of the sample drivers' probes: the load of a firmware image.
//!
//! The image is requested, verified, written in chunks to a device that takes its time for each,
//! and started. The device is simulated; a driver of a real device does all else in the same way.

use async_probe::{
    module_param::Choice,
    timing, //
};
use kernel::{
    device::Device,
    firmware::Firmware,
    fmt,
    prelude::*,
    str::CString,
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    },
};

// The file is a module of the host crate `firmware` too, where all of it is public.
#[expect(unreachable_pub)]
#[path = "firmware/image.rs"]
pub mod image;

/// The most that one write to the device takes, in bytes.
const WINDOW_LEN: usize = 2 << 10;

/// A device that takes firmware through a window of [`WINDOW_LEN`] bytes.
struct SimulatedDevice {
    window: KVec<u8>,
    received: usize,
}

impl SimulatedDevice {
    /// Returns a device that has no firmware yet.
    fn new() -> Result<Self> {
        Ok(Self {
            window: KVec::with_capacity(WINDOW_LEN, GFP_KERNEL)?,
            received: 0,
        })
    }

    /// Writes one chunk; the device is done with it at `deadline` after `begin`.
    fn write(&mut self, chunk: &[u8], begin: Instant<Monotonic>, deadline: Delta) -> Result {
        self.window.clear();
        self.window.extend_from_slice(chunk, GFP_KERNEL)?;

        let remaining = deadline - begin.elapsed();
        if !remaining.is_zero() && !remaining.is_negative() {
            fsleep(remaining);
        }

        self.received += chunk.len();
        Ok(())
    }

    /// Starts the firmware: fails with `EIO` if the device has not received all of it.
    fn kick(&self, len: usize) -> Result {
        if self.received == len {
            Ok(())
        } else {
            Err(EIO)
        }
    }
}

impl fmt::Display for image::Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

/// The owner of the firmware file's name.
#[derive(Clone, Copy)]
pub(crate) enum FirmwareName {
    /// The driver: all devices load `async_probe/<driver>.fw`.
    Driver,
    /// The device: each loads `async_probe/<device>.fw`.
    Device,
}

impl Choice for FirmwareName {
    const CHOICES: &'static [Self] = &[Self::Driver, Self::Device];
    const NAMES: &'static str = "driver|device";
}

/// Loads the firmware file of `dev` within its probe; writing it takes `duration`.
///
/// # Context
///
/// Sleeps.
///
/// # Errors
///
/// - The error of `request_firmware()`: `ENOENT` if the file does not exist.
/// - The error of the check that the image does not pass, see `Documentation/firmware-format.rst`.
/// - `ENOMEM` if memory is short.
pub(crate) fn load(
    dev: &Device,
    driver: &'static CStr,
    name: FirmwareName,
    duration: Delta,
) -> Result {
    let name = match name {
        FirmwareName::Driver => driver,
        FirmwareName::Device => dev.name(),
    };
    let name = CString::try_from_fmt(fmt!("async_probe/{}.fw", name))?;

    let begin = Instant::now();
    let firmware = Firmware::request(&name, dev);
    timing::firmware_arrived(dev, driver, begin, &firmware);

    let firmware = firmware.inspect_err(|err| {
        dev_err!(dev, "firmware {}: request failed: {:?}\n", &*name, err);
    })?;
    let image = image::Image::parse(firmware.data()).map_err(|err| {
        dev_err!(dev, "firmware {}: {}\n", &*name, err);
        Error::from_errno(err.errno())
    })?;

    write(image.payload(), duration)
}

/// Writes `payload` to a device of its own and starts it; the writes take `duration` together.
fn write(payload: &[u8], duration: Delta) -> Result {
    let mut device = SimulatedDevice::new()?;
    let mut written = 0;
    let begin = Instant::now();

    for chunk in payload.chunks(WINDOW_LEN) {
        written += chunk.len();
        // The deadlines are those of the whole load, so that sleeping too long does not add up.
        device.write(chunk, begin, share(duration, written, payload.len()))?;
    }

    device.kick(payload.len())
}

/// Returns the share of `duration` that `part` has in `whole`.
fn share(duration: Delta, part: usize, whole: usize) -> Delta {
    let micros = duration.as_micros_ceil().saturating_mul(part as i64);

    Delta::from_micros(micros.checked_div(whole as i64).unwrap_or(0))
}
