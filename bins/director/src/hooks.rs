//! Programs that the configuration asks for on certain occasions. None of them is ever waited for by the balancing; each
//! has a time limit, and the same hook never runs twice at a time.

use std::time::Duration;

use lb_runtime::{hook::Hook, log::Log};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

/// Hooks that wait for their turn; more are dropped with a line in the log.
const QUEUE: usize = 256;

/// Runs hooks one after the other, in the order in which they were asked for.
#[derive(Clone)]
pub struct Hooks {
    queue: mpsc::Sender<Order>,
    log: Log,
}

enum Order {
    Run(Hook),
    /// Everything before this has been run.
    Barrier(oneshot::Sender<()>),
}

impl Hooks {
    /// Starts the task that runs them.
    pub fn start(log: Log) -> Self {
        let (queue, mut hooks) = mpsc::channel::<Order>(QUEUE);
        let task_log = log.clone();
        tokio::spawn(async move {
            while let Some(order) = hooks.recv().await {
                match order {
                    Order::Run(hook) => {
                        if let Err(error) = hook.run().await {
                            task_log.line(&format!("The {} failed: {error}", hook.purpose));
                        }
                    }
                    Order::Barrier(reached) => {
                        let _ = reached.send(());
                    }
                }
            }
        });
        Self { queue, log }
    }

    /// Asks for a hook to be run.
    pub fn run(&self, hook: Hook) {
        let order = self.queue.try_send(Order::Run(hook));
        if let Err(TrySendError::Full(Order::Run(hook)) | TrySendError::Closed(Order::Run(hook))) = order {
            self.log.line(&format!("Left out, {QUEUE} others are waiting: {}", hook.purpose));
        }
    }

    /// Waits until everything that was asked for has been run, but not for ever: 10 s.
    pub async fn finish(&self) {
        const PATIENCE: Duration = Duration::from_secs(10);
        let (reached, barrier) = oneshot::channel();
        let done = async {
            if self.queue.send(Order::Barrier(reached)).await.is_ok() {
                let _ = barrier.await;
            }
        };
        if tokio::time::timeout(PATIENCE, done).await.is_err() {
            self.log
                .line(&format!("Programs that do not end within {} s are left behind", PATIENCE.as_secs()));
        }
    }
}
