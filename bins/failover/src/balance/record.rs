//! The record of the services that are in the kernel: see [`inventory`].

use lb_balancer::upkeep::{Finding, Upkeep};
use lb_core::model::{ServiceKey, ServiceTable};
use lb_runtime::log::Log;

use super::Settings;
use crate::inventory::{self, Entry, Inventory, Recorder};

/// Which sync is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SyncKind {
    /// [`Upkeep::sync`].
    Incremental,
    /// [`Upkeep::beat`].
    Periodic,
    /// [`Upkeep::full_sync`].
    Full,
    /// [`Upkeep::stop`].
    Final,
}

/// Makes the data plane this table, with a record of its services.
pub(super) async fn keep(
    upkeep: &mut Upkeep,
    table: &ServiceTable,
    settings: &Settings,
    kind: SyncKind,
) -> Vec<Finding> {
    let plane = upkeep.plane().name();
    // Services of the others end with this process.
    let recorder = match plane {
        "ipvs" | "nft" => settings.recorder.clone(),
        _ => Recorder::default(),
    };
    let nft_table = (plane == "nft").then(|| settings.nft_table.to_string());
    let entry = |key: &ServiceKey| Entry::Service {
        plane: plane.to_owned(),
        nft_table: nft_table.clone(),
        key: *key,
        stays: settings.leave,
    };
    recorder.add(table.services.keys().map(entry)).await;
    let found = match kind {
        SyncKind::Incremental => upkeep.sync(table).await,
        SyncKind::Periodic => upkeep.beat(table).await,
        SyncKind::Full => upkeep.full_sync(table).await,
        SyncKind::Final => upkeep.stop(table).await,
    };
    // What was refused may be there still.
    if upkeep.is_settled() {
        recorder.remove_if(|entry| match entry {
            Entry::Service { plane: of, key, .. } => of == plane && !table.services.contains_key(key),
            _ => false,
        });
    }
    found
}

/// Takes over the services of a predecessor that are in this data plane: they go unless they are wanted. Those in others are
/// removed.
pub(super) async fn adopt(upkeep: &mut Upkeep, settings: &mut Settings, log: &Log) {
    let plane = upkeep.plane().name();
    let (mut same, mut others) = (Vec::new(), Inventory::new());
    for entry in std::mem::take(&mut settings.inventory) {
        match &entry {
            Entry::Service { plane: of, key, .. } if of == plane => same.push(*key),
            _ => drop(others.insert(entry)),
        }
    }
    upkeep.own(same);
    remove(others, settings, log).await;
}

/// Removes the services of a predecessor: none is wanted.
pub(super) async fn remove_all(settings: &mut Settings, log: &Log) {
    let inherited = std::mem::take(&mut settings.inventory);
    remove(inherited, settings, log).await;
}

async fn remove(inherited: Inventory, settings: &Settings, log: &Log) {
    if inherited.is_empty() {
        return;
    }
    let failed = inventory::remove(inherited.clone()).await;
    settings.recorder.remove(inherited.into_iter().filter(|entry| !failed.contains_key(entry)));
    for (entry, said) in failed {
        log.line(&format!("{entry} cannot be removed: {said}"));
    }
}
