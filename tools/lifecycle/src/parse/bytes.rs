// SPDX-License-Identifier: GPL-2.0

//! The text in a file, whatever it is compressed with and however its characters are written.

use std::io::{Cursor, Read};

use lzma_rust2::{LzipReader, LzmaReader, XzReader};

use super::refusal::{Reason, Refusal};
use super::{json, recording};

/// No log has more than this, and no file is to fill the memory.
const MOST: u64 = 1 << 30;

/// The same in KiB, for the dictionaries of decoders.
const MEMORY: u32 = 1 << 20;

/// The text of a file: decompressed, as UTF-8, without a byte order mark.
///
/// # Errors
///
/// [`Refusal`] with [`Reason::Compressed`] if the file is compressed and damaged,
/// [`Reason::NotText`] if it is no text.
pub fn text(bytes: Vec<u8>) -> Result<String, Refusal> {
    let bytes = decompressed(bytes).map_err(Refusal::of_all)?;
    let not_text = |what| Err(Refusal::of_all(Reason::NotText(what)));
    if let Some((_, what)) = BINARY.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return not_text(what);
    }
    let head = bytes.get(..15).unwrap_or_default().to_ascii_lowercase();
    if head.starts_with(b"<!doctype html") || head.starts_with(b"<html") {
        return not_text("it is a web page; name a file with the log alone");
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return not_text("it is a tar archive; unpack it, and name a file of it");
    }
    if let Some(text) = utf_16(&bytes) {
        return Ok(text);
    }
    if is_diff(&bytes) {
        return not_text(
            "it is the difference of two logs; name one of these: `probe-analyze diff A B`",
        );
    }
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        // A serial line may have had noise, and old programs wrote one byte a character.
        Err(error) => {
            let mut text = String::new();
            for chunk in error.as_bytes().utf8_chunks() {
                text.push_str(chunk.valid());
                match chunk.invalid() {
                    [] => {}
                    // A blank of ISO 8859-1, as in mails.
                    [0xa0] => text.push(' '),
                    _ => text.push('\u{fffd}'),
                }
            }
            let odd = text.matches('\u{fffd}').count();
            if odd * 10 > text.chars().count() {
                return not_text("most of its bytes are no characters");
            }
            text
        }
    };
    let is_odd =
        |c: &char| c.is_ascii_control() && !"\0\t\n\r\u{7}\u{8}\u{b}\u{c}\u{1b}\u{1e}".contains(*c);
    let (odd, all) = (text.chars().filter(is_odd).count(), text.len());
    if odd * 50 > all {
        return not_text("it has control characters all over");
    }
    if is_encoded_mail(&text) {
        return not_text(
            "it is a mail, of which a part is encoded; save the part with the log from a mail program",
        );
    }
    if !text.is_empty() && text.bytes().all(|byte| byte == 0) {
        return not_text("all its bytes are zero");
    }
    Ok(lines(text))
}

/// What is no text, by its first bytes.
const BINARY: [(&[u8], &str); 15] = [
    (
        b"\x1f\x9d",
        "it is compressed with compress; `zcat <FILE >LOG` decompresses it",
    ),
    (
        b"\x89LZO",
        "it is compressed with lzop; `lzop -cd FILE >LOG` decompresses it",
    ),
    (
        b"\xff\xfe\0\0",
        "its characters are in UTF-32; `iconv -f UTF-32 -t UTF-8 FILE >LOG`",
    ),
    (
        b"LPKSHHRH",
        "it is a file of the journal; `journalctl --file FILE -k -o json >LOG` prints it",
    ),
    (
        b"\x17\x08\x44tracing",
        "it is of trace-cmd; `trace-cmd report FILE >LOG` prints it",
    ),
    (b"PERFILE2", "it is of perf"),
    (
        b"PK\x03\x04",
        "it is a zip archive; unpack it, and name a file of it",
    ),
    (
        b"7z\xbc\xaf\x27\x1c",
        "it is a 7z archive; unpack it, and name a file of it",
    ),
    (
        b"Rar!",
        "it is a rar archive; unpack it, and name a file of it",
    ),
    (b"\x7fELF", "it is a program or a module"),
    (
        b"KDUMP",
        "it is a memory dump; `makedumpfile --dump-dmesg FILE LOG` has its log",
    ),
    (b"%PDF", "it is a PDF"),
    (b"\x89PNG", "it is a picture"),
    (b"\xff\xd8\xff", "it is a picture"),
    (b"GIF8", "it is a picture"),
];

