//! The trait that every probe implements.

use std::fmt;

use async_trait::async_trait;

use crate::{Outcome, Target};

/// Looks at a target once and says what it saw. Counting rises and falls is `Tally`'s, what a
/// downed server means for the balancing is `lb_core::desired`'s.
#[async_trait]
pub trait HealthCheck: Send + Sync + fmt::Debug {
    /// The kind in one word, as logs and `status` show it: `tcp`, `http`, `mysql`, …
    fn kind(&self) -> &'static str;

    /// A text that is equal for two checks exactly if they look at a target in the same way. The runner lets all
    /// services share one check of the same identity and target. By default the `Debug` form, so that has to show
    /// every setting; secrets show as a digest (see `Secret`).
    fn identity(&self) -> String {
        format!("{} {self:?}", self.kind())
    }

    /// Looks once.
    ///
    /// Cancel safe: the caller bounds the whole look by dropping the future at its deadline, and everything that
    /// the look has opened or started is then gone. A probe reads a bounded amount, whatever the peer sends.
    async fn check(&self, target: &Target) -> Outcome;
}
