//! What a reload would change, for those who ask before they do it.

use std::path::{Path, PathBuf};

use lb_balancer::plan::plan;
use lb_control::protocol::{Answer, Plan, ProposedConfig};
use tokio::sync::{mpsc, oneshot};

use super::{
    engine::Director,
    loading::{LoadError, Loaded, check_proposed, load},
    policy::policy,
};

/// Reads configurations beside everything else: a name server may be slow.
#[derive(Debug)]
pub(super) struct Planning {
    sender: mpsc::UnboundedSender<Proposal>,
    receiver: mpsc::UnboundedReceiver<Proposal>,
}

/// A configuration that was read, and who wants to know what it would change.
#[derive(Debug)]
pub(super) struct Proposal {
    path: PathBuf,
    result: Result<Loaded, LoadError>,
    reply: oneshot::Sender<Answer>,
}

impl Planning {
    pub(super) fn new() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self { sender, receiver }
    }

    /// Begins to read what was proposed, else the file at `own`. The control socket bounds how many ask at a time. Must be
    /// called inside a tokio runtime.
    pub(super) fn begin(
        &self,
        proposed: Option<Box<ProposedConfig>>,
        own: &Path,
        strict: bool,
        reply: oneshot::Sender<Answer>,
    ) {
        let (sender, own) = (self.sender.clone(), own.to_owned());
        tokio::task::spawn_blocking(move || {
            let (path, result) = match proposed {
                Some(proposed) => {
                    let ProposedConfig { path, source, .. } = *proposed;
                    (path, check_proposed(&source, strict).and_then(Loaded::checkable))
                }
                None => (own.clone(), load(&own, strict).and_then(Loaded::checkable)),
            };
            // Nobody listens any more when the daemon stops.
            let _ = sender.send(Proposal { path, result, reply });
        });
    }

    /// Waits for one that was read. Cancel safe.
    pub(super) async fn proposal(&mut self) -> Proposal {
        match self.receiver.recv().await {
            Some(proposal) => proposal,
            None => std::future::pending().await,
        }
    }
}

impl Director {
    /// Answers what a configuration would change.
    pub(super) async fn plan(&self, Proposal { path, result, reply }: Proposal) {
        let answer = match result {
            Ok(Loaded { config, .. }) if config.virtuals.is_empty() => Answer::Error(format!(
                "{} has no virtual service, so there is nothing to plan for",
                path.display()
            )),
            Ok(Loaded { config, warnings }) => {
                let mut next = self.state.clone();
                next.configure(policy(&config), self.clock.now(), "");
                plan(Some(&self.upkeep), next, Plan { config: path, warnings, ..Plan::default() }).await
            }
            Err(errors) => Answer::refused("a reload would be refused", &errors, errors.problems()),
        };
        // Whoever asked may be gone.
        let _ = reply.send(answer);
    }
}
