// SPDX-License-Identifier: GPL-2.0

//! The event log of asynchronous probing: parsers, laws and timing.
