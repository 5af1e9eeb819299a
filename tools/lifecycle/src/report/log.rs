// SPDX-License-Identifier: GPL-2.0

//! A log's summary as text.

use super::table::{fold, heading, join, or_dash, wrap};
pub use super::table::{Detail, ROWS};
use super::{collected, figures, FIGURES};
use crate::life::{Kind, Wait, Wave};
use crate::summary::Summary;
use crate::{errno, Micros};

/// How many devices are named that a task waited for.
const NAMED: usize = 3;

/// The whole report. Times are in milliseconds, those of beginnings from the first event of the
/// log.
pub fn report(summary: &Summary, detail: Detail) -> String {
    join([
        head(summary),
        waves(summary, detail),
        calls(summary, detail),
        devices(summary, detail),
        waits(summary, detail),
        path(summary, detail),
        collected::deferred(summary, detail),
        collected::units(summary, detail),
    ])
}

/// The short form: who waited for whom.
pub fn short(summary: &Summary) -> String {
    waits(summary, Detail::Folded)
}

fn head(summary: &Summary) -> String {
    let life = &summary.life;
    let total = summary.total;
    let sources: Vec<String> = summary.sources.iter().map(ToString::to_string).collect();
    let kernel = summary.kernel.as_ref();
    let kernel = kernel.map_or(String::new(), |kernel| format!("Linux {kernel}; "));
    let mut text = wrap(
        "",
        &format!(
            "{}: {}; {kernel}{} ms, {} devices, {} tasks",
            summary.name,
            sources.join(", "),
            life.end - life.begin,
            life.devices.len(),
            life.lanes(),
        ),
    );
    if total.probes > 0 {
        let most = if total.at_most { "at most " } else { "" };
        text += &wrap(
            "",
            &format!(
                "{} probes ({} bound, {} failed) take {most}{} ms in sum, {} ms in time, {most}{} \
                 at once",
                total.probes, total.bound, total.failed, total.sum, total.covered, total.at_once
            ),
        );
    }
    text
}

fn waves(summary: &Summary, detail: Detail) -> String {
    // One probe alone is among the devices.
    let several = summary.waves.iter().filter(|wave| wave.probes.len() > 1);
    let several: Vec<&Wave> = several.collect();
    let rows = fold(&several, detail, |wave| {
        wave.until_bound.unwrap_or(Micros(u64::MAX))
    });
    let failed = several.iter().any(|wave| wave.total.failed > 0);
    let mut header = vec!["driver", "began", "bound"];
    header.extend(failed.then_some("failed"));
    header.extend(FIGURES);
    let numbers: Vec<usize> = (1..header.len()).collect();
    let title = "Drivers, from the registration until all are bound";
    rows.table(title, "longest", &header, &numbers, |wave| {
        let began = wave.begin - summary.life.begin;
        let bound = wave.total.bound.to_string();
        let mut row = vec![wave.driver.clone(), began.to_string(), bound];
        row.extend(failed.then(|| wave.total.failed.to_string()));
        row.extend(figures(wave));
        row
    })
}

fn calls(summary: &Summary, detail: Detail) -> String {
    let life = &summary.life;
    let rows = fold(&summary.calls, detail, |call| call.took);
    let header = ["call", "task", "began", "ms", "waited", "result"];
    rows.table("Calls", "longest", &header, &[2, 3, 4], |call| {
        let span = &life.spans[call.span];
        let result = match span.ret {
            Some(ret) => errno::name(ret),
            None if span.end.is_none() => "running".to_owned(),
            None => "-".to_owned(),
        };
        [
            call.what.clone(),
            task(summary, span.task),
            (span.begin - life.begin).to_string(),
            call.took.to_string(),
            or_dash(Some(call.waited).filter(|waited| *waited > Micros(0))),
            result,
        ]
    })
}

/// `insmod-42`
fn task(summary: &Summary, task: Option<usize>) -> String {
    let Some(task) = task.map(|task| &summary.life.tasks[task]) else {
        return "?".to_owned();
    };
    match (task.name.as_deref(), task.pid) {
        (Some(name), Some(pid)) => format!("{name}-{pid}"),
        (None, Some(pid)) => pid.to_string(),
        (name, None) => name.unwrap_or("?").to_owned(),
    }
}

