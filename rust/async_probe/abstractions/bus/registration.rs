// SPDX-License-Identifier: GPL-2.0

//! Abstraction for upstream: the registration of a bus.

use super::bus_type::Bus;
use super::bus_type::BusType;
use crate::abstractions::text;
use crate::prelude::*;

/// The registration of a bus.
///
/// The [module](super) lists the objects that dropping it waits for. A module therefore keeps it
/// *behind* its own devices and drivers, as fields are dropped in order.
///
/// # Invariants
///
/// `bus` is registered, and its `data` points to `data`, which stays where it is.
#[pin_data(PinnedDrop)]
#[must_use = "the bus is unregistered at once when this is dropped"]
pub struct Registration<B: Bus> {
    #[pin]
    data: B::Data,
    bus: &'static BusType<B>,
    #[pin]
    _user: text::User,
    /// The attributes of the bus find `data` by its address, even if its type is `Unpin`.
    #[pin]
    _pin: PhantomPinned,
}

impl<B: Bus> Registration<B> {
    /// Registers the bus.
    ///
    /// Context: Sleeps.
    /// Errors:
    /// - `EBUSY` if the bus is registered already; `EEXIST` if another bus has the same name.
    /// - `EINVAL` if the name is empty.
    /// - `ENOMEM` if memory is short.
    /// - The error of `data`.
    pub fn new(data: impl PinInit<B::Data, Error>) -> impl PinInit<Self, Error> {
        let bus = B::bus_type();

        try_pin_init!(&this in Self {
            data <- data,
            // Not the address of the bus type, which need not be a `static`.
            _user <- text::User::new(text::Object::Bus(B::NAME), bus.drop_data as usize, None),
            // SAFETY: `this` is valid, and `data` has just been initialized.
            bus: Self::register(bus, unsafe { &raw const (*this.as_ptr()).data })?,
            _pin: PhantomPinned,
        })
    }

    /// Registers the bus with `data`, which stays valid until the bus is unregistered.
    fn register(this: &'static BusType<B>, data: *const B::Data) -> Result<&'static BusType<B>> {
        if B::NAME.is_empty() {
            return Err(EINVAL);
        }
        if this.taken.xchg(true, Full) {
            return Err(EBUSY);
        }

        this.head.data.store(data, Release);

        // SAFETY: The bus type lives forever, and it is not registered.
        to_result(unsafe { bindings::bus_register(this.as_raw()) })
            .inspect_err(|_| this.taken.store(false, Release))?;

        // Not before: other tasks find the bus before `bus_register()` has initialized its lists of
        // devices and drivers.
        this.door.open();
        Ok(this)
    }

    /// Returns the data of the bus.
    pub fn data(self: Pin<&Self>) -> Pin<&B::Data> {
        // SAFETY: `data` is structurally pinned.
        unsafe { self.map_unchecked(|this| &this.data) }
    }
}

#[pinned_drop]
impl<B: Bus> PinnedDrop for Registration<B> {
    fn drop(self: Pin<&mut Self>) {
        let this = self.bus;

        this.door.shut();
        B::closing(self.as_ref().data());
        this.door.wait(B::NAME);

        // SAFETY: The bus is registered, and has neither devices nor drivers any more.
        unsafe { bindings::bus_unregister(this.as_raw()) };
        this.taken.store(false, Release);
    }
}
