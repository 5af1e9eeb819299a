// SPDX-License-Identifier: GPL-2.0

//! The firmware image format of the samples: parse and verify.
//!
//! An image is a header of [`HEADER_LEN`] bytes followed by the payload. All numbers are little
//! endian, both checksums are the CRC-32 of IEEE 802.3:
//!
//! | offset | size | field                                                    |
//! |--------|------|----------------------------------------------------------|
//! | 0      | 8    | magic, `"ASYNCFW\0"`                                     |
//! | 8      | 4    | version, 1                                               |
//! | 12     | 4    | length of the payload in bytes, 1 to [`MAX_PAYLOAD_LEN`] |
//! | 16     | 4    | checksum of the payload                                  |
//! | 20     | 4    | checksum of bytes 0 to 19                                |
//! | 24     |      | payload                                                  |
//!
//! The same file is compiled into the kernel modules and into the host crate `firmware`, which
//! tests and fuzzes it. So it uses `core` only, allocates nothing and has no path that panics.
//! A kernel module declares it with `pub mod` (so that nothing counts as unused) and implements the
//! kernel's own `Display` for [`Error`] by calling the one of `core`.
//!
//! Reference: `Documentation/firmware-format.rst`.

use core::fmt;

/// The first bytes of every image.
pub const MAGIC: [u8; 8] = *b"ASYNCFW\0";

/// The version of the format which [`Image::parse`] understands.
pub const VERSION: u32 = 1;

/// Length of the header, in bytes.
pub const HEADER_LEN: usize = 24;

/// Length of the header's part that the header checksum covers, in bytes.
const HEADER_CHECKED_LEN: usize = 20;

/// The longest payload that an image may carry, in bytes.
pub const MAX_PAYLOAD_LEN: u32 = 1 << 20;

/// Why a file is not a good image: the first check that it failed.
///
/// The variants stand in the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The file ends before the header, or before the payload that the header announces, does.
    Truncated {
        /// Length of the file, in bytes.
        have: usize,
        /// Length which the header, or the payload after it, calls for, in bytes.
        need: usize,
    },
    /// The file does not start with [`MAGIC`].
    BadMagic,
    /// The checksum of the header does not match the header.
    CorruptHeader {
        /// The checksum that the header carries.
        stored: u32,
        /// The checksum that the header has.
        computed: u32,
    },
    /// The header is sound, but of a version other than [`VERSION`].
    UnsupportedVersion(u32),
    /// The header announces a payload of no bytes.
    Empty,
    /// The header announces a payload longer than [`MAX_PAYLOAD_LEN`].
    Oversized {
        /// Length of the payload according to the header, in bytes.
        length: u32,
    },
    /// The file goes on after the payload.
    TrailingData {
        /// Length of the data that follows the payload, in bytes.
        extra: usize,
    },
    /// The checksum of the payload does not match the payload.
    CorruptPayload {
        /// The checksum that the header carries.
        stored: u32,
        /// The checksum that the payload has.
        computed: u32,
    },
}

impl Error {
    /// Returns the error as the kernel reports it: a negative errno.
    ///
    /// The numbers are those of `include/uapi/asm-generic/errno.h`, which every architecture that
    /// supports Rust in the kernel uses, so that host programs see the same ones.
    pub const fn errno(&self) -> i32 {
        const ENOEXEC: i32 = 8;
        const EINVAL: i32 = 22;
        const EFBIG: i32 = 27;
        const ENODATA: i32 = 61;
        const EBADMSG: i32 = 74;
        const EPROTONOSUPPORT: i32 = 93;

        match self {
            Error::Truncated { .. } => -ENODATA,
            Error::BadMagic => -ENOEXEC,
            Error::CorruptHeader { .. } | Error::CorruptPayload { .. } => -EBADMSG,
            Error::UnsupportedVersion(_) => -EPROTONOSUPPORT,
            Error::Empty => -EINVAL,
            Error::Oversized { .. } | Error::TrailingData { .. } => -EFBIG,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Truncated { have, need } => {
                write!(f, "truncated: {have} bytes of {need}")
            }
            Error::BadMagic => {
                write!(f, "bad magic: not a firmware image")
            }
            Error::CorruptHeader { stored, computed } => {
                write!(
                    f,
                    "corrupt header: checksum {stored:#010x} stored, {computed:#010x} computed"
                )
            }
            Error::UnsupportedVersion(version) => {
                write!(f, "unsupported version: {version}, expected {VERSION}")
            }
            Error::Empty => {
                write!(f, "empty: no payload")
            }
            Error::Oversized { length } => {
                write!(
                    f,
                    "oversized: payload of {length} bytes, at most {MAX_PAYLOAD_LEN} allowed"
                )
            }
            Error::TrailingData { extra } => {
                write!(f, "trailing data: {extra} bytes after the payload")
            }
            Error::CorruptPayload { stored, computed } => {
                write!(
                    f,
                    "corrupt payload: checksum {stored:#010x} stored, {computed:#010x} computed"
                )
            }
        }
    }
}

/// A firmware image that has passed all checks.
///
/// # Invariants
///
/// `payload` follows the header of a file that [`Image::parse`] accepted: 1 to
/// [`MAX_PAYLOAD_LEN`] bytes whose checksum is the one in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image<'a> {
    payload: &'a [u8],
}

