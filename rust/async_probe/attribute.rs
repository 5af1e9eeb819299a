// SPDX-License-Identifier: GPL-2.0

//! Default attributes of a bus and of its devices: files in sysfs.
//!
//! C headers: [`include/linux/device/bus.h`](srctree/include/linux/device/bus.h), `struct
//! bus_attribute`, and [`include/linux/device.h`](srctree/include/linux/device.h), `struct
//! device_attribute`
//!
//! The files of a bus are in `/sys/bus/<name>`, those of a device in the device's folder. They come
//! and go with what they belong to, before and after the uevents, so that userspace never misses
//! them.
//!
//! # Examples
//!
//! ```ignore
//! struct Add;
//!
//! impl attribute::Bus for Add {
//!     type Bus = MyBus;
//!     const NAME: &'static CStr = c"add";
//!     const MODE: Mode = Mode::WriteOnly;
//!
//!     fn store(data: Pin<&MyBusData>, text: &BStr) -> Result {
//!         data.add(text)
//!     }
//! }
//!
//! async_probe::attributes!(static MY_BUS_ATTRIBUTES: bus = [Add]);
//! ```

use kernel::{
    bindings,
    error::from_result,
    fmt,
    page::PAGE_SIZE,
    prelude::*,
    str::{
        BStr,
        Formatter, //
    }, //
};

use crate::bus::{
    self,
    BusType, //
};

/// Who may do what with an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everybody may read: `0444`.
    ReadOnly,
    /// Root may write: `0200`.
    WriteOnly,
    /// Everybody may read, root may write: `0644`.
    ReadWrite,
}

impl Mode {
    /// Returns the mode of the file.
    const fn into_raw(self) -> bindings::umode_t {
        match self {
            Self::ReadOnly => 0o444,
            Self::WriteOnly => 0o200,
            Self::ReadWrite => 0o644,
        }
    }
}

/// An attribute of a bus.
pub trait Bus: 'static {
    /// The bus.
    type Bus: bus::Bus;

    /// The name of the file.
    const NAME: &'static CStr;

    /// Who may do what with it.
    const MODE: Mode;

    /// Writes what a read of the file returns, with the newline at its end; at most a page.
    ///
    /// # Errors
    ///
    /// The read fails with the error.
    fn show(data: Pin<&<Self::Bus as bus::Bus>::Data>, f: &mut dyn fmt::Write) -> Result {
        let _ = (data, f);
        Err(EIO)
    }

    /// Takes what was written to the file, without white space at either end.
    ///
    /// # Errors
    ///
    /// The write fails with the error.
    fn store(data: Pin<&<Self::Bus as bus::Bus>::Data>, text: &BStr) -> Result {
        let _ = (data, text);
        Err(EIO)
    }
}

/// An attribute of the devices of a bus.
///
/// The functions may be called at any time while the device is registered, whether it is bound or
/// not, and without its lock.
pub trait Device: 'static {
    /// The bus.
    type Bus: bus::Bus;

    /// The name of the file.
    const NAME: &'static CStr;

    /// Who may do what with it.
    const MODE: Mode;

    /// Writes what a read of the file returns, with the newline at its end; at most a page.
    ///
    /// # Errors
    ///
    /// The read fails with the error.
    fn show(dev: &bus::Device<Self::Bus>, f: &mut dyn fmt::Write) -> Result {
        let _ = (dev, f);
        Err(EIO)
    }

    /// Takes what was written to the file, without white space at either end.
    ///
    /// # Errors
    ///
    /// The write fails with the error.
    fn store(dev: &bus::Device<Self::Bus>, text: &BStr) -> Result {
        let _ = (dev, text);
        Err(EIO)
    }
}

/// Calls `show` with a formatter of `buffer`, and returns the length of what it has written.
///
/// # Safety
///
/// `buffer` is an initialized page that nobody else uses.
unsafe fn show(buffer: *mut c_char, show: impl FnOnce(&mut dyn fmt::Write) -> Result) -> isize {
    // SAFETY: By the safety requirements.
    let buffer = unsafe { core::slice::from_raw_parts_mut(buffer.cast::<u8>(), PAGE_SIZE) };
    let mut f = Formatter::new(buffer);

    from_result(|| {
        show(&mut f)?;
        Ok(f.bytes_written() as isize)
    })
}

/// Calls `store` with `text`, and returns its length.
///
/// # Safety
///
/// `text` is valid for reads of `count` bytes.
unsafe fn store(text: *const c_char, count: usize, store: impl FnOnce(&BStr) -> Result) -> isize {
    // SAFETY: By the safety requirements.
    let text = unsafe { core::slice::from_raw_parts(text.cast::<u8>(), count) };

    from_result(|| {
        store(BStr::from_bytes(text.trim_ascii()))?;
        Ok(count as isize)
    })
}

/// A `struct bus_attribute` in a `static`.
#[doc(hidden)]
#[repr(transparent)]
pub struct BusAttribute(bindings::bus_attribute);

// SAFETY: The driver core only reads it.
unsafe impl Sync for BusAttribute {}

impl BusAttribute {
    /// Returns the `struct bus_attribute` of `A`.
    pub const fn new<A: Bus>() -> Self {
        Self(bindings::bus_attribute {
            attr: bindings::attribute {
                name: kernel::str::as_char_ptr_in_const_context(A::NAME),
                mode: A::MODE.into_raw(),
            },
            show: Some(Self::show::<A>),
            store: Some(Self::store::<A>),
        })
    }

    /// Returns the embedded `struct attribute`.
    pub const fn as_raw(&'static self) -> *const bindings::attribute {
        &raw const self.0.attr
    }

