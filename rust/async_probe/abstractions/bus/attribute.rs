// SPDX-License-Identifier: GPL-2.0

//! Abstraction for upstream: default attributes of a bus and of its devices, files in sysfs.
//!
//! C headers: [`include/linux/device/bus.h`](srctree/include/linux/device/bus.h),
//! [`include/linux/device.h`](srctree/include/linux/device.h)
//!
//! The files of a bus are in `/sys/bus/<name>`, those of a device in the device's directory. They
//! are created and removed with the bus or the device. The files of a device exist when its `add`
//! uevent is sent; those of a bus do not, as `bus_register()` sends the uevent first.
//!
//! An attribute must not unregister its own device or bus: the removal of a file waits until no
//! task uses it (`kernfs_drain()`).
//!
//! [`attributes!`](crate::attributes) declares them, as in `samples/slow_bus.rs`.

use kernel::page::PAGE_SIZE;
use kernel::str::Formatter;

use crate::prelude::*;

/// An attribute of a bus, or of each device of a bus.
///
/// Context: The functions may sleep. Several tasks at once may call them, without the lock of the
/// device, while the bus or the device is registered, and while it is being registered, which may
/// still fail.
pub trait Attribute: 'static {
    /// The owner: the [`Data`](super::Bus::Data) of a bus, or a [`Device`](super::Device).
    type Of: 'static;

    /// The name of the file.
    const NAME: &'static CStr;

    /// Its mode: `0o444` if every user may read, `0o200` if root may write, `0o644` for both. Bits
    /// that are not of `0o664`, which sysfs would ignore, do not compile.
    const MODE: u16;

    /// Writes the text that a read of the file returns, with the newline at its end.
    ///
    /// Errors: The read fails with the error, and with `EINVAL` if a page or more is written.
    fn show(_of: Pin<&Self::Of>, _f: &mut dyn fmt::Write) -> Result {
        Err(EIO)
    }

    /// Takes the text that is written to the file, without white space at either end. The write
    /// fails with the error.
    fn store(_of: Pin<&Self::Of>, _text: &BStr) -> Result {
        Err(EIO)
    }
}

