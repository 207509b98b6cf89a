//! Several checks of one target, one at a time while all is well.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::timeout;

use super::progress::Progress;
use crate::{Failure, FailureKind, HealthCheck, Outcome, Passed, Target};

/// Several checks that all have to pass. While they do, each look makes the next one of them, in turn; the first look,
/// and one after a look that did not pass, makes all of them: a server that comes back is known to be well in every
/// respect, and a failure is looked at again in all of them.
///
/// keepalived does the same for the URLs of a check, except that recovery takes one look for each unless
/// `fast_recovery` is set.
#[derive(Debug)]
pub struct Rounds {
    probes: Vec<Arc<dyn HealthCheck>>,
    each: Duration,
    next: Progress,
}

impl Rounds {
    /// These in turn; none may take longer than `each`. Without any, every look passes.
    pub fn new(probes: Vec<Arc<dyn HealthCheck>>, each: Duration) -> Self {
        Self { probes, each, next: Progress::default() }
    }

    async fn one(&self, index: usize, target: &Target) -> Outcome {
        let Some(probe) = self.probes.get(index) else { return Ok(Passed::default()) };
        timeout(self.each, probe.check(target)).await.unwrap_or_else(|_| {
            Err(Failure::new(FailureKind::Timeout, format_args!("no result after {:?}", self.each)))
        })
    }
}

#[async_trait]
impl HealthCheck for Rounds {
    fn kind(&self) -> &'static str {
        self.probes.first().map_or("rounds", |probe| probe.kind())
    }

    fn identity(&self) -> String {
        let probes: Vec<String> = self.probes.iter().map(|probe| probe.identity()).collect();
        format!("rounds of [{}], {:?} each", probes.join("], ["), self.each)
    }

    async fn check(&self, target: &Target) -> Outcome {
        // Taken out, so that a look that is dropped at its deadline counts as one that did not pass.
        let Some(next) = self.next.take(target) else {
            let mut last = Passed::default();
            for index in 0..self.probes.len() {
                last = self.one(index, target).await?;
            }
            self.next.put(target, 0);
            return Ok(last);
        };
        let index = usize::try_from(next).unwrap_or(0);
        let passed = self.one(index, target).await?;
        let following = if index + 1 < self.probes.len() { next + 1 } else { 0 };
        self.next.put(target, following);
        Ok(passed)
    }
}
