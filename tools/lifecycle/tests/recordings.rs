// SPDX-License-Identifier: GPL-2.0

//! Recordings of real kernels, and properties of the parser that hold for every recording.

use std::collections::BTreeMap;

use lifecycle::event::definitions::DEFINITIONS;
use lifecycle::event::point::{Definition, Returns, Value};
use lifecycle::event::Call;
use lifecycle::event::{Fetched, Recorded, Side, SmolStr};
use lifecycle::laws::{convoy, judge, Verdict};
use lifecycle::parse::recording::{self as text, parse};
use lifecycle::{Event, Life, Micros, ProbeType, Probing, What};
use proptest::prelude::*;

/// Stock 7.3.4: the platform driver loaded plainly and with `async_probe`, rmmod refused and in
/// flight, unbind, bind, removal during probes, an unrelated module beside it all; then the sample
/// bus without a convoy. `recordings/platform_and_bus.sh` makes it.
const PLATFORM_AND_BUS: &str = include_str!("recordings/platform_and_bus.txt");

#[test]
fn all_laws_hold_on_a_real_kernel() {
    let events = parse(PLATFORM_AND_BUS).unwrap();
    let cases: BTreeMap<_, _> = judge(&Life::new(events, Probing::Once))
        .into_iter()
        .filter_map(|(law, verdict)| match verdict {
            Verdict::Kept(cases) => Some((law, cases)),
            Verdict::NoCase | Verdict::CannotBeSeen(_) => None,
            Verdict::Broken(violation) => panic!("{violation}"),
        })
        .collect();
    let expected = [
        ("bound_again", 4),
        ("convoy", 2),
        ("default_type", 2),
        ("firmware_in_probe", 11),
        ("insmod_waits", 1),
        ("manual_bind_sync", 3),
        ("one_at_a_time", 11),
        ("probe_remove_probe", 11),
        ("ready_before_probe", 7),
        ("register_returns", 2),
        ("rmmod_refused", 1),
        ("rmmod_waits", 1),
        ("uevent_order", 22),
        ("unbind_waits", 1),
    ];
    assert_eq!(cases, BTreeMap::from(expected));
}

#[test]
fn beside_an_exclusive_domain_nobody_waits() {
    let events = parse(PLATFORM_AND_BUS).unwrap();
    // Beside the design that has a domain of its own.
    let bus = events
        .iter()
        .position(|event| event.to_string().contains("init mod=\"slow_bus_driver\""));
    let bus = events[bus.unwrap()..].to_vec();
    let [bus, all] = [bus, events].map(|events| Life::new(events, Probing::Once));
    let free = |life, kind| convoy::check_free(life, kind, "unrelated", Micros(5000));
    for kind in [Call::Insmod, Call::Rmmod] {
        assert_eq!(free(&bus, kind), Ok(1));
    }
    assert!(free(&all, Call::Insmod).is_err());
}

fn name() -> impl Strategy<Value = Option<SmolStr>> {
    proptest::option::of("[a-zA-Z0-9_.:=/-]{1,20}".prop_map(Into::into))
}

fn symbol() -> impl Strategy<Value = SmolStr> {
    "[a-z_]{1,20}\\+0x[0-9a-f]{1,3}/0x[0-9a-f]{1,3}".prop_map(Into::into)
}

prop_compose! {
    fn fetched(definition: &'static Definition)(
        names in (name(), name(), name()),
        pointers in any::<(u64, u64, u64)>(),
        probe_type in proptest::sample::select(ProbeType::ALL.to_vec()),
        function in symbol(),
        caller in symbol(),
        node in -1..1024,
    ) -> Fetched {
        let mut fetched = Fetched::default();
        for (_, _, value) in definition.fetch {
            match value {
                Value::Device => fetched.device.clone_from(&names.0),
                Value::Driver => fetched.driver.clone_from(&names.1),
                Value::Name => fetched.name.clone_from(&names.2),
                Value::At => fetched.at = Some(pointers.0),
                Value::By => fetched.by = Some(pointers.1),
                Value::Bus => fetched.bus = Some(pointers.2),
                Value::ProbeType => fetched.probe_type = Some(probe_type),
                Value::Asked => fetched.asked.clone_from(&names.1),
                Value::Domain => fetched.domain = Some(pointers.2),
                Value::Function => fetched.function = Some(function.clone()),
                Value::Caller => fetched.caller = Some(caller.clone()),
                Value::Node => fetched.node = Some(node),
            }
        }
        fetched
    }
}

