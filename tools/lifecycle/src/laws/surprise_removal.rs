// SPDX-License-Identifier: GPL-2.0

//! A device that is unplugged while its probe runs is removed once, after the probe.

use super::prelude::*;

/// The law.
pub static LAW: Law = Law {
    name: "surprise_removal",
    promise: "A device that is unplugged while its probe runs is removed, after the probe. Each \
              probe of it that has succeeded is followed by one remove. No driver probes it when it \
              has been removed.",
    kernel: "drivers/pci/hotplug/acpiphp_glue.c: disable_slot() calls \
             pci_stop_and_remove_bus_device(). drivers/pci/remove.c: pci_stop_dev() calls \
             device_release_driver(), which takes the device lock that the probe holds; \
             pci_destroy_dev() calls device_del() afterwards, which releases a driver that was bound \
             in between (pci_bus_match() does not forbid that).",
    mend: "A bus whose devices can be unplugged must take the device from its driver before it lets \
           go of it. A driver must not look for its device on the bus in remove: the device may be \
           gone.",
    needs: &[Sight::Probes, Sight::Removes, Sight::Devices],
    check,
    mutants: &[
        Mutant::doctored("removed_twice", removed_twice)
            .also(&["one_at_a_time", "unbind_waits", "gone_during_probe"]),
        Mutant::doctored("probed_again", probed_again).also(&[
            "gone_during_probe",
            "one_at_a_time",
            "bound_again",
            "uevent_order",
        ]),
    ],
};

/// The device that a call unplugs while it is probed: its probe, and its removal.
fn unplugged<'l>(life: &'l Life, call: &'l Span) -> Option<(&'l Span, Option<&'l Span>)> {
    let probe = |of: &&Span| {
        of.kind == Kind::Probe
            && of.facts.at.is_some()
            && of.began < call.began
            && of.spans(call.began)
            && of.task != call.task
    };
    let of_name = || life.named(&call.on).map(|(_, span)| span);
    let probe = of_name().filter(probe).last()?;
    let mut dels = of_name().filter(|del| {
        del.kind == Kind::Del && del.same_device(probe) && call.began < del.end_place()
    });
    Some((probe, dels.next()))
}

/// Judges every call that unplugs a device; the cases are those during a probe of it.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let mut cases = 0;
    for call in life.each(Kind::Call(Call::Unplug)) {
        let Some((probe, del)) = unplugged(life, call) else {
            continue;
        };
        // It is still under way, or nothing was unplugged.
        if call.ended.is_none() || call.ret != Some(0) {
            continue;
        }
        cases += 1;
        let on = &call.on;
        let del = del.filter(|del| del.end_place() < call.end_place());
        let gone = del.map_or(usize::MAX, Span::end_place);
        court.demand(
            del.is_some() && probe.end_place() < gone,
            format!("{on} to be removed, after its probe"),
            &[
                probe.began,
                call.began,
                probe.end_place(),
                gone,
                call.end_place(),
            ],
        )?;
        let of = |kind| {
            let spans = life.about(probe, kind);
            spans.filter(|span| probe.began <= span.began)
        };
        let before = |span: &&Span| span.began < call.end_place();
        let probes = of(Kind::Probe).filter(before);
        let succeeded = probes.filter(|of| of.ret == Some(0)).count();
        let removes: Vec<usize> = of(Kind::Remove).filter(before).map(|of| of.began).collect();
        court.demand(
            removes.len() == succeeded && removes.iter().all(|of| probe.end_place() < *of),
            format!("{succeeded} remove of {on}, after its probe and before it is gone"),
            &[&[probe.end_place()][..], &removes, &[gone]].concat(),
        )?;
        // The next device may have the memory of this one.
        let ends = life
            .of_device(probe)
            .find(|(_, span)| matches!(span.kind, Kind::Freed | Kind::Add) && gone < span.began);
        let freed = ends.map_or(usize::MAX, |(_, end)| end.began);
        let mut probes = of(Kind::Probe).map(|of| of.began);
        let again = probes.find(|again| gone < *again && *again < freed);
        court.demand(
            again.is_none(),
            format!("no probe of {on}, which is gone"),
            &[call.began, gone, again.unwrap_or(usize::MAX)],
        )?;
    }
    Ok(cases)
}

/// The first such device of a recording, with the place of its remove.
fn first(life: &Life) -> Option<(&Span, &Span, usize)> {
    life.each(Kind::Call(Call::Unplug)).find_map(|call| {
        let (probe, del) = unplugged(life, call)?;
        let mut removes = life.about(probe, Kind::Remove);
        let remove = removes.find(|of| probe.began < of.began)?;
        Some((probe, del?, remove.began))
    })
}

/// The driver removes it twice.
fn removed_twice(life: &Life) -> Option<Vec<Event>> {
    let (_, _, remove) = first(life)?;
    Draft::of(life).copy(remove, remove).done()
}

/// The driver probes it when it has been removed.
fn probed_again(life: &Life) -> Option<Vec<Event>> {
    let (probe, del, _) = first(life)?;
    let after = del.ended? + 1;
    let draft = Draft::of(life).copy(probe.ended?, after);
    draft.copy(probe.began, after).done()
}
