// SPDX-License-Identifier: GPL-2.0

//! A bus in Rust, whose devices `slow_bus_driver.ko` binds to.
//!
//! ```sh
//! insmod async_probe.ko
//! insmod slow_bus.ko devices=8
//! ls /sys/bus/slow_bus/devices
//! ```
//!
//! The devices are named `slow.0`, `slow.1` and so on. Attributes of the bus add and remove devices
//! at run time:
//!
//! ```sh
//! cd /sys/bus/slow_bus
//! echo 4 > add            # four more, one after the other
//! echo 64 > add_async     # 64 more, in a burst: asynchronously, in an exclusive domain
//! echo 3 > remove         # slow.3 is removed
//! echo 5 > remove_async   # slow.5 is removed, asynchronously
//! cat count               # the number of devices
//! ```
//!
//! A new device gets the lowest number that is free. A device that is removed before its probe has
//! begun is never probed; the removal waits for a probe that runs.

use async_probe::{
    attribute::{
        Attribute,
        BusAttributes,
        DeviceAttributes, //
    },
    bus,
    device::{
        AsyncRegistration,
        Registration, //
    },
    domain::{
        Domain,
        Node, //
    },
    module_param::Choice, //
};
use kernel::{
    fmt,
    new_mutex,
    prelude::*,
    str::{
        parse_int::ParseInt,
        BStr, //
    },
    sync::{
        Arc,
        Mutex, //
    },
    InPlaceModule, //
};

/// How many devices there can be at once.
const MAX_DEVICES: usize = 16384;

async_probe::module_params! {
    module: "slow_bus",
    devices: range {
        default: 8,
        values: 0..=10000,
        description: "Number of devices to register at first (default 8)",
    },
    registration: choice {
        default: How::Sync,
        values: How,
        description: "How these are registered (default sync)",
    },
}

/// How a device is registered.
#[derive(Clone, Copy)]
enum How {
    /// By the current task, one after the other.
    Sync,
    /// By a function in the bus's own domain, all at once.
    Async,
}

impl Choice for How {
    const CHOICES: &'static [Self] = &[Self::Sync, Self::Async];
    const NAMES: &'static str = "sync|async";
}

/// The kind of a device, of which a driver has a table.
#[derive(Clone, Copy, PartialEq)]
pub enum Model {
    /// A device that loads its firmware slowly.
    Slow,
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slow => f.write_str("slow"),
        }
    }
}

/// The data of a device.
pub struct SlowDevice {
    index: usize,
    model: Model,
}

/// The bus.
pub struct SlowBus;

static SLOW_BUS: bus::BusType<SlowBus> = bus::BusType::new();

async_probe::attributes!(
    static BUS_ATTRIBUTES: bus = [Add, AddAsync, Remove, RemoveAsync, Count]
);
async_probe::attributes!(static DEVICE_ATTRIBUTES: device = [Index]);

impl bus::Bus for SlowBus {
    const NAME: &'static CStr = c"slow_bus";
    const BUS_ATTRIBUTES: Option<&'static BusAttributes<Devices>> = Some(&BUS_ATTRIBUTES);
    const DEVICE_ATTRIBUTES: Option<&'static DeviceAttributes<bus::Device<Self>>> =
        Some(&DEVICE_ATTRIBUTES);

    type Data = Devices;
    type DeviceData = SlowDevice;
    type DeviceId = Model;

    fn bus_type() -> &'static bus::BusType<Self> {
        &SLOW_BUS
    }

    fn id(dev: &bus::Device<Self>) -> &Model {
        &dev.data().model
    }

    fn uevent(dev: &bus::Device<Self>, env: &mut bus::UeventEnv) -> Result {
        env.add_modalias(dev)?;
        env.add(fmt!("SLOW_BUS_INDEX={}", dev.data().index))
    }

    fn closing(devices: Pin<&Devices>) {
        devices.close();
    }
}

/// The place of a device.
enum Slot {
    Free,
    /// A task is adding or removing a device.
    Adding,
    Sync {
        _registration: Registration<SlowBus>,
    },
    Async(AsyncRegistration<SlowBus>),
}

/// The places of all devices.
struct Slots {
    slots: KVVec<Slot>,
    /// All places below this one are taken.
    taken: usize,
    /// Whether the bus is being unregistered.
    closed: bool,
}

impl Slots {
    /// Takes the lowest place that is free.
    fn take(&mut self) -> Result<usize> {
        if self.closed {
            return Err(ENODEV);
        }

        let mut index = self.taken;
        while let Some(slot) = self.slots.get(index) {
            if matches!(slot, Slot::Free) {
                break;
            }
            index += 1;
        }

        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Slot::Adding;
        } else if index < MAX_DEVICES {
            self.slots.push(Slot::Adding, GFP_KERNEL)?;
        } else {
            return Err(ENOSPC);
        }
        self.taken = index + 1;
        Ok(index)
    }

    /// Puts `slot` in the place `index`, and returns a slot, which is dropped without the lock.
    fn put(&mut self, index: usize, slot: Slot) -> Slot {
        if matches!(slot, Slot::Free) {
            self.taken = self.taken.min(index);
        }
        if self.closed {
            return slot;
        }
        match self.slots.get_mut(index) {
            Some(place) => core::mem::replace(place, slot),
            None => slot,
        }
    }
}

/// The data of the bus: its devices.
#[pin_data]
pub struct Devices {
    /// Where devices are registered and unregistered asynchronously.
    #[pin]
    domain: Domain,
    slots: Arc<Mutex<Slots>>,
}

