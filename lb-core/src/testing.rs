//! Random tables for property tests.

use std::{collections::BTreeMap, net::Ipv4Addr, num::NonZeroU32};

use proptest::prelude::*;

use crate::model::{
    Persistence, Protocol, SchedulerKind, ServerKey, ServerSpec, Service, ServiceKey, ServiceSpec,
    ServiceTable, Thresholds, Weight,
};

/// Keys from a small range, so that two random tables overlap.
pub(crate) fn service_key() -> impl Strategy<Value = ServiceKey> {
    (0u8..4, prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp)], 80u16..82).prop_map(
        |(host, protocol, port)| ServiceKey::new(protocol, (Ipv4Addr::new(10, 0, 0, host), port).into()),
    )
}

pub(crate) fn server_key() -> impl Strategy<Value = ServerKey> {
    (0u8..6).prop_map(|host| ServerKey::new(Ipv4Addr::new(192, 168, 0, host).into(), 80))
}

pub(crate) fn server_spec() -> impl Strategy<Value = ServerSpec> {
    (0u16..4, 0u32..3).prop_map(|(weight, upper)| ServerSpec {
        thresholds: Thresholds { upper, lower: 0 },
        ..ServerSpec::masq(Weight::new(weight))
    })
}

pub(crate) fn service() -> impl Strategy<Value = Service> {
    let spec = (0usize..SchedulerKind::KNOWN.len(), 0u32..3).prop_map(|(kind, timeout)| ServiceSpec {
        persistence: NonZeroU32::new(timeout).map(Persistence::seconds),
        ..ServiceSpec::new(SchedulerKind::KNOWN[kind].clone())
    });
    (spec, prop::collection::btree_map(server_key(), server_spec(), 0..6))
        .prop_map(|(spec, servers)| Service { spec, servers })
}

pub(crate) fn table() -> impl Strategy<Value = ServiceTable> {
    prop::collection::btree_map(service_key(), service(), 0..6)
        .prop_map(|services: BTreeMap<_, _>| ServiceTable { services })
}
