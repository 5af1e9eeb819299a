// SPDX-License-Identifier: GPL-2.0

//! Makes images: good ones, and one for each check of the parser that fails just that check.

use std::fmt;
use std::str::FromStr;

use crate::image::{crc32, Error, HEADER_LEN, MAGIC, MAX_PAYLOAD_LEN, VERSION};

/// Default length of the payload of an image, in bytes.
pub const DEFAULT_PAYLOAD_LEN: u32 = 64 << 10;

/// Returns `len` bytes that look random and depend on `seed` alone, the same on every machine.
pub fn payload(len: u32, seed: u64) -> Vec<u8> {
    // SplitMix64: a few operations, and no seed is worse than another.
    let mut state = seed;
    let words = std::iter::from_fn(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Some(word ^ (word >> 31))
    });

    words
        .flat_map(u64::to_le_bytes)
        .take(len as usize)
        .collect()
}

/// Returns the image that carries `payload`.
///
/// # Errors
///
/// [`Error::Empty`] and [`Error::Oversized`], for a payload that the parser would refuse.
pub fn image(payload: &[u8]) -> Result<Vec<u8>, Error> {
    match u32::try_from(payload.len()).unwrap_or(u32::MAX) {
        0 => Err(Error::Empty),
        1..=MAX_PAYLOAD_LEN => Ok(Header::of(payload).followed_by(payload)),
        length => Err(Error::Oversized { length }),
    }
}

/// Returns an image of `payload` that has been damaged, and is whole in all other ways.
///
/// # Errors
///
/// Those of [`image()`]: the image is good before it is damaged.
pub fn damaged_image(payload: &[u8], damage: Damage) -> Result<Vec<u8>, Error> {
    let mut bytes = image(payload)?;

    match damage {
        Damage::TruncatedHeader => bytes.truncate(HEADER_LEN - 1),
        Damage::TruncatedPayload => bytes.truncate(bytes.len() - 1),
        Damage::BadMagic => bytes[0] ^= 1,
        Damage::CorruptHeader => bytes[Header::CHECKSUM_AT] ^= 1,
        Damage::UnsupportedVersion => {
            let version = VERSION + 1;
            let header = Header::of(payload);
            bytes = Header { version, ..header }.followed_by(payload);
        }
        Damage::Empty => bytes = Header::of(&[]).followed_by(&[]),
        Damage::Oversized => {
            let mut longer = payload.to_vec();
            longer.resize(MAX_PAYLOAD_LEN as usize + 1, 0);
            bytes = Header::of(&longer).followed_by(&longer);
        }
        Damage::TrailingData => bytes.push(0),
        Damage::CorruptPayload => bytes[HEADER_LEN] ^= 1,
    }
    Ok(bytes)
}

/// A way to damage an image, named after the check that it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The last byte of the header and all that follows are gone.
    TruncatedHeader,
    /// The last byte of the payload is gone.
    TruncatedPayload,
    /// A bit of the magic is flipped.
    BadMagic,
    /// A bit of the header is flipped, behind the magic.
    CorruptHeader,
    /// The version is the next one; the checksums are right.
    UnsupportedVersion,
    /// There is no payload; the length and the checksums are right.
    Empty,
    /// The payload is one byte too long; the length and the checksums are right.
    Oversized,
    /// One byte follows the payload.
    TrailingData,
    /// A bit of the payload is flipped.
    CorruptPayload,
}

impl Damage {
    /// All of them, in the order of the checks.
    pub const ALL: [Self; 9] = [
        Self::TruncatedHeader,
        Self::BadMagic,
        Self::CorruptHeader,
        Self::UnsupportedVersion,
        Self::Empty,
        Self::Oversized,
        Self::TruncatedPayload,
        Self::TrailingData,
        Self::CorruptPayload,
    ];

    /// Returns the name that [`FromStr`] takes and [`Display`](fmt::Display) shows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TruncatedHeader => "truncated-header",
            Self::TruncatedPayload => "truncated-payload",
            Self::BadMagic => "bad-magic",
            Self::CorruptHeader => "corrupt-header",
            Self::UnsupportedVersion => "unsupported-version",
            Self::Empty => "empty",
            Self::Oversized => "oversized",
            Self::TrailingData => "trailing-data",
            Self::CorruptPayload => "corrupt-payload",
        }
    }

    /// Returns a description of the damage, for people.
    pub const fn description(self) -> &'static str {
        match self {
            Self::TruncatedHeader => "the header lacks its last byte, and nothing follows",
            Self::TruncatedPayload => "the payload lacks its last byte",
            Self::BadMagic => "a bit of the magic is flipped",
            Self::CorruptHeader => "a bit of the header is flipped, behind the magic",
            Self::UnsupportedVersion => "the version is the next one",
            Self::Empty => "there is no payload",
            Self::Oversized => "the payload is one byte longer than allowed",
            Self::TrailingData => "one byte follows the payload",
            Self::CorruptPayload => "a bit of the payload is flipped",
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Damage {
    type Err = UnknownDamage;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|damage| damage.name() == name)
            .ok_or_else(|| UnknownDamage(name.to_owned()))
    }
}

/// A name that is not one of a [`Damage`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownDamage(String);

impl fmt::Display for UnknownDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Damage::ALL.map(Damage::name).join("|");
        write!(f, "unknown damage `{}`: expected one of {names}", self.0)
    }
}

impl std::error::Error for UnknownDamage {}

/// The fields of a header, without its magic and its own checksum, which follow from the others.
#[derive(Clone, Copy)]
struct Header {
    version: u32,
    length: u32,
    checksum: u32,
}

impl Header {
    /// Where the checksum of the payload stands.
    const CHECKSUM_AT: usize = 16;

    /// Returns the header that is right for `payload`, but for limits on its length.
    fn of(payload: &[u8]) -> Self {
        Self {
            version: VERSION,
            length: u32::try_from(payload.len()).unwrap_or(u32::MAX),
            checksum: crc32(payload),
        }
    }

    /// Returns the file: this header and `payload`.
    fn followed_by(self, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_LEN + payload.len());
        bytes.extend(MAGIC);
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.length.to_le_bytes());
        bytes.extend(self.checksum.to_le_bytes());
        bytes.extend(crc32(&bytes).to_le_bytes());
        bytes.extend(payload);
        bytes
    }
}
