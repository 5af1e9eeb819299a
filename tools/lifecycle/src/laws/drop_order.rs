// SPDX-License-Identifier: GPL-2.0

//! The fields of a module and of its driver data are torn down in the order of their declaration.
//!
//! The Rust Reference, "Destructors"; `rust/macros/module.rs`, `__exit()` drops the module in
//! place, `rust/kernel/device.rs` the driver data (`post_unbind_rust`).

/// Judges the names of the fields in the order in which they were dropped, against that of their
/// declaration.
///
/// # Errors
///
/// How the law was broken, in one sentence.
pub fn check(dropped: &[&str], declared: &[&str]) -> Result<(), String> {
    if declared.len() < 2 {
        return Err("fewer than two fields have no order".to_owned());
    }
    if dropped == declared {
        Ok(())
    } else {
        Err(format!(
            "expected {declared:?} to be dropped, seen {dropped:?}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_counts() {
        check(&["a", "b"], &["a", "b"]).unwrap();
        for dropped in [&["b", "a"][..], &["a"], &[], &["a", "b", "b"]] {
            assert!(check(dropped, &["a", "b"]).is_err(), "{dropped:?}");
        }
        assert!(check(&["a"], &["a"]).is_err());
    }
}
