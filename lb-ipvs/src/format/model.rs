//! What any data plane holds, as the kernel would list it.

use std::collections::BTreeMap;

use lb_core::{
    dataplane::{Connection, ServiceCounters},
    model::{Protocol, ServiceKey, ServiceTable},
};

use super::{Entry, Row};
use crate::wire::{Destination, DestinationEntry, Service, ServiceEntry, Stats};

/// A service and servers of which nothing is counted.
pub fn entry(service: Service, servers: impl IntoIterator<Item = Destination>) -> Entry {
    let (stats, active, inactive, persistent) = (Stats::default(), 0, 0, 0);
    let counted = |destination| DestinationEntry { destination, active, inactive, persistent, stats };
    (ServiceEntry { service, stats }, servers.into_iter().map(counted).collect())
}

/// A table in its own order. What is not in `counters` counts as zero; they stand for totals and rates alike.
pub fn entries(table: &ServiceTable, counters: &BTreeMap<ServiceKey, ServiceCounters>) -> Vec<Entry> {
    let zero = ServiceCounters::default();
    let entry = |(key, service): (&ServiceKey, &lb_core::model::Service)| {
        let counters = counters.get(key).unwrap_or(&zero);
        let stats = |traffic| Stats { total: traffic, rate: traffic };
        let server = |(key, spec)| {
            let counters = counters.servers.get(key).copied().unwrap_or_default();
            DestinationEntry {
                destination: Destination::from_spec(*key, spec),
                active: counters.active,
                inactive: counters.inactive,
                persistent: counters.persistent,
                stats: stats(counters.traffic),
            }
        };
        let servers = service.servers.iter().map(server).collect();
        (
            ServiceEntry { service: Service::from_spec(*key, &service.spec), stats: stats(counters.traffic) },
            servers,
        )
    };
    table.services.iter().map(entry).collect()
}

/// Connections of any data plane.
pub fn rows(connections: &[Connection]) -> impl Iterator<Item = Row<'_>> {
    connections.iter().map(|connection| Row {
        protocol: match connection.protocol {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
            Protocol::Sctp => "SCTP",
        },
        expires: connection.expires,
        state: &connection.state,
        source: connection.source,
        virtual_address: connection.virtual_address,
        destination: connection.destination,
        engine: None,
    })
}
