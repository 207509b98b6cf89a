//! Removes what a daemon that is gone has installed.

use std::{collections::BTreeMap, io, sync::Arc, thread};

use lb_balancer::plane;
use lb_core::{
    DataPlane, Reconciler,
    model::{ServiceKey, ServiceTable},
};
use lb_nat::{
    nft::{Nft, NftConfig, TableName, TableNameError},
    relay::RelayConfig,
};
use lb_runtime::namespace;
use lb_vrrp::driver::{
    AddressAttributes, AddressChange, Platform as _, VirtualAddress,
    linux::{Linux, existing_links},
};

use super::{Entry, Inventory};
use crate::{ipvs, kernel};

/// So many addresses are removed in one go.
const BATCH: usize = 256;

/// Removes these objects. What is not there any more counts as removed. Returns what cannot be removed, with the reason.
/// To be called inside a tokio runtime.
pub(crate) async fn remove(inventory: Inventory) -> BTreeMap<Entry, String> {
    let mut failed = BTreeMap::new();
    let (mut addresses, mut links, mut items) = (Vec::new(), Vec::new(), Vec::new());
    let mut services = BTreeMap::<(String, Option<String>), Vec<_>>::new();
    let mut settings = Vec::new();
    for entry in inventory {
        match entry {
            Entry::Address { .. } => addresses.push(entry),
            Entry::Link { .. } => links.push(entry),
            Entry::Item(item) => items.push(item),
            Entry::Service { plane, nft_table, key, stays } => {
                services.entry((plane, nft_table)).or_default().push((key, stays));
            }
            Entry::Table(_) | Entry::PromoteSecondaries { .. } | Entry::Ipvs(_) => settings.push(entry),
        }
    }
    if !addresses.is_empty() || !links.is_empty() {
        failed.extend(remove_addresses(addresses, links).await);
    }
    for (item, said) in kernel::remove(items).await {
        failed.insert(Entry::Item(item), said);
    }
    for ((plane, nft_table), keys) in services {
        if let Err(said) = remove_services(&plane, nft_table.as_deref(), &keys).await {
            let entry = |(key, stays)| Entry::Service {
                plane: plane.clone(),
                nft_table: nft_table.clone(),
                key,
                stays,
            };
            failed.extend(keys.into_iter().map(|service| (entry(service), said.clone())));
        }
    }
    for entry in settings {
        let removed = match &entry {
            Entry::Table(name) => kernel::remove_table(name).await,
            Entry::PromoteSecondaries { interface, before } => {
                kernel::set_promoted(interface, before).map_err(|error| error.to_string())
            }
            Entry::Ipvs(ours) => ipvs::set_back(ours.clone()).await,
            _ => Ok(()),
        };
        if let Err(said) = removed {
            failed.insert(entry, said);
        }
    }
    failed
}

/// As [`remove`], in the network namespace of this name, on a thread of its own: only the thread moves there.
pub(crate) async fn remove_in(
    namespace: Option<String>,
    inventory: Inventory,
) -> io::Result<BTreeMap<Entry, String>> {
    let (done, result) = tokio::sync::oneshot::channel();
    let work = move || -> io::Result<BTreeMap<Entry, String>> {
        if let Some(name) = namespace {
            namespace::enter(&name)?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(remove(inventory)))
    };
    thread::Builder::new().name("removal".to_owned()).spawn(move || drop(done.send(work())))?;
    result.await.unwrap_or_else(|_| Err(io::Error::other("the thread for it ended")))
}

async fn remove_addresses(addresses: Vec<Entry>, links: Vec<Entry>) -> Vec<(Entry, String)> {
    let mut failed = Vec::new();
    let addressing = match Linux::new() {
        Ok(linux) => linux.addressing(true),
        Err(error) => {
            let said = error.to_string();
            return addresses.into_iter().chain(links).map(|entry| (entry, said.clone())).collect();
        }
    };
    for batch in addresses.chunks(BATCH) {
        let results = addressing.apply(batch.iter().filter_map(removal).collect()).await;
        let refused = batch.iter().zip(results).filter_map(|(entry, result)| Some((entry, result.err()?)));
        failed.extend(refused.map(|(entry, error)| (entry.clone(), error.to_string())));
    }
    let existing = match links.is_empty() {
        true => Ok(Vec::new()),
        false => existing_links(),
    };
    let existing = match existing {
        Ok(existing) => existing,
        Err(error) => {
            failed.extend(links.into_iter().map(|entry| (entry, error.to_string())));
            return failed;
        }
    };
    for entry in links {
        if let Entry::Link { name, mac } = &entry
            && let Some(link) = existing.iter().find(|link| link.name == *name && link.is_own(*mac))
            && let Err(error) = addressing.remove_link(link.index).await
        {
            failed.push((entry, error.to_string()));
        }
    }
    failed
}

fn removal(entry: &Entry) -> Option<AddressChange> {
    let Entry::Address { interface, net, peer } = entry else { return None };
    let attributes = AddressAttributes { peer: *peer, ..AddressAttributes::default() };
    Some(AddressChange { interface: *interface, address: VirtualAddress::new(*net, attributes), add: false })
}

async fn remove_services(
    name: &str,
    nft_table: Option<&str>,
    keys: &[(ServiceKey, bool)],
) -> Result<(), String> {
    let nothing = ServiceTable::new();
    let data_plane: Arc<dyn DataPlane> = match nft_table {
        // Not exclusive: other services of the table may stay.
        Some(table) => {
            let table = table.parse().map_err(|error: TableNameError| error.to_string())?;
            Arc::new(Nft::new(NftConfig { table, ..NftConfig::default() }))
        }
        None => {
            let (table, config) = (TableName::default(), RelayConfig::default());
            let opened = plane::open(name.parse()?, &nothing, &table, config).await;
            opened.map_err(|error| error.to_string())?.plane
        }
    };
    let mut reconciler = Reconciler::new(data_plane);
    reconciler.adopt(keys.iter().map(|(key, _)| *key));
    let report = reconciler.sync(&nothing).await.map_err(|error| error.to_string())?;
    reconciler.plane().release().await.map_err(|error| error.to_string())?;
    match report.refused.first() {
        Some((_, error)) => Err(error.to_string()),
        None => Ok(()),
    }
}
