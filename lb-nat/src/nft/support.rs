//! What nftables can express, and what to use instead of the rest.

use lb_core::{
    Change,
    dataplane::{DataPlaneError, ErrorKind},
    model::{
        Family, Forwarding, SchedulerKind, ServerKey, ServerSpec, Service, ServiceKey, ServiceSpec,
        ServiceTable,
    },
};

use super::{config::NftConfig, plan::HASH_SLOTS, slots};

/// Whether a whole table can be had.
pub(super) fn table(table: &ServiceTable, config: &NftConfig) -> Result<(), DataPlaneError> {
    for (key, entry) in &table.services {
        service(key, &entry.spec, config)?;
        room(key, &entry.spec, entry.servers.len(), config)?;
        entry.servers.iter().try_for_each(|(address, spec)| server(key, address, spec))?;
    }
    Ok(())
}

/// Whether a change can be made to a service that is as `before`.
pub(super) fn change(
    change: &Change,
    before: Option<&Service>,
    config: &NftConfig,
) -> Result<(), DataPlaneError> {
    let count = before.map_or(0, |service| service.servers.len());
    match change {
        Change::AddService { service: key, spec } | Change::EditService { service: key, spec } => {
            service(key, spec, config)?;
            room(key, spec, count, config)
        }
        Change::AddServer { service, server: key, spec } => {
            server(service, key, spec)?;
            before.map_or(Ok(()), |before| room(service, &before.spec, count + 1, config))
        }
        Change::EditServer { service, server: key, spec } => server(service, key, spec),
        _ => Ok(()),
    }
}

/// Whether a service can be had.
pub(super) fn service(
    key: &ServiceKey,
    spec: &ServiceSpec,
    config: &NftConfig,
) -> Result<(), DataPlaneError> {
    let unsupported =
        |what: String| Err(DataPlaneError::new(ErrorKind::Unsupported, format!("{key}: {what}")));
    if key.address().is_some_and(|address| Family::of(address.ip()) != key.family()) {
        return Err(DataPlaneError::new(
            ErrorKind::Invalid,
            format!("{key}: its family is not that of its address"),
        ));
    }
    // A name that nobody here knows may hold anything and mean anything: neither rendered nor approximated.
    if matches!(spec.scheduler, SchedulerKind::Other(_)) {
        return unsupported("nftables has no such scheduler; use rr, wrr, sh, dh, mh or fo".into());
    }
    if !is_native(&spec.scheduler) && !config.approximate {
        return unsupported(format!(
            "nftables cannot count connections as scheduler {} needs; use rr, wrr, sh, dh, mh or fo",
            spec.scheduler
        ));
    }
    if spec.one_packet {
        return unsupported(
            "nftables keeps each flow's server; one-packet scheduling needs IPVS or the relay".into(),
        );
    }
    let Some(persistence) = &spec.persistence else { return Ok(()) };
    if let Some(engine) = &persistence.engine {
        return unsupported(format!(
            "persistence engine {engine} needs IPVS; nftables binds client addresses only"
        ));
    }
    let bits = key.family().bits();
    if persistence.prefix.is_some_and(|prefix| prefix == 0 || prefix > bits) {
        let detail = format!("{key}: the prefix length of persistence must be 1 to {bits}");
        return Err(DataPlaneError::new(ErrorKind::Invalid, detail));
    }
    Ok(())
}

/// Whether a server can be had in this service.
pub(super) fn server(service: &ServiceKey, key: &ServerKey, spec: &ServerSpec) -> Result<(), DataPlaneError> {
    let error = |kind, what: &str| Err(DataPlaneError::new(kind, format!("{key} of {service}: {what}")));
    if Family::of(key.address) != service.family() {
        return error(
            ErrorKind::Unsupported,
            "nftables cannot translate between IPv4 and IPv6; the relay can",
        );
    }
    if key.address.is_unspecified() || key.address.is_multicast() {
        return error(ErrorKind::Invalid, "is no address of a server");
    }
    if !matches!(spec.forwarding, Forwarding::Masquerade | Forwarding::Local) {
        return error(ErrorKind::Unsupported, "nftables forwards by masq only here; gate and ipip need IPVS");
    }
    if !spec.thresholds.is_none() {
        return error(ErrorKind::Unsupported, "nftables has no connection thresholds; use IPVS or the relay");
    }
    Ok(())
}

/// Whether a service has room for so many servers: its slots are limited.
pub(super) fn room(
    key: &ServiceKey,
    spec: &ServiceSpec,
    servers: usize,
    config: &NftConfig,
) -> Result<(), DataPlaneError> {
    let most = match spec.scheduler {
        SchedulerKind::SourceHash | SchedulerKind::DestinationHash => HASH_SLOTS,
        SchedulerKind::Maglev => slots::prime(config.maglev_slots),
        _ => 4096,
    };
    if servers <= most as usize {
        return Ok(());
    }
    let detail = format!("{key}: {servers} servers, at most {most} with scheduler {}", spec.scheduler);
    Err(DataPlaneError::new(ErrorKind::Limit, detail))
}

/// Whether the scheduler is expressed exactly, with no stand-in.
pub(super) const fn is_native(scheduler: &SchedulerKind) -> bool {
    matches!(
        scheduler,
        SchedulerKind::RoundRobin
            | SchedulerKind::WeightedRoundRobin
            | SchedulerKind::SourceHash
            | SchedulerKind::DestinationHash
            | SchedulerKind::Maglev
            | SchedulerKind::Failover
    )
}
