// SPDX-License-Identifier: GPL-2.0

//! Attributes of a bus: the files in `/sys/bus/<name>`.
//!
//! C header: [`include/linux/device/bus.h`](srctree/include/linux/device/bus.h), `struct
//! bus_attribute`
//!
//! # Examples
//!
//! ```ignore
//! struct Add;
//!
//! impl bus_attribute::Attribute for Add {
//!     type Bus = MyBus;
//!     const NAME: &'static CStr = c"add";
//!     const MODE: Mode = Mode::WriteOnly;
//!
//!     fn store(data: Pin<&MyBusData>, text: &BStr) -> Result {
//!         data.add(text)
//!     }
//! }
//!
//! async_probe::bus_attributes!(static MY_ATTRIBUTES = [Add]);
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
    Bus,
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

/// An attribute of a bus.
pub trait Attribute: 'static {
    /// The bus.
    type Bus: Bus;

    /// The name of the file.
    const NAME: &'static CStr;

    /// Who may do what with it.
    const MODE: Mode;

    /// Writes what a read of the file returns, with the newline at its end; at most a page.
    ///
    /// # Errors
    ///
    /// The read fails with the error.
    fn show(data: Pin<&<Self::Bus as Bus>::Data>, f: &mut dyn fmt::Write) -> Result {
        let _ = (data, f);
        Err(EIO)
    }

    /// Takes what was written to the file, without white space at either end.
    ///
    /// # Errors
    ///
    /// The write fails with the error.
    fn store(data: Pin<&<Self::Bus as Bus>::Data>, text: &BStr) -> Result {
        let _ = (data, text);
        Err(EIO)
    }
}

/// A `struct bus_attribute` in a `static`.
#[doc(hidden)]
#[repr(transparent)]
pub struct RawAttribute(bindings::bus_attribute);

// SAFETY: The driver core only reads it.
unsafe impl Sync for RawAttribute {}

impl RawAttribute {
    /// Returns the `struct bus_attribute` of `A`.
    pub const fn new<A: Attribute>() -> Self {
        Self(bindings::bus_attribute {
            attr: bindings::attribute {
                name: kernel::str::as_char_ptr_in_const_context(A::NAME),
                mode: match A::MODE {
                    Mode::ReadOnly => 0o444,
                    Mode::WriteOnly => 0o200,
                    Mode::ReadWrite => 0o644,
                },
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
    unsafe extern "C" fn show<A: Attribute>(
        bus: *const bindings::bus_type,
        buffer: *mut c_char,
    ) -> isize {
        // SAFETY: By the safety requirements.
        let (data, buffer) = unsafe {
            (
                BusType::<A::Bus>::data(bus),
                core::slice::from_raw_parts_mut(buffer.cast::<u8>(), PAGE_SIZE),
            )
        };
        let mut f = Formatter::new(buffer);

        from_result(|| {
            A::show(data, &mut f)?;
            Ok(f.bytes_written() as isize)
        })
    }

    /// # Safety
    ///
    /// `bus` is that of `A::Bus`, whose attributes are accessible, and `text` is valid for reads of
    /// `count` bytes.
    unsafe extern "C" fn store<A: Attribute>(
        bus: *const bindings::bus_type,
        text: *const c_char,
        count: usize,
    ) -> isize {
        // SAFETY: By the safety requirements.
        let (data, text) = unsafe {
            (
                BusType::<A::Bus>::data(bus),
                core::slice::from_raw_parts(text.cast::<u8>(), count),
            )
        };

        from_result(|| {
            A::store(data, BStr::from_bytes(text.trim_ascii()))?;
            Ok(count as isize)
        })
    }
}

/// The attributes of a bus. Made by [`bus_attributes!`](crate::bus_attributes).
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

    /// Returns what `bus_type::bus_groups` points to.
    pub(crate) const fn groups(&'static self) -> *const *const bindings::attribute_group {
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

/// Declares the attributes of a bus as a `static`, see the [module](crate::bus_attribute).
#[macro_export]
macro_rules! bus_attributes {
    ($vis:vis static $name:ident = [$($attribute:ty),+ $(,)?]) => {
        $vis static $name: $crate::bus_attribute::Attributes = {
            const LEN: usize = [$(::core::stringify!($attribute)),+].len() + 1;

            static LIST: $crate::bus_attribute::List<LEN> = $crate::bus_attribute::List([
                $({
                    static ATTRIBUTE: $crate::bus_attribute::RawAttribute =
                        $crate::bus_attribute::RawAttribute::new::<$attribute>();

                    ATTRIBUTE.as_raw()
                },)+
                ::core::ptr::null(),
            ]);
            static GROUP: $crate::bus_attribute::Group = $crate::bus_attribute::Group::new(&LIST);

            $crate::bus_attribute::Attributes::new(&GROUP)
        };
    };
}
