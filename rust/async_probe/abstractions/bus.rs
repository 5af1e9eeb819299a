// SPDX-License-Identifier: GPL-2.0

//! Abstraction for upstream: buses written in Rust.
//!
//! C header: [`include/linux/device/bus.h`](srctree/include/linux/device/bus.h)
//!
//! A bus is a type that implements [`Bus`] and a `static` [`BusType`] that belongs to it.
//! [`Registration`] registers it, [`device::Registration`] adds devices, and
//! [`kernel::driver::Registration`] with an [`Adapter`] registers drivers. `samples/slow_bus.rs` is
//! a bus, and `samples/slow_bus_driver.rs` a driver.
//!
//! # Examples
//!
//! ```
//! use async_probe::{bus, device, domain::Node};
//!
//! struct Shelf;
//!
//! static SHELF: bus::BusType<Shelf> = bus::BusType::new();
//!
//! impl bus::Bus for Shelf {
//!     const NAME: &'static CStr = c"doctest_shelf";
//!
//!     type Data = ();
//!     type DeviceData = u32;
//!     type DeviceId = u32;
//!
//!     fn bus_type() -> &'static bus::BusType<Self> {
//!         &SHELF
//!     }
//!
//!     fn id(dev: &bus::Device<Self>) -> &u32 {
//!         dev.data()
//!     }
//!
//!     fn closing(_data: Pin<&()>) {}
//! }
//!
//! let bus = KBox::pin_init(bus::Registration::<Shelf>::new(Ok(())), GFP_KERNEL)?;
//! let book = bus::Device::<Shelf>::new(fmt!("book.3"), Node::ANY, Ok(3))?;
//! let book = device::Registration::new(book)?;
//!
//! assert_eq!(*book.device().data(), 3);
//!
//! // The bus waits until its devices are gone.
//! drop(book);
//! drop(bus);
//! # Ok::<(), Error>(())
//! ```
//!
//! # Lifetimes
//!
//! - The module loader does not unload the module of a bus while a module with a driver for the bus
//!   is loaded, which uses symbols of the bus's module.
//! - Dropping a [`Registration`] refuses new devices and drivers, has the bus give up its own
//!   devices ([`Bus::closing`]), and then waits until the last driver is unregistered and the last
//!   reference to a device, registered or not, is dropped. Only then the bus is unregistered, and
//!   the module's text may go.

pub mod attribute;
mod bus_type;
pub mod device;
mod driver;
mod registration;

pub(crate) use bus_type::Attacher;
pub use bus_type::Bus;
pub use bus_type::BusType;
pub use bus_type::Device;
pub use bus_type::DriverStruct;
pub use bus_type::UeventEnv;
pub use driver::Adapter;
pub use driver::Driver;
pub use driver::IdTable;
pub use registration::Registration;
