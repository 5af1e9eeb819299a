// SPDX-License-Identifier: GPL-2.0

#include "slow_driver.h"
