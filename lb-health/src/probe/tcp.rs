//! TCP connect.

#[cfg(test)]
mod tests;

use async_trait::async_trait;

use crate::{HealthCheck, Outcome, Passed, Target, connect::connect_briefly};

/// Up if the target accepts a connection.
///
/// The handshake is left after the target's SYN-ACK by a reset, as HAProxy's `tcp-check connect` does it: three
/// small packets in all, the server's program does not even see it, and neither side keeps a socket in TIME_WAIT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tcp;

#[async_trait]
impl HealthCheck for Tcp {
    fn kind(&self) -> &'static str {
        "tcp"
    }

    async fn check(&self, target: &Target) -> Outcome {
        connect_briefly(target).await?;
        Ok(Passed::default())
    }
}
