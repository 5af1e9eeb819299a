// SPDX-License-Identifier: GPL-2.0

//! Abstraction for upstream: the probe type of a driver.
//!
//! C header: [`include/linux/device/driver.h`](srctree/include/linux/device/driver.h)
//!
//! Unnecessary once `driver::Registration` or the bus adapters of the `kernel` crate set the field
//! `probe_type` of `struct device_driver` (`scripts/series/probe_type`).
//!
//! An [`Adapter`] stands between [`kernel::driver::Registration`] and the adapter of any bus.
//! [`module_async_driver!`](crate::module_async_driver) declares a module with such a driver, whose
//! slow probes run in parallel.

use super::adapter;
use super::module_param::Choice;
use crate::prelude::*;

/// `PROBE_PREFER_ASYNC_DOMAIN`, or -1 if this kernel does not have it.
const DOMAIN: i32 = bindings::ASYNC_PROBE_PREFER_ASYNC_DOMAIN;

/// When the driver core calls the probe function of a driver: `enum probe_type`.
///
/// The type is a preference. It only concerns the initial binding, which follows the registration
/// of a driver or a device, and deferral. Binding through sysfs (`bind`, `drivers_probe`) is always
/// synchronous (`drivers/base/dd.c`, `device_driver_attach()` and `device_attach()`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeType {
    /// `PROBE_DEFAULT_STRATEGY`: synchronous, unless the user asks for asynchronous probing with
    /// `driver_async_probe=` on the kernel command line or with the module parameter `async_probe`.
    DefaultStrategy,
    /// `PROBE_PREFER_ASYNCHRONOUS`: each device is probed by a worker of its own.
    ///
    /// Loading the module still waits for these probes (`kernel/module/main.c`,
    /// `do_init_module()`), unless the module is loaded with the parameter `async_probe`.
    PreferAsynchronous,
    /// `PROBE_FORCE_SYNCHRONOUS`: the registering task probes one device after the other, and
    /// registration returns after the last one, whatever the user asks for.
    ForceSynchronous,
    /// `PROBE_PREFER_ASYNC_DOMAIN`: as [`Self::PreferAsynchronous`], in a domain of the driver.
    ///
    /// Loading a module does not wait for these probes, not even loading the driver's own module.
    /// Unregistering the driver waits for them. It needs a kernel with the patches in
    /// `scripts/series/driver_domain`.
    PreferAsyncDomain,
}

impl ProbeType {
    /// Returns the value of `enum probe_type`, if this kernel has the type.
    const fn into_raw(self) -> Option<bindings::probe_type> {
        match self {
            Self::DefaultStrategy => Some(bindings::probe_type_PROBE_DEFAULT_STRATEGY),
            Self::PreferAsynchronous => Some(bindings::probe_type_PROBE_PREFER_ASYNCHRONOUS),
            Self::ForceSynchronous => Some(bindings::probe_type_PROBE_FORCE_SYNCHRONOUS),
            Self::PreferAsyncDomain if DOMAIN < 0 => None,
            Self::PreferAsyncDomain => Some(DOMAIN as bindings::probe_type),
        }
    }

    /// Returns the type that a value of `enum probe_type` stands for, if any.
    pub(crate) fn from_raw(raw: bindings::probe_type) -> Option<Self> {
        let mut types = Self::CHOICES.iter();

        types.find(|this| this.into_raw() == Some(raw)).copied()
    }

    /// Returns the name that module parameters and dmesg use for the type.
    pub fn name(self) -> &'static str {
        Self::NAMES.split('|').nth(self as usize).unwrap_or("")
    }
}

impl Choice for ProbeType {
    const CHOICES: &'static [Self] = &[
        Self::DefaultStrategy,
        Self::PreferAsynchronous,
        Self::ForceSynchronous,
        Self::PreferAsyncDomain,
    ];
    const NAMES: &'static str =
        "default_strategy|prefer_asynchronous|force_synchronous|prefer_async_domain";
}

/// The choice of the [`ProbeType`] that a driver is registered with.
///
/// A driver whose type is known at compile time takes [`PreferAsynchronous`] or one of its
/// siblings. A driver that reads it from a module parameter implements the trait.
pub trait Strategy {
    /// Returns the probe type. Called once for each registration, in the registering task.
    fn probe_type() -> ProbeType;
}

