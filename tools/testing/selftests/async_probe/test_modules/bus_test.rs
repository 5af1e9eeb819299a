// SPDX-License-Identifier: GPL-2.0

//! The promises of a Rust bus about its registration and its devices, for the selftests.
//!
//! The test that `scenario=` names runs when the module is loaded.

use async_probe::{
    bus,
    device,
    domain::{
        Domain,
        Node, //
    },
    module_param::Choice,
    platform, //
};
use kernel::{
    device::Core,
    driver,
    prelude::*,
    sync::aref::ARef,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

async_probe::module_params! {
    module: "bus_test",
    scenario: choice {
        default: Scenario::Twice,
        values: Scenario,
        description: "The test to run",
    },
}

/// The test to run.
#[derive(Clone, Copy, PartialEq)]
enum Scenario {
    /// A bus is registered twice.
    Twice,
    /// The name of a device, and of a driver, exists.
    Exists,
    /// A reference to a device is held when the device is unregistered.
    Held,
    /// A reference to a device is held when the bus is unregistered.
    Waits,
    /// The same for 12 seconds.
    WaitsLong,
    /// A device is added and removed by the probe of another.
    Nested,
    /// Names are empty.
    Empty,
}

impl Choice for Scenario {
    const CHOICES: &'static [Self] = &[
        Self::Twice,
        Self::Exists,
        Self::Held,
        Self::Waits,
        Self::WaitsLong,
        Self::Nested,
        Self::Empty,
    ];
    const NAMES: &'static str = "twice|exists|held|waits|waits_long|nested|empty";
}

/// The data of a device that the driver drives.
const PARENT: u32 = 9;

/// The data of a device, which says when it is freed.
struct Number(u32);

impl Drop for Number {
    fn drop(&mut self) {
        pr_info!("freed {}\n", self.0);
    }
}

/// The bus.
struct TestBus;

static TEST_BUS: bus::BusType<TestBus> = bus::BusType::new();

impl bus::Bus for TestBus {
    const NAME: &'static CStr = c"async_probe_test";

    type Data = ();
    type DeviceData = Number;
    type DeviceId = u32;

    fn bus_type() -> &'static bus::BusType<Self> {
        &TEST_BUS
    }

    fn id(dev: &bus::Device<Self>) -> &u32 {
        &dev.data().0
    }

    fn closing(_data: Pin<&()>) {}
}

/// A driver whose probe adds a device, in a worker, and removes it.
struct TestDriver;

impl bus::Driver for TestDriver {
    type Bus = TestBus;
    type Data<'bound> = Self;
    type IdInfo = ();
    const ID_TABLE: bus::IdTable<TestBus, ()> = &[(PARENT, ())];

    fn probe<'bound>(
        _dev: &'bound bus::Device<TestBus, Core<'_>>,
        _id_info: &'bound (),
    ) -> impl PinInit<Self, Error> + 'bound {
        come_and_go().map(|()| Self)
    }
}

/// Adds a device, in a worker, and removes it.
fn come_and_go() -> Result {
    let domain = KBox::pin_init(Domain::exclusive(), GFP_KERNEL)?;
    let registration = device::AsyncRegistration::new(&domain, make(1, 10)?)?;

    domain.synchronize_full();
    drop(registration);
    Ok(())
}

type Bus = Pin<KBox<bus::Registration<TestBus>>>;
type Device = ARef<bus::Device<TestBus>>;
type Driver = driver::Registration<bus::Adapter<TestDriver>>;

/// Registers the bus.
fn register() -> Result<Bus> {
    KBox::pin_init(bus::Registration::new(Ok(())), GFP_KERNEL)
}

/// Makes the device `test.<name>`, whose data is `number`.
fn make(name: u32, number: u32) -> Result<Device> {
    bus::Device::new(fmt!("test.{}", name), Node::ANY, Ok(Number(number)))
}

/// Returns the result as a function of C returns it.
fn errno<T>(result: &Result<T>) -> i32 {
    result.as_ref().err().map_or(0, |err| err.to_errno())
}

/// Waits until a work has freed the devices without references.
fn settle() {
    fsleep(Delta::from_millis(100));
}

