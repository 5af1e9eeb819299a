// SPDX-License-Identifier: GPL-2.0

//! Recordings. The seal at their end tells all damage; so each is made once more, for what is
//! damaged, to see what holds behind it.

use lifecycle::event::{Point, Recorded, Side};
use lifecycle::parse::log;
use lifecycle::parse::recording::{parse, seal, write};
use lifecycle::parse::refusal::Reason;
use lifecycle::{Event, What};

use super::{again, swapped, without};

const RECORDINGS: [&str; 2] = [
    include_str!("../recordings/platform_and_bus.txt"),
    include_str!("../logs/c_driver_convoy.txt"),
];

/// The recording without its seal, in lines.
fn body(recording: &str) -> Vec<&str> {
    let mut lines: Vec<_> = recording.split_inclusive('\n').collect();
    assert!(lines.pop().unwrap().starts_with("# lifecycle: end"));
    lines
}

/// Whether the line is the column heads' or another comment of tracefs, which says nothing.
fn is_comment(line: &str) -> bool {
    line.starts_with('#')
        && !line.starts_with("# lifecycle: ")
        && !line.starts_with("# entries-in-buffer")
}

/// When it happened, if the line is an entry.
fn time(line: &str) -> Option<&str> {
    let words = line.split_whitespace();
    let mut words = words.skip_while(|word| !word.starts_with('['));
    (!line.starts_with('#')).then(|| words.nth(2).unwrap())
}

fn reason(text: String) -> Reason {
    parse(&seal(text)).unwrap_err().reason
}

/// Whether it is that time runs backwards, or that a function returns before it begins.
fn is_order(reason: &Reason) -> bool {
    matches!(reason, Reason::OutOfOrder(_) | Reason::NotBegun(_))
}

#[test]
fn cut_anywhere() {
    for recording in RECORDINGS {
        let steps = (0..recording.len()).step_by(61);
        let ends = recording.match_indices('\n').map(|(end, _)| end);
        for cut in steps.chain(ends.clone()).chain(ends.map(|end| end + 1)) {
            if cut < recording.len() {
                let error = parse(&recording[..cut]).unwrap_err();
                assert_eq!(error.reason, Reason::Unsealed, "at {cut}");
            }
        }
    }
}

#[test]
fn cut_after_any_line_and_sealed() {
    for recording in RECORDINGS {
        let lines = body(recording);
        for cut in 0..lines.len() {
            assert!(parse(&seal(lines[..cut].concat())).is_err(), "after {cut}");
        }
    }
}

#[test]
fn any_line_gone_or_there_twice() {
    for recording in RECORDINGS {
        let lines = body(recording);
        let events = parse(recording).unwrap();
        for (at, line) in lines.iter().enumerate() {
            let (fewer, more) = (without(&lines, at), again(&lines, at, at));
            if is_comment(line) {
                assert_eq!(parse(&seal(fewer)).as_ref(), Ok(&events), "without {line}");
                assert_eq!(parse(&seal(more)).as_ref(), Ok(&events), "twice {line}");
            } else {
                assert!(parse(&seal(fewer)).is_err(), "without {line}");
                assert!(parse(&seal(more)).is_err(), "twice {line}");
            }
        }
    }
}

#[test]
fn any_two_entries_swapped() {
    for recording in RECORDINGS {
        let lines = body(recording);
        for (at, two) in lines.windows(2).enumerate() {
            let (Some(first), Some(second)) = (time(two[0]), time(two[1])) else {
                continue;
            };
            // Nothing but the seal tells the order of what happened in the same microsecond.
            if first != second {
                assert!(is_order(&reason(swapped(&lines, at))), "{two:?}");
            }
        }
    }
}

/// Behind a new seal, a recording that contradicts itself is refused where it is to be reported.
#[test]
fn contradictions() {
    let events = parse(RECORDINGS[0]).unwrap();
    let is = |event: &Event, point: Point, begins: bool| match &event.what {
        What::Recorded(of) => of.point == point && matches!(of.side, Side::Begins(_)) == begins,
        _ => false,
    };
    let place = |point, begins| {
        events
            .iter()
            .position(|event| is(event, point, begins))
            .unwrap()
    };
    let returns = |at: usize, with: i32| {
        let mut events = events.clone();
        if let What::Recorded(Recorded {
            side: Side::Returns { ret, .. },
            ..
        }) = &mut events[at].what
        {
            *ret = Some(with);
        }
        events
    };
    let without = |at: usize| {
        let mut events = events.clone();
        events.remove(at);
        events
    };
    let said = |events: &[Event]| match log::parse(&write("7.3.4", events), None) {
        Ok(_) => String::new(),
        Err(refusal) => refusal.reason.to_string(),
    };
    assert_eq!(said(&events), "");
    let succeeded = events.iter().rposition(|event| {
        is(event, Point::Probe, false)
            && matches!(
                &event.what,
                What::Recorded(Recorded {
                    side: Side::Returns { ret: Some(0), .. },
                    ..
                })
            )
    });
    let freed = place(Point::FreeModule, true);
    let unloaded = freed
        + events[freed..]
            .iter()
            .position(|event| is(event, Point::Rmmod, false))
            .unwrap();
    for (doctored, expected) in [
        (
            without(place(Point::Bound, true)),
            "a probe has succeeded, and its device is not bound",
        ),
        (
            returns(succeeded.unwrap(), 12),
            "a probe has failed, and its device is bound",
        ),
        (
            returns(unloaded, -11),
            "an rmmod has failed, and its module is gone",
        ),
    ] {
        assert!(
            said(&doctored).contains(expected),
            "{expected}: {}",
            said(&doctored)
        );
    }
}
