// SPDX-License-Identifier: GPL-2.0

//! Short logs for the tests of laws, and what laws say of them.

use super::law::Violation;
use crate::event::definitions::all;
use crate::event::point::Value;
use crate::event::{Fetched, Point, Recorded, Side, SmolStr};
use crate::parse::dmesg::parse;
use crate::parse::recording as text;
use crate::{Event, Life, Micros, ProbeType, Probing, What};

/// Makes a recording out of lines without timestamps; each comes 1 ms after the one before.
///
/// `9 probe 0` is the beginning of a probe of `d.0` by driver `d` in pid 9, `9 probe_end -2` its
/// return; modules, files and actions of uevents are words; a flush has its domain. What does
/// not begin with a pid is a line of the dmesg interface, as for the other laws.
///
/// Words with a `=` say what is not as usual: `drv=e` another driver, `bus=2` another bus,
/// `type=`, `mod=` and `asked=` of a registration, `from=` another caller, `at=` its address,
/// `by=m` a module or `by=` a number.
pub(crate) fn recording(lines: &str) -> Vec<Event> {
    let mut events = Vec::new();
    let mut passed = Micros(1_000_000);
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        let words: Vec<_> = line.split_whitespace().collect();
        if let ["passes", seconds, "s"] = words[..] {
            passed = passed + Micros(1_000_000 * seconds.parse::<u64>().unwrap());
            continue;
        }
        let time = passed + Micros(1000 * events.len() as u64);
        let what = match words[0].parse() {
            Ok(pid) => recorded(pid, words[1], &words[2..]),
            Err(_) => printed(line),
        };
        events.push(Event { time, what });
    }
    let text = text::write("7.3.4", &events);
    assert_eq!(text::parse(&text).unwrap(), events, "not plausible");
    events
}

fn recorded(pid: u32, event: &str, words: &[&str]) -> What {
    let definition = all()
        .find(|one| one.events().any(|name| name == event))
        .unwrap_or_else(|| panic!("what is `{event}`?"));
    let (unusual, words): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.contains('='));
    let unusual = |key: &str| {
        let value = |word: &&str| word.strip_prefix(key)?.strip_prefix('=').map(SmolStr::from);
        unusual.iter().find_map(value)
    };
    let usual = match definition.event {
        "flush" => "do_init_module",
        _ => "someone",
    };
    let from = format!("{}+0x1/0x10", unusual("from").unwrap_or(usual.into())).into();
    let from: SmolStr = unusual("at").unwrap_or(from);
    let side = if event == definition.event {
        let mut fetched = Fetched::default();
        let mut words = words.iter().copied();
        for (_, _, value) in definition.fetch {
            match value {
                Value::Device => fetched.device = words.next().map(|n| format!("d.{n}").into()),
                Value::At => {
                    let number = match &fetched.device {
                        Some(device) => device[2..].parse::<u64>(),
                        None => words.next().unwrap().parse(),
                    };
                    fetched.at = Some(0xd00 + number.unwrap());
                }
                Value::Driver => fetched.driver = unusual("drv").or(Some("d".into())),
                Value::By => {
                    let of = |name: SmolStr| u64::from(name.as_bytes()[0]);
                    let module =
                        unusual("by").map(|by| by.parse().unwrap_or(0xffff_ffff_c000_0000));
                    fetched.by = module.or(Some(unusual("drv").map_or(0xb, of)));
                }
                Value::Bus => {
                    let bus = unusual("bus").map_or(1, |bus| bus.parse().unwrap());
                    fetched.bus = Some(0xb00 + bus);
                }
                Value::ProbeType => {
                    let name = unusual("type").unwrap_or("prefer".into());
                    let named = |of: &ProbeType| of.to_string().starts_with(name.as_str());
                    fetched.probe_type = ProbeType::ALL.into_iter().find(named);
                }
                Value::Asked => fetched.asked = unusual("asked").or(Some("".into())),
                Value::Name if definition.event == "register" => {
                    fetched.name = unusual("mod");
                }
                Value::Name => {
                    let name = words.next().unwrap();
                    fetched.name = Some(match definition.event {
                        "uevent" => format!("ACTION={name}").into(),
                        _ => (*name).into(),
                    });
                }
                Value::Function if matches!(definition.point, Point::Of(..)) => {
                    fetched.function = words.next().map(|word| (*word).into());
                }
                Value::Function => {
                    let helper = match definition.event {
                        "schedule" => "__driver_attach_async_helper+0x0/0xf0",
                        _ => "__device_attach_async_helper+0x0/0x110",
                    };
                    fetched.function = unusual("func").or(Some(helper.into()));
                }
                Value::Domain => {
                    fetched.domain = Some(words.next().map_or(0, |n| n.parse().unwrap()));
                }
                Value::Caller => {
                    fetched.caller = Some(from.clone());
                }
                Value::Node => fetched.node = words.next().map(|n| n.parse().unwrap()),
            }
        }
        Side::Begins(fetched.into())
    } else {
        Side::Returns {
            caller: from,
            ret: words.first().map(|ret| ret.parse().unwrap()),
        }
    };
    What::Recorded(Recorded {
        task: "task".into(),
        pid,
        cpu: 0,
        point: definition.point,
        side,
    })
}

