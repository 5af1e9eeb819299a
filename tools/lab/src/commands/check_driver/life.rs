// SPDX-License-Identifier: GPL-2.0

//! What the guest tells of a driver's life: lines that begin with `check:`, and recordings.

use lifecycle::parse::refusal::Refusal;
use lifecycle::parse::{dump, log, recording};
use lifecycle::{errno, Event, Probing};

/// A part of the life.
#[derive(Clone, Debug, Default)]
pub(crate) struct Part {
    pub name: String,
    /// Its recording, as the guest has written it.
    pub recording: String,
}

/// A driver that the module has registered.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Driver {
    pub bus: String,
    pub name: String,
    /// How many devices it has had at first.
    pub devices: usize,
    /// Where its bus is in the kernel's memory, if that is known.
    #[serde(skip)]
    pub at: Option<u64>,
    /// The first of them.
    #[serde(skip)]
    pub has: Vec<String>,
    /// Whether its devices cannot be bound and unbound in sysfs (`suppress_bind_attrs`).
    pub fixed: bool,
}

/// All that the guest has told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Life {
    /// The parts that have been recorded.
    pub parts: Vec<Part>,
    pub drivers: Vec<Driver>,
    /// The rest: what, and its words.
    pub said: Vec<(String, String)>,
    /// The parts in which the machine has died.
    pub deaths: Vec<String>,
}

impl Life {
    /// Reads the guest's output.
    pub(crate) fn read(output: &str) -> Self {
        let mut life = Self::default();
        let mut recording: Option<Part> = None;
        for line in output.split_inclusive('\n') {
            let said = line
                .strip_prefix("check: ")
                .map(|rest| rest.trim_end().split_once(' ').unwrap_or((rest, "")));
            match (&mut recording, said) {
                (Some(part), Some(("recorded", name))) if part.name == name => {
                    life.parts.retain(|earlier| earlier.name != name);
                    life.parts.extend(recording.take());
                }
                (Some(part), _) => part.recording.push_str(line),
                (None, Some(("recording", name))) => {
                    recording = Some(Part {
                        name: name.to_owned(),
                        recording: String::new(),
                    });
                }
                (None, Some((what, words))) => life.told(what, words),
                (None, None) => {}
            }
        }
        life
    }

    fn told(&mut self, what: &str, words: &str) {
        match what {
            "driver" => {
                let mut words = words.splitn(3, ' ');
                self.drivers.push(Driver {
                    devices: words.next().and_then(|word| word.parse().ok()).unwrap_or(0),
                    bus: words.next().unwrap_or_default().to_owned(),
                    name: words.next().unwrap_or_default().to_owned(),
                    at: None,
                    has: Vec::new(),
                    fixed: false,
                });
            }
            "bus" => {
                let (bus, at) = words.split_once(' ').unwrap_or_default();
                let of_bus = self.drivers.iter_mut().filter(|of| of.bus == bus);
                of_bus.for_each(|of| of.at = u64::from_str_radix(at, 16).ok());
            }
            "has" => {
                if let (Some((device, words)), Some(of)) =
                    (words.split_once(' '), self.drivers.last_mut())
                {
                    if format!("{} {}", of.bus, of.name) == words {
                        of.has.push(device.to_owned());
                    }
                }
            }
            "fixed" => {
                for driver in &mut self.drivers {
                    driver.fixed |= format!("{} {}", driver.bus, driver.name) == words;
                }
            }
            _ => self.said.push((what.to_owned(), words.to_owned())),
        }
    }

    /// Takes up the recording that is on the console of a machine that has died, in place of what
    /// the guest has told of the last part.
    pub(crate) fn died(&mut self, console: &str, kernel: &str, probing: Probing) {
        let events = dump::events(console);
        let last = self.all("part").pop();
        let Some(name) = last.filter(|_| !events.is_empty()) else {
            return;
        };
        self.parts.retain(|part| part.name != name);
        self.deaths.push(name.clone());
        self.parts.push(Part {
            name,
            recording: recording::write_of(kernel, probing, &events),
        });
    }

    /// Takes up the part in which another boot of the same life has died.
    pub(crate) fn add_death(&mut self, boot: &str, mut of: Self) {
        let name = of.deaths.pop();
        let mut parts = of.parts.into_iter();
        let part = parts.find(|part| Some(&part.name) == name.as_ref());
        self.parts.extend(part.map(|part| {
            let name = format!("{boot}_{}", part.name);
            self.deaths.push(name.clone());
            Part { name, ..part }
        }));
    }

    /// All that was said of this.
    pub(crate) fn all(&self, what: &str) -> Vec<String> {
        let said = self.said.iter().filter(|(key, _)| key == what);
        said.map(|(_, words)| words.clone()).collect()
    }

    /// What was said of this, for the first time.
    pub(crate) fn first(&self, what: &str) -> Option<&str> {
        let mut said = self.said.iter();
        said.find_map(|(key, words)| (key == what).then_some(words.as_str()))
    }
}

impl Part {
    /// Its events, if it does not contradict itself.
    pub(crate) fn events(&self) -> Result<Vec<Event>, Refusal> {
        log::parse(&self.recording, None).map(|log| log.events)
    }
}

/// The name of an errno that the guest has written as a positive number.
pub(crate) fn negative(errno: &str) -> String {
    errno::name(errno.parse::<i32>().map_or(0, |errno| -errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_guest_says() {
        let life = Life::read(
            "noise\ncheck: part load\ncheck: driver 2 platform a driver\ncheck: bus platform ffff10\ncheck: has a.0 platform a driver\ncheck: fixed platform a driver\n\
             check: recording load\n# of before\ncheck: recorded load\ncheck: recording load\n# one\ncheck: driver 1 no driver\n trailing \ncheck: recorded load\n\
             check: stays -11 x\n",
        );
        assert_eq!(life.parts.len(), 1);
        assert_eq!(
            life.parts[0].recording,
            "# one\ncheck: driver 1 no driver\n trailing \n"
        );
        assert_eq!(
            life.drivers,
            [Driver {
                bus: "platform".to_owned(),
                name: "a driver".to_owned(),
                devices: 2,
                at: Some(0xffff10),
                has: vec!["a.0".to_owned()],
                fixed: true,
            }]
        );
        assert_eq!(life.first("stays"), Some("-11 x"));
        assert_eq!(life.first("stuck"), None);
    }

    #[test]
    fn a_machine_that_dies_tells_the_rest() {
        let console = include_str!("../../../../lifecycle/tests/consoles/dump.txt");
        let told = "check: part load\ncheck: recording load\n# cut\ncheck: recorded load\n";
        let mut life = Life::read(told);
        life.died("[    1.0] all is well\n", "7.3.4", Probing::Once);
        assert!(life.deaths.is_empty());
        life.died(console, "7.3.4", Probing::Once);
        assert_eq!((life.parts.len(), life.deaths.len()), (1, 1));
        assert_eq!(life.parts[0].events().unwrap().len(), 7);
        let mut first = Life::default();
        first.add_death("slab_debug", life);
        assert_eq!(first.parts[0].name, "slab_debug_load");
        assert_eq!(first.deaths, ["slab_debug_load"]);
    }
}