macro_rules! strategies {
    ($($name:ident)*) => {$(
        #[doc = concat!("[`ProbeType::", stringify!($name), "`] as a [`Strategy`].")]
        pub struct $name;

        impl Strategy for $name {
            fn probe_type() -> ProbeType {
                ProbeType::$name
            }
        }
    )*};
}

strategies!(DefaultStrategy PreferAsynchronous ForceSynchronous PreferAsyncDomain);

/// An adapter that sets the probe type and leaves all else to `A`, the adapter of a bus.
/// Registration fails with `EOPNOTSUPP` if the kernel does not have the type.
///
/// # Examples
///
/// ```
/// use async_probe::{platform::*, probe_type};
/// use kernel::{device::Core, driver, platform, sync::atomic::*};
///
/// static PROBES: Atomic<u32> = Atomic::new(0);
///
/// struct Slow;
///
/// impl platform::Driver for Slow {
///     type IdInfo = ();
///     type Data<'bound> = Self;
///
///     fn probe<'bound>(
///         _pdev: &'bound platform::Device<Core<'_>>,
///         _id_info: Option<&'bound Self::IdInfo>,
///     ) -> impl PinInit<Self, Error> + 'bound {
///         PROBES.fetch_add(1, Relaxed);
///         Ok::<_, Error>(Self)
///     }
/// }
///
/// type Adapter = probe_type::Adapter<platform::Adapter<Slow>, probe_type::PreferAsynchronous>;
///
/// # let module = kernel::module::this_module::<crate::LocalModule>();
/// let _device = DeviceRegistration::new(c"doctest_slow", Id::None)?;
/// let driver = driver::Registration::<Adapter>::new(c"doctest_slow", module);
/// let driver = KBox::pin_init(driver, GFP_KERNEL)?;
///
/// // Unregistering the driver waits for its asynchronous probes.
/// drop(driver);
/// assert_ne!(PROBES.load(Relaxed), 0);
/// # Ok::<(), Error>(())
/// ```
pub type Adapter<A, S> = adapter::Adapter<A, SetProbeType<S>>;

/// The hooks of [`Adapter`].
pub struct SetProbeType<S>(PhantomData<S>);

impl<A: RegistrationOps, S: Strategy> adapter::Hooks<A> for SetProbeType<S> {
    #[inline]
    fn register(mut driver: adapter::Unregistered<'_, A>) -> Result<adapter::Registered<'_, A>> {
        // Linux 7.2 has no constant for it in `kernel::error::code`.
        let unsupported = || Error::from_errno(-(bindings::EOPNOTSUPP as i32));
        driver.set_probe_type(S::probe_type().into_raw().ok_or_else(unsupported)?);
        driver.register()
    }
}

/// Declares a module that exposes a single driver, of any bus, which prefers asynchronous probing.
///
/// `bus` is the path of the bus's Rust module, such as `platform`, `pci`, `auxiliary`, `i2c`, or
/// [`bus`](crate::bus) for buses in Rust. The other fields are those of
/// [`kernel::module_platform_driver!`]. `samples/slow_pci_driver.rs` is an example.
#[macro_export]
macro_rules! module_async_driver {
    (bus: $($bus:ident)::+, $($f:tt)*) => {
        ::kernel::module_driver!(
            <T>,
            $crate::probe_type::Adapter<
                $($bus)::+::Adapter<T>,
                $crate::probe_type::PreferAsynchronous,
            >,
            { $($f)* }
        );
    };
}

#[kunit_tests(async_probe_probe_type)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_those_of_c_and_have_names() {
        assert_eq!(
            ProbeType::CHOICES.len(),
            ProbeType::NAMES.split('|').count()
        );
        for (index, probe_type) in ProbeType::CHOICES.iter().enumerate() {
            assert_eq!(*probe_type as usize, index);
        }
        let raw = [
            bindings::probe_type_PROBE_DEFAULT_STRATEGY,
            bindings::probe_type_PROBE_PREFER_ASYNCHRONOUS,
            bindings::probe_type_PROBE_FORCE_SYNCHRONOUS,
        ];
        for (raw, probe_type) in raw.into_iter().zip(ProbeType::CHOICES) {
            assert_eq!(ProbeType::from_raw(raw), Some(*probe_type));
        }
        assert_eq!(ProbeType::from_raw(bindings::probe_type::MAX), None);
    }
}
