// SPDX-License-Identifier: GPL-2.0

//! The format once more, written as the documentation reads and not as the parser does: no types,
//! plain offsets, and the CRC-32 of another crate. Tests and the fuzzer compare the two.

use firmware::image::Error;

/// Returns the result that [`firmware::image::Image::parse`] must have: the payload, or the first
/// check that failed.
pub(crate) fn parse(bytes: &[u8]) -> Result<&[u8], Error> {
    let have = bytes.len();
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());

    if have < 24 {
        return Err(Error::Truncated { have, need: 24 });
    }
    if &bytes[0..8] != b"ASYNCFW\0" {
        return Err(Error::BadMagic);
    }
    let (stored, computed) = (number(20), crc32fast::hash(&bytes[0..20]));
    if stored != computed {
        return Err(Error::CorruptHeader { stored, computed });
    }
    if number(8) != 1 {
        return Err(Error::UnsupportedVersion(number(8)));
    }
    let length = number(12);
    if length == 0 {
        return Err(Error::Empty);
    }
    if length > 1024 * 1024 {
        return Err(Error::Oversized { length });
    }
    let need = 24 + length as usize;
    if have < need {
        return Err(Error::Truncated { have, need });
    }
    if have > need {
        let extra = have - need;
        return Err(Error::TrailingData { extra });
    }
    let (stored, computed) = (number(16), crc32fast::hash(&bytes[24..]));
    if stored != computed {
        return Err(Error::CorruptPayload { stored, computed });
    }
    Ok(&bytes[24..])
}

/// Makes the header checksum right, so that the parser reaches the checks after it.
pub(crate) fn repair_header(bytes: &mut [u8]) {
    if let Some((header, rest)) = bytes.split_at_mut_checked(20) {
        if let Some(checksum) = rest.first_chunk_mut() {
            header[0..8].copy_from_slice(b"ASYNCFW\0");
            *checksum = crc32fast::hash(header).to_le_bytes();
        }
    }
}

/// Makes version, length, and both checksums right, so that any bytes become an image.
pub(crate) fn repair_all(bytes: &mut [u8]) {
    if bytes.len() >= 24 {
        let length = u32::try_from(bytes.len() - 24).unwrap_or(u32::MAX);
        let checksum = crc32fast::hash(&bytes[24..]);
        bytes[8..12].copy_from_slice(&1u32.to_le_bytes());
        bytes[12..16].copy_from_slice(&length.to_le_bytes());
        bytes[16..20].copy_from_slice(&checksum.to_le_bytes());
        repair_header(bytes);
    }
}