/// A function that begins and, later or never, returns, as its task's innermost.
fn steps() -> impl Strategy<Value = Vec<(Fetched, &'static Definition, bool)>> {
    let one = (0..DEFINITIONS.len()).prop_flat_map(|at| {
        let definition = &DEFINITIONS[at];
        (fetched(definition), Just(definition), any::<bool>())
    });
    prop::collection::vec(one, 0..30)
}

/// A recording of one task.
fn events(
    steps: Vec<(Fetched, &'static Definition, bool)>,
    task: &str,
    caller: &str,
    ret: i32,
) -> Vec<Event> {
    let mut events = Vec::new();
    let mut open: Vec<&Definition> = Vec::new();
    let mut push = |point, side| {
        let what = What::Recorded(Recorded {
            task: task.into(),
            pid: 42,
            cpu: 3,
            point,
            side,
        });
        events.push(Event {
            time: Micros(events.len() as u64),
            what,
        });
    };
    for (fetched, definition, back) in steps {
        push(definition.point, Side::Begins(fetched.into()));
        if definition.returns != Returns::Unseen {
            open.push(definition);
        }
        if let Some(definition) = back.then(|| open.pop()).flatten() {
            push(
                definition.point,
                Side::Returns {
                    caller: caller.into(),
                    ret: (definition.returns == Returns::Result).then_some(ret),
                },
            );
        }
    }
    events
}

prop_compose! {
    fn recording()(
        steps in steps(),
        task in "[a-z][ -~]{0,14}",
        caller in symbol(),
        ret in any::<i32>(),
    ) -> Vec<Event> {
        events(steps, &task, &caller, ret)
    }
}

/// The recording without its seal, in lines.
fn body(events: &[Event]) -> Vec<String> {
    let text = text::write("7.3.4", events);
    let mut lines: Vec<_> = text.split_inclusive('\n').map(str::to_owned).collect();
    lines.pop();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn what_is_written_is_read(events in recording()) {
        prop_assert_eq!(parse(&text::write("7.3.4", &events)).unwrap(), events);
    }

    /// Neither does any law, whatever the recording says.
    #[test]
    fn never_panics(
        text in any::<String>(),
        bytes in any::<Vec<u8>>(),
        events in recording(),
    ) {
        let _ = parse(&text);
        let _ = parse(&String::from_utf8_lossy(&bytes));
        let _ = parse(&text::seal(text::header("7.3.4", Probing::Once, DEFINITIONS) + &text));
        judge(&Life::new(events, Probing::Once));
    }

    /// Damage goes deeper where the seal is right.
    #[test]
    fn never_panics_on_damaged_lines(
        events in recording(),
        at in any::<prop::sample::Index>(),
        damage in any::<String>(),
    ) {
        let text = body(&events).concat();
        let cuts: Vec<_> = text.char_indices().map(|(cut, _)| cut).collect();
        let (head, tail) = text.split_at(*at.get(&cuts));
        if let Ok(events) = parse(&text::seal(format!("{head}{damage}{tail}"))) {
            judge(&Life::new(events, Probing::Once));
        }
    }

    #[test]
    fn an_altered_recording_is_refused(
        events in recording(),
        at in any::<prop::sample::Index>(),
    ) {
        let mut bytes = text::write("7.3.4", &events).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1;
        prop_assert!(parse(&String::from_utf8_lossy(&bytes)).is_err());
    }
}
