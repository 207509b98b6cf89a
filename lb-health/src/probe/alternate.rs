//! A cheap check most of the time, and a thorough one now and then.

#[cfg(test)]
mod tests;

use std::{num::NonZeroU32, sync::Arc};

use async_trait::async_trait;

use super::progress::Progress;
use crate::{HealthCheck, Outcome, Target};

/// The thorough check first, then `cheap_looks` times the cheap one, and so on: ldirectord's `checktype=N`. After
/// a look that did not pass the next one is thorough.
#[derive(Debug)]
pub struct Alternate {
    cheap: Arc<dyn HealthCheck>,
    thorough: Arc<dyn HealthCheck>,
    cheap_looks: NonZeroU32,
    /// Cheap looks left before the next thorough one.
    left: Progress,
}

impl Alternate {
    /// `cheap_looks` looks of `cheap`, then one of `thorough`.
    pub fn new(cheap: Arc<dyn HealthCheck>, cheap_looks: NonZeroU32, thorough: Arc<dyn HealthCheck>) -> Self {
        Self { cheap, thorough, cheap_looks, left: Progress::default() }
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
        let left = self.left.take(target).unwrap_or(0);
        let (probe, left) = match left.checked_sub(1) {
            Some(left) => (&self.cheap, left),
            None => (&self.thorough, self.cheap_looks.get()),
        };
        let passed = probe.check(target).await?;
        self.left.put(target, left);
        Ok(passed)
    }
}
