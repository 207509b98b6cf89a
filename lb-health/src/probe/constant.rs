//! Checks that look at nothing.

use async_trait::async_trait;

use crate::{Failure, FailureKind, HealthCheck, Outcome, Passed, Target};

/// Always up: `checktype=on`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlwaysUp;

/// Always down, at once and whatever `fall` says ([`FailureKind::Administrative`]): `checktype=off`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlwaysDown;

#[async_trait]
impl HealthCheck for AlwaysUp {
    fn kind(&self) -> &'static str {
        "on"
    }

    async fn check(&self, _: &Target) -> Outcome {
        Ok(Passed::default())
    }
}

#[async_trait]
impl HealthCheck for AlwaysDown {
    fn kind(&self) -> &'static str {
        "off"
    }

    async fn check(&self, _: &Target) -> Outcome {
        Err(Failure::new(FailureKind::Administrative, "the configuration says so"))
    }
}
