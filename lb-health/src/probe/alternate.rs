//! A cheap check most of the time, and a thorough one now and then.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;

use crate::{HealthCheck, Outcome, Target};

/// The thorough check first, then `cheap_looks` times the cheap one, and so on: ldirectord's `checktype=N`. After
/// a look that did not pass the next one is thorough.
#[derive(Debug)]
pub struct Alternate {
    cheap: Arc<dyn HealthCheck>,
    thorough: Arc<dyn HealthCheck>,
    cheap_looks: NonZeroU32,
    progress: Progress,
}

/// Cheap looks left for each target before the next thorough one.
#[derive(Default)]
struct Progress(Mutex<HashMap<Target, u32>>);

/// Targets that are remembered. Beyond that all are forgotten, which costs each a thorough look.
const TARGETS: usize = 1 << 16;

impl Alternate {
    /// `cheap_looks` looks of `cheap`, then one of `thorough`.
    pub fn new(cheap: Arc<dyn HealthCheck>, cheap_looks: NonZeroU32, thorough: Arc<dyn HealthCheck>) -> Self {
        Self { cheap, thorough, cheap_looks, progress: Progress::default() }
    }
}

#[async_trait]
impl HealthCheck for Alternate {
    fn kind(&self) -> &'static str {
        "alternate"
    }

    fn identity(&self) -> String {
        format!(
            "alternate {} of [{}], then [{}]",
            self.cheap_looks,
            self.cheap.identity(),
            self.thorough.identity()
        )
    }

    async fn check(&self, target: &Target) -> Outcome {
        // Taken out, so that a look that is dropped at its deadline counts as one that did not pass.
        let left = self.progress.take(target);
        let (probe, left) = match left.checked_sub(1) {
            Some(left) => (&self.cheap, left),
            None => (&self.thorough, self.cheap_looks.get()),
        };
        let passed = probe.check(target).await?;
        self.progress.put(target, left);
        Ok(passed)
    }
}

impl Progress {
    fn take(&self, target: &Target) -> u32 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(target).unwrap_or(0)
    }

    fn put(&self, target: &Target, left: u32) {
        let mut targets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if targets.len() >= TARGETS {
            targets.clear();
        }
        targets.insert(target.clone(), left);
    }
}

/// Not part of what the check is.
impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}
