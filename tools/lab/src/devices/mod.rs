// SPDX-License-Identifier: GPL-2.0

//! Devices of QEMU's beside those that the machine has: `DEVICE=` and `QEMU=`.

pub(crate) mod aliases;
pub(crate) mod backends;
pub(crate) mod choose;
pub(crate) mod known;
pub(crate) mod models;

use std::collections::BTreeSet;
use std::io::{self, Seek, Write};
use std::process::{Output, Stdio};

use backends::{Controller, BACK_ENDS, CONTROLLERS, SLOTS};
use late_initramfs::SLOT;
use models::{like, Model, Qemu};

use crate::error::{Error, Kind, Result};
use crate::machine::Machine;
use crate::progress::note;
use crate::session::Session;

/// What every device has beside the properties that QEMU tells.
const COMMON: &[&str] = &["id", "bus"];

/// The devices, as the command line has them.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct DeviceOptions {
    /// Device models of QEMU's, each with its options: "nvme,serial=1 e1000e"
    #[arg(long)]
    pub device: Vec<String>,
    /// More arguments for QEMU, as they are
    #[arg(long, default_value = "")]
    pub qemu: String,
}

/// A device that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    /// As it was asked for: the model with its options.
    pub word: String,
    pub model: Model,
    /// All arguments of QEMU's for it and its parts.
    pub args: Vec<String>,
    /// The modules of what it is plugged into.
    pub modules: &'static [&'static str],
}

/// The devices of a machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Devices {
    /// In the order in which they were named.
    pub devices: Vec<Device>,
    /// More arguments for QEMU.
    raw: Vec<String>,
}

impl DeviceOptions {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.words().next().is_none() && self.qemu.trim().is_empty()
    }

    /// The devices, one by one.
    fn words(&self) -> impl Iterator<Item = &str> {
        self.device
            .iter()
            .flat_map(|words| words.split_whitespace())
    }

    /// The devices with all that they need. QEMU has been asked whether it takes them.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if a model or an option is unknown, or if QEMU refuses them.
    pub(crate) fn devices(&self, session: &Session) -> Result<Devices> {
        if self.is_empty() {
            return Ok(Devices::default());
        }
        let qemu = session.qemu();
        let models = qemu.models()?;
        let mut devices = Devices {
            devices: Vec::new(),
            raw: self.qemu.split_whitespace().map(str::to_owned).collect(),
        };
        for word in self.words() {
            let (name, options) = split(word);
            let model = find(name, &models)?;
            let properties = qemu.properties(&model.name)?;
            has_options(word, &options, &properties)?;
            let number = devices.devices.len() + 1;
            let device = Device::of(word, model, &properties, number, &devices.devices);
            devices.devices.push(device);
        }
        devices.try_out(qemu)?;
        Ok(devices)
    }

    /// The same, but of a single device two, if QEMU takes them.
    pub(crate) fn devices_or_two(&self, session: &Session) -> Result<Devices> {
        let one = self.devices(session)?;
        let [device] = &one.devices[..] else {
            return Ok(one);
        };
        let two = Self {
            device: vec![device.word.clone(); 2],
            qemu: self.qemu.clone(),
        };
        let is_free = device.is_on_pci() && !split(&device.word).1.contains(&"id");
        let two = is_free.then(|| two.devices(session).ok()).flatten();
        Ok(two.unwrap_or(one))
    }
}

/// The name of the model, and the names of its options.
fn split(word: &str) -> (&str, Vec<&str>) {
    let name = word.split(',').next().unwrap_or(word);
    let mut rest = word.get(name.len() + 1..);
    let mut keys = Vec::new();
    while let Some(options) = rest {
        // A comma in a value is written twice.
        let mut commas = options.match_indices(',').map(|(at, _)| at).peekable();
        let end = loop {
            match commas.next() {
                Some(at) if commas.next_if_eq(&(at + 1)).is_some() => {}
                end => break end.unwrap_or(options.len()),
            }
        };
        let option = &options[..end];
        keys.push(option.split_once('=').map_or(option, |(key, _)| key));
        rest = options.get(end + 1..);
    }
    (name, keys)
}

