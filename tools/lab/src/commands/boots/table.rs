// SPDX-License-Identifier: GPL-2.0

//! What was predicted and what was measured, side by side.

use lifecycle::simulate::Range;
use lifecycle::Micros;

/// A prediction may be off by so much, whichever is more.
const LIMIT: Micros = Micros(10_000);
const LIMIT_PERCENT: u64 = 5;

/// The times of a boot are: until init runs, until all devices are bound.
pub(super) const TIMES: [&str; 2] = ["init runs", "all are bound"];

/// A set of drivers that was asynchronous.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) drivers: Vec<String>,
    pub(super) predicted: [Option<Range>; 2],
    pub(super) measured: [Option<Micros>; 2],
    /// When the first module was loaded: what is before that is the same in all boots.
    pub(super) from: Micros,
}

/// A boot, and what became of it.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) name: &'static str,
    pub(super) kernel: String,
    pub(super) now: [Option<Micros>; 2],
    pub(super) advised: Vec<String>,
    pub(super) compared: Vec<Compared>,
}

impl Compared {
    fn wrong(&self, of: &Measured) -> Vec<String> {
        let name = format!(
            "{}, Linux {}, {}",
            of.name,
            of.kernel,
            self.drivers.join(",")
        );
        let pairs = TIMES.iter().zip(self.predicted).zip(self.measured);
        let mut wrong = Vec::new();
        for ((what, predicted), measured) in pairs {
            match (predicted, measured) {
                (Some(predicted), Some(measured))
                    if is_near(nearest(predicted, measured), measured, self.from) => {}
                (Some(predicted), Some(measured)) => wrong.push(format!(
                    "{name}: {what} after {measured} ms, and not after {} ms",
                    in_words(predicted)
                )),
                _ => wrong.push(format!("{name}: nothing is known of when {what}")),
            }
        }
        wrong
    }

    /// What is gained until all devices are bound, in microseconds: predicted and measured.
    fn gains(&self, now: Micros) -> Option<[i64; 2]> {
        let gain = |then: Micros| Some(i64::try_from(now.0).ok()? - i64::try_from(then.0).ok()?);
        Some([gain(self.predicted[1]?.likely)?, gain(self.measured[1]?)?])
    }
}

impl Measured {
    /// Where a prediction is too far from the truth.
    pub(super) fn wrong(&self) -> Vec<String> {
        let of_each = self.compared.iter().flat_map(|of| of.wrong(self));
        let mut wrong: Vec<String> = of_each.collect();
        // Of two sets, that gains more which is said to.
        let limit = i64::try_from(LIMIT.0).unwrap_or(0);
        for (at, one) in self.compared.iter().enumerate() {
            for other in &self.compared[..at] {
                let now = self.now[1].unwrap_or_default();
                let (Some(one_gains), Some(other_gains)) = (one.gains(now), other.gains(now))
                else {
                    continue;
                };
                let [predicted, measured] = [0, 1].map(|of| one_gains[of] - other_gains[of]);
                if predicted.abs() > limit && measured.signum() != predicted.signum() {
                    wrong.push(format!(
                        "{}, Linux {}: {} and {} gain in the other order",
                        self.name,
                        self.kernel,
                        one.drivers.join(","),
                        other.drivers.join(",")
                    ));
                }
            }
        }
        wrong
    }
}

/// What is nearest to the truth of a prediction with limits.
fn nearest(predicted: Range, measured: Micros) -> Micros {
    measured.clamp(predicted.least, predicted.most)
}

/// The likely time, with the limits if there are any.
fn in_words(predicted: Range) -> String {
    match predicted.least == predicted.most {
        true => predicted.likely.to_string(),
        false => format!("{} to {}", predicted.least, predicted.most),
    }
}

/// Whether a prediction is near enough to the measured time. The limit is a share of the time since
/// `from`.
pub(crate) fn is_near(predicted: Micros, measured: Micros, from: Micros) -> bool {
    let took = match measured > from {
        true => measured - from,
        false => measured,
    };
    let limit = LIMIT.0.max(took.0 * LIMIT_PERCENT / 100);
    predicted.0.abs_diff(measured.0) <= limit
}

