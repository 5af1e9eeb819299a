// SPDX-License-Identifier: GPL-2.0

//! Tables about one driver, for a terminal of 80 columns.

use super::{Load, Named};
use crate::life::Probe;
use crate::report::table::{print, table};
use crate::{errno, Micros};

/// So many probes a table has at most.
const ROWS: usize = 12;

/// A driver's probes of a load, one row each, in milliseconds, if there were any. Ends with a line
/// feed.
pub fn probes(load: &Load, driver: &Named) -> Option<String> {
    let probes: Vec<_> = load.of(driver).collect();
    if probes.is_empty() {
        return None;
    }
    let mut table = table(
        &[
            "device", "how", "added", "waited", "began", "probe", "firmware", "remove", "result",
        ],
        &[2, 3, 4, 5, 6, 7],
    );
    table.add_rows(probes.iter().take(ROWS).map(|probe| row(probe)));
    let more = match probes.len().saturating_sub(ROWS) {
        0 => String::new(),
        more => format!("and {more} more\n"),
    };
    Some(print(&table) + &more)
}

fn row(probe: &Probe) -> [String; 9] {
    [
        probe.device.clone(),
        probe.how.name().to_owned(),
        ms(probe.added),
        ms(probe.waited),
        ms(Some(probe.began)),
        ms(probe.took),
        ms(probe.firmware),
        ms(probe.remove),
        probe.result(),
    ]
}

/// What each load took, one row each, in milliseconds. Ends with a line feed.
pub fn loads(loads: &[(&str, &Load)]) -> String {
    let mut table = table(
        &["load", "insmod", "all bound", "count", "result"],
        &[1, 2, 3],
    );
    for (name, load) in loads {
        table.add_row([
            (*name).to_owned(),
            ms(load.took),
            ms(load.all_ended()),
            load.bound().len().to_string(),
            load.ret.map_or("running".to_owned(), errno::name),
        ]);
    }
    print(&table)
}

/// Three decimals, or one where they do not matter: columns are few.
fn ms(time: Option<Micros>) -> String {
    match time {
        None => "-".to_owned(),
        Some(time) if time < Micros(100_000) => time.to_string(),
        Some(Micros(micros)) => format!("{}.{}", micros / 1000, micros % 1000 / 100),
    }
}

/// The laws, one row each: how many cases of each, or that it is broken. Ends with a line feed.
pub fn laws(laws: &[(&str, Option<usize>)]) -> String {
    let mut table = table(&["law", "", "cases"], &[2]);
    for (law, cases) in laws {
        let (verdict, cases) = match cases {
            Some(0) => ("no case", "-".to_owned()),
            Some(cases) => ("kept", cases.to_string()),
            None => ("BROKEN", "-".to_owned()),
        };
        table.add_row([(*law).to_owned(), verdict.to_owned(), cases]);
    }
    print(&table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::How;

    #[test]
    fn fits_the_terminal() {
        let probe = Probe {
            span: 0,
            request: None,
            second_phase: None,
            device: "a-device-with-a-name-of-some-length.17".to_owned(),
            driver: Some("d".to_owned()),
            by: None,
            how: How::Manual,
            added: None,
            waited: Some(Micros(12_345_678)),
            began: Micros(12_345_678),
            took: Some(Micros(12_345_678)),
            firmware: Some(Micros(12_345_678)),
            ret: Some(-517),
            remove: Some(Micros(12_345_678)),
        };
        let load = Load {
            probes: vec![probe; 20],
            ..Load::default()
        };
        let text = probes(&load, &Named::the_first("d")).unwrap() + &loads(&[("plain", &load)]);
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(80), "{text}");
        assert!(text.contains("and 8 more"));
        assert_eq!(probes(&load, &Named::the_first("another")), None);
    }

    #[test]
    fn laws_kept_and_broken() {
        assert_eq!(
            laws(&[("convoy", Some(2)), ("unbind_waits", None), ("x", Some(0))]),
            "law                  cases\n\
             convoy       kept        2\n\
             unbind_waits BROKEN      -\n\
             x            no case     -\n"
        );
    }
}
