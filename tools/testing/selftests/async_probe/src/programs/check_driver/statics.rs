// SPDX-License-Identifier: GPL-2.0

//! The values of a module's static variables, out of `/proc/kcore`.
//!
//! What two plain loads leave alike, and one with asynchronous probes otherwise, depends on the
//! order of the probes, or they overwrite it for each other.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::plan::Static;

/// `PT_LOAD`, and the length of a program header of a 64-bit file (`elf.h`).
const LOAD: u64 = 1;
const HEADER: u64 = 56;

/// Numbers above this are addresses of the kernel.
const POINTERS: u64 = 0xff00_0000_0000_0000;

/// Each variable with its value: numbers, and `p` for a pointer. Empty where that cannot be read.
pub(crate) fn values(module: &str, statics: &[Static]) -> Vec<String> {
    let Some(memory) = Memory::open() else {
        return vec![];
    };
    let value = |of: &Static| {
        let place = place(module, of)?;
        let numbers: Vec<u64> = memory
            .read(place, of.bytes)?
            .chunks(8)
            .map(number)
            .collect();
        Some(format!("{} {}", of.name, words(place, &numbers).join(",")))
    };
    statics.iter().filter_map(value).collect()
}

/// Where a variable of a loaded module is.
fn place(module: &str, of: &Static) -> Option<u64> {
    let sections = Path::new("/sys/module").join(module).join("sections");
    let section = fs::read_to_string(sections.join(&of.section)).ok()?;
    let section = u64::from_str_radix(section.trim().strip_prefix("0x")?, 16).ok()?;
    Some(section + of.at)
}

/// The variable of a loaded module that an address is in.
pub(crate) fn at<'a>(module: &str, statics: &'a [Static], address: u64) -> Option<&'a str> {
    let is_in = |of: &&Static| {
        let place = place(module, of).unwrap_or(u64::MAX);
        (place..place.saturating_add(of.bytes as u64)).contains(&address)
    };
    statics.iter().find(is_in).map(|of| of.name.as_str())
}

fn number(bytes: &[u8]) -> u64 {
    let bytes = bytes.iter().rev();
    bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The value of a variable at this place. The first member of an idle `struct work_struct`, before
/// an empty list and a function, says where it has run last (`kernel/workqueue.c`,
/// `set_work_pool_and_clear_pending()`).
fn words(place: u64, numbers: &[u64]) -> Vec<String> {
    let is_work = |at: usize| {
        let list = place + 8 * (at as u64 + 1);
        matches!(numbers[at + 1..], [next, prev, function, ..]
            if [next, prev] == [list; 2] && function >= POINTERS)
    };
    let word = |(at, number): (usize, &u64)| match *number {
        _ if is_work(at) => "work".to_owned(),
        POINTERS.. => "p".to_owned(),
        number => number.to_string(),
    };
    numbers.iter().enumerate().map(word).collect()
}

/// The memory of the kernel.
struct Memory {
    file: File,
    /// Address, length, and where in the file.
    segments: Vec<[u64; 3]>,
}

impl Memory {
    fn open() -> Option<Self> {
        let file = File::open("/proc/kcore").ok()?;
        let number = |at: u64, bytes: usize| {
            let mut number = [0; 8];
            file.read_exact_at(&mut number[..bytes], at).ok()?;
            Some(u64::from_le_bytes(number))
        };
        let (first, count) = (number(32, 8)?, number(56, 2)?);
        let headers = (0..count).map(|header| first + header * HEADER);
        let headers = headers.filter(|at| number(*at, 4) == Some(LOAD));
        let segment =
            |at: u64| Some([number(at + 16, 8)?, number(at + 40, 8)?, number(at + 8, 8)?]);
        let segments = headers.filter_map(segment).collect();
        Some(Self { file, segments })
    }

    fn read(&self, address: u64, bytes: usize) -> Option<Vec<u8>> {
        let mut segments = self.segments.iter();
        let [from, _, offset] = segments.find(|[from, length, _]| {
            address
                .checked_sub(*from)
                .is_some_and(|place| place < *length)
        })?;
        let mut read = vec![0; bytes];
        self.file
            .read_exact_at(&mut read, address - from + offset)
            .ok()?;
        Some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_work_has_run_is_no_value() {
        let list = POINTERS + 16;
        for (numbers, expected) in [
            (&[1, 5, list, list, POINTERS][..], "1,work,p,p,p"),
            (&[1, 5, list, POINTERS, POINTERS], "1,5,p,p,p"),
            (&[1, 5, list, list, 7], "1,5,p,p,7"),
            (&[1, 5, list], "1,5,p"),
        ] {
            assert_eq!(words(POINTERS, numbers).join(","), expected);
        }
    }
}