/// Calls `show` with a formatter of `buffer`, and returns the length of what it has written.
///
/// # Safety
///
/// `buffer` is an initialized page that no other task uses.
pub(crate) unsafe fn show(
    buffer: *mut c_char,
    show: impl FnOnce(&mut dyn fmt::Write) -> Result,
) -> isize {
    // sysfs treats a full page as one that has overflowed (`sysfs_kf_seq_show()`).
    //
    // SAFETY: By the safety requirements.
    let buffer = unsafe { core::slice::from_raw_parts_mut(buffer.cast::<u8>(), PAGE_SIZE - 1) };
    let mut f = Formatter::new(buffer);

    from_result(|| {
        show(&mut f)?;

        // The count includes text that had no room, in case that `show` ignores the error.
        match f.bytes_written() {
            len if len < PAGE_SIZE => Ok(len as isize),
            _ => Err(EINVAL),
        }
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

/// A type that a list of attributes points to.
///
/// # Safety
///
/// The type begins with a `struct attribute`.
#[doc(hidden)]
pub unsafe trait Raw: 'static {}

const _: () = assert!(offset_of!(bindings::bus_attribute, attr) == 0);
const _: () = assert!(offset_of!(bindings::device_attribute, attr) == 0);

/// Returns the `struct attribute` of `A`.
const fn attribute<A: Attribute>() -> bindings::attribute {
    assert!(A::MODE & !0o664 == 0);
    // How many fields there are depends on the configuration.
    let mut raw: bindings::attribute = pin_init::zeroed();

    raw.name = kernel::str::as_char_ptr_in_const_context(A::NAME);
    raw.mode = A::MODE;
    raw
}

/// The beginning of the `static` of a bus whose data is `D`.
///
/// # Invariants
///
/// While the attributes of the bus are accessible, `data` is the address of the pinned data.
#[repr(C)]
pub(crate) struct BusHead<D> {
    pub(super) raw: Opaque<bindings::bus_type>,
    pub(super) data: Atomic<*const D>,
}

/// A `struct bus_attribute` of a bus whose data is `D`, in a `static`.
#[doc(hidden)]
#[repr(transparent)]
pub struct BusAttribute<D>(bindings::bus_attribute, PhantomData<fn() -> D>);

// SAFETY: The driver core only reads it.
unsafe impl<D> Sync for BusAttribute<D> {}

// SAFETY: `attr` is at offset 0, as asserted above.
unsafe impl<D: 'static> Raw for BusAttribute<D> {}

impl<D: 'static> BusAttribute<D> {
    /// Returns the `struct bus_attribute` of `A`.
    pub const fn new<A: Attribute<Of = D>>() -> Self {
        let mut raw: bindings::bus_attribute = pin_init::zeroed();

        raw.attr = attribute::<A>();
        raw.show = Some(Self::show::<A>);
        raw.store = Some(Self::store::<A>);
        Self(raw, PhantomData)
    }

    /// Returns the data of the bus.
    ///
    /// # Safety
    ///
    /// `bus` is the `raw` of a `BusHead<D>`, whose attributes are accessible during `'a`.
    unsafe fn data<'a>(bus: *const bindings::bus_type) -> Pin<&'a D> {
        // SAFETY: By the safety requirements, and by the type invariant.
        unsafe { Pin::new_unchecked(&*(*bus.cast::<BusHead<D>>()).data.load(Acquire)) }
    }

    /// # Safety
    ///
    /// As for [`Self::data`] and [`show()`].
    unsafe extern "C" fn show<A: Attribute<Of = D>>(
        bus: *const bindings::bus_type,
        buffer: *mut c_char,
    ) -> isize {
        // SAFETY: By the safety requirements.
        unsafe { show(buffer, |f| A::show(Self::data(bus), f)) }
    }

    /// # Safety
    ///
    /// As for [`Self::data`] and [`store()`].
    unsafe extern "C" fn store<A: Attribute<Of = D>>(
        bus: *const bindings::bus_type,
        text: *const c_char,
        count: usize,
    ) -> isize {
        // SAFETY: By the safety requirements.
        unsafe { store(text, count, |text| A::store(Self::data(bus), text)) }
    }
}

/// A `struct device_attribute` of devices of the type `D`, in a `static`.
#[doc(hidden)]
#[repr(transparent)]
pub struct DeviceAttribute<D>(bindings::device_attribute, PhantomData<fn() -> D>);

// SAFETY: The driver core only reads it.
unsafe impl<D> Sync for DeviceAttribute<D> {}

// SAFETY: `attr` is at offset 0, as asserted above.
unsafe impl<D: 'static> Raw for DeviceAttribute<D> {}

impl<D: AsBusDevice<Normal> + 'static> DeviceAttribute<D> {
    /// Returns the `struct device_attribute` of `A`.
    pub const fn new<A: Attribute<Of = D>>() -> Self {
        let mut raw: bindings::device_attribute = pin_init::zeroed();

        raw.attr = attribute::<A>();
        raw.__bindgen_anon_1 = bindings::device_attribute__bindgen_ty_1 {
            show: Some(Self::show::<A>),
        };
        raw.__bindgen_anon_2 = bindings::device_attribute__bindgen_ty_2 {
            store: Some(Self::store::<A>),
        };
        Self(raw, PhantomData)
    }

    /// Returns the device that embeds `dev`.
    ///
    /// # Safety
    ///
    /// A `D` embeds `dev`, which has references during `'a`.
    unsafe fn device<'a>(dev: *mut bindings::device) -> Pin<&'a D> {
        // SAFETY: By the safety requirements. A device with references is not moved.
        unsafe { Pin::new_unchecked(D::from_device(Device::from_raw(dev))) }
    }

    /// # Safety
    ///
    /// As for [`Self::device`] and [`show()`].
    unsafe extern "C" fn show<A: Attribute<Of = D>>(
        dev: *mut bindings::device,
        _attr: *mut bindings::device_attribute,
        buffer: *mut c_char,
    ) -> isize {
        // SAFETY: By the safety requirements.
        unsafe { show(buffer, |f| A::show(Self::device(dev), f)) }
    }

    /// # Safety
    ///
    /// As for [`Self::device`] and [`store()`].
    unsafe extern "C" fn store<A: Attribute<Of = D>>(
        dev: *mut bindings::device,
        _attr: *mut bindings::device_attribute,
        text: *const c_char,
        count: usize,
    ) -> isize {
        // SAFETY: By the safety requirements.
        unsafe { store(text, count, |text| A::store(Self::device(dev), text)) }
    }
}

/// Attributes whose raw form is `T`.
///
/// Made by [`attributes!`](crate::attributes).
pub struct Attributes<T: 'static>([Option<&'static Group<T>>; 2]);

/// The attributes of a bus whose data is `D`.
pub type BusAttributes<D> = Attributes<BusAttribute<D>>;

/// The attributes of each device of the type `D`.
pub type DeviceAttributes<D> = Attributes<DeviceAttribute<D>>;

