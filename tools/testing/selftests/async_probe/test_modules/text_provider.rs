// SPDX-License-Identifier: GPL-2.0

//! A bus and a domain for `text_user.ko`, for the selftests: they keep the objects of that module.
//!
//! ```sh
//! cat /sys/bus/text/kept          # the data of the device that the bus keeps
//! echo 1 > /sys/bus/text/drop     # the bus drops its reference to the device
//! ```

use async_probe::{
    attribute::{
        Attribute,
        BusAttributes, //
    },
    bus,
    domain::Domain, //
};
use kernel::{
    fmt,
    prelude::*,
    str::BStr,
    sync::{
        aref::ARef,
        global_lock,
        Arc,
        SetOnce, //
    },
    InPlaceModule, //
};

/// The bus.
pub struct TextBus;

/// A device of the bus.
pub type TextDevice = bus::Device<TextBus>;

static TEXT_BUS: bus::BusType<TextBus> = bus::BusType::new();

async_probe::attributes!(static ATTRIBUTES: bus = [Kept, Drop]);

global_lock! {
    // SAFETY: The init of the module initializes it before any other use.
    unsafe(uninit) static KEPT: Mutex<Option<ARef<TextDevice>>> = None;
}

global_lock! {
    // SAFETY: As above.
    unsafe(uninit) static DOMAIN: Mutex<Option<Arc<Domain>>> = None;
}

static MODULE: SetOnce<&'static ThisModule> = SetOnce::new();

/// Keeps a device of another module.
pub fn keep(dev: ARef<TextDevice>) {
    *KEPT.lock() = Some(dev);
}

/// Returns the domain for functions of another module.
pub fn domain() -> Option<Arc<Domain>> {
    DOMAIN.lock().clone()
}

/// Returns this module, as which another one registers a driver.
pub fn module() -> Option<&'static ThisModule> {
    MODULE.copy()
}

impl bus::Bus for TextBus {
    const NAME: &'static CStr = c"text";
    const BUS_ATTRIBUTES: Option<&'static BusAttributes<()>> = Some(&ATTRIBUTES);
    type Data = ();
    type DeviceData = &'static CStr;
    type DeviceId = u32;

    fn bus_type() -> &'static bus::BusType<Self> {
        &TEXT_BUS
    }

    fn id(_dev: &TextDevice) -> &u32 {
        &0
    }

    fn closing(_data: Pin<&()>) {
        let kept = KEPT.lock().take();

        drop(kept);
    }
}

/// `kept`: the data of the device that is kept.
struct Kept;

impl Attribute for Kept {
    type Of = ();
    const NAME: &'static CStr = c"kept";
    const MODE: u16 = 0o444;

    fn show(_bus: Pin<&()>, f: &mut dyn fmt::Write) -> Result {
        let dev = KEPT.lock().clone().ok_or(ENODEV)?;

        Ok(f.write_fmt(fmt!("{}\n", *dev.data()))?)
    }
}

/// `drop`: drops the device that is kept.
struct Drop;

impl Attribute for Drop {
    type Of = ();
    const NAME: &'static CStr = c"drop";
    const MODE: u16 = 0o200;

    fn store(_bus: Pin<&()>, _text: &BStr) -> Result {
        let kept = KEPT.lock().take();

        drop(kept);
        Ok(())
    }
}

/// The module: the registration of the bus.
#[pin_data(PinnedDrop)]
struct TextProvider {
    #[pin]
    _bus: bus::Registration<TextBus>,
}

impl InPlaceModule for TextProvider {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        MODULE.populate(module);

        // SAFETY: The module loader calls this once.
        unsafe {
            KEPT.init();
            DOMAIN.init();
        }

        try_pin_init!(Self {
            _: {
                *DOMAIN.lock() = Some(Arc::pin_init(Domain::exclusive(), GFP_KERNEL)?);
            },
            _bus <- bus::Registration::new(Ok(())),
        })
    }
}

#[pinned_drop]
impl PinnedDrop for TextProvider {
    fn drop(self: Pin<&mut Self>) {
        let domain = DOMAIN.lock().take();

        drop(domain);
    }
}

module! {
    type: TextProvider,
    name: "text_provider",
    authors: ["The async_probe authors"],
    description: "Bus and domain that keep the objects of another module",
    license: "GPL",
}
