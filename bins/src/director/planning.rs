//! What a reload would change, for those who ask before they do it.

use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot};

use super::{
    engine::Director,
    loading::{LoadError, Loaded, load},
    policy::policy,
};
use crate::{control::protocol::Answer, services::plan::plan};

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

    /// Begins to read. The control socket bounds how many ask at a time. Must be called inside a tokio runtime.
    pub(super) fn begin(&self, path: PathBuf, strict: bool, reply: oneshot::Sender<Answer>) {
        let sender = self.sender.clone();
        tokio::task::spawn_blocking(move || {
            let result = load(&path, strict);
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
            Ok(Loaded { config, warnings }) => {
                let mut next = self.state.clone();
                next.configure(policy(&config), self.clock.now(), "");
                plan(Some(&self.upkeep), next, path, warnings).await
            }
            Err(errors) => Answer::Error(format!("a reload would be refused: {errors}")),
        };
        // Whoever asked may be gone.
        let _ = reply.send(answer);
    }
}
