// SPDX-License-Identifier: GPL-2.0

//! The texts of the dmesg interface, and of userspace's calls.

use std::str::FromStr;

use serde::de::value::{Error, StrDeserializer};
use serde::de::DeserializeOwned;

use super::number::{digits, number};
use super::refusal::Reason;
use crate::event::{Call, SmolStr, What};
use crate::micros::Micros;
use crate::probe_type::ProbeType;

/// The text of an event of the kernel side, without its prefix.
pub(super) fn kernel_event(text: &str) -> Result<What, Reason> {
    let (word, mut keys) = Keys::of(text);
    let what = match word {
        "registered" => What::Registered {
            driver: keys.name("driver")?,
            probe_type: keys.probe_type()?,
            ret: keys.ret()?,
            took: keys.ms()?,
        },
        "probe_began" => {
            return Ok(What::ProbeBegan {
                device: keys.name("dev")?,
                driver: keys.name("driver")?,
                asynchronous: keys.flag("async")?,
                cpu: keys.number("cpu")?,
                pid: keys.number("pid")?,
                task: keys.tail("task")?,
            })
        }
        "firmware_arrived" => What::FirmwareArrived {
            device: keys.name("dev")?,
            driver: keys.name("driver")?,
            bytes: keys.number("bytes")?,
            ret: keys.ret()?,
            took: keys.ms()?,
        },
        "probe_ended" => What::ProbeEnded {
            device: keys.name("dev")?,
            driver: keys.name("driver")?,
            ret: keys.ret()?,
            took: keys.ms()?,
        },
        "ready" => What::Ready {
            device: keys.name("dev")?,
            driver: keys.name("driver")?,
            ret: keys.ret()?,
            took: keys.ms()?,
        },
        "removing" => What::Removing {
            device: keys.name("dev")?,
            driver: keys.name("driver")?,
        },
        "unbound" => What::Unbound {
            device: keys.name("dev")?,
            driver: keys.name("driver")?,
        },
        "devres_released" => What::DevresReleased {
            device: keys.name("dev")?,
            driver: keys.name("driver")?,
        },
        "unregistered" => What::Unregistered {
            driver: keys.name("driver")?,
            took: keys.ms()?,
        },
        word => return Err(Reason::UnknownEvent(word.to_owned())),
    };
    keys.end().map(|()| what)
}

/// The text of an event of userspace, without its prefix.
pub(super) fn user_event(text: &str) -> Result<What, Reason> {
    let (word, mut keys) = Keys::of(text);
    let what = match word {
        "call_began" => What::CallBegan {
            call: keys.call()?,
            on: keys.name("on")?,
            pid: keys.number("pid")?,
            async_probe: keys.optional("async_probe", Keys::flag)?,
        },
        "call_returned" => What::CallReturned {
            call: keys.call()?,
            on: keys.name("on")?,
            pid: keys.number("pid")?,
            ret: keys.ret()?,
        },
        "loaded" => What::Loaded {
            module: keys.name("mod")?,
            at: keys.parsed("at", "an address", |value| {
                u64::from_str_radix(value.strip_prefix("0x")?, 16).ok()
            })?,
            bytes: keys.number("bytes")?,
        },
        word => return Err(Reason::UnknownEvent(word.to_owned())),
    };
    keys.end().map(|()| what)
}

/// The value of a type that has this name.
fn named<T: DeserializeOwned>(name: &str) -> Option<T> {
    T::deserialize(StrDeserializer::<Error>::new(name)).ok()
}

/// The `key=value` pairs of a line, one space between them.
struct Keys<'a>(Option<&'a str>);

impl<'a> Keys<'a> {
    /// Splits the first word off.
    fn of(text: &'a str) -> (&'a str, Self) {
        match text.split_once(' ') {
            Some((word, rest)) => (word, Self(Some(rest))),
            None => (text, Self(None)),
        }
    }

    /// The value of the next key and all that follows.
    fn rest(&mut self, key: &'static str) -> Result<&'a str, Reason> {
        self.0
            .take()
            .and_then(|rest| rest.strip_prefix(key)?.strip_prefix('='))
            .ok_or(Reason::Key(key))
    }

    /// The value of the next key, whatever it is.
    fn value(&mut self, key: &'static str) -> Result<&'a str, Reason> {
        let rest = self.rest(key)?;
        match rest.split_once(' ') {
            Some((value, rest)) => {
                self.0 = Some(rest);
                Ok(value)
            }
            None => Ok(rest),
        }
    }

    /// The value of the next key if `read` understands it.
    fn parsed<T>(
        &mut self,
        key: &'static str,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Reason> {
        let value = self.value(key)?;
        read(value).ok_or_else(|| Reason::BadValue {
            key,
            value: value.to_owned(),
            expected,
        })
    }

    fn name(&mut self, key: &'static str) -> Result<SmolStr, Reason> {
        self.parsed(key, "a name", |value| {
            (!value.is_empty()).then(|| value.into())
        })
    }

    fn number<T: FromStr>(&mut self, key: &'static str) -> Result<T, Reason> {
        self.parsed(key, "a number in range", number)
    }

    fn flag(&mut self, key: &'static str) -> Result<bool, Reason> {
        self.parsed(key, "0 or 1", |value| match value {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        })
    }

    fn ret(&mut self) -> Result<i32, Reason> {
        self.parsed("ret", "0 or a negative errno", |value| match value {
            "0" => Some(0),
            // Through i64, so that the lowest number is in range too.
            value => number::<i64>(value.strip_prefix('-')?)
                .filter(|errno| *errno != 0)
                .and_then(|errno| i32::try_from(-errno).ok()),
        })
    }

    fn ms(&mut self) -> Result<Micros, Reason> {
        self.parsed("ms", "milliseconds with three decimals", |value| {
            let (millis, micros) = value.split_once('.')?;
            let millis: u64 = number(millis)?;
            let micros: u64 = digits(micros).filter(|_| micros.len() == 3)?;
            millis.checked_mul(1000)?.checked_add(micros).map(Micros)
        })
    }

    fn probe_type(&mut self) -> Result<ProbeType, Reason> {
        self.parsed("probe_type", "a probe type", named)
    }

    fn call(&mut self) -> Result<Call, Reason> {
        self.parsed("call", "a call", named)
    }

    /// The value of the next key if it is this one.
    fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Self, &'static str) -> Result<T, Reason>,
    ) -> Result<Option<T>, Reason> {
        let next = self.0.and_then(|rest| rest.split('=').next());
        match next == Some(key) {
            true => read(self, key).map(Some),
            false => Ok(None),
        }
    }

    /// The value of the last key, which may contain spaces.
    fn tail(mut self, key: &'static str) -> Result<SmolStr, Reason> {
        self.rest(key).map(SmolStr::from)
    }

    /// Nothing follows.
    fn end(self) -> Result<(), Reason> {
        match self.0 {
            Some(rest) => Err(Reason::Trailing(rest.to_owned())),
            None => Ok(()),
        }
    }
}
