// SPDX-License-Identifier: GPL-2.0

//! Abstraction for upstream: module parameters with ranges and named choices.
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h)
//!
//! Unnecessary once the parameters of [`kernel::prelude::module!`] have ranges, named choices,
//! files in sysfs, and a refusal that names the parameter.
//!
//! [`module_params!`](crate::module_params) declares them, as in `samples/slow_platform_driver.rs`.
//! A value that does not fit is refused with `EINVAL`, and one line in dmesg says why:
//!
//! ```text
//! my_module: parameter devices=0 is invalid: expected 1..=4096
//! my_module: parameter colour=blue is invalid: expected one of red|green
//! ```
//!
//! Parameters are set while the module is loaded: of one that is given twice the last counts. From
//! then on every user can read them under `/sys/module/<module>/parameters/`.

use kernel::str::parse_int::ParseInt;

use super::bus::attribute;
use crate::prelude::*;

/// The values that a parameter accepts.
enum Accepts {
    /// The whole numbers from the first to the second, in the notations of [`ParseInt`].
    Range(u32, u32),
    /// One of these names, which `|` separates.
    Names(&'static str),
}

impl Accepts {
    /// Returns the value that `arg` stands for, if it is accepted: the number, or the index of the
    /// name.
    fn parse(&self, arg: &BStr) -> Option<u32> {
        match self {
            Self::Range(low, high) => u32::from_str(arg)
                .ok()
                .filter(|value| (*low..=*high).contains(value)),
            Self::Names(names) => names
                .split('|')
                .position(|name| name.as_bytes() == &**arg)
                .and_then(|index| u32::try_from(index).ok()),
        }
    }
}

impl fmt::Display for Accepts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(low, high) => write!(f, "{low}..={high}"),
            Self::Names(names) => write!(f, "one of {names}"),
        }
    }
}

/// A module parameter, which the `arg` of its `struct kernel_param` points to.
struct RawParam {
    module: &'static CStr,
    name: &'static str,
    accepts: Accepts,
    /// The number, or the index of the name.
    value: Atomic<u32>,
}

impl RawParam {
    /// Sets the parameter to the value that `arg` stands for.
    ///
    /// Errors: `EINVAL` if `arg` is not accepted; the value stays as it is, and dmesg says why.
    fn set(&self, arg: &BStr) -> Result {
        let Some(value) = self.accepts.parse(arg) else {
            let (name, accepts) = (self.name, &self.accepts);

            // SAFETY: The format string is one of those made for this function, and the name of
            // the module is nul-terminated.
            unsafe {
                kernel::print::call_printk(
                    &kernel::print::format_strings::ERR,
                    self.module.to_bytes_with_nul(),
                    fmt!("parameter {name}={arg} is invalid: expected {accepts}\n"),
                )
            };
            return Err(EINVAL);
        };

        self.value.store(value, Relaxed);
        Ok(())
    }
}

impl fmt::Display for RawParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.load(Relaxed);

        match self.accepts {
            Accepts::Range(..) => write!(f, "{value}"),
            Accepts::Names(names) => {
                f.write_str(names.split('|').nth(value as usize).unwrap_or(""))
            }
        }
    }
}

/// `kernel_param_ops::set`.
///
/// # Safety
///
/// `val` is null or a valid C string; `kp` is a `struct kernel_param` made by [`module_params!`].
unsafe extern "C" fn set_param(val: *const c_char, kp: *const bindings::kernel_param) -> c_int {
    // A parameter without a value comes as a null pointer.
    //
    // SAFETY: By the safety requirements; `arg` points to a `static`.
    let (param, arg) = unsafe {
        (
            &*(*kp).__bindgen_anon_1.arg.cast::<RawParam>(),
            NonNull::new(val.cast_mut()).map_or(c"", |val| CStr::from_char_ptr(val.as_ptr())),
        )
    };

    from_result(|| param.set(arg.as_ref()).map(|()| 0))
}

/// `kernel_param_ops::get`: prints the value for a read of the file in sysfs.
///
/// # Safety
///
/// `buffer` is an initialized page that no other task uses; `kp` is a `struct kernel_param` made by
/// [`module_params!`].
unsafe extern "C" fn get_param(buffer: *mut c_char, kp: *const bindings::kernel_param) -> c_int {
    // CAST: The value is a length below that of a page, or an errno.
    // SAFETY: By the safety requirements; `arg` points to a `static`.
    unsafe {
        let param = &*(*kp).__bindgen_anon_1.arg.cast::<RawParam>();
        attribute::show(buffer, |f| Ok(f.write_fmt(fmt!("{param}\n"))?)) as c_int
    }
}

