// SPDX-License-Identifier: GPL-2.0

//! An I2C driver that prefers asynchronous probing, for an EEPROM of QEMU's machine pc.

use kernel::{
    device::Core,
    firmware::Firmware,
    i2c,
    prelude::*,
    time, //
};

struct SlowI2cDriver;

kernel::i2c_device_table!(
    I2C_TABLE,
    <SlowI2cDriver as i2c::Driver>::IdInfo,
    [(i2c::DeviceId::new(c"slow_i2c"), ())]
);

impl i2c::Driver for SlowI2cDriver {
    type IdInfo = ();
    type Data<'bound> = Self;
    const I2C_ID_TABLE: Option<i2c::IdTable<Self::IdInfo>> = Some(&I2C_TABLE);

    fn probe<'bound>(
        dev: &'bound i2c::I2cClient<Core<'_>>,
        _id_info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self, Error> + 'bound {
        let firmware = Firmware::request(c"async_probe/slow_i2c.fw", dev.as_ref())?;
        time::delay::fsleep(time::Delta::from_secs(8)); // Writes the firmware.
        dev_info!(
            dev.as_ref(),
            "{} bytes of firmware written\n",
            firmware.size()
        );
        Ok(Self)
    }
}

async_probe::module_async_driver! {
    bus: i2c,
    type: SlowI2cDriver,
    name: "slow_i2c_driver",
    authors: ["The async_probe authors"],
    description: "I2C driver that loads firmware slowly",
    license: "GPL",
    firmware: ["async_probe/slow_i2c.fw"],
}