    /// # Safety
    ///
    /// `bus` is that of `A::Bus`, whose attributes are accessible, and `buffer` is an initialized
    /// page that nobody else uses.
    unsafe extern "C" fn show<A: Bus>(
        bus: *const bindings::bus_type,
        buffer: *mut c_char,
    ) -> isize {
        // SAFETY: By the safety requirements.
        unsafe { show(buffer, |f| A::show(BusType::<A::Bus>::data(bus), f)) }
    }

    /// # Safety
    ///
    /// `bus` is that of `A::Bus`, whose attributes are accessible, and `text` is valid for reads of
    /// `count` bytes.
    unsafe extern "C" fn store<A: Bus>(
        bus: *const bindings::bus_type,
        text: *const c_char,
        count: usize,
    ) -> isize {
        // SAFETY: By the safety requirements.
        unsafe {
            store(text, count, |text| {
                A::store(BusType::<A::Bus>::data(bus), text)
            })
        }
    }
}

/// A `struct device_attribute` in a `static`.
#[doc(hidden)]
#[repr(transparent)]
pub struct DeviceAttribute(bindings::device_attribute);

// SAFETY: The driver core only reads it.
unsafe impl Sync for DeviceAttribute {}

impl DeviceAttribute {
    /// Returns the `struct device_attribute` of `A`.
    pub const fn new<A: Device>() -> Self {
        Self(bindings::device_attribute {
            attr: bindings::attribute {
                name: kernel::str::as_char_ptr_in_const_context(A::NAME),
                mode: A::MODE.into_raw(),
            },
            __bindgen_anon_1: bindings::device_attribute__bindgen_ty_1 {
                show: Some(Self::show::<A>),
            },
            __bindgen_anon_2: bindings::device_attribute__bindgen_ty_2 {
                store: Some(Self::store::<A>),
            },
        })
    }

    /// Returns the embedded `struct attribute`.
    pub const fn as_raw(&'static self) -> *const bindings::attribute {
        &raw const self.0.attr
    }

    /// # Safety
    ///
    /// `dev` is a device of `A::Bus`, and `buffer` is an initialized page that nobody else uses.
    unsafe extern "C" fn show<A: Device>(
        dev: *mut bindings::device,
        _attr: *mut bindings::device_attribute,
        buffer: *mut c_char,
    ) -> isize {
        // SAFETY: By the safety requirements.
        unsafe { show(buffer, |f| A::show(bus::Device::from_raw(dev), f)) }
    }

    /// # Safety
    ///
    /// `dev` is a device of `A::Bus`, and `text` is valid for reads of `count` bytes.
    unsafe extern "C" fn store<A: Device>(
        dev: *mut bindings::device,
        _attr: *mut bindings::device_attribute,
        text: *const c_char,
        count: usize,
    ) -> isize {
        // SAFETY: By the safety requirements.
        unsafe {
            store(text, count, |text| {
                A::store(bus::Device::from_raw(dev), text)
            })
        }
    }
}

/// The attributes of a bus, or of its devices. Made by [`attributes!`](crate::attributes).
#[repr(transparent)]
pub struct Attributes([*const bindings::attribute_group; 2]);

// SAFETY: The driver core only reads what the pointer leads to, which is in `static`s.
unsafe impl Sync for Attributes {}

impl Attributes {
    /// Returns the attributes of `group`.
    #[doc(hidden)]
    pub const fn new(group: &'static Group) -> Self {
        Self([&raw const group.0, core::ptr::null()])
    }

    /// Returns what fields such as `bus_type::bus_groups` point to.
    pub(crate) const fn as_raw(&'static self) -> *const *const bindings::attribute_group {
        (&raw const self.0).cast()
    }
}

/// A `struct attribute_group` in a `static`.
#[doc(hidden)]
#[repr(transparent)]
pub struct Group(bindings::attribute_group);

// SAFETY: The driver core only reads it.
unsafe impl Sync for Group {}

impl Group {
    /// Returns the group of `list`.
    pub const fn new<const N: usize>(list: &'static List<N>) -> Self {
        let mut group: bindings::attribute_group = pin_init::zeroed();

        group.__bindgen_anon_2 = bindings::attribute_group__bindgen_ty_2 {
            attrs: (&raw const list.0).cast_mut().cast(),
        };
        Self(group)
    }
}

/// A list of attributes in a `static`, with a null pointer at its end.
#[doc(hidden)]
#[repr(transparent)]
pub struct List<const N: usize>(pub [*const bindings::attribute; N]);

// SAFETY: The driver core only reads it.
unsafe impl<const N: usize> Sync for List<N> {}

/// Declares the attributes of a bus, or of its devices, as a `static`; see the
/// [module](crate::attribute).
#[macro_export]
macro_rules! attributes {
    ($vis:vis static $name:ident: bus = [$($attribute:ty),+ $(,)?]) => {
        $crate::attributes!(@list $vis $name BusAttribute [$($attribute),+]);
    };

    ($vis:vis static $name:ident: device = [$($attribute:ty),+ $(,)?]) => {
        $crate::attributes!(@list $vis $name DeviceAttribute [$($attribute),+]);
    };

    (@list $vis:vis $name:ident $raw:ident [$($attribute:ty),+]) => {
        $vis static $name: $crate::attribute::Attributes = {
            const LEN: usize = [$(::core::stringify!($attribute)),+].len() + 1;

            static LIST: $crate::attribute::List<LEN> = $crate::attribute::List([
                $({
                    static ATTRIBUTE: $crate::attribute::$raw =
                        $crate::attribute::$raw::new::<$attribute>();

                    ATTRIBUTE.as_raw()
                },)+
                ::core::ptr::null(),
            ]);
            static GROUP: $crate::attribute::Group = $crate::attribute::Group::new(&LIST);

            $crate::attribute::Attributes::new(&GROUP)
        };
    };
}