#[doc(hidden)]
pub static PARAM_OPS: bindings::kernel_param_ops = bindings::kernel_param_ops {
    // `set_param()` refuses a parameter without a value, so that the line in dmesg is the same as
    // for any other refusal.
    flags: bindings::KERNEL_PARAM_OPS_FL_NOARG,
    set: Some(set_param),
    get: Some(get_param),
    free: None,
};

/// A type whose values are the choices of a module parameter, as in `samples/slow_bus.rs`.
pub trait Choice: Copy + 'static {
    /// The values that can be chosen, in the order of their discriminants, which begin with 0.
    const CHOICES: &'static [Self];

    /// Their names, as the user writes them, separated by `|`: as many as there are choices, in the
    /// same order.
    const NAMES: &'static str;
}

/// A parameter that is a number, or one of the values of a [`Choice`].
///
/// Made by [`module_params!`](crate::module_params!).
pub struct Param<T>(RawParam, PhantomData<fn() -> T>);

impl<T> Param<T> {
    const fn new(
        module: &'static CStr,
        name: &'static str,
        accepts: Accepts,
        default: u32,
    ) -> Self {
        let value = Atomic::new(default);

        Self(
            RawParam {
                module,
                name,
                accepts,
                value,
            },
            PhantomData,
        )
    }

    #[doc(hidden)]
    pub const fn as_arg(&'static self) -> *mut c_void {
        core::ptr::from_ref(&self.0).cast_mut().cast()
    }
}

impl Param<u32> {
    #[doc(hidden)]
    pub const fn range(
        module: &'static CStr,
        name: &'static str,
        (low, high): (u32, u32),
        default: u32,
    ) -> Self {
        assert!(low <= default && default <= high);
        Self::new(module, name, Accepts::Range(low, high), default)
    }

    /// Returns the number.
    pub fn value(&self) -> u32 {
        self.0.value.load(Relaxed)
    }
}

impl<T: Choice> Param<T> {
    #[doc(hidden)]
    pub const fn choice(module: &'static CStr, name: &'static str, default: u32) -> Self {
        let mut names = 1;
        let mut i = 0;
        while i < T::NAMES.len() {
            names += (T::NAMES.as_bytes()[i] == b'|') as usize;
            i += 1;
        }
        assert!(T::CHOICES.len() == names && (default as usize) < names);
        Self::new(module, name, Accepts::Names(T::NAMES), default)
    }

    /// Returns the value that was chosen.
    pub fn value(&self) -> T {
        let index = self.0.value.load(Relaxed) as usize;

        // Only indices of `T::NAMES` are stored, which is as long as `T::CHOICES`.
        T::CHOICES.get(index).copied().unwrap_or(T::CHOICES[0])
    }
}

/// Returns an entry of the section `.modinfo`, and its length: `parts`, then a nul, which are at
/// most 256 bytes.
#[doc(hidden)]
pub const fn modinfo(parts: &[&str]) -> ([u8; 256], usize) {
    let (mut entry, mut len) = ([0; 256], 0);
    let mut i = 0;
    while i < parts.len() {
        let mut j = 0;
        while j < parts[i].len() {
            entry[len] = parts[i].as_bytes()[j];
            len += 1;
            j += 1;
        }
        i += 1;
    }
    (entry, len + 1)
}