impl<T> Attributes<T> {
    /// Returns the attributes of `group`.
    #[doc(hidden)]
    pub const fn new(group: &'static Group<T>) -> Self {
        Self([Some(group), None])
    }

    /// Returns the value of fields such as `bus_type::bus_groups`.
    pub(crate) const fn as_raw(&'static self) -> *const *const bindings::attribute_group {
        // CAST: An `Option<&Group>` is a pointer that may be null, and `Group` wraps the C type.
        (&raw const self.0).cast()
    }
}

/// A `struct attribute_group` in a `static`.
#[doc(hidden)]
#[repr(transparent)]
pub struct Group<T>(bindings::attribute_group, PhantomData<fn() -> T>);

// SAFETY: The driver core only reads it.
unsafe impl<T> Sync for Group<T> {}

impl<T: Raw> Group<T> {
    /// Returns the group of `attributes`, of which the last is none.
    pub const fn new(attributes: &'static [Option<&'static T>]) -> Self {
        assert!(matches!(attributes, [.., None]));
        let mut group: bindings::attribute_group = pin_init::zeroed();

        // CAST: Each entry is null, or a pointer to a type that begins with a `struct attribute`.
        group.__bindgen_anon_2 = bindings::attribute_group__bindgen_ty_2 {
            attrs: attributes.as_ptr().cast_mut().cast(),
        };
        Self(group, PhantomData)
    }
}

/// Declares the attributes of a bus, or of its devices, as a `static`; see the
/// [module](crate::attribute).
#[macro_export]
macro_rules! attributes {
    ($vis:vis static $name:ident: bus = [$first:ty $(, $other:ty)* $(,)?]) => {
        $crate::attributes!(@list $vis $name [$first $(, $other)*]
            $crate::attribute::BusAttribute<<$first as $crate::attribute::Attribute>::Of>);
    };

    ($vis:vis static $name:ident: device = [$first:ty $(, $other:ty)* $(,)?]) => {
        $crate::attributes!(@list $vis $name [$first $(, $other)*]
            $crate::attribute::DeviceAttribute<<$first as $crate::attribute::Attribute>::Of>);
    };

    (@list $vis:vis $name:ident [$($attribute:ty),+] $raw:ty) => {
        $vis static $name: $crate::attribute::Attributes<$raw> = {
            static GROUP: $crate::attribute::Group<$raw> = $crate::attribute::Group::new(&[
                $({
                    static ATTRIBUTE: $raw = <$raw>::new::<$attribute>();

                    Some(&ATTRIBUTE)
                },)+
                None,
            ]);

            $crate::attribute::Attributes::new(&GROUP)
        };
    };
}

#[kunit_tests(async_probe_attribute)]
mod tests {
    use super::*;

    /// Returns the result of a read if the attribute writes `count` bytes.
    fn shown(count: usize, ignores_errors: bool) -> Result<isize> {
        let mut page = KVec::from_elem(0u8, PAGE_SIZE, GFP_KERNEL)?;
        let write = |f: &mut dyn fmt::Write| {
            for _ in 0..count {
                f.write_char('x')
                    .or_else(|err| ignores_errors.then_some(()).ok_or(err))?;
            }
            Ok(())
        };

        // SAFETY: The page is initialized, and no other task uses it.
        Ok(unsafe { show(page.as_mut_ptr().cast(), write) })
    }

    /// Returns the result of a write of `text` if the attribute expects `expected`.
    fn stored(text: &str, expected: &str) -> isize {
        let expect = |text: &BStr| match &**text == expected.as_bytes() {
            true => Ok(()),
            false => Err(ERANGE),
        };

        // SAFETY: The string is valid for reads of its length.
        unsafe { store(text.as_ptr().cast(), text.len(), expect) }
    }

    #[test]
    fn read_returns_less_than_a_page() -> Result {
        assert_eq!(shown(0, false)?, 0);
        assert_eq!(shown(5, false)?, 5);
        assert_eq!(shown(PAGE_SIZE - 1, false)?, PAGE_SIZE as isize - 1);
        assert_eq!(shown(PAGE_SIZE, false)?, EINVAL.to_errno() as isize);
        assert_eq!(shown(PAGE_SIZE + 1, true)?, EINVAL.to_errno() as isize);
        Ok(())
    }

    #[test]
    fn write_takes_text_without_white_space_around_it() {
        assert_eq!(stored("8\n", "8"), 2);
        assert_eq!(stored(" \t8 16 \n", "8 16"), 8);
        assert_eq!(stored("\n", ""), 1);
        assert_eq!(stored("8", "9"), ERANGE.to_errno() as isize);
    }
}
