// SPDX-License-Identifier: GPL-2.0

//! A bus with its devices and a driver, whose probe does nothing but allocate its data: what
//! `bench_bus_in_c.c` is in C.

use async_probe::{
    bus,
    device,
    domain::Node,
    platform::{
        DeviceRegistration,
        Id, //
    }, //
};
use kernel::{
    device::Core,
    driver,
    fmt,
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    },
    InPlaceModule, //
};

/// The name of the bus and of the driver.
const NAME: &CStr = c"bench_bus_rust";

async_probe::module_params! {
    module: "bench_bus_rust",
    devices: range {
        default: 10,
        values: 1..=10000,
        description: "Number of devices (default 10)",
    },
}

/// What kind of device one is, and which kind a driver can drive.
#[derive(PartialEq)]
struct Model(u32);

/// The model of all devices.
const MODEL: Model = Model(1);

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The data of a device.
struct BenchDevice {
    index: u32,
    model: Model,
}

/// The bus.
struct BenchBus;

static BENCH_BUS: bus::BusType<BenchBus> = bus::BusType::new();

impl bus::Bus for BenchBus {
    const NAME: &'static CStr = NAME;

    type Data = ();
    type DeviceData = BenchDevice;
    type DeviceId = Model;

    fn bus_type() -> &'static bus::BusType<Self> {
        &BENCH_BUS
    }

    fn id(dev: &bus::Device<Self>) -> &Model {
        &dev.data().model
    }

    fn uevent(_dev: &bus::Device<Self>, _env: &mut bus::UeventEnv) -> Result {
        Ok(())
    }

    fn closing(_data: Pin<&()>) {}
}

/// The driver, and the data of each device that is bound to it.
struct BenchDriver {
    _index: u32,
}

impl bus::Driver for BenchDriver {
    type Bus = BenchBus;
    type Data<'bound> = Self;
    type IdInfo = ();
    const ID_TABLE: bus::IdTable<BenchBus, ()> = &[(MODEL, ())];

    fn probe<'bound>(
        dev: &'bound bus::Device<BenchBus, Core<'_>>,
        _id_info: &'bound (),
    ) -> impl PinInit<Self, Error> + 'bound {
        Ok(Self {
            _index: dev.data().index,
        })
    }
}

/// Adds the devices.
fn add(parent: &DeviceRegistration) -> Result<KVVec<device::Registration<BenchBus>>> {
    let count = parameters::devices.value();
    let mut devices = KVVec::with_capacity(count as usize, GFP_KERNEL)?;
    let begin = Instant::<Monotonic>::now();
    let parent: &kernel::device::Device = parent.as_ref().as_ref();
    // SAFETY: It has no driver, but is registered until the module drops it, after the devices, and
    // `new_child()` needs no more.
    let parent = unsafe { parent.as_bound() };

    for index in 0..count {
        let data = BenchDevice {
            index,
            model: MODEL,
        };
        let device =
            device::Registration::new_child(parent, fmt!("bench.{}", index), Node::ANY, Ok(data))?;

        devices.push(device, GFP_KERNEL)?;
    }

    pr_info!(
        "call=add devices={} ns={}\n",
        count,
        begin.elapsed().as_nanos()
    );
    Ok(devices)
}

/// The devices, and the bus on which they are.
#[pin_data(PinnedDrop)]
struct Devices {
    devices: KVVec<device::Registration<BenchBus>>,
    bus: Option<Pin<KBox<bus::Registration<BenchBus>>>>,
}

#[pinned_drop]
impl PinnedDrop for Devices {
    fn drop(self: Pin<&mut Self>) {
        let this = self.project();
        let count = this.devices.len();
        let begin = Instant::<Monotonic>::now();

        while this.devices.pop().is_some() {}
        // Waits until all of them are freed.
        *this.bus = None;
        pr_info!(
            "call=remove devices={} ns={}\n",
            count,
            begin.elapsed().as_nanos()
        );
    }
}

/// The module. The driver goes first, the parent of the devices last.
#[pin_data]
struct BenchBusModule {
    #[pin]
    driver: driver::Registration<bus::Adapter<BenchDriver>>,
    #[pin]
    devices: Devices,
    parent: DeviceRegistration,
}

impl InPlaceModule for BenchBusModule {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            parent: DeviceRegistration::new(c"bench_parent", Id::None)?,
            devices <- try_pin_init!(Devices {
                bus: Some(KBox::pin_init(
                    bus::Registration::new(Ok(())),
                    GFP_KERNEL
                )?),
                devices: add(parent)?,
            }),
            driver <- driver::Registration::new(NAME, module),
        })
    }
}

module! {
    type: BenchBusModule,
    name: "bench_bus_rust",
    authors: ["The async_probe authors"],
    description: "Bus with devices and a driver, in Rust",
    license: "GPL",
}
