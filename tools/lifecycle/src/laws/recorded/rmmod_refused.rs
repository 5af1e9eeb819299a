// SPDX-License-Identifier: GPL-2.0

//! rmmod of a module whose insmod still waits for async probes fails with `EWOULDBLOCK`, and nothing
//! is lost: no driver is unregistered, and insmod succeeds.
//!
//! `kernel/module/main.c`: `do_init_module()` drops the loader's reference after
//! `async_synchronize_full()` only, so that `try_stop_module()` finds the module in use. Before,
//! while its init runs, the answer is `EBUSY`. If init fails, `free_module()` takes the module away
//! before insmod returns, and rmmod does not find it.

use super::Bar;
use crate::laws::Violation;
use crate::recording::Point;
use crate::Event;

const EWOULDBLOCK: i32 = -11;
const EBUSY: i32 = -16;
const ENOENT: i32 = -2;

/// Judges every rmmod during the module's own insmod; the cases are those while insmod waits.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event]) -> Result<usize, Violation> {
    let bar = Bar::new("rmmod_refused", events);
    let mut cases = 0;
    for (at, rmmod) in bar.of(Point::Rmmod) {
        let init = bar
            .of(Point::Init)
            .find(|(_, init)| init.fetched.name == rmmod.fetched.name && init.spans(rmmod.began));
        let Some((init_at, init)) = init else {
            continue;
        };
        let waits = bar.spans.iter().any(|flush| {
            flush.point == Point::Flush
                && flush.parent == Some(init_at)
                && flush.began < rmmod.began
                && rmmod.end() < flush.end()
        });
        cases += usize::from(waits);
        let places = [init.began, rmmod.began, rmmod.end(), init.end()];
        let refused = match rmmod.ret {
            Some(EWOULDBLOCK) => true,
            Some(EBUSY) => !waits,
            Some(ENOENT) => bar
                .in_span(Point::FreeModule, init_at)
                .any(|(_, free)| free.began < rmmod.end()),
            // It waits for its turn, and insmod may be over when that comes.
            _ => !waits && init.end() < rmmod.end(),
        };
        bar.demand(refused, "rmmod to fail with EWOULDBLOCK", &places)?;
        if waits {
            for point in [Point::Unregister, Point::FreeModule] {
                if let Some((_, lost)) = bar.in_span(point, at).next() {
                    bar.demand(false, "nothing to be lost", &[rmmod.began, lost.began])?;
                }
            }
            bar.demand(
                init.ended.is_none() || init.ret == Some(0),
                "insmod to succeed all the same",
                &places,
            )?;
        }
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{altered, doctored, recording};
    use super::check;
    use crate::laws::tests_support::assert_broken;

    const GOOD: &str = "
        9 init m
        8 rmmod m
        8 rmmod_end -16
        9 flush 0
        7 rmmod m
        7 rmmod_end -11
        9 flush_end
        9 init_end 0
        6 rmmod m
        6 rmmod_end 0
    ";

    #[test]
    fn holds() {
        assert_eq!(check(&recording(GOOD)), Ok(1));
    }

    #[test]
    fn not_refused() {
        let events = doctored(GOOD, "7 rmmod_end -11", "7 rmmod_end 0");
        assert_broken(check(&events), "ret=0");
        let events = doctored(GOOD, "7 rmmod_end -11", "7 rmmod_end -16");
        assert_broken(check(&events), "ret=-16");
        let events = doctored(GOOD, "8 rmmod_end -16", "8 rmmod_end 0");
        assert_broken(check(&events), "ret=0");
    }

    #[test]
    fn not_found_while_a_failed_init_is_undone() {
        const FAILED: &str = "
            9 init m
            9 free_module m
            7 rmmod m
            7 rmmod_end -2
            9 init_end -16
        ";
        assert_eq!(check(&recording(FAILED)), Ok(0));
        let events = doctored(FAILED, "9 free_module m", "");
        assert_broken(check(&events), "ret=-2");
    }

    #[test]
    fn something_is_lost() {
        let events = doctored(
            GOOD,
            "7 rmmod m",
            "7 rmmod m\n 7 unregister\n 7 unregister_end",
        );
        assert_broken(check(&events), "unregister");
        let events = recording(&altered(GOOD, "9 init_end 0", "9 init_end -4"));
        assert_broken(check(&events), "ret=-4");
    }
}
