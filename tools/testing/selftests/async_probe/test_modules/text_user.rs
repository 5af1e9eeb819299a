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
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
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
    /// The registration of a driver, which such a function drops at its end.
    Driver,
}

impl Choice for Scenario {
    const CHOICES: &'static [Self] = &[Self::Device, Self::Function, Self::Driver];
    const NAMES: &'static [&'static str] = &["device", "function", "driver"];
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

type Registration = Pin<KBox<driver::Registration<bus::Adapter<TextDriver>>>>;

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

/// The module.
struct TextUser {
    _device: Option<device::Registration<TextBus>>,
    _driver: Option<Arc<Mutex<Option<Registration>>>>,
}

impl kernel::Module for TextUser {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let mut this = Self {
            _device: None,
            _driver: None,
        };

        match parameters::scenario.value() {
            Scenario::Device => {
                let data = Ok::<_, Error>(c"the data of text_user");
                let dev = TextDevice::new(fmt!("kept"), Node::ANY, data)?;

                text_provider::keep(dev.clone());
                this._device = Some(device::Registration::new(dev)?);
            }
            Scenario::Function => schedule(|| ())?,
            Scenario::Driver => {
                let driver = KBox::pin_init(
                    driver::Registration::new(c"text_driver", module),
                    GFP_KERNEL,
                )?;
                let driver = Arc::pin_init(new_mutex!(Some(driver)), GFP_KERNEL)?;

                this._driver = Some(driver.clone());
                schedule(move || {
                    let driver = driver.lock().take();

                    drop(driver);
                })?;
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
