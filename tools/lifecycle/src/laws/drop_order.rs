// SPDX-License-Identifier: GPL-2.0

//! The order in which the fields of a module and of its driver data are dropped.

use super::prelude::*;

/// The law. It judges what a test module prints of its fields, by [`check`].
pub static LAW: Law = Law {
    name: "drop_order",
    promise: "The fields of a module and of its driver data are dropped in the order of their \
              declaration, after an asynchronous probe too.",
    kernel:
        "The Rust Reference, \"Destructors\". rust/macros/module.rs: __exit() drops the module in \
             place. rust/kernel/device.rs: post_unbind_rust drops the driver data.",
    mend: "Declare the registration of a driver before the data that its probes use, and a domain \
           before the data that its functions use.",
    needs: &[Sight::Steps],
    check: |_| Ok(0),
    mutants: &[Mutant::live("fields_backwards")],
};

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