fn find(name: &str, models: &[Model]) -> Result<Model> {
    let found = models
        .iter()
        .find(|model| model.name == name || model.alias == name);
    found.cloned().ok_or_else(|| {
        let names = models
            .iter()
            .flat_map(|model| [model.name.as_str(), model.alias.as_str()]);
        let near = like(name, names);
        let why = match near.is_empty() {
            true => "none has a name like it".to_owned(),
            false => format!("it has {}", near.join(", ")),
        };
        Error::new(
            Kind::Usage,
            format!("QEMU has no device model {name}"),
            why,
            "make devices lists the models, and with WORD=usb those that have it in their names; \
             options come after a comma: DEVICE=nvme,serial=1",
        )
    })
}

fn has_options(word: &str, options: &[&str], properties: &[String]) -> Result<()> {
    let mut own: Vec<&str> = properties.iter().map(String::as_str).collect();
    let all = [&own, COMMON].concat();
    let Some(unknown) = options.iter().find(|option| !all.contains(option)) else {
        return Ok(());
    };
    let (model, _) = split(word);
    let near = like(unknown, all.into_iter());
    own.sort_unstable();
    Err(Error::new(
        Kind::Usage,
        format!("{model} has no option {unknown}"),
        format!("its options: {}", own.join(", ")),
        match near.first() {
            Some(near) => format!("DEVICE={model},{near}=..."),
            None => format!("DEVICE={model} takes those; QEMU= takes arguments as they are"),
        },
    ))
}

impl Device {
    /// A device and what it needs; `before` are those that the machine has already, `number` is what
    /// the machine has once.
    pub(crate) fn of(
        word: &str,
        model: Model,
        properties: &[String],
        number: usize,
        before: &[Self],
    ) -> Self {
        let (_, given) = split(word);
        let mut args = Vec::new();
        let mut options = word.to_owned();
        let controller = (!given.contains(&"bus"))
            .then(|| controller(&model, before))
            .flatten();
        if let Some(Controller { device, bus, .. }) = controller {
            let id = format!("controller{number}");
            let device = device.replace("ID", &id).replace('N', &number.to_string());
            args.extend(["-device".to_owned(), format!("{device},id={id}")]);
            if !bus.is_empty() {
                options += &format!(",bus={}", bus.replace("ID", &id));
            }
        }
        for property in properties {
            let row = BACK_ENDS.iter().find(|row| {
                let rest = property.strip_prefix(row.property);
                let is = rest.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
                is && !row.but.iter().any(|part| model.name.contains(part))
            });
            let Some(row) = row.filter(|_| !given.contains(&property.as_str())) else {
                continue;
            };
            let id = format!("{property}-{number}");
            let fill = |text: &str| text.replace("ID", &id).replace('N', &number.to_string());
            args.extend(row.args.split_whitespace().map(fill));
            options += &format!(",{property}={}", fill(row.value));
        }
        if !given.contains(&"id") {
            options += &format!(",id=device{number}");
        }
        args.extend(["-device".to_owned(), options]);
        Self {
            word: word.to_owned(),
            model,
            args,
            modules: controller.map_or(&[], |controller| controller.modules),
        }
    }

    /// Whether it, or what it is plugged into, is on PCI, in a slot that we may choose.
    pub(crate) fn is_on_pci(&self) -> bool {
        let (_, given) = split(&self.word);
        let placed = given.contains(&"bus") || given.contains(&"addr");
        !placed && (self.model.bus == "PCI" || !self.modules.is_empty())
    }

    /// Whether it can be plugged into a machine that runs. What is behind a port then is off until
    /// the guest switches the slot on (`hw/pci/pcie.c`, `pcie_cap_slot_plug_cb()`).
    fn plugs(&self) -> bool {
        let is_port = |arg: &String| arg.starts_with("pcie-root-port");
        self.is_on_pci() && !self.args.iter().any(is_port)
    }

    /// Its arguments, in a slot of the root bus.
    fn at(&self, slot: usize) -> Vec<String> {
        let mut args = self.args.clone();
        let is_device = |pair: &[String]| pair[0] == "-device";
        // A controller comes first. A part that is a device comes before the device.
        let place = match CONTROLLERS.iter().any(|row| row.is_of(&self.model)) {
            true => args.windows(2).position(is_device),
            false => args.windows(2).rposition(is_device),
        };
        if let Some(options) = place.and_then(|place| args.get_mut(place + 1)) {
            *options += &format!(",addr={slot:#x}");
        }
        args
    }
}

impl Controller {
    fn is_of(&self, model: &Model) -> bool {
        self.of == model.bus || self.of == model.name
    }
}

