// SPDX-License-Identifier: GPL-2.0

//! Abstraction for upstream: an entry of a notifier chain.
//!
//! C header: [`include/linux/notifier.h`](srctree/include/linux/notifier.h)

use crate::prelude::*;

/// A function of C that registers or unregisters an entry.
type Register = unsafe extern "C" fn(*mut bindings::notifier_block) -> c_int;

/// A registered entry. Dropping it unregisters the entry.
#[pin_data(PinnedDrop)]
pub(crate) struct Notifier {
    #[pin]
    block: Opaque<bindings::notifier_block>,
    unregister: Register,
}

// SAFETY: The chain alone uses the block, after its registration.
unsafe impl Send for Notifier {}

// SAFETY: As above.
unsafe impl Sync for Notifier {}

impl Notifier {
    /// Registers an entry that comes before all others of its chain, but those of the highest
    /// priority that were there before it.
    ///
    /// # Safety
    ///
    /// `register` and `unregister` are those of one chain, and `call` is sound with the arguments
    /// of that chain.
    pub(crate) unsafe fn new(
        register: Register,
        unregister: Register,
        call: bindings::notifier_fn_t,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            block <- Opaque::try_ffi_init(move |slot: *mut bindings::notifier_block| {
                let block = bindings::notifier_block {
                    notifier_call: call,
                    priority: c_int::MAX,
                    ..Default::default()
                };

                // SAFETY: `slot` is valid for writes, and stays valid until it is unregistered.
                to_result(unsafe {
                    slot.write(block);
                    register(slot)
                })
            }),
            unregister,
        })
    }
}

#[pinned_drop]
impl PinnedDrop for Notifier {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: The entry is registered.
        unsafe { (self.unregister)(self.block.get()) };
    }
}