/// Declares the parameters of a module, see the [documentation of the module](self).
///
/// They become the items of a module `parameters`. `module` is the name that the kernel module has
/// in [`kernel::prelude::module!`]. Numbers are written as literals, so that modinfo can show them.
#[macro_export]
macro_rules! module_params {
    (module: $module:literal, $($name:ident: $kind:ident { $($fields:tt)* },)+) => {
        /// The module parameters.
        mod parameters {
            use super::*;

            $($crate::module_params!(@$kind $module, $name, $($fields)*);)+
        }
    };

    (@range $module:literal, $name:ident,
        default: $default:literal, values: $low:literal..=$high:literal,
        description: $text:literal $(,)?
    ) => {
        $crate::module_params!(@param $module, $name, $text, u32,
            range(($low, $high), $default), ::core::concat!($low, "..=", $high));
    };

    (@choice $module:literal, $name:ident,
        default: $default:expr, values: $type:ty, description: $text:literal $(,)?
    ) => {
        // The default is stored as the index of its name.
        const _: () = ::core::assert!(
            <$type as $crate::module_param::Choice>::CHOICES[$default as usize] as u32
                == $default as u32
        );

        $crate::module_params!(@param $module, $name, $text, $type,
            choice($default as u32), <$type as $crate::module_param::Choice>::NAMES);
    };

    (@param $module:literal, $name:ident, $text:literal, $type:ty,
        $new:ident($($arg:expr),*), $values:expr
    ) => {
        #[doc = $text]
        #[allow(non_upper_case_globals)]
        pub(crate) static $name: $crate::module_param::Param<$type> =
            $crate::module_param::Param::<$type>::$new(
                ::kernel::c_str!($module),
                ::core::stringify!($name),
                $($arg),*
            );

        const _: () = {
            #[link_section = "__param"]
            #[used(compiler)]
            static PARAM: ::kernel::module_param::KernelParam =
                ::kernel::module_param::KernelParam::new(::kernel::bindings::kernel_param {
                    name: ::kernel::str::as_char_ptr_in_const_context(if ::core::cfg!(MODULE) {
                        ::kernel::c_str!(::core::stringify!($name))
                    } else {
                        ::kernel::c_str!(::core::concat!($module, ".", ::core::stringify!($name)))
                    }),
                    #[cfg(MODULE)]
                    // SAFETY: The kernel makes `__this_module` when it loads the module, and frees
                    // it when it unloads the module.
                    mod_: unsafe {
                        ::core::ptr::from_ref(&::kernel::bindings::__this_module).cast_mut()
                    },
                    #[cfg(not(MODULE))]
                    mod_: ::core::ptr::null_mut(),
                    ops: &raw const $crate::module_param::PARAM_OPS,
                    perm: 0o444,
                    level: -1,
                    flags: 0,
                    __bindgen_anon_1: ::kernel::bindings::kernel_param__bindgen_ty_1 {
                        arg: $name.as_arg(),
                    },
                });

            /// Built-in modules put their name before each entry of the section.
            const PREFIX: &str = if ::core::cfg!(MODULE) {
                ""
            } else {
                ::core::concat!($module, ".")
            };

            const NAME: &str = ::core::stringify!($name);
            const TYPE: ([u8; 256], usize) =
                $crate::module_param::modinfo(&[PREFIX, "parmtype=", NAME, ":", $values]);
            const TEXT: ([u8; 256], usize) =
                $crate::module_param::modinfo(&[PREFIX, "parm=", NAME, ":", $text]);

            #[link_section = ".modinfo"]
            #[used(compiler)]
            static MODINFO_TYPE: [u8; TYPE.1] = *TYPE.0.first_chunk().unwrap();

            #[link_section = ".modinfo"]
            #[used(compiler)]
            static MODINFO_TEXT: [u8; TEXT.1] = *TEXT.0.first_chunk().unwrap();
        };
    };
}

#[kunit_tests(async_probe_module_param)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Colour {
        Red,
        Green,
    }

    impl Choice for Colour {
        const CHOICES: &'static [Self] = &[Self::Red, Self::Green];
        const NAMES: &'static str = "red|green";
    }

    const RANGE: Accepts = Accepts::Range(1, 4096);
    const NAMES: Accepts = Accepts::Names(Colour::NAMES);

    fn parse(accepts: &Accepts, arg: &str) -> Option<u32> {
        accepts.parse(BStr::from_bytes(arg.as_bytes()))
    }

    fn prints(value: &dyn fmt::Display, text: &str) -> Result<bool> {
        Ok(CString::try_from_fmt(fmt!("{value}"))?.to_bytes() == text.as_bytes())
    }

    #[test]
    fn range_accepts_its_ends_and_no_more() {
        assert_eq!(parse(&RANGE, "1"), Some(1));
        assert_eq!(parse(&RANGE, "4096"), Some(4096));
        assert_eq!(parse(&RANGE, "0x10"), Some(16));
        for arg in ["0", "4097", "4294967297", "-1", "1 ", ""] {
            assert_eq!(parse(&RANGE, arg), None);
        }
    }

    #[test]
    fn names_are_accepted_whole() {
        assert_eq!(parse(&NAMES, "red"), Some(0));
        assert_eq!(parse(&NAMES, "green"), Some(1));
        for arg in ["gree", "Red", "0", ""] {
            assert_eq!(parse(&NAMES, arg), None);
        }
    }

    #[test]
    fn parameter_keeps_its_value_when_it_refuses() -> Result {
        let number = Param::range(c"async_probe", "kunit", (1, 4096), 8);
        let colour = Param::<Colour>::choice(c"async_probe", "kunit", Colour::Green as u32);

        number.0.set(BStr::from_bytes(b"9"))?;
        colour.0.set(BStr::from_bytes(b"red"))?;
        assert!(number.0.set(BStr::from_bytes(b"0")) == Err(EINVAL));
        assert!(colour.0.set(BStr::from_bytes(b"0")) == Err(EINVAL));
        assert_eq!(number.value(), 9);
        assert_eq!(colour.value(), Colour::Red);
        assert!(prints(&RANGE, "1..=4096")? && prints(&NAMES, "one of red|green")?);
        assert!(prints(&number.0, "9")?);
        assert!(prints(&colour.0, "red")?);
        Ok(())
    }

    #[test]
    fn modinfo_ends_with_a_nul() {
        let (entry, len) = modinfo(&["parmtype=", "colour:", Colour::NAMES]);

        assert_eq!(&entry[..len], b"parmtype=colour:red|green\0");
    }
}
