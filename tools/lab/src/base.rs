// SPDX-License-Identifier: GPL-2.0

//! The base of the guest's initramfs, with the program that has to be built for it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::arch::Arch;
use crate::environment::Environment;
use crate::error::Result;
use crate::initramfs::Initramfs;
use crate::programs;
use crate::project::Project;

/// What the base is made from.
#[derive(Debug)]
pub(crate) struct Base {
    project: Project,
    env: Environment,
    arch: &'static Arch,
    /// The program, once it is built.
    late: Mutex<Option<PathBuf>>,
}

impl Base {
    /// That of the guests of an architecture.
    pub(crate) fn new(project: &Project, env: &Environment, arch: &'static Arch) -> Self {
        Self {
            project: project.clone(),
            env: env.clone(),
            arch,
            late: Mutex::default(),
        }
    }

    /// The files of the base; builds what is missing.
    pub(crate) fn files(&self) -> Result<Initramfs> {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        if late.is_none() {
            *late = Some(programs::late_initramfs(&self.project, self.arch)?);
        }
        Initramfs::base(&self.env, late.as_deref().unwrap_or(Path::new("")))
    }
}