/// The cells, the heading first. Times are in milliseconds.
fn cells(all: &[Measured]) -> Vec<[String; 8]> {
    let heading = [
        "Boot",
        "Kernel",
        "asynchronous",
        "init runs",
        "predicted",
        "all bound",
        "predicted",
        "off by",
    ];
    let time = |time: Option<Micros>| time.map_or_else(|| "-".to_owned(), |it| it.to_string());
    let mut rows = vec![heading.map(str::to_owned)];
    for of in all {
        rows.push([
            of.name.to_owned(),
            of.kernel.clone(),
            "as it is".to_owned(),
            time(of.now[0]),
            String::new(),
            time(of.now[1]),
            String::new(),
            String::new(),
        ]);
        for compared in &of.compared {
            let advised = match compared.drivers == of.advised {
                true => " (advised)",
                false => "",
            };
            let predicted = compared
                .predicted
                .map(|it| it.map_or("-".to_owned(), in_words));
            let off = compared.predicted[1].zip(compared.measured[1]);
            let off = off.map(|(predicted, measured)| {
                Micros(nearest(predicted, measured).0.abs_diff(measured.0))
            });
            rows.push([
                String::new(),
                String::new(),
                format!("{}{advised}", compared.drivers.join(", ")),
                time(compared.measured[0]),
                predicted[0].clone(),
                time(compared.measured[1]),
                predicted[1].clone(),
                time(off),
            ]);
        }
    }
    rows
}

fn widths(rows: &[[String; 8]]) -> [usize; 8] {
    std::array::from_fn(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
}

fn line(row: &[String; 8], widths: [usize; 8]) -> String {
    let cell = |(at, text): (usize, &String)| {
        let width = widths[at];
        if at < 3 {
            format!("{text:<width$}")
        } else {
            format!("{text:>width$}")
        }
    };
    let cells: Vec<String> = row.iter().enumerate().map(cell).collect();
    format!("{}\n", cells.join("  ").trim_end())
}

/// For a terminal.
pub(super) fn text(all: &[Measured]) -> String {
    let rows = cells(all);
    let widths = widths(&rows);
    rows.iter().map(|row| line(row, widths)).collect()
}

/// For the documentation: the same, as a table of reStructuredText, and what the recorder costs.
pub(super) fn document(all: &[Measured], costs: &[String]) -> String {
    let mut rows = cells(all);
    // An empty first cell would continue the row before it.
    for row in &mut rows {
        if row[0].is_empty() {
            row[0] = "\\".to_owned();
        }
    }
    let widths = widths(&rows);
    let rule = line(&widths.map(|width| "=".repeat(width)), widths);
    let lines: Vec<String> = rows.iter().map(|row| line(row, widths)).collect();
    let (heading, body) = lines.split_at(1);
    format!(
        ".. SPDX-License-Identifier: GPL-2.0\n.. make boots DOCUMENT=1 writes this file.\n\n\
         {rule}{}{rule}{}{rule}\n- {}\n",
        heading.concat(),
        body.concat(),
        costs.join("\n- ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(driver: &str, predicted: u64, measured: u64) -> Compared {
        let range = |ms| Range {
            likely: Micros(ms * 1000),
            least: Micros(ms * 1000),
            most: Micros(ms * 1000),
        };
        Compared {
            drivers: vec![driver.to_owned()],
            predicted: [Some(range(1500)), Some(range(predicted))],
            measured: [Some(Micros(1_500_000)), Some(Micros(measured * 1000))],
            from: Micros(0),
        }
    }

    fn measured(compared: Vec<Compared>) -> Measured {
        Measured {
            name: "x",
            kernel: "7.3".to_owned(),
            now: [Some(Micros(1_500_000)), Some(Micros(4_000_000))],
            advised: vec![],
            compared,
        }
    }

    #[test]
    fn what_is_off() {
        let wrong = |predicted, truth| measured(vec![compared("a", predicted, truth)]).wrong();
        assert!(wrong(2000, 2000).is_empty() && wrong(2099, 2000).is_empty());
        assert!(wrong(2101, 2000)[0].contains("all are bound after 2000.000 ms"));
        assert!(wrong(109, 100).is_empty() && wrong(111, 100).len() == 1);
        let nothing = Compared {
            measured: [None, None],
            ..compared("a", 1, 1)
        };
        assert_eq!(measured(vec![nothing]).wrong().len(), 2);
        let late = Compared {
            from: Micros(1_700_000),
            ..compared("a", 2016, 2000)
        };
        assert_eq!(measured(vec![late]).wrong().len(), 1);
    }

    #[test]
    fn what_is_in_the_other_order() {
        let order = |a, b| measured(vec![compared("a", 2000, a), compared("b", 2050, b)]).wrong();
        assert!(order(2000, 2050).is_empty());
        assert!(order(2060, 2050)[0].contains("in the other order"));
    }
}
