//! What the kernel's IPVS does beside balancing: it copies its connections to the peer (`lvs_sync_daemon`), and it forgets those
//! on which nothing moves (`lvs_timeouts`).
//!
//! ```text
//! engine ── what the file says, MASTER or not ──▶ Wanted (the latest only) ──▶ task ──▶ kernel
//! ```
//!
//! `wanted` is pure: what is to be done follows from what is wanted and what the kernel has. Nothing waits for it. What fails
//! is tried again, soon at first, and every ten seconds it is seen to that all is still as it is wanted.
//!
//! As in keepalived, connections are received while the instance is not MASTER, and sent while it is; without an instance both
//! is done always. Unlike there a daemon that somebody else has stopped or changed is put right, and one that the file no
//! longer has is stopped.

mod task;
#[cfg(test)]
mod tests;
mod wanted;

use std::time::Duration;

use lb_balancer::plane::Choice;
use lb_config::keepalived::model::Globals;
use lb_runtime::log::Log;
use tokio::{sync::watch, task::JoinHandle};

use crate::inventory::{Inventory, Recorder};

use task::Task;
use wanted::Wanted;

pub use task::set_back;
pub use wanted::Ours;

/// Keeps sync daemons and timeouts as they are wanted. When it is dropped, all stays as it is; [`Ipvs::finish`] takes back what
/// was done.
#[derive(Debug)]
pub struct Ipvs {
    wanted: watch::Sender<Wanted>,
    troubles: watch::Receiver<Vec<String>>,
    task: Option<JoinHandle<()>>,
}

impl Ipvs {
    /// Does nothing until something is wanted. To be called inside a tokio runtime.
    ///
    /// Without IPVS (`plane` is another data plane, or the kernel lacks it) what is wanted becomes one line of the log.
    /// What the `inventory` of a predecessor has of it, and is not wanted by then, is set back.
    pub fn start(
        plane: Choice,
        period: Duration,
        log: Log,
        recorder: Recorder,
        inventory: &Inventory,
    ) -> Self {
        let (wanted, receiver) = watch::channel(Wanted::default());
        let (told, troubles) = watch::channel(Vec::new());
        let task = tokio::spawn(Task::new(plane, period, log, receiver, told, recorder, inventory).run());
        Self { wanted, troubles, task: Some(task) }
    }

    /// Takes what is wanted from a configuration; `master` says whether the instance is, that `lvs_sync_daemon` names.
    pub fn set(&self, globals: &Globals, master: bool) {
        let next =
            Wanted { timeouts: globals.lvs_timeouts, sync: globals.lvs_sync.clone(), master, ended: false };
        self.wanted.send_if_modified(|wanted| std::mem::replace(wanted, next) != *wanted);
    }

    /// What is not as it is wanted at the moment, and why.
    pub fn troubles(&self) -> Vec<String> {
        self.troubles.borrow().clone()
    }

    /// Stops the daemons, sets the timeouts back, and waits for that.
    pub async fn finish(&mut self) {
        self.wanted.send_modify(|wanted| *wanted = Wanted { ended: true, ..Wanted::default() });
        if let Some(task) = self.task.take() {
            // It panicked, which was said where it did.
            let _ = task.await;
        }
    }
}