impl<'a> Image<'a> {
    /// Checks that `bytes`, the whole file, are an image.
    ///
    /// Returns the first check that failed, if any.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let truncated = |need| Error::Truncated {
            have: bytes.len(),
            need,
        };

        let (header, body) = Header::read(bytes).ok_or(truncated(HEADER_LEN))?;
        let length = header.verify()?;

        let (payload, trailing) = body
            .split_at_checked(length)
            .ok_or(truncated(HEADER_LEN + length))?;
        if !trailing.is_empty() {
            return Err(Error::TrailingData {
                extra: trailing.len(),
            });
        }

        let computed = crc32(payload);
        if header.checksum != computed {
            return Err(Error::CorruptPayload {
                stored: header.checksum,
                computed,
            });
        }

        // INVARIANT: The header's checks bound `length`, and the payload has both the length and
        // the checksum that the header gives.
        Ok(Image { payload })
    }

    /// Returns the payload.
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// The header as it stands in the file, and the checksum that its bytes have.
struct Header {
    magic: [u8; 8],
    version: u32,
    length: u32,
    checksum: u32,
    header_checksum: u32,
    computed: u32,
}

impl Header {
    /// Splits the header off `bytes`, or returns [`None`] if they are too few.
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let computed = crc32(bytes.get(..HEADER_CHECKED_LEN)?);

        let (&magic, rest) = bytes.split_first_chunk()?;
        let (&version, rest) = rest.split_first_chunk()?;
        let (&length, rest) = rest.split_first_chunk()?;
        let (&checksum, rest) = rest.split_first_chunk()?;
        let (&header_checksum, body) = rest.split_first_chunk()?;

        let header = Header {
            magic,
            version: u32::from_le_bytes(version),
            length: u32::from_le_bytes(length),
            checksum: u32::from_le_bytes(checksum),
            header_checksum: u32::from_le_bytes(header_checksum),
            computed,
        };
        Some((header, body))
    }

    /// Runs the checks that need the header only, and returns the length of the payload.
    fn verify(&self) -> Result<usize, Error> {
        if self.magic != MAGIC {
            return Err(Error::BadMagic);
        }
        if self.header_checksum != self.computed {
            return Err(Error::CorruptHeader {
                stored: self.header_checksum,
                computed: self.computed,
            });
        }
        if self.version != VERSION {
            return Err(Error::UnsupportedVersion(self.version));
        }
        match self.length {
            0 => Err(Error::Empty),
            // CAST: At most `MAX_PAYLOAD_LEN`, which fits in a `usize` of 32 bits.
            length @ 1..=MAX_PAYLOAD_LEN => Ok(length as usize),
            length => Err(Error::Oversized { length }),
        }
    }
}

/// How many bytes [`crc32`] takes at a time.
const CRC_STEP: usize = 16;

/// `CRC_TABLES[n][b]` is the CRC-32 register after byte `b` and then `n` zero bytes.
static CRC_TABLES: [[u32; 256]; CRC_STEP] = crc_tables();

/// Computes [`CRC_TABLES`], when the file is compiled.
const fn crc_tables() -> [[u32; 256]; CRC_STEP] {
    /// The polynomial of IEEE 802.3, lowest power in the highest bit.
    const POLYNOMIAL: u32 = 0xedb8_8320;

    let mut tables = [[0; 256]; CRC_STEP];
    let mut byte = 0;
    while byte < 256 {
        // CAST: Less than 256.
        let mut crc = byte as u32;
        let mut n = 0;
        while n < CRC_STEP {
            let mut bit = 0;
            while bit < 8 {
                crc = (crc >> 1) ^ (POLYNOMIAL * (crc & 1));
                bit += 1;
            }
            tables[n][byte] = crc;
            n += 1;
        }
        byte += 1;
    }
    tables
}

/// Returns the CRC-32 (IEEE 802.3, the one of zlib and Ethernet) of `bytes`.
///
/// It runs in every probe, hence the tables: about two and a half instructions a byte. No index can
/// be out of bounds, as a table has an entry for each value of a byte.
pub fn crc32(mut bytes: &[u8]) -> u32 {
    let t = &CRC_TABLES;
    let mut crc = !0u32;

    while let Some((&[a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p], rest)) =
        bytes.split_first_chunk()
    {
        let [a, b, c, d] = (crc ^ u32::from_le_bytes([a, b, c, d])).to_le_bytes();
        crc = t[15][usize::from(a)]
            ^ t[14][usize::from(b)]
            ^ t[13][usize::from(c)]
            ^ t[12][usize::from(d)]
            ^ t[11][usize::from(e)]
            ^ t[10][usize::from(f)]
            ^ t[9][usize::from(g)]
            ^ t[8][usize::from(h)]
            ^ t[7][usize::from(i)]
            ^ t[6][usize::from(j)]
            ^ t[5][usize::from(k)]
            ^ t[4][usize::from(l)]
            ^ t[3][usize::from(m)]
            ^ t[2][usize::from(n)]
            ^ t[1][usize::from(o)]
            ^ t[0][usize::from(p)];
        bytes = rest;
    }
    for &byte in bytes {
        let [low, ..] = crc.to_le_bytes();
        crc = (crc >> 8) ^ t[0][usize::from(low ^ byte)];
    }
    !crc
}
