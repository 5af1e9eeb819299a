// SPDX-License-Identifier: GPL-2.0

//! A module that gives an object away which needs its text, and exits, for the selftests.

use async_probe::{
    bus,
    device,
    domain::Node,
    module_param::Choice, //
};
use kernel::{
    device::Core,
    driver,
    prelude::*,
    sync::SetOnce,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};
use text_provider::{
    TextBus,
    TextDevice, //
};

async_probe::module_params! {
    module: "text_user",
    scenario: choice {
        default: Scenario::Device,
        values: Scenario,
        description: "The object to give away",
    },
}

/// The object to give away.
#[derive(Clone, Copy)]
enum Scenario {
    /// A device, whose data is a text of this module.
    Device,
    /// An asynchronous function, which takes 12 seconds.
    Function,
    /// The registration of a driver, which such a function drops at its end. It is registered as
    /// one of the other module.
    Driver,
    /// The registration of a bus on the heap, which such a function drops at its end.
    Bus,
}

impl Choice for Scenario {
    const CHOICES: &'static [Self] = &[Self::Device, Self::Function, Self::Driver, Self::Bus];
    const NAMES: &'static str = "device|function|driver|bus";
}

/// A driver that matches no device.
struct TextDriver;

impl bus::Driver for TextDriver {
    type Bus = TextBus;
    type Data<'bound> = Self;
    type IdInfo = ();
    const ID_TABLE: bus::IdTable<TextBus, ()> = &[];

    fn probe<'bound>(
        _dev: &'bound bus::Device<TextBus, Core<'_>>,
        _id_info: &'bound (),
    ) -> impl PinInit<Self, Error> + 'bound {
        Ok::<_, Error>(Self)
    }
}

/// A bus without devices, on the heap.
struct HeapBus;

static HEAP_BUS: SetOnce<&'static bus::BusType<HeapBus>> = SetOnce::new();

impl bus::Bus for HeapBus {
    const NAME: &'static CStr = c"heap";
    type Data = ();
    type DeviceData = ();
    type DeviceId = u32;

    fn bus_type() -> &'static bus::BusType<Self> {
        HEAP_BUS.copy().expect("init has set it")
    }

    fn id(_dev: &bus::Device<Self>) -> &u32 {
        &0
    }

    fn closing(_data: Pin<&()>) {}
}

/// Schedules `last` to be called in 12 seconds, in the domain of the other module.
fn schedule(last: impl FnOnce() + Send + 'static) -> Result {
    let domain = text_provider::domain().ok_or(ENODEV)?;

    domain.schedule(
        move || {
            fsleep(Delta::from_secs(12));
            pr_info!("ends\n");
            last();
        },
        GFP_KERNEL,
    )?;
    Ok(())
}

/// Has `object` dropped in 12 seconds.
fn give_away<T>(object: impl PinInit<T, Error>) -> Result
where
    Pin<KBox<T>>: Send,
    T: 'static,
{
    let object = KBox::pin_init(object, GFP_KERNEL)?;

    schedule(move || drop(object))
}

/// The module.
struct TextUser {
    _device: Option<device::Registration<TextBus>>,
}

impl kernel::Module for TextUser {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mut this = Self { _device: None };

        match parameters::scenario.value() {
            Scenario::Device => {
                let data = Ok(c"the data of text_user");
                let dev = TextDevice::new(fmt!("kept"), Node::ANY, data)?;

                text_provider::keep(dev.clone());
                this._device = Some(device::Registration::new(dev)?);
            }
            Scenario::Function => schedule(|| ())?,
            Scenario::Driver => {
                let module = text_provider::module().ok_or(ENODEV)?;

                give_away::<driver::Registration<bus::Adapter<TextDriver>>>(
                    driver::Registration::new(c"text_driver", module),
                )?;
            }
            Scenario::Bus => {
                HEAP_BUS.populate(KBox::leak(KBox::new(bus::BusType::new(), GFP_KERNEL)?));
                give_away(bus::Registration::<HeapBus>::new(Ok(())))?;
            }
        }
        Ok(this)
    }
}

module! {
    type: TextUser,
    name: "text_user",
    authors: ["The async_probe authors"],
    description: "Gives away an object that needs its text",
    license: "GPL",
}
