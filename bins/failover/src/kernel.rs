//! What instances need of the kernel beside their addresses: routes, rules, a filter and settings; and what the file wants
//! there whatever they do.
//!
//! ```text
//! engine ── configure, active ──▶ Wanted (the latest only) ──▶ task ──▶ ip -batch, nft -f, /proc/sys
//! ```
//!
//! Nothing waits for it. What is wanted is compared with what was done, as a whole, so it does not matter how many changes
//! come while `ip` runs. What fails is tried again, soon at first: a route may need an address that is being added. When the
//! kernel reports that something was removed, and every ten seconds, it is seen to that what is tracked is still there.
//!
//! Routes and rules are marked `proto keepalived` (18), as keepalived marks its own.

mod batch;
mod filter;
mod removals;
mod settings;
mod task;
#[cfg(test)]
mod tests;
mod wanted;

use std::{collections::BTreeMap, io};

use lb_config::keepalived::model::{Config, Instance};
use lb_runtime::log::Log;
use tokio::{sync::watch, task::JoinHandle};

use crate::inventory::{Inventory, Recorder};

use batch::{Doing, Outcome, Step};
use task::Task;
use wanted::Wanted;

pub use wanted::Item;

/// Keeps routes, rules, filter and settings as they are wanted. When it is dropped, all stays as it is; [`Kernel::finish`]
/// takes it away.
#[derive(Debug)]
pub struct Kernel {
    wanted: watch::Sender<Wanted>,
    task: Option<JoinHandle<()>>,
}

impl Kernel {
    /// Does nothing yet. To be called inside a tokio runtime. What the `inventory` of a predecessor has, and is not wanted by
    /// the first configuration, is removed.
    ///
    /// What can not be done becomes a line of the log, in the words of `ip` or `nft`.
    pub fn start(log: Log, recorder: Recorder, inventory: &Inventory) -> Self {
        let (wanted, receiver) = watch::channel(Wanted::default());
        let task = Task::new(log, receiver, recorder, inventory);
        Self { wanted, task: Some(tokio::spawn(task.run())) }
    }

    /// Takes static addresses, routes and rules, the filter for `no_accept`, and `promote_secondaries` from a configuration.
    /// What stays is not touched, and what active instances no longer have is removed.
    pub fn configure(&mut self, config: &Config) {
        self.wanted.send_if_modified(|wanted| wanted.configure(config));
    }

    /// As [`configure`](Self::configure) and [`active`](Self::active), at once: what a predecessor has installed for these
    /// instances stays.
    pub fn resume<'a>(&mut self, config: &Config, active: impl IntoIterator<Item = &'a Instance>) {
        self.wanted.send_modify(|wanted| {
            wanted.configure(config);
            for instance in active {
                wanted.active(instance, true);
            }
        });
    }

    /// Adds the routes and rules of an instance in their order, or removes them in the opposite one.
    pub fn active(&mut self, instance: &Instance, active: bool) {
        self.wanted.send_if_modified(|wanted| wanted.active(instance, active));
    }

    /// Removes everything that is there by this, and waits until it is gone.
    pub async fn finish(&mut self) {
        self.wanted.send_modify(Wanted::end);
        if let Some(task) = self.task.take() {
            // It panicked, which was said where it did.
            let _ = task.await;
        }
    }
}

/// Removes these, the last one first. Returns what cannot be removed, in the words of `ip`.
pub async fn remove(items: Vec<Item>) -> BTreeMap<Item, String> {
    let steps: Vec<Step<'_>> = items.iter().rev().map(|item| Step { item, doing: Doing::Remove }).collect();
    let outcomes = batch::take(&steps).await;
    let failed = steps.iter().zip(outcomes).filter_map(|(step, outcome)| match outcome {
        Outcome::Failed(said) => Some((step.item.clone(), said)),
        Outcome::Done | Outcome::AsItWas => None,
    });
    failed.collect()
}

/// Removes a table of nftables, if it is there.
///
/// # Errors
/// In the words of `nft`.
pub async fn remove_table(name: &str) -> Result<(), String> {
    filter::remove(name).await
}

/// Sets `promote_secondaries` of an interface to this value. Without the interface there is nothing to do.
///
/// # Errors
/// When it cannot be written.
pub fn set_promoted(interface: &str, value: &str) -> io::Result<()> {
    settings::write(interface, value)
}
