// SPDX-License-Identifier: GPL-2.0

//! A DEFAULT driver is probed synchronously, unless that is asked for.

use super::doctor::says;
use super::law::{Court, Law, Violation};
use super::mutant::Mutant;
use super::registrations::Registrations;
use crate::event::Call;
use crate::life::{Kind, Life, Sight, Span};
use crate::{Event, ProbeType};

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
        Mutant::doctored("says_default", says_default),
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
            &[&[register.began, register.end_place()], wrong.as_slice()].concat(),
        )?;
    }
    Ok(cases)
}

/// Whether the driver that registers here is to be probed asynchronously, if the log shows that.
fn asked(life: &Life, register: usize) -> Option<bool> {
    let of = &life.spans[register];
    let recorded = of.facts.by.is_some();
    match of.facts.probe_type? {
        // The dmesg interface does not show whether the driver core or a match callback probes.
        ProbeType::PreferAsynchronous | ProbeType::PreferAsyncDomain => recorded.then_some(true),
        ProbeType::DefaultStrategy if named(of) => Some(true),
        ProbeType::DefaultStrategy if recorded => by_recorded_init(life, of),
        // It does not show the command line either.
        ProbeType::DefaultStrategy => by_call(life, register).filter(|asks| *asks),
        ProbeType::ForceSynchronous => None,
    }
}

/// Whether the command line names the driver: `driver_async_probe=one,other`, or with `*` all but
/// those.
fn named(register: &Span) -> bool {
    let list = register.facts.asked.as_deref().unwrap_or_default();
    let has = |name: &str| list.split(',').any(|one| one == name);
    has("*") != register.driver.as_deref().is_some_and(has)
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

/// The same by the insmod that the registration is in.
fn by_call(life: &Life, register: usize) -> Option<bool> {
    let insmod = life.within(register, |outer| outer.kind == Kind::Call(Call::Insmod))?;
    life.spans[insmod].facts.async_probe
}

/// A driver that has asynchronous probes says DEFAULT, and nothing asks for them.
fn says_default(life: &Life) -> Option<Vec<Event>> {
    says(life, ProbeType::DefaultStrategy, true)
}

#[cfg(test)]
mod tests {
    use super::super::test_life::{altered, assert_broken, assert_kept};
    use super::LAW;

    const PLAIN: &str = "
        9 init m
        9 register type=default mod=m
        9 probe 0
        9 probe_end 0
        9 register_end 0
        9 flush 0
        9 flush_end
        9 init_end 0
    ";

    const ASYNC: &str = "
        9 init m
        9 register type=default mod=m
        9 schedule 0
        9 register_end 0
        9 init_end 0
    ";

    const PRINTED: &str = "
        call insmod m 9 1
        async 0
        registered 0.500 default_strategy
        async 1
        return insmod m 9 0
        ended 0 0
        ended 1 0
    ";

    #[test]
    fn holds() {
        assert_kept(&LAW, PLAIN, 1);
        // With KCSAN.
        let called = "flush_end from=async_synchronize_full";
        assert_kept(&LAW, &PLAIN.replace("flush_end", called), 1);
        assert_kept(&LAW, ASYNC, 1);
        assert_kept(&LAW, &ASYNC.replace("type=default", "type=prefer"), 1);
        // Where it cannot be seen how the module was loaded.
        assert_kept(&LAW, &altered(ASYNC, "9 init_end 0", ""), 0);
        assert_kept(&LAW, &ASYNC.replace("mod=m", "mod=other"), 0);

        // The module's own init waits, by wait_for_device_probe(), and its loader does not.
        let own = "9 register_end 0\n 9 flush 0\n 9 flush_end from=m_init";
        let own = altered(ASYNC, "9 register_end 0", own);
        assert_kept(&LAW, &own, 1);
        let own = own.replace(
            "from=m_init",
            "from=async_synchronize_full\n 9 uevent 0 add",
        );
        assert_kept(&LAW, &own, 1);
        assert_kept(&LAW, PRINTED, 1);
    }

    /// The probe adds a device of a driver that is probed asynchronously.
    #[test]
    fn a_child_of_a_prefer_driver() {
        let child = "9 probe 0\n 9 add 5\n 9 schedule_device 5\n 9 add_end 0\n 9 probe_end 0";
        let lines = PLAIN.replace("9 probe 0\n        9 probe_end 0", child);
        assert_kept(&LAW, &lines, 1);
        assert_kept(&super::super::register_returns::LAW, &lines, 0);
    }

    #[test]
    fn asynchronous_unasked() {
        let scheduled = PLAIN.replace("9 probe 0\n        9 probe_end 0", "9 schedule 0");
        assert_broken(&LAW, &scheduled, "schedule");
        for asked in ["d", "e,d", "*"] {
            let asked = scheduled.replace("mod=m", &format!("mod=m asked={asked}"));
            assert_kept(&LAW, &asked, 1);
        }
        for asked in ["dd", "e", "*,d"] {
            let asked = scheduled.replace("mod=m", &format!("mod=m asked={asked}"));
            assert_broken(&LAW, &asked, "schedule");
        }
    }

    #[test]
    fn synchronous_though_asked() {
        let own = ASYNC.replace("9 schedule 0", "9 probe 0\n 9 probe_end 0");
        assert_broken(&LAW, &own, "probe dev=\"d.0\"");
        let prefer = PLAIN.replace("type=default", "type=prefer");
        assert_broken(&LAW, &prefer, "probe dev=\"d.0\"");
        let named = PLAIN.replace("mod=m", "mod=m asked=d");
        assert_broken(&LAW, &named, "probe dev=\"d.0\"");
        let own = altered(PRINTED, "ended 0 0", "");
        let own = altered(&own, "async 0", "sync 0 9\n ended 0 0");
        let own = own.replace("registered 0.500", "registered 2.500");
        assert_broken(&LAW, &own, "async=0");
        // The command line may have asked.
        assert_kept(
            &LAW,
            &altered(PRINTED, "call insmod m 9 1", "call insmod m 9 0"),
            0,
        );
    }
}