/// Whether it is what diff prints in one of its forms, of whatever programs or plain.
fn is_diff(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (first, second) = (line(), line());
    // `3,4c3`
    let is_range = |part: &[u8]| {
        let is_of = |byte: &u8| byte.is_ascii_digit() || *byte == b',';
        part.first().is_some_and(u8::is_ascii_digit) && part.iter().all(is_of)
    };
    let is_command = || {
        let ranges = first.split(|byte| b"acd".contains(byte)).map(is_range);
        ranges.eq([true; 2]) && matches!(second, [b'<' | b'>', ..])
    };
    first.starts_with(b"diff -")
        || first.starts_with(b"--- ") && second.starts_with(b"+++ ")
        || first.starts_with(b"*** ") && second.starts_with(b"--- ")
        || is_command()
}

/// Whether a part of a mail has another form than its text (RFC 2045).
fn is_encoded_mail(text: &str) -> bool {
    const FIELD: &str = "content-transfer-encoding:";
    text.lines().any(|line| {
        let field = line.split_at_checked(FIELD.len());
        let encoding = field.filter(|(name, _)| name.eq_ignore_ascii_case(FIELD));
        encoding.is_some_and(|(_, of)| {
            let is = |encoding| of.trim().eq_ignore_ascii_case(encoding);
            is("base64") || is("quoted-printable")
        })
    })
}

/// The compressions, by the first bytes.
fn decompressed(bytes: Vec<u8>) -> Result<Vec<u8>, Reason> {
    let from = Cursor::new(&bytes);
    let (name, result) = match bytes.as_slice() {
        [0x1f, 0x8b, ..] => ("gzip", read(flate2::read::MultiGzDecoder::new(from))),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => {
            ("bzip2", read(bzip2::read::MultiBzDecoder::new(from)))
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ("zstd", frames(&bytes, zstd)),
        [0x04, 0x22, 0x4d, 0x18, ..] => ("lz4", frames(&bytes, lz4)),
        [0x02, 0x21, 0x4c, 0x18, ..] => ("lz4", frames(&bytes, lz4_legacy)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            let streams = true;
            ("xz", read(XzReader::new_mem_limit(from, streams, MEMORY)))
        }
        [b'L', b'Z', b'I', b'P', ..] => ("lzip", read(LzipReader::new(from))),
        [0x5d, 0, 0, _, _, ..] => {
            let reader = LzmaReader::new_mem_limit(from, MEMORY, None);
            let reader = reader.map_err(|error| error.to_string());
            ("lzma", reader.and_then(read))
        }
        _ => return Ok(bytes),
    };
    result.map_err(|error| Reason::Compressed(name, error))
}

fn read(from: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = from.take(MOST + 1).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    within(bytes)
}

fn within(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    match bytes.len() as u64 > MOST {
        true => Err("it holds more than 1 GiB".to_owned()),
        false => Ok(bytes),
    }
}

/// The decoder takes the end of the file for the end of the frame, which has a mark of its own.
fn lz4(from: &mut &[u8]) -> Result<Vec<u8>, String> {
    let whole = *from;
    let text = read(lz4_flex::frame::FrameDecoder::new(&mut *from))?;
    let frame = &whole[..whole.len() - from.len()];
    let has_checksum = frame.get(4).is_some_and(|flags| flags & 4 != 0);
    let mark = frame.len().checked_sub(if has_checksum { 8 } else { 4 });
    match mark.and_then(|at| frame.get(at..at + 4)) == Some(&[0; 4]) {
        true => Ok(text),
        false => Err("it is cut off".to_owned()),
    }
}

/// What `lz4 -l` writes: blocks, each after its length. A frame ends where the next begins.
fn lz4_legacy(from: &mut &[u8]) -> Result<Vec<u8>, String> {
    let mut end = 4;
    while let Some(&length) = from.get(end..).and_then(<[u8]>::first_chunk) {
        if from.starts_with(&length) {
            break;
        }
        end += 4 + u32::from_le_bytes(length) as usize;
    }
    let (frame, rest) = from.split_at_checked(end).ok_or("it is cut off")?;
    *from = rest;
    read(lz4_flex::frame::FrameDecoder::new(frame))
}

fn zstd(from: &mut &[u8]) -> Result<Vec<u8>, String> {
    let frame = ruzstd::decoding::StreamingDecoder::new(from);
    read(frame.map_err(|error| error.to_string())?)
}

/// All frames of a file, one after the other.
fn frames(
    bytes: &[u8],
    frame: fn(&mut &[u8]) -> Result<Vec<u8>, String>,
) -> Result<Vec<u8>, String> {
    let mut from = bytes;
    let mut all = Vec::new();
    while !from.is_empty() {
        all.extend(frame(&mut from)?);
        all = within(all)?;
    }
    Ok(all)
}

/// The text if it is in UTF-16, as PowerShell and some terminals write it.
fn utf_16(bytes: &[u8]) -> Option<String> {
    let (first, rest) = (bytes.get(..2)?, bytes.get(2..)?);
    // Without a mark, every other byte of English text is zero.
    let pairs = bytes.chunks_exact(2).take(32);
    let are = |zeros: [bool; 2]| {
        let is = |pair: &[u8]| zeros == [pair[0] == 0, pair[1] == 0];
        pairs.len() > 3 && pairs.clone().all(is)
    };
    let (big, body) = match first {
        [0xff, 0xfe] => (false, rest),
        [0xfe, 0xff] => (true, rest),
        _ if are([false, true]) => (false, bytes),
        _ if are([true, false]) => (true, bytes),
        _ => return None,
    };
    let units: Vec<u16> = body
        .chunks_exact(2)
        .map(|unit| match big {
            true => u16::from_be_bytes([unit[0], unit[1]]),
            false => u16::from_le_bytes([unit[0], unit[1]]),
        })
        .collect();
    Some(lines(String::from_utf16_lossy(&units)))
}

/// Without a byte order mark, and with line feeds: a file system that lost power fills with zeros
/// what it has not written. A recording is as it has been sealed.
fn lines(text: String) -> String {
    let text = match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    };
    if text.starts_with(recording::FIRST) {
        return text;
    }
    if text.contains('\0') {
        let parts = text.split('\0').filter(|part| !part.is_empty());
        let mut lines = String::with_capacity(text.len());
        for part in parts {
            if !lines.is_empty() && !lines.ends_with('\n') {
                lines.push('\n');
            }
            lines.push_str(part);
        }
        return lines;
    }
    // Of terminals that know carriage returns only, of rsyslog, and of strings of programs.
    let is_json = json::is_json(&text) || json::is_lava(&text);
    let is_one = !text.trim_end().contains('\n') && !is_json;
    let ends = ["\r", "#012", "\\n"];
    if let Some(end) = ends.iter().find(|end| is_one && text.contains(**end)) {
        return text.replace(end, "\n");
    }
    let mut text = if is_json { text } else { numbered(&text) };
    for (sign, plain) in SIGNS {
        // These would end a string of JSON, or damage an escape in it.
        let is_of_json = is_json && (sign.starts_with('\\') || plain == "\"");
        if !is_of_json && text.contains(sign) {
            text = text.replace(sign, plain);
        }
    }
    text
}

