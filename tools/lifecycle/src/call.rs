// SPDX-License-Identifier: GPL-2.0

//! Userspace's calls, from their beginning to their return.

pub use crate::event::Call as Kind;
use crate::{Event, What};

/// One call of userspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// What was asked for.
    pub kind: Kind,
    /// The module or the device that the call is about.
    pub on: &'a str,
    /// The calling task.
    pub pid: u32,
    /// Where in the log it began.
    pub began: usize,
    /// Where in the log it returned, if it did.
    pub returned: Option<usize>,
    /// Its result, if it returned.
    pub ret: Option<i32>,
}

/// All calls of a log, in the order in which they began.
pub fn calls(events: &[Event]) -> Vec<Call<'_>> {
    let mut calls: Vec<Call<'_>> = Vec::new();
    for (at, event) in events.iter().enumerate() {
        match &event.what {
            What::CallBegan { call, on, pid, .. } => calls.push(Call {
                kind: *call,
                on,
                pid: *pid,
                began: at,
                returned: None,
                ret: None,
            }),
            What::CallReturned { call, on, pid, ret } => {
                let open = calls.iter_mut().rev().find(|open| {
                    open.returned.is_none()
                        && open.kind == *call
                        && open.on == on
                        && open.pid == *pid
                });
                if let Some(open) = open {
                    open.returned = Some(at);
                    open.ret = Some(*ret);
                }
            }
            _ => {}
        }
    }
    calls
}