/// The controller that a model needs, unless one of those before is one.
fn controller(model: &Model, before: &[Device]) -> Option<&'static Controller> {
    let row = CONTROLLERS.iter().find(|row| row.is_of(model))?;
    let is_one = |Device { model: other, .. }: &Device| {
        other.bus != model.bus && row.others.iter().any(|part| other.name.contains(part))
    };
    (!before.iter().any(is_one)).then_some(row)
}

impl Devices {
    /// QEMU's arguments for all of them.
    pub(crate) fn args(&self) -> Vec<String> {
        let each = self.devices.iter().flat_map(|device| &device.args);
        each.chain(&self.raw).cloned().collect()
    }

    /// Whether they can be plugged into a machine that runs.
    fn plugs(&self) -> bool {
        self.raw.is_empty() && self.devices.iter().all(Device::plugs)
    }

    /// The same arguments, with the slots if QEMU would choose them: of a device that is plugged
    /// into a machine that runs, it looks at slot 31 instead (`hw/pci/pci.c`,
    /// `pci_get_function_0()` before the number is known).
    fn placed(&self) -> Vec<String> {
        if !self.plugs() {
            return self.args();
        }
        let slots = SLOTS.zip(&self.devices);
        slots.flat_map(|(slot, device)| device.at(slot)).collect()
    }

    /// Where devices that are on PCI themselves are, up to the function; with their models.
    pub(crate) fn slots(&self) -> Vec<(String, String)> {
        if !self.plugs() {
            return Vec::new();
        }
        let slots = SLOTS.zip(&self.devices);
        let own = slots.filter(|(_, device)| device.modules.is_empty());
        own.map(|(slot, device)| (format!("0000:00:{slot:02x}."), device.model.name.clone()))
            .collect()
    }

    /// As they were asked for.
    pub(crate) fn words(&self) -> String {
        let words = self.devices.iter().map(|device| device.word.as_str());
        Vec::from_iter(words).join(" ")
    }

    /// This machine, with the devices.
    pub(crate) fn machine(&self, machine: &Machine) -> Machine {
        Machine {
            qemu: self.placed().join(" "),
            plugs: self.plugs(),
            ..machine.clone()
        }
    }

    /// The modules of what the devices are plugged into.
    pub(crate) fn modules(&self) -> BTreeSet<&'static str> {
        let modules = self.devices.iter().flat_map(|of| of.modules);
        modules.copied().collect()
    }

    /// Makes the machine without starting it.
    fn try_out(&self, qemu: Qemu<'_>) -> Result<()> {
        let most = SLOTS.count();
        if self.devices.len() > most {
            return Err(Error::new(
                Kind::Usage,
                format!("{} devices", self.devices.len()),
                format!("the machine has room for {most}"),
                "name fewer in DEVICE=",
            ));
        }
        // The slot of what a run brings is taken.
        let taken = ["-device".to_owned(), format!("pci-testdev,addr={SLOT}")];
        let output = tried(qemu, &[&taken[..], &self.args()].concat())?;
        let errors = String::from_utf8_lossy(&output.stderr);
        let said = |line: &str| Some(line.split_once(": ")?.1.to_owned());
        let mut lines = errors.lines().filter_map(said);
        if output.status.success() {
            lines.for_each(|line| note(&format!("QEMU: {line}")));
            return Ok(());
        }
        let line = lines
            .next_back()
            .unwrap_or_else(|| output.status.to_string());
        Err(self.refused(&line))
    }

    /// The error for a machine that QEMU refuses with these words.
    fn refused(&self, line: &str) -> Error {
        let mut devices = self.devices.iter();
        let guilty = devices.find_map(|device| Some((device, blamed(&device.args, line)?)));
        let Some((Device { word, model, .. }, why)) = guilty else {
            return Error::new(
                Kind::Usage,
                "QEMU refuses the machine",
                line,
                "look at QEMU=, which is passed on as it is",
            );
        };
        let next = match model.bus.as_str() {
            "virtio-bus" => "take the model that is on PCI: its name ends with -pci".to_owned(),
            _ => format!(
                "out/target/debug/lab exec qemu-system-x86_64 -device {},help shows its options; \
                 QEMU= takes what else it needs, as it is",
                model.name
            ),
        };
        Error::new(
            Kind::Usage,
            format!("QEMU refuses DEVICE={word}"),
            why,
            next,
        )
    }
}

/// What QEMU says of one of these arguments, if it quotes one.
fn blamed<'a>(args: &[String], line: &'a str) -> Option<&'a str> {
    let mut options = args.iter().filter(|arg| !arg.starts_with('-'));
    options.find_map(|arg| Some(line.split_once(&format!("{arg}: "))?.1))
}