/// Without the characters that a web page has by their number: `&#43;`, `&#x2B;`.
fn numbered(text: &str) -> String {
    let mut parts = text.split("&#");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let character = part.split_once(';').and_then(|(number, rest)| {
            let number = match number.strip_prefix(['x', 'X']) {
                Some(number) => u8::from_str_radix(number, 16),
                None => number.parse(),
            };
            Some((char::from(number.ok().filter(u8::is_ascii)?), rest))
        });
        match character {
            Some((character, rest)) => plain.extend([&character.to_string(), rest]),
            None => plain.extend(["&#", part]),
        }
    }
    plain
}

/// What word processors, web pages and Markdown make of blanks and signs.
const SIGNS: [(&str, &str); 13] = [
    ("\u{a0}", " "),
    ("\u{2010}", "-"),
    ("\u{2011}", "-"),
    ("\u{2013}", "-"),
    ("\u{2212}", "-"),
    ("\\[", "["),
    ("\\]", "]"),
    ("\\_", "_"),
    ("&nbsp;", " "),
    ("&quot;", "\""),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&amp;", "&"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "[    1.000000] probe of d.0 with driver d returned 0 after 7 usecs\n";

    /// What the programs of these names write.
    const COMPRESSED: [(&str, &[u8]); 10] = [
        ("gzip", include_bytes!("../../tests/posted/line.gz")),
        ("xz", include_bytes!("../../tests/posted/line.xz")),
        ("zstd", include_bytes!("../../tests/posted/line.zst")),
        ("bzip2", include_bytes!("../../tests/posted/line.bz2")),
        ("lz4", include_bytes!("../../tests/posted/line.lz4")),
        ("lz4", include_bytes!("../../tests/posted/legacy.lz4")),
        ("lzma", include_bytes!("../../tests/posted/line.lzma")),
        ("lzip", include_bytes!("../../tests/posted/line.lz")),
        ("xz", include_bytes!("../../tests/posted/sha256.xz")),
        ("xz", include_bytes!("../../tests/posted/filter.xz")),
    ];

    #[test]
    fn every_compression() {
        for (name, bytes) in COMPRESSED {
            assert_eq!(text(bytes.to_vec()).as_deref(), Ok(LINE), "{name}");
            // Cut off, it is refused by its name.
            for cut in [bytes.len() - 1, bytes.len() / 2, 7] {
                let error = text(bytes[..cut].to_vec()).unwrap_or_else(|error| error.to_string());
                assert!(
                    error.contains(&format!("compressed with {name}")),
                    "{name}: {error}"
                );
            }
        }
        // Several files in one; one of lzma has no beginning of its own.
        for (name, bytes) in COMPRESSED.iter().filter(|(name, _)| *name != "lzma") {
            assert_eq!(text(bytes.repeat(2)).unwrap(), LINE.repeat(2), "{name}");
            let cut = text(bytes.repeat(2)[..bytes.len() * 2 - 9].to_vec());
            assert!(cut.is_err(), "{name}: {cut:?}");
        }
    }

    #[test]
    fn every_way_to_write_characters() {
        let units =
            |from: fn(u16) -> [u8; 2]| LINE.encode_utf16().flat_map(from).collect::<Vec<u8>>();
        for bytes in [
            LINE.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", LINE.as_bytes()].concat(),
            [vec![0xff, 0xfe], units(u16::to_le_bytes)].concat(),
            [vec![0xfe, 0xff], units(u16::to_be_bytes)].concat(),
            units(u16::to_le_bytes),
            units(u16::to_be_bytes),
            [&[0; 512], LINE.as_bytes()].concat(),
        ] {
            assert_eq!(text(bytes).as_deref(), Ok(LINE));
        }
        let latin = [b"[    0.500000] name: K\xfcche\n", LINE.as_bytes()].concat();
        assert!(text(latin).unwrap().ends_with(LINE));
        let mail = LINE.replace('\n', " x\n").replace('x', "\u{a0}");
        let latin = mail.chars().map(|c| c as u8).collect();
        assert_eq!(text(latin).unwrap(), LINE.replace('\n', "  \n"));
        // Lost power in the middle of a line.
        let torn = [b"[    0.5", &[0; 64][..], LINE.as_bytes()].concat();
        assert_eq!(text(torn).unwrap(), format!("[    0.5\n{LINE}"));
        for end in ["\r", "#012", "\\n"] {
            let one = LINE.replace('\n', end).repeat(2);
            assert_eq!(text(one.into_bytes()).unwrap(), LINE.repeat(2));
        }
        let json = r#"{"log":"[    0.5] a\n"}"#;
        assert_eq!(text(json.into()).unwrap(), json);
        let sealed = format!("{} &amp;\\_SB\n", recording::FIRST);
        assert_eq!(text(sealed.clone().into()).unwrap(), sealed);
        let json = r#"{"MESSAGE":"\\[ &quot;&#34;"}"#;
        assert_eq!(text(json.into()).unwrap(), json);
        let page = "calling  a&#43;0x0/0x1 @ 1 =&gt; b&amp;lt;\n";
        assert_eq!(
            text(page.into()).unwrap(),
            "calling  a+0x0/0x1 @ 1 => b&lt;\n"
        );
    }

    #[test]
    fn no_text() {
        let noise: Vec<u8> = (0..4096_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let mut tar = vec![b'a'; 512];
        tar[257..262].copy_from_slice(b"ustar");
        for (bytes, why) in [
            (noise, "no characters"),
            (vec![0; 100], "zero"),
            ((1..=6).cycle().take(100).collect(), "control characters"),
            (tar, "tar archive"),
            (b"PK\x03\x04rest".to_vec(), "zip archive"),
            (b"LPKSHHRHrest".to_vec(), "journalctl --file"),
            (b"\x7fELFrest".to_vec(), "program"),
            (b"<!DOCTYPE html>\n<pre>".to_vec(), "web page"),
            (b"\x1f\x9d\x90rest".to_vec(), "zcat"),
            (b"\xff\xfe\0\0[\0\0\0".to_vec(), "UTF-32"),
            (b"--- a\n+++ b\n@@ -1 +1 @@\n".to_vec(), "difference"),
            (b"*** a\n--- b\n".to_vec(), "difference"),
            (b"diff -u a b\n".to_vec(), "difference"),
            (b"3,4c3\n< [    1.0".to_vec(), "difference"),
            (
                b"Content-transfer-encoding: Base64\n\nWyAg".to_vec(),
                "mail",
            ),
        ] {
            let error = text(bytes).unwrap_err().to_string();
            assert!(error.contains(why), "{why}: {error}");
        }
        assert_eq!(text(Vec::new()).as_deref(), Ok(""));
    }
}
