// SPDX-License-Identifier: GPL-2.0

//! A DEFAULT driver is probed synchronously, unless that is asked for.

use super::doctor::says;
use super::prelude::*;
use super::registrations::Registrations;

/// The law.
pub static LAW: Law = Law {
    name: "default_type",
    promise: "A driver with PROBE_DEFAULT_STRATEGY is probed synchronously, unless its module was \
              loaded with async_probe or driver_async_probe= on the command line names it. A driver \
              with PROBE_PREFER_ASYNCHRONOUS is probed asynchronously in any case.",
    kernel: "drivers/base/dd.c: driver_allows_async_probing(). kernel/module/main.c keeps \
             async_probe in the module, and do_init_module() then leaves out its \
             async_synchronize_full(), by which a recording shows it.",
    mend: "A driver or bus that changes the probe type after the registration breaks it. Set the \
           probe type before driver_register().",
    needs: &[Sight::Probes, Sight::Registrations, Sight::Modules],
    check,
    mutants: &[
        Mutant::live("match_prefers"),
        Mutant::live("match_forces"),
        // Nothing asks for its asynchronous probes.
        Mutant::doctored("says_default", |life| {
            says(life, ProbeType::DefaultStrategy, true)
        }),
    ],
};

/// Judges every registration of a DEFAULT or PREFER driver that probes or schedules probes, where
/// the log shows whether it was asked; those are the cases.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let registrations = Registrations::of(life);
    let mut cases = 0;
    for (at, register) in life.of(Kind::Register) {
        let Some(asynchronous) = asked(life, at) else {
            continue;
        };
        let mut probes = life.inside(Kind::Probe, at);
        let own = probes.find(|(inner, probe)| {
            let brings = |outer: &Span| {
                matches!(
                    outer.kind,
                    Kind::DriverAttach
                        | Kind::DeviceAttach
                        | Kind::Bind
                        | Kind::Attach
                        | Kind::Add
                        | Kind::Register
                )
            };
            probe.same_driver(register) && life.within(*inner, brings) == Some(at)
        });
        let own = own.map(|(_, probe)| probe.began);
        let scheduled = registrations.scheduled_by(at).first();
        let scheduled = scheduled.map(|probe| life.spans[probe.scheduled].began);
        let (wrong, how) = match asynchronous {
            true => (own, "asynchronous"),
            false => (scheduled, "synchronous"),
        };
        cases += usize::from(own.is_some() || scheduled.is_some());
        court.demand(
            wrong.is_none(),
            format!("{how} probes by {}", register.on),
            &[&register.whole(), wrong.as_slice()].concat(),
        )?;
    }
    Ok(cases)
}

/// Whether the driver that registers here is to be probed asynchronously, if the log shows that.
pub(super) fn asked(life: &Life, register: usize) -> Option<bool> {
    let of = &life.spans[register];
    let recorded = of.facts.by.is_some();
    match of.facts.probe_type? {
        // The dmesg interface does not show whether the driver core or a match callback probes.
        ProbeType::PreferAsynchronous | ProbeType::PreferAsyncDomain => recorded.then_some(true),
        ProbeType::DefaultStrategy if named(of) => Some(true),
        ProbeType::DefaultStrategy if recorded => by_recorded_init(life, of),
        // It does not show the command line either.
        ProbeType::DefaultStrategy => {
            let insmod = life.around(Kind::Call(Call::Insmod), register)?;
            insmod.facts.async_probe.filter(|asks| *asks)
        }
        ProbeType::ForceSynchronous => None,
    }
}

/// Whether the command line names the driver: `driver_async_probe=one,other`, or with `*` all but
/// those.
pub fn is_named(list: &str, driver: Option<&str>) -> bool {
    let has = |name: &str| list.split(',').any(|one| one == name);
    has("*") != driver.is_some_and(has)
}

/// The same of the driver that is registered.
fn named(register: &Span) -> bool {
    let list = register.facts.asked.as_deref().unwrap_or_default();
    is_named(list, register.driver.as_deref())
}

/// Whether the driver's module was loaded with `async_probe`, if the recording shows that.
fn by_recorded_init(life: &Life, register: &Span) -> Option<bool> {
    let module = register.facts.module.as_deref()?;
    let inits = life.of(Kind::Init);
    let before = inits.take_while(|(_, init)| init.began < register.began);
    let (at, init) = before.filter(|(_, init)| init.on == module).last()?;
    let waits = life.loader_waits(at).is_some();
    (waits || init.ret == Some(0)).then_some(!waits)
}