fn devices(summary: &Summary, detail: Detail) -> String {
    let life = &summary.life;
    let mut probes = life.probes();
    probes.sort_by_key(|probe| (probe.began, probe.span));
    let rows = fold(&probes, detail, |probe| life.length(probe.span));
    let two_phases = probes.iter().any(|probe| probe.second_phase.is_some());
    let first = probes.first().and_then(|probe| probe.driver.as_deref());
    let one_driver = probes.iter().all(|probe| probe.driver.as_deref() == first);
    let title = match first {
        Some(driver) if one_driver => format!("Devices, all of driver {driver}"),
        _ => "Devices".to_owned(),
    };
    let mut header = vec!["device"];
    header.extend((!one_driver).then_some("driver"));
    header.push("how");
    let numbers = header.len();
    header.extend(["began", "waited", "firmware", "probe"]);
    header.extend(two_phases.then_some("2nd phase"));
    let numbers: Vec<usize> = (numbers..header.len()).collect();
    header.push("result");
    rows.table(&title, "slowest", &header, &numbers, |probe| {
        let mut row = vec![probe.device.clone()];
        // A kernel before 7.3 with initcall_debug does not name the driver.
        row.extend((!one_driver).then(|| probe.driver.clone().unwrap_or("?".to_owned())));
        row.extend([
            match life.spans[probe.span].asynchronous {
                Some(true) => "async".to_owned(),
                Some(false) => "sync".to_owned(),
                None => "?".to_owned(),
            },
            (probe.began - life.begin).to_string(),
            or_dash(probe.waited),
            or_dash(probe.firmware),
            life.length(probe.span).to_string(),
        ]);
        row.extend(two_phases.then(|| or_dash(probe.second_phase)));
        row.push(probe.result());
        row
    })
}

fn waits(summary: &Summary, detail: Detail) -> String {
    let life = &summary.life;
    let length = |wait: &Wait| wait.end.unwrap_or(life.end) - wait.begin;
    if life.waits.is_empty() {
        return String::new();
    }
    let rows = fold(&life.waits, detail, length);
    let mut text = heading("Who waited for whom", &rows, "longest");
    for wait in rows.rows {
        let inferred = if wait.inferred { " (inferred)" } else { "" };
        text += &wrap(
            "  ",
            &format!(
                "{} (task {}) waited {} ms: {}{inferred}",
                wait.doing,
                task(summary, wait.task),
                length(wait),
                wait.through,
            ),
        );
        // The last one decided.
        let mut on = wait.on.iter().rev().map(|span| {
            let of = &life.spans[*span];
            let by = of.driver.as_deref().map(|driver| format!(" by {driver}"));
            let what = match of.kind {
                Kind::Probe => "probe of",
                _ => "async work",
            };
            format!(
                "{what} {}{} (task {}, {} ms)",
                of.on,
                by.unwrap_or_default(),
                task(summary, of.task),
                life.length(*span)
            )
        });
        let last = on.next().unwrap_or_default();
        text += &wrap("      ", &format!("for the {last}"));
        if detail == Detail::All {
            for other in on {
                text += &wrap("      ", &format!("before that, for the {other}"));
            }
            if wait.more > 0 {
                text += &wrap("      ", &format!("before that, for {} more", wait.more));
            }
            continue;
        }
        let others = wait.on.iter().rev().skip(1);
        let named = others.take(NAMED).map(|span| life.spans[*span].on.as_str());
        let mut named: Vec<String> = named.map(str::to_owned).collect();
        let rest = wait.more + wait.on.len() - 1 - named.len();
        if rest > 0 {
            named.push(format!("{rest} more"));
        }
        if !named.is_empty() {
            text += &wrap("      ", &format!("before that, for {}", named.join(", ")));
        }
    }
    text
}

fn path(summary: &Summary, detail: Detail) -> String {
    let Some(path) = &summary.path else {
        return String::new();
    };
    let length = |step: &crate::summary::Step| step.end - step.begin;
    let rows = fold(&path.steps, detail, length);
    let Some(first) = path.steps.first() else {
        return String::new();
    };
    let whole = path.end - first.begin;
    let title = format!(
        "What decided when {} ended (began {})",
        path.what,
        first.begin - summary.life.begin
    );
    let header = ["began", "ms", "%", "step"];
    rows.table(&title, "longest", &header, &[0, 1, 2], |step| {
        let took = length(step);
        let percent = 100.0 * took.as_f64() / whole.as_f64();
        [
            (step.begin - first.begin).to_string(),
            took.to_string(),
            format!("{percent:.1}"),
            step.what.clone(),
        ]
    })
}