impl Devices {
    /// Returns the initializer of a bus without devices.
    fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            domain <- Domain::exclusive(),
            slots: Arc::pin_init(
                new_mutex!(Slots {
                    slots: KVVec::new(),
                    taken: 0,
                    closed: false,
                }),
                GFP_KERNEL,
            )?,
        })
    }

    /// Adds a device.
    fn add(&self, how: How) -> Result {
        let index = self.slots.lock().take()?;
        let result = self.register(index, how);
        let slot = match result {
            Ok(slot) => slot,
            Err(err) => {
                let slot = self.slots.lock().put(index, Slot::Free);

                drop(slot);
                return Err(err);
            }
        };

        // If the bus is being unregistered, this unregisters the device: without the lock.
        let slot = self.slots.lock().put(index, slot);
        drop(slot);
        Ok(())
    }

    /// Registers the device `slow.<index>`.
    fn register(&self, index: usize, how: How) -> Result<Slot> {
        let data = SlowDevice {
            index,
            model: Model::Slow,
        };
        let dev = bus::Device::new(fmt!("slow.{}", index), Node::ANY, Ok(data))?;

        match how {
            How::Sync => Ok(Slot::Sync {
                _registration: Registration::new(dev)?,
            }),
            How::Async => AsyncRegistration::new(&self.domain, dev).map(Slot::Async),
        }
    }

    /// Adds `count` devices, or fewer if a signal comes in between.
    fn add_many(&self, count: u32, how: How) -> Result {
        for _ in 0..count {
            if kernel::current!().signal_pending() {
                return Err(EINTR);
            }
            self.add(how)?;
        }
        Ok(())
    }

    /// Removes the device `slow.<index>`.
    fn remove(&self, index: usize, how: How) -> Result {
        let slot = {
            let mut slots = self.slots.lock();

            match slots.slots.get_mut(index) {
                None | Some(Slot::Free) => return Err(ENODEV),
                Some(Slot::Adding) => return Err(EBUSY),
                // The place is free when the device is gone.
                Some(place) => core::mem::replace(place, Slot::Adding),
            }
        };

        let slots = self.slots.clone();
        let free = move || {
            let slot = slots.lock().put(index, Slot::Free);
            drop(slot);
        };

        match (slot, how) {
            (Slot::Async(registration), How::Async) => {
                registration.unregister_async(&self.domain, free);
            }
            (slot, _) => {
                drop(slot);
                free();
            }
        }
        Ok(())
    }

    /// Removes all devices, and refuses new ones.
    fn close(&self) {
        let mut slots = {
            let mut slots = self.slots.lock();

            slots.closed = true;
            core::mem::take(&mut slots.slots)
        };

        // The last device that was added is removed first, as in C.
        while slots.pop().is_some() {}
    }

    /// Returns the number of devices.
    fn count(&self) -> usize {
        self.slots
            .lock()
            .slots
            .iter()
            .filter(|slot| matches!(slot, Slot::Sync { .. } | Slot::Async(_)))
            .count()
    }
}

/// `add`: adds as many devices as the number says.
struct Add;

impl Attribute for Add {
    type Of = Devices;
    const NAME: &'static CStr = c"add";
    const MODE: u16 = 0o200;

    fn store(devices: Pin<&Devices>, text: &BStr) -> Result {
        devices.add_many(u32::from_str(text)?, How::Sync)
    }
}

/// `add_async`: adds as many devices as the number says, asynchronously.
struct AddAsync;

impl Attribute for AddAsync {
    type Of = Devices;
    const NAME: &'static CStr = c"add_async";
    const MODE: u16 = 0o200;

    fn store(devices: Pin<&Devices>, text: &BStr) -> Result {
        devices.add_many(u32::from_str(text)?, How::Async)
    }
}

/// `remove`: removes the device of that number.
struct Remove;

impl Attribute for Remove {
    type Of = Devices;
    const NAME: &'static CStr = c"remove";
    const MODE: u16 = 0o200;

    fn store(devices: Pin<&Devices>, text: &BStr) -> Result {
        devices.remove(usize::from_str(text)?, How::Sync)
    }
}

/// `remove_async`: removes the device of that number, asynchronously if it was added so.
struct RemoveAsync;

impl Attribute for RemoveAsync {
    type Of = Devices;
    const NAME: &'static CStr = c"remove_async";
    const MODE: u16 = 0o200;

    fn store(devices: Pin<&Devices>, text: &BStr) -> Result {
        devices.remove(usize::from_str(text)?, How::Async)
    }
}

/// `count`: the number of devices.
struct Count;

impl Attribute for Count {
    type Of = Devices;
    const NAME: &'static CStr = c"count";
    const MODE: u16 = 0o444;

    fn show(devices: Pin<&Devices>, f: &mut dyn fmt::Write) -> Result {
        Ok(writeln!(f, "{}", devices.count())?)
    }
}

/// `index` of each device: its number, which `remove` takes.
struct Index;

impl Attribute for Index {
    type Of = bus::Device<SlowBus>;
    const NAME: &'static CStr = c"index";
    const MODE: u16 = 0o444;

    fn show(dev: Pin<&bus::Device<SlowBus>>, f: &mut dyn fmt::Write) -> Result {
        Ok(writeln!(f, "{}", dev.data().index)?)
    }
}

/// The module: the registration of the bus, which holds the devices.
#[pin_data]
struct SlowBusModule {
    #[pin]
    bus: bus::Registration<SlowBus>,
}

impl InPlaceModule for SlowBusModule {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            bus <- bus::Registration::new(Devices::new()),
            _: {
                bus.as_ref()
                    .data()
                    .add_many(parameters::devices.value(), parameters::registration.value())?;
            },
        })
    }
}

module! {
    type: SlowBusModule,
    name: "slow_bus",
    authors: ["The async_probe authors"],
    description: "Bus whose devices load firmware slowly",
    license: "GPL",
}