/// What QEMU says to a machine, which is made and not started.
fn tried(qemu: Qemu<'_>, args: &[String]) -> Result<Output> {
    let own = ["-S", "-monitor", "stdio"].map(str::to_owned);
    let args: Vec<String> = own.into_iter().chain(args.iter().cloned()).collect();
    // At the end of its input the monitor stays.
    let input = || -> io::Result<_> {
        let mut quit = tempfile::tempfile()?;
        quit.write_all(b"quit\n")?;
        quit.rewind()?;
        Ok(quit)
    };
    let quit = input().map_err(|error| {
        Error::new(
            Kind::Storage,
            "cannot tell QEMU anything",
            error.to_string(),
            "let TMPDIR be a directory that can be written",
        )
    })?;
    qemu.ask(&args, Stdio::from(quit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(word: &str, bus: &str, properties: &str, before: &[Device]) -> Device {
        let model = Model {
            name: split(word).0.to_owned(),
            bus: bus.to_owned(),
            ..Model::default()
        };
        let properties: Vec<_> = properties.split_whitespace().map(str::to_owned).collect();
        Device::of(word, model, &properties, before.len() + 1, before)
    }

    #[test]
    fn what_a_model_needs_is_supplied() {
        let nvme = device("nvme,mdts=4", "PCI", "drive serial mdts", &[]);
        let line = nvme.args.join(" ");
        assert!(line.starts_with("-drive if=none,id=drive-1,"), "{line}");
        let own = "-device nvme,mdts=4,drive=drive-1,serial=serial-1,id=device1";
        assert!(line.ends_with(own), "{line}");
        let given = device("nvme,drive=d,id=x", "PCI", "drive", &[]);
        assert_eq!(given.args, ["-device", "nvme,drive=d,id=x"]);
        let doorbell = device("ivshmem-doorbell", "PCI", "chardev", &[]);
        assert_eq!(doorbell.args, ["-device", "ivshmem-doorbell,id=device1"]);
    }

    #[test]
    fn names_of_options() {
        assert_eq!(split("nvme"), ("nvme", vec![]));
        let (name, keys) = split("nvme,serial=a,,b=c,help,id=x");
        assert_eq!((name, keys), ("nvme", vec!["serial", "help", "id"]));
        for (word, option) in [("nvme,help", "help"), ("nvme,", ""), ("nvme,serial=1,", "")] {
            let (_, keys) = split(word);
            let error = has_options(word, &keys, &["serial".to_owned()]).unwrap_err();
            assert_eq!(error.what, format!("nvme has no option {option}"), "{word}");
        }
    }

    #[test]
    fn controllers() {
        let mouse = device("usb-mouse", "usb-bus", "", &[]);
        assert_eq!(mouse.args[1], "qemu-xhci,id=controller1");
        assert_eq!(mouse.modules, ["xhci_pci"]);
        assert_eq!(mouse.at(5)[1], "qemu-xhci,id=controller1,addr=0x5");
        let ehci = [device("usb-ehci", "PCI", "", &[])];
        assert_eq!(ehci[0].at(7)[1], "usb-ehci,id=device1,addr=0x7");
        let behind = device("usb-mouse", "usb-bus", "", &ehci);
        assert_eq!(behind.args, ["-device", "usb-mouse,id=device2"]);
        let igb = device("igb", "PCI", "", &[]);
        assert_eq!(igb.args[3], "igb,bus=controller1,id=device1");
        assert!(!igb.plugs() && ehci[0].plugs());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let nvme = Model {
            name: "nvme".to_owned(),
            ..Model::default()
        };
        let error = find("nvmee", &[nvme]).unwrap_err();
        assert!(error.why.contains("nvme"), "{error}");
        let properties = ["serial".to_owned()];
        let error = has_options("nvme,seriall=1", &["seriall"], &properties).unwrap_err();
        assert_eq!(error.next, "DEVICE=nvme,serial=...");
        assert!(has_options("nvme,id=x", &["id"], &properties).is_ok());
        let devices = Devices {
            devices: vec![device("usb-mtp", "usb-bus", "", &[])],
            raw: vec![],
        };
        let error = devices.refused("-device usb-mtp,id=device1: rootdir must be configured");
        assert_eq!(error.what, "QEMU refuses DEVICE=usb-mtp");
        assert_eq!(error.why, "rootdir must be configured");
        assert!(devices
            .refused("-foo: invalid option")
            .next
            .contains("QEMU="));
    }
}
