//! From virtual servers to what lb-core decides on.

use lb_balancer::state::Place;
use lb_config::keepalived::model::{RealServer, VirtualServer};
use lb_core::{
    desired::{self, Fallback, OnFailure, Policy, Quorum, VirtualService},
    model::{ServerKey, ServerSpec, ServiceKey, Weight},
};

/// What the virtual servers say about services and servers, with the weight that `weight` says for each real server.
pub(super) fn policy(
    servers: &[VirtualServer],
    mut weight: impl FnMut(&VirtualServer, &RealServer) -> Weight,
) -> Policy {
    let mut policy = Policy::new();
    for server in servers {
        let specs: Vec<ServerSpec> =
            server.reals.iter().map(|real| real.spec.with_weight(weight(server, real))).collect();
        for service in &server.services {
            let mut entry = VirtualService::new(server.spec.clone());
            for (real, spec) in server.reals.iter().zip(&specs) {
                let on_failure = on_failure(real.inhibit_on_failure);
                entry.servers.insert(at(real.key, service), desired::RealServer { spec: *spec, on_failure });
            }
            entry.quorum = Quorum::Weight { up: server.quorum, hysteresis: server.hysteresis };
            entry.fallback = server.sorry.map(|sorry| Fallback {
                server: at(sorry.key, service),
                spec: sorry.spec,
                unneeded: on_failure(sorry.inhibit),
            });
            policy.insert(*service, entry);
        }
    }
    policy
}

/// Where a real server stands: in each service of its virtual server.
pub(super) fn places(server: &VirtualServer, real: &RealServer) -> Vec<Place> {
    server.services.iter().map(|service| (*service, at(real.key, service))).collect()
}

/// A server as this service knows it: without a port of its own it has that of the service.
pub(super) fn at(key: ServerKey, service: &ServiceKey) -> ServerKey {
    match (key.port, service.address()) {
        (0, Some(address)) => ServerKey::new(key.address, address.port()),
        _ => key,
    }
}

const fn on_failure(inhibit: bool) -> OnFailure {
    if inhibit { OnFailure::Quiesce } else { OnFailure::Remove }
}