/// Registers the bus twice, and once more when it is gone.
fn twice() -> Result {
    let first = register()?;

    pr_info!("second ret={}\n", errno(&register()));
    // It leaves the first one as it is.
    pr_info!("device ret={}\n", errno(&make(0, 0)));
    drop(first);
    pr_info!("unregistered\n");
    pr_info!("device ret={}\n", errno(&make(1, 1)));
    pr_info!("again ret={}\n", errno(&register()));
    Ok(())
}

/// Registers devices and drivers whose names exist.
fn exists(module: &'static ThisModule) -> Result {
    let bus = register()?;
    let domain = KBox::pin_init(Domain::exclusive(), GFP_KERNEL)?;
    let first = device::Registration::new(make(0, 0)?)?;

    pr_info!(
        "device ret={}\n",
        errno(&device::Registration::new(make(0, 1)?))
    );
    settle();
    let again: Device = first.device().into();
    pr_info!("again ret={}\n", errno(&device::Registration::new(again)));
    settle();
    let registration = device::AsyncRegistration::new(&domain, make(0, 2)?);
    pr_info!("async ret={}\n", errno(&registration));
    domain.synchronize_full();
    drop(registration);
    settle();

    let new = || KBox::pin_init(Driver::new(c"test", module), GFP_KERNEL);
    let driver = new()?;
    pr_info!("driver ret={}\n", errno(&new()));
    drop(driver);

    drop(first);
    settle();
    drop(bus);
    pr_info!("unregistered\n");
    Ok(())
}

/// Holds a reference to a device that is unregistered.
fn held() -> Result {
    let bus = register()?;
    let dev = make(0, 7)?;
    let registration = device::Registration::new(dev.clone())?;

    drop(registration);
    settle();
    pr_info!("held {}\n", dev.data().0);
    drop(dev);
    settle();
    drop(bus);
    pr_info!("unregistered\n");
    Ok(())
}

/// Unregisters the bus while a function holds a reference to a device.
fn waits(time: Delta) -> Result {
    let bus = register()?;
    let domain = KBox::pin_init(Domain::exclusive(), GFP_KERNEL)?;
    let dev = make(0, 7)?;
    let registration = device::Registration::new(dev.clone())?;

    domain.schedule(
        move || {
            fsleep(time);
            pr_info!("new device ret={}\n", errno(&make(1, 8)));
            pr_info!("held {}\n", dev.data().0);
        },
        GFP_KERNEL,
    )?;
    drop(registration);
    drop(bus);
    pr_info!("unregistered\n");
    Ok(())
}

/// Adds a device, in a worker, whose probe does the same.
fn nested(module: &'static ThisModule) -> Result {
    let bus = register()?;
    let driver = KBox::pin_init(Driver::new(c"test", module), GFP_KERNEL)?;
    let domain = KBox::pin_init(Domain::exclusive(), GFP_KERNEL)?;
    let registration = device::AsyncRegistration::new(&domain, make(0, PARENT)?)?;

    domain.synchronize_full();
    settle();
    drop(registration);
    settle();
    drop(driver);
    drop(bus);
    pr_info!("unregistered\n");
    Ok(())
}

/// Registers a device and a driver whose names are empty: the kernel would warn.
fn empty(module: &'static ThisModule) -> Result {
    let bus = register()?;
    let device: Result<Device> = bus::Device::new(fmt!(""), Node::ANY, Ok(Number(1)));
    let driver = KBox::pin_init(Driver::new(c"", module), GFP_KERNEL);
    let platform = platform::DeviceRegistration::new(c"", platform::Id::None);

    pr_info!("device ret={}\n", errno(&device));
    pr_info!("driver ret={}\n", errno(&driver));
    pr_info!("platform ret={}\n", errno(&platform));
    drop(bus);
    pr_info!("unregistered\n");
    Ok(())
}

/// The module: all is over when it is loaded.
struct BusTest;

impl kernel::Module for BusTest {
    fn init(module: &'static ThisModule) -> Result<Self> {
        match parameters::scenario.value() {
            Scenario::Twice => twice()?,
            Scenario::Exists => exists(module)?,
            Scenario::Held => held()?,
            Scenario::Waits => waits(Delta::from_millis(500))?,
            Scenario::WaitsLong => waits(Delta::from_secs(12))?,
            Scenario::Nested => nested(module)?,
            Scenario::Empty => empty(module)?,
        }
        Ok(Self)
    }
}

module! {
    type: BusTest,
    name: "bus_test",
    authors: ["The async_probe authors"],
    description: "Tests of Rust buses",
    license: "GPL",
}
