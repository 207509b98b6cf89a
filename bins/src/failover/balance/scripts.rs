//! `notify_up`, `notify_down`, `quorum_up` and `quorum_down`.

use std::{collections::HashMap, time::Duration};

use tokio::{sync::mpsc, task::JoinSet, time::timeout};

use crate::{
    config::keepalived::model::{ScriptCommand, VirtualName},
    failover::program::{Policy, Program},
    runtime::log::Log,
};

/// Scripts that wait for one virtual server. More are left out, with a line in the log.
const WAITING: usize = 64;

/// For how long a script may run; then its process group is ended.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs scripts: those of one virtual server one after the other, in the order of what happened.
pub(super) struct Scripts {
    queues: HashMap<VirtualName, mpsc::Sender<Program>>,
    workers: JoinSet<()>,
    log: Log,
}

impl Scripts {
    pub(super) fn start(log: Log) -> Self {
        Self { queues: HashMap::new(), workers: JoinSet::new(), log }
    }

    /// Runs a script when those before it have ended.
    pub(super) fn run(&mut self, of: &VirtualName, command: &ScriptCommand, policy: &Policy) {
        let program = Program::new(command, policy, &[]);
        let queue = self.queues.entry(of.clone()).or_insert_with(|| {
            let (queue, waiting) = mpsc::channel(WAITING);
            self.workers.spawn(work(waiting, self.log.clone()));
            queue
        });
        if let Err(error) = queue.try_send(program) {
            let program = error.into_inner();
            self.log.line(&format!("{} is not run, since {WAITING} others of VS {of} wait", program.name()));
        }
    }

    /// Forgets virtual servers that are gone; what waits is run.
    pub(super) fn retain(&mut self, keep: impl Fn(&VirtualName) -> bool) {
        self.queues.retain(|name, _| keep(name));
        while self.workers.try_join_next().is_some() {}
    }

    /// Waits for all that was asked for, but no longer than this.
    pub(super) async fn finish(&mut self, most: Duration) {
        self.queues.clear();
        let all = async { while self.workers.join_next().await.is_some() {} };
        let _ = timeout(most, all).await;
    }
}

async fn work(mut waiting: mpsc::Receiver<Program>, log: Log) {
    while let Some(program) = waiting.recv().await {
        let mut running = match program.start().await {
            Ok(running) => running,
            Err(error) => {
                log.line(&error.to_string());
                continue;
            }
        };
        match timeout(LIMIT, running.wait()).await {
            Ok(_) => running.leave(),
            Err(_) => {
                log.line(&format!("{} has run for {} s and is ended", program.name(), LIMIT.as_secs()));
                running.end().await;
            }
        }
    }
}
