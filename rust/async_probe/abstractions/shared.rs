// SPDX-License-Identifier: GPL-2.0

//! Abstraction for upstream: objects of `async_probe.ko` that the modules which use it share.
//!
//! Unnecessary once the code is a part of the kernel: these are `static`s there.

use crate::prelude::*;

/// The place where functions find a [`Shared`] object: a `static`.
pub(crate) struct Place<T>(Atomic<*const T>);

impl<T: Sync> Place<T> {
    pub(crate) const fn new() -> Self {
        Self(Atomic::new(core::ptr::null()))
    }

    /// Returns the object.
    ///
    /// Errors: `ENODEV` if this crate is built in, and is not initialized yet.
    pub(crate) fn get(&self) -> Result<&'static T> {
        // SAFETY: The object is there from the time when `async_probe.ko` is loaded until it is
        // unloaded. The module of the caller uses its symbols, and pins it.
        unsafe { self.0.load(Acquire).as_ref() }.ok_or(ENODEV)
    }
}

/// An object in a [`Place`]: a field of the module.
#[pin_data(PinnedDrop)]
pub(crate) struct Shared<T: 'static> {
    #[pin]
    object: T,
    place: &'static Place<T>,
}

impl<T: Sync> Shared<T> {
    /// Returns an initializer that puts the object in `place`.
    pub(crate) fn new<E>(
        place: &'static Place<T>,
        object: impl PinInit<T, E>,
    ) -> impl PinInit<Self, Error>
    where
        Error: From<E>,
    {
        try_pin_init!(&this in Self {
            object <- object,
            place,
            _: {
                // SAFETY: `this` is valid.
                place.0.store(unsafe { &raw const (*this.as_ptr()).object }, Release);
            },
        })
    }
}

#[pinned_drop]
impl<T> PinnedDrop for Shared<T> {
    fn drop(self: Pin<&mut Self>) {
        self.place.0.store(core::ptr::null(), Release);
    }
}
