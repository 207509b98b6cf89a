//! The record of the services that are in the kernel: see [`inventory`].

use lb_core::model::{ServiceKey, ServiceTable};

use super::Settings;
use crate::{
    failover::inventory::{self, Entry, Inventory, Recorder},
    runtime::log::Log,
    services::upkeep::{Finding, Upkeep},
};

/// Makes the data plane this table, with a record of its services; `periodic` as [`Upkeep::beat`] does it.
pub(super) async fn keep(
    upkeep: &mut Upkeep,
    table: &ServiceTable,
    settings: &Settings,
    periodic: bool,
) -> Vec<Finding> {
    let plane = upkeep.plane().name();
    // Services of the others end with this process.
    let recorder = match plane {
        "ipvs" | "nft" => settings.recorder.clone(),
        _ => Recorder::default(),
    };
    let entry =
        |key: &ServiceKey| Entry::Service { plane: plane.to_owned(), key: *key, stays: settings.leave };
    recorder.add(table.services.keys().map(entry)).await;
    let found = if periodic { upkeep.beat(table).await } else { upkeep.sync(table).await };
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