/// A line of the dmesg interface, which may be short: `began 0`, `arrived 0`, `ended 0`,
/// `failed 0 -2` and so on mean device `d.0` of driver `d`.
fn printed(line: &str) -> What {
    const TIMING: &str = "async_probe: timing:";
    let mut words: Vec<_> = line.split_whitespace().collect();
    let driver = words.last().and_then(|word| word.strip_prefix("drv="));
    words.truncate(words.len() - usize::from(driver.is_some()));
    let driver = format!("driver={}", driver.unwrap_or("d"));
    let device = format!("dev=d.{} {driver}", words.get(1).unwrap_or(&""));
    let line = match *words.as_slice() {
        ["async", n] => {
            format!("{TIMING} probe_began {device} async=1 cpu=0 pid=3{n} task=kworker/u8:{n}")
        }
        ["async", _, pid] => {
            format!("{TIMING} probe_began {device} async=1 cpu=0 pid={pid} task=kworker/u8:0")
        }
        ["sync", _, pid] => {
            format!("{TIMING} probe_began {device} async=0 cpu=0 pid={pid} task=insmod")
        }
        ["arrived", _, "0"] => {
            format!("{TIMING} firmware_arrived {device} bytes=24 ret=0 ms=0.500")
        }
        ["arrived", _, ret] => {
            format!("{TIMING} firmware_arrived {device} bytes=0 ret={ret} ms=0.500")
        }
        ["ended", _, ret] => format!("{TIMING} probe_ended {device} ret={ret} ms=1.000"),
        ["ready", _, ret] => format!("{TIMING} ready {device} ret={ret} ms=9.000"),
        [what @ ("removing" | "unbound" | "devres_released"), _] => {
            format!("{TIMING} {what} {device}")
        }
        ["registered", ref ms @ .., probe_type] => {
            let ms = ms.first().unwrap_or(&"0.500");
            format!("{TIMING} registered {driver} probe_type={probe_type} ret=0 ms={ms}")
        }
        ["unregistered", ref ms @ ..] => {
            let ms = ms.first().unwrap_or(&"0.500");
            format!("{TIMING} unregistered {driver} ms={ms}")
        }
        ["calling", function, pid] => format!("calling  {function}+0x0/0x10 @ {pid}"),
        ["returned", function] => {
            format!("initcall {function}+0x0/0x10 returned 0 after 5 usecs")
        }
        ["run_init"] => "Run /init as init process".to_owned(),
        ["call", call, on, pid] => {
            format!("lifecycle: call_began call={call} on={on} pid={pid}")
        }
        ["call", call, on, pid, asks] => {
            format!("lifecycle: call_began call={call} on={on} pid={pid} async_probe={asks}")
        }
        ["return", call, on, pid, ret] => {
            format!("lifecycle: call_returned call={call} on={on} pid={pid} ret={ret}")
        }
        ["loaded", module, at, bytes] => {
            format!("lifecycle: loaded mod={module} at={at} bytes={bytes}")
        }
        _ => panic!("what is `{line}`?"),
    };
    let mut events = parse(&format!("[    1.000000] {line}\n")).unwrap();
    events.remove(0).what
}

/// The life of these lines, in the short form of [`recording`].
pub(crate) fn life(lines: &str) -> Life {
    life_on(lines, Probing::Once)
}

/// The same on a kernel that probes so often.
pub(crate) fn life_on(lines: &str, probing: Probing) -> Life {
    Life::new(recording(lines), probing)
}

/// What a broken law saw.
pub(crate) fn seen(verdict: Result<(), Violation>) -> String {
    verdict.expect_err("the law is kept").seen
}
