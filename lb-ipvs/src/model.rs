//! Between the kernel's types and `lb-core`'s model, which all data planes share.

use std::num::NonZeroU16;

use lb_core::{
    dataplane::{ServerCounters, ServiceCounters},
    model::{
        self, Persistence, SchedulerFlags, ServerKey, ServerSpec, ServiceKey, ServiceSpec, TunnelChecksum,
        Weight,
    },
};

use crate::wire::{
    Destination, DestinationEntry, Forwarding, Netmask, Service, ServiceEntry, ServiceFlags, Tunnel,
    TunnelFlags, TunnelKind,
};

/// The kernel's three bits for the scheduler begin here.
const SCHEDULER_SHIFT: u32 = 3;

impl Service {
    /// A service of the model.
    pub fn from_spec(key: ServiceKey, spec: &ServiceSpec) -> Self {
        let mut service = Self::new(key, spec.scheduler.clone());
        service.flags = ServiceFlags::from_bits(u32::from(spec.flags.bits()) << SCHEDULER_SHIFT);
        if spec.one_packet {
            service.flags |= ServiceFlags::ONE_PACKET;
        }
        if let Some(persistence) = &spec.persistence {
            service = service.persistent(persistence.timeout);
            if let Some(length) = persistence.prefix {
                service.netmask = Netmask::prefix(key.family(), length);
            }
            service.engine.clone_from(&persistence.engine);
        }
        service
    }

    /// As the model has it. Lost are what it has no word for: the holes of a mask, and an engine without persistence.
    /// A mask that leaves every client by itself is `None`.
    pub fn spec(&self) -> ServiceSpec {
        let persistent = self.flags.contains(ServiceFlags::PERSISTENT);
        let prefix = match self.netmask {
            Netmask::V4(mask) => mask.to_bits().leading_ones() as u8,
            Netmask::V6(length) => length,
        };
        let whole = self.netmask == Netmask::whole(self.key.family());
        ServiceSpec {
            scheduler: self.scheduler.clone(),
            flags: SchedulerFlags::from_bits((self.flags.bits() >> SCHEDULER_SHIFT) as u8),
            persistence: persistent.then(|| Persistence {
                prefix: (!whole).then_some(prefix),
                engine: self.engine.clone(),
                ..Persistence::seconds(self.timeout.try_into().unwrap_or(std::num::NonZeroU32::MIN))
            }),
            one_packet: self.flags.contains(ServiceFlags::ONE_PACKET),
        }
    }
}

impl Destination {
    /// A server of the model.
    pub fn from_spec(key: ServerKey, spec: &ServerSpec) -> Self {
        let mut tunnel = Tunnel::IPIP;
        let forwarding = match spec.forwarding {
            model::Forwarding::Masquerade => Forwarding::Masquerade,
            model::Forwarding::Tunnel(wanted) => {
                tunnel = from_model(wanted);
                Forwarding::Tunnel
            }
            model::Forwarding::Local => Forwarding::Local,
            _ => Forwarding::Direct,
        };
        let weight = spec.weight.get().into();
        Self { weight, tunnel, thresholds: spec.thresholds, ..Self::new(key, forwarding) }
    }

    /// As the model has it: weights beyond 65,535 count as that, and a method or a tunnel that it does not know as
    /// [`Local`](model::Forwarding::Local) and plain IP in IP.
    pub fn spec(&self) -> ServerSpec {
        ServerSpec {
            weight: Weight::new(self.weight.try_into().unwrap_or(u16::MAX)),
            forwarding: match self.forwarding {
                Forwarding::Masquerade => model::Forwarding::Masquerade,
                Forwarding::Direct => model::Forwarding::Direct,
                Forwarding::Tunnel => model::Forwarding::Tunnel(to_model(self.tunnel)),
                _ => model::Forwarding::Local,
            },
            thresholds: self.thresholds,
        }
    }
}

fn from_model(tunnel: model::Tunnel) -> Tunnel {
    let (kind, port) = match tunnel.kind {
        model::TunnelKind::Gue(port) => (TunnelKind::Gue, port.get()),
        model::TunnelKind::Gre => (TunnelKind::Gre, 0),
        _ => (TunnelKind::Ipip, 0),
    };
    let flags = match tunnel.checksum {
        TunnelChecksum::None => TunnelFlags::EMPTY,
        TunnelChecksum::Full => TunnelFlags::CHECKSUM,
        TunnelChecksum::Remote => TunnelFlags::REMOTE_CHECKSUM,
    };
    Tunnel::new(kind, port, flags)
}

fn to_model(tunnel: Tunnel) -> model::Tunnel {
    let kind = match (tunnel.kind, NonZeroU16::new(tunnel.port)) {
        (TunnelKind::Gue, Some(port)) => model::TunnelKind::Gue(port),
        (TunnelKind::Gre, _) => model::TunnelKind::Gre,
        _ => model::TunnelKind::Ipip,
    };
    let checksum = if tunnel.flags.contains(TunnelFlags::REMOTE_CHECKSUM) {
        TunnelChecksum::Remote
    } else if tunnel.flags.contains(TunnelFlags::CHECKSUM) {
        TunnelChecksum::Full
    } else {
        TunnelChecksum::None
    };
    model::Tunnel { kind, checksum }
}

impl ServiceEntry {
    /// Totals of the service and its servers as the model has them. The kernel does not count what it had to refuse.
    pub fn counters(&self, servers: &[DestinationEntry]) -> ServiceCounters {
        let servers = servers.iter().map(|server| (server.destination.key, server.counters())).collect();
        ServiceCounters { traffic: self.stats.total, refused: 0, servers }
    }
}

impl DestinationEntry {
    /// Connections and totals as the model has them.
    pub fn counters(&self) -> ServerCounters {
        ServerCounters {
            active: self.active,
            inactive: self.inactive,
            persistent: self.persistent,
            failed: 0,
            traffic: self.stats.total,
        }
    }
}
