//! What a probe that does not always look in the same way remembers of each target.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use crate::Target;

/// A number for each target that was last looked at with success.
#[derive(Default)]
pub(super) struct Progress(Mutex<HashMap<Target, u32>>);

/// Targets that are remembered. Beyond that all are forgotten, which costs each a thorough look.
const TARGETS: usize = 1 << 16;

impl Progress {
    /// Takes out what is remembered; `None`: nothing.
    pub(super) fn take(&self, target: &Target) -> Option<u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(target)
    }

    /// Remembers a number.
    pub(super) fn put(&self, target: &Target, number: u32) {
        let mut targets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if targets.len() >= TARGETS {
            targets.clear();
        }
        targets.insert(target.clone(), number);
    }
}

/// Not part of what the check is.
impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}
