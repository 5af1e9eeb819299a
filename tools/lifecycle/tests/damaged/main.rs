// SPDX-License-Identifier: GPL-2.0

//! Logs of real kernels, damaged: cut off, with lines gone, there twice or in other places, or of
//! what is not known. None may pass as what it was before.

mod dmesg;
mod recording;

/// The lines with that at `at` taken away.
fn without(lines: &[&str], at: usize) -> String {
    let mut lines = lines.to_vec();
    lines.remove(at);
    lines.concat()
}

/// The lines with that at `from` there once more, before that at `to`.
fn again(lines: &[&str], from: usize, to: usize) -> String {
    let mut lines = lines.to_vec();
    lines.insert(to, lines[from]);
    lines.concat()
}

/// The lines with that at `at` and the next one in each other's place.
fn swapped(lines: &[&str], at: usize) -> String {
    let mut lines = lines.to_vec();
    lines.swap(at, at + 1);
    lines.concat()
}
