//! A check that can not be made.

use async_trait::async_trait;
use lb_health::{Failure, FailureKind, HealthCheck, Outcome, Target};

/// Never passes: nobody knows that the server is well, and `status` says why.
#[derive(Debug)]
pub struct Unusable {
    /// Why the check can not be made.
    pub why: String,
}

#[async_trait]
impl HealthCheck for Unusable {
    fn kind(&self) -> &'static str {
        "impossible"
    }

    async fn check(&self, _target: &Target) -> Outcome {
        Err(Failure::new(FailureKind::Misconfigured, &self.why))
    }
}
